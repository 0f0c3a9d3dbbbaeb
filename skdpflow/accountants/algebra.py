"""Comparing events: whether what was allowed covers what was done."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import get_args

from skdpflow.accountants.base import tally
from skdpflow.accountants.events import Event, SelectionKind

__all__ = ["ROUNDING", "covers"]

#: Relative rounding of sums and of conversions that are compared.
ROUNDING = 1.0 + 1e-9


def covers(larger: Event, smaller: Event, *, rounding: float = ROUNDING) -> bool:
    """Whether an event costs at least as much as another one by every accountant."""
    whole, part = tally(larger, repetitions=True), tally(smaller, repetitions=True)
    if Counter(part.repetitions) - Counter(whole.repetitions):
        return False
    for kind in get_args(SelectionKind):
        given, asked = (
            sorted((s.epsilon for s in t.selections if s.kind == kind), reverse=True) for t in (whole, part)
        )
        if any(need > have * rounding for have, need in zip_longest(given, asked, fillvalue=0.0)):
            return False
    return (
        part.gaussian_mu <= whole.gaussian_mu * rounding
        and part.threshold_delta <= whole.threshold_delta * rounding
        and part.slack_epsilon <= whole.slack_epsilon * rounding
        and part.slack_delta <= whole.slack_delta * rounding
        and part.non_private <= whole.non_private
    )
