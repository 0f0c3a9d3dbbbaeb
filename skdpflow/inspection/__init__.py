"""Reports on synthetic rows, and pictures; the pictures need the extra ``plot`` (matplotlib)."""

from skdpflow.inspection._ledger import LedgerDisplay
from skdpflow.inspection._report import QualityReport

__all__ = ["LedgerDisplay", "QualityReport"]
