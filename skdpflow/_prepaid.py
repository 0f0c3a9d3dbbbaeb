"""A part of a debit that was made for several fits together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from skdpflow._consistency import covers
from skdpflow.accountants import Event
from skdpflow.accountants.base import tally
from skdpflow.exceptions import LedgerError
from skdpflow.release import Release


@dataclass(frozen=True)
class Prepaid:
    """Stands for a ledger in one of several fits, where all of them were paid for beforehand. It pays for one, once.

    Parameters
    ----------
    part : Event
        What this fit may do at most.
    neighbours : {"add-remove", "replace-one"}
        The relation that `part` is for.
    head : str or None
        Head of the ledger after the debit of all fits; None if there is no ledger.
    whole : tuple of float or None, default=None
        ``(epsilon, delta)`` of all fits so far together, if this is not the first one.
    before : tuple of Event, default=()
        Caps of those before it, whose Releases made the rows of this one.
    handed : bool, default=False
        Whether they made its domain, too.
    """

    part: Event
    neighbours: str
    head: str | None
    whole: tuple[float, float] | None = None
    before: tuple[Event, ...] = ()
    handed: bool = False
    _unspent: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)  # taken once, for good

    def debit(self, event: Event, what: str = "", *, neighbours: str) -> str | None:
        """Check that a fit stays within its part, before any noise is drawn.

        Parameters
        ----------
        event : Event
            What is about to be done.
        what : str, default=""
            What it is for.
        neighbours : {"add-remove", "replace-one"}
            The relation that the event's multipliers are for.

        Returns
        -------
        head : str or None
            Of the debit that covers it.

        Raises
        ------
        LedgerError
            If it is more, or was paid out already.
        """
        if neighbours != self.neighbours or not covers(self.part, event):
            raise LedgerError(
                f"{what!r} would do more than its part of the budget pays for: its accountant asks for less noise than "
                "Gaussian differential privacy does. Use an accountant whose epsilon is an upper bound."
            )
        if not self._unspent.acquire(blocking=False):
            raise LedgerError(
                f"{what!r} would measure the rows a second time, and its part of the budget pays for one fit. Nothing "
                "was measured. A step must not fit more than once."
            )
        return self.head

    def __deepcopy__(self, memo: Any) -> Prepaid:
        """Return itself: the clone of an estimator could spend a copy once more."""
        return self


def stated(release: Release, ledger: Any) -> Release:
    """Return the Release of a fit as it states what is guaranteed for it with all that it rests on.

    Parameters
    ----------
    release : Release
        Of the fit alone.
    ledger : PrivacyLedger, Prepaid or None
        What it was debited from.

    Returns
    -------
    release : Release
        Another one if it is that of a part, but not of the first of several.
    """
    if not isinstance(ledger, Prepaid) or ledger.whole is None:
        return release
    epsilon, delta = ledger.whole
    return replace(
        release,
        epsilon=epsilon,
        delta=delta,
        accountant="gdp" if ledger.before else release.accountant,
        private=release.private and not any(tally(cap).non_private for cap in ledger.before),
        before=ledger.before,
        handed=ledger.handed,
    )
