"""Reports on synthetic rows, and pictures; the pictures need the extra ``plot`` (matplotlib)."""

from skdpflow.inspection._budget import BudgetDisplay
from skdpflow.inspection._epsilons import EpsilonsDisplay
from skdpflow.inspection._ledger import LedgerDisplay
from skdpflow.inspection._marginals_display import MarginalsDisplay
from skdpflow.inspection._pairs_display import PairsDisplay
from skdpflow.inspection._report import QualityReport

__all__ = ["BudgetDisplay", "EpsilonsDisplay", "LedgerDisplay", "MarginalsDisplay", "PairsDisplay", "QualityReport"]
