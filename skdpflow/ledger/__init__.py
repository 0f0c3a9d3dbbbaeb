"""The budget of a data set over all fits, and of one fit over its rounds."""

from skdpflow.ledger.ledger import PrivacyLedger

__all__ = ["PrivacyLedger"]
