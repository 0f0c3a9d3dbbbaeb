"""Single-use debits for the steps of a joint fit and for trials, and what the Release of such a fit states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from skdpflow.accountants import Event, RestsOn
from skdpflow.accountants.algebra import ROUNDING, covers
from skdpflow.accountants.base import tally
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.resting import all_allowed, guarantee
from skdpflow.exceptions import LedgerError
from skdpflow.release import Release


@dataclass(frozen=True)
class Terms:
    """What the Release of a fit rests on, and the (epsilon, delta) that was requested for all of it together.

    The Release states this delta, and at least this epsilon. None leaves the Release as it is.
    """

    before: tuple[RestsOn, ...] = ()
    asked: tuple[float, float] | None = None

    def state(self, release: Release) -> Release:
        """Return a Release with the guarantee for the fit together with all that it rests on."""
        if self.asked is None:
            return release
        epsilon, delta = self.asked
        allowed = all_allowed([(release.cap, self.before)])
        needed, accountant = guarantee(allowed, delta)
        return replace(
            release,
            epsilon=epsilon if needed <= epsilon * ROUNDING else needed,
            delta=delta,
            accountant=accountant if self.before else release.accountant,
            private=release.private and not tally(allowed, repetitions=True).non_private,
            before=self.before,
        )


@dataclass(frozen=True)
class SingleUseDebit:
    """Pays for one step of a joint fit, or for one trial, in place of a ledger: the debit of the whole was made before.

    Parameters
    ----------
    budget : Budget
        What the step is asked to spend.
    event : Event
        What it may do at most with that, whatever its accountant: a ledger is charged the events of all steps.
    head : str or None, default=None
        Head of the ledger after the debit of the whole; None if there is no ledger.
    terms : Terms, default=Terms()
        What the Release states.
    """

    budget: Budget
    event: Event
    head: str | None = None
    terms: Terms = Terms()
    _unspent: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)  # of one fit only

    def debit(self, event: Event, what: str = "", *, neighbours: str) -> str | None:
        """Check that a fit stays within its part, before any noise is drawn; returns the head of the debit."""
        self.check(event, what, neighbours=neighbours)
        if not self._unspent.acquire(blocking=False):
            raise LedgerError(
                f"{what!r} would measure the rows a second time, and its part of the budget pays for one fit. Nothing "
                "was measured. A step must not fit more than once."
            )
        return self.head

    def check(self, event: Event, what: str, *, neighbours: str) -> None:
        """Refuse a fit that is more than its part, and leave the part as it is."""
        if neighbours != self.budget.neighbours or not covers(self.event, event):
            raise LedgerError(
                f"{what!r} would do more than its part of the budget pays for: its accountant asks for less noise than "
                "Gaussian differential privacy does. Use an accountant whose epsilon is an upper bound."
            )

    def __deepcopy__(self, memo: Any) -> SingleUseDebit:
        """Return itself: with a copy, the clone of an estimator could spend the part again."""
        return self
