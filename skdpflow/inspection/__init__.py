"""Pictures of what was spent; they need the extra ``plot`` (matplotlib)."""

from skdpflow.inspection._ledger import LedgerDisplay

__all__ = ["LedgerDisplay"]
