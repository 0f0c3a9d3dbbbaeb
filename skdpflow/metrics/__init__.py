"""Distances between tables."""

from skdpflow.metrics._sliced import sliced_wasserstein_distance

__all__ = ["sliced_wasserstein_distance"]
