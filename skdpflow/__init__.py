"""Differentially private synthetic data by a sliced-Wasserstein flow, compatible with scikit-learn."""

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._flow.plan import FitPlan
from skdpflow.domain import Categories, Constant, Domain, Interval, Key
from skdpflow.exceptions import BudgetExceededError, LedgerError, PrivacyLeakWarning, ReleaseError
from skdpflow.ledger import PrivacyLedger
from skdpflow.release import Measurement, Release
from skdpflow.release.statement import PrivacyStatement

__version__ = "0.1.0.dev0"

__all__ = [
    "BudgetExceededError",
    "Categories",
    "Constant",
    "DPSlicedWassersteinFlow",
    "Domain",
    "FitPlan",
    "Interval",
    "Key",
    "LedgerError",
    "Measurement",
    "PrivacyLeakWarning",
    "PrivacyLedger",
    "PrivacyStatement",
    "Release",
    "ReleaseError",
    "__version__",
]
