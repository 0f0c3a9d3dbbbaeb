"""The budget of one fit: a cap on its total spend, checked before noise is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from skdpflow.accountants.base import tally
from skdpflow.accountants.events import ComposedEvent, Event
from skdpflow.accountants.gaussian import total_mu
from skdpflow.exceptions import BudgetExceededError

__all__ = ["FilterEntry", "PrivacyFilter"]

# Rounding in a sum of squares. The margin that calibrate() leaves is many times as large.
_ROUNDING = 1.0 + 1e-12
# Deltas are summed as they are, so that only the last bits can differ.
_DELTA_ROUNDING = 1.0 + 2.0**-50


@dataclass(frozen=True)
class FilterEntry:
    """One entry of a filter.

    Parameters
    ----------
    event : Event
        What was spent.
    what : str
        What it was spent on.
    mu_squared : float
        Its cost in units of the cap.
    delta : float
        Its cost in units of the cap on delta.

    See Also
    --------
    PrivacyFilter : Keeps them.
    """

    event: Event
    what: str
    mu_squared: float
    delta: float


class PrivacyFilter:
    """A filter for Gaussian privacy with a fixed cap.

    Call :meth:`debit` before noise is drawn. It either records the spend or raises.

    Parameters
    ----------
    cap : float
        The total mu^2 that may be spent; finite and positive: ``1 / m^2`` of the noise multiplier of one
        Gaussian release that would use the whole budget.
    delta_cap : float, default=0.0
        The total delta that threshold events may spend; in [0, 1).

    See Also
    --------
    gdp_mu : The square root of the cap, for a target epsilon and delta.
    GaussianDPAccountant : Converts the cap into epsilon.

    Notes
    -----
    Mechanisms may be chosen adaptively, noise included: as long as ``sum mu_i^2 <= cap`` holds at all times
    for a cap fixed beforehand, everything released is sqrt(cap)-GDP [1]_ [2]_. What has been guaranteed is
    the *cap*, not the sum actually spent: a filter is no odometer. Selections cost the square of
    :func:`skdpflow.accountants.gaussian.selection_mu`. The guarantee is for the neighbouring
    relation for which the events' multipliers were computed.

    A sum may exceed the cap by one part in 10^12, for rounding; a cap that comes from :func:`calibrate`
    or :func:`gdp_mu` has a larger margin.

    References
    ----------
    .. [1] A. Smith, A. Thakurta. "Fully Adaptive Composition for Gaussian Differential Privacy". 2022.
    .. [2] A. Koskela, M. Tobaben, A. Honkela. "Individual Privacy Accounting with Gaussian Differential
       Privacy". ICLR 2023.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, gdp_mu
    >>> from skdpflow.ledger.filter import PrivacyFilter
    >>> ledger = PrivacyFilter(cap=gdp_mu(epsilon=1.0, delta=1e-5) ** 2)
    >>> ledger.debit(GaussianEvent(5.0), "axis histograms")
    >>> round(ledger.remaining, 4)
    0.0319
    >>> ledger.debit(GaussianEvent(5.0), "slices")
    Traceback (most recent call last):
        ...
    skdpflow.exceptions.BudgetExceededError: 'slices' needs mu^2 = 0.04, but only 0.0318514 is ...
    """

    def __init__(self, cap: float, delta_cap: float = 0.0) -> None:
        if not _is_number(cap) or not 0.0 < cap < math.inf:
            raise ValueError(f"The 'cap' parameter must be a finite positive number. Got {cap!r}.")
        if not _is_number(delta_cap) or not 0.0 <= delta_cap < 1.0:
            raise ValueError(f"The 'delta_cap' parameter must be a number in [0, 1). Got {delta_cap!r}.")
        self._cap = float(cap)
        self._delta_cap = float(delta_cap)
        self._entries: tuple[FilterEntry, ...] = ()

    def debit(self, event: Event, what: str) -> None:
        """Record a spend that is about to happen, or refuse it and record nothing."""
        parts = tally(event)
        # slack is not part of this cap: it was held back when the cap was calibrated
        mu = math.inf if parts.non_private or parts.slack_epsilon else total_mu(parts)
        entry = FilterEntry(event, str(what), mu * mu, parts.threshold_delta)
        entries = (*self._entries, entry)
        if not math.fsum(e.mu_squared for e in entries) <= self._cap * _ROUNDING:
            raise BudgetExceededError(
                f"{entry.what!r} needs mu^2 = {entry.mu_squared:g}, but only {self.remaining:g} is left of "
                f"{self._cap:g}. Nothing was spent; use more noise or a larger budget."
            )
        if not math.fsum(e.delta for e in entries) <= self._delta_cap * _DELTA_ROUNDING:
            left = self._delta_cap - math.fsum(e.delta for e in self._entries)
            raise BudgetExceededError(
                f"{entry.what!r} needs delta = {entry.delta:g} for thresholds, but only "
                f"{max(0.0, left):g} is left of {self._delta_cap:g}. Nothing was spent; lower it or set a "
                "larger delta_cap."
            )
        self._entries = entries

    @property
    def remaining(self) -> float:
        """The mu^2 that is left."""
        return max(0.0, self._cap - math.fsum(e.mu_squared for e in self._entries))

    @property
    def entries(self) -> tuple[FilterEntry, ...]:
        """What was recorded, in order."""
        return self._entries

    @property
    def event(self) -> ComposedEvent:
        """What was recorded, as one event."""
        return ComposedEvent(tuple(entry.event for entry in self._entries))

    def __repr__(self) -> str:
        return f"PrivacyFilter(cap={self._cap:g}, remaining={self.remaining:g}, n_entries={len(self._entries)})"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
