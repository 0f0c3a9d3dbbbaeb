"""Scores and searches that are paid for."""

from skdpflow.model_selection._score import dp_score
from skdpflow.model_selection._search import DPSearchCV

__all__ = ["DPSearchCV", "dp_score"]
