"""Generators inside other estimators."""

from skdpflow.compose._oversample import DPOversampler
from skdpflow.compose._pipeline import GenerativePipeline
from skdpflow.compose._train import TrainOnSynthetic
from skdpflow.compose._transformed import TransformedGenerator

__all__ = ["DPOversampler", "GenerativePipeline", "TrainOnSynthetic", "TransformedGenerator"]
