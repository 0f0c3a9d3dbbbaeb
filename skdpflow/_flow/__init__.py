"""The estimator: its parameters, its fit, its files and the report of a plan."""

from skdpflow._flow.estimator import DPSlicedWassersteinFlow

__all__ = ["DPSlicedWassersteinFlow"]
