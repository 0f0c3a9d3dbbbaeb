"""Scores and searches that are paid for."""

from skdpflow.model_selection._score import dp_score

__all__ = ["dp_score"]
