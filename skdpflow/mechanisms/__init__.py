"""Mechanisms: what is measured of the rows, and how the model is learnt from it."""

from skdpflow.mechanisms.base import Mechanism, resolve_mechanism
from skdpflow.mechanisms.marginals import MarginalsMechanism

__all__ = ["MarginalsMechanism", "Mechanism", "resolve_mechanism"]
