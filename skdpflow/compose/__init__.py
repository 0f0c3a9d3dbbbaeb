"""Generators inside other estimators."""

from skdpflow.compose._train import TrainOnSynthetic

__all__ = ["TrainOnSynthetic"]
