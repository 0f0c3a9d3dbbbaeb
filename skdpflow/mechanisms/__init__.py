"""Mechanisms: what is measured of the rows, and how the model is learnt from it."""

from skdpflow.mechanisms.base import Mechanism, check_setting, resolve_mechanism
from skdpflow.mechanisms.marginals.mechanism import MarginalsMechanism
from skdpflow.mechanisms.records import RecordsMechanism

__all__ = ["MarginalsMechanism", "Mechanism", "RecordsMechanism", "check_setting", "resolve_mechanism"]
