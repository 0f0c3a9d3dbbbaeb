"""Generators inside other estimators."""

from skdpflow.compose._pipeline import GenerativePipeline
from skdpflow.compose._train import TrainOnSynthetic

__all__ = ["GenerativePipeline", "TrainOnSynthetic"]
