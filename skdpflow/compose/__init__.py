"""Generators inside other estimators."""

from skdpflow.compose._oversample import DPOversampler
from skdpflow.compose._pipeline import GenerativePipeline
from skdpflow.compose._train import TrainOnSynthetic

__all__ = ["DPOversampler", "GenerativePipeline", "TrainOnSynthetic"]
