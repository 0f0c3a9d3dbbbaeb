"""Warnings and errors of the package that callers may want to catch by name."""

from __future__ import annotations

__all__ = [
    "BudgetExceededError",
    "DomainMismatchWarning",
    "FederationError",
    "FederationWarning",
    "LedgerError",
    "PrivacyLeakWarning",
    "ReleaseError",
]


class BudgetExceededError(RuntimeError):
    """A mechanism or a fit asked for more than the ledger has left; nothing was recorded or measured.

    See Also
    --------
    skdpflow.PrivacyLedger : Raises it for a fit.
    skdpflow.accountants.PrivacyFilter : Raises it within a fit.
    """


class DomainMismatchWarning(UserWarning):
    """Released counts say that rows lie outside of the declared values, bounds or classes.

    It is a function of the `Release` alone, and so is whether it occurs. If all rows lie inside, it occurs in one of a
    thousand fits. The privacy statement says the same.

    See Also
    --------
    skdpflow.Domain.check : Tells whoever holds the rows the same exactly, before anything is spent.

    Examples
    --------
    >>> import warnings
    >>> from skdpflow.exceptions import DomainMismatchWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", DomainMismatchWarning)
    """


class FederationError(ValueError):
    """A message, an agreement or a site of a federation is not what was agreed on.

    See Also
    --------
    skdpflow.federation.Federation : Raises it.

    Examples
    --------
    >>> from skdpflow.exceptions import FederationError
    >>> issubclass(FederationError, ValueError)
    True
    """


class FederationWarning(UserWarning):
    """A site of a federation failed or did not answer in time, and the fit goes on without it.

    See Also
    --------
    skdpflow.federation.Federation : Repeats the round without the site, which costs the others once more.

    Examples
    --------
    >>> import warnings
    >>> from skdpflow.exceptions import FederationWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", FederationWarning)
    """


class LedgerError(ValueError):
    """A ledger is damaged, was set back, or cannot record here; nothing was measured.

    See Also
    --------
    skdpflow.PrivacyLedger : Raises it.
    """


class PrivacyLeakWarning(UserWarning):
    """Something that the user asked for is not covered by the differential privacy guarantee.

    Examples
    --------
    >>> import warnings
    >>> from skdpflow.exceptions import PrivacyLeakWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", PrivacyLeakWarning)
    """


class ReleaseError(ValueError):
    """A release, or the file that holds one, is damaged, inconsistent or of an unknown format.

    Examples
    --------
    >>> from skdpflow.exceptions import ReleaseError
    >>> issubclass(ReleaseError, ValueError)
    True
    """
