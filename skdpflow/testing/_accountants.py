"""The contract test for accountants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from skdpflow.accountants import (
    Accountant,
    ComposedEvent,
    Event,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    SelectionEvent,
    ThresholdEvent,
    UnsupportedEventError,
    resolve_accountant,
)

__all__ = ["check_accountant"]

_DELTAS = (1e-3, 1e-5, 1e-9)
_EPSILONS = (0.1, 1.0, 5.0)
# Rounding errors that the contract allows.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _UnknownEvent(Event):
    """An event that is new to every accountant."""


def check_accountant(accountant: Accountant) -> None:
    """Check that an accountant does what the package relies on.

    Parameters
    ----------
    accountant : Accountant
        An instance, of this package or your own.

    Raises
    ------
    AssertionError
        If the accountant breaks the contract; the message says which part of it.
    TypeError
        If a method is missing.

    See Also
    --------
    skdpflow.accountants.Accountant : The contract in words.

    Notes
    -----
    The checks: no events cost nothing; :class:`NonPrivateEvent` costs everything and unknown events are
    refused, alone or nested; answers do not depend on earlier calls, on order or on nesting; more noise,
    fewer events or a larger delta never cost more; ``epsilon`` and ``delta`` do not contradict each other;
    and no answer claims more privacy than the mechanism has in the worst case: the exact curve for Gaussian
    events, two-point distributions for selections. Selections and thresholds may be refused.

    Examples
    --------
    >>> from skdpflow.accountants import ZCDPAccountant
    >>> from skdpflow.testing import check_accountant
    >>> check_accountant(ZCDPAccountant())
    """
    accountant = resolve_accountant(accountant)
    _check_trivial_events(accountant)
    _check_unknown_events(accountant)
    _check_shape(accountant)
    _check_gaussian_is_valid(accountant)
    for event in [SelectionEvent(0.5, "pure"), SelectionEvent(0.5), SelectionEvent(4.0)]:
        if _supports(accountant, event):
            _check_selection_is_valid(accountant, event)
    if _supports(accountant, ThresholdEvent(1e-6)):
        _check_threshold_is_valid(accountant)


def _check_trivial_events(accountant: Accountant) -> None:
    nothing = ComposedEvent(())
    event: Event
    for event in (nothing, ComposedEvent((nothing, nothing))):
        epsilon, delta = accountant.epsilon(event, 1e-6), accountant.delta(event, 1.0)
        assert epsilon == 0.0, f"No events must cost epsilon 0. Got {epsilon!r}."
        assert delta == 0.0, f"No events must cost delta 0. Got {delta!r}."
    for event in (
        NonPrivateEvent(),
        ComposedEvent((GaussianEvent(2.0), ComposedEvent((NonPrivateEvent(),)))),
    ):
        epsilon, delta = accountant.epsilon(event, 1e-6), accountant.delta(event, 1.0)
        assert epsilon == math.inf, f"NonPrivateEvent must cost infinite epsilon. Got {epsilon!r}."
        assert delta == 1.0, f"NonPrivateEvent must cost delta 1. Got {delta!r}."


def _check_unknown_events(accountant: Accountant) -> None:
    unknown = _UnknownEvent()
    for event in (unknown, ComposedEvent((GaussianEvent(2.0), ComposedEvent((unknown,))))):
        assert not _supports(accountant, event), (
            "An event that the accountant does not know must raise UnsupportedEventError, alone or nested."
        )


def _check_shape(accountant: Accountant) -> None:
    a, b = GaussianEvent(2.0), GaussianEvent(3.0)
    both = ComposedEvent((a, b))
    for arranged in (both, ComposedEvent((b, a)), ComposedEvent((ComposedEvent((a,)), ComposedEvent((b,))))):
        for delta in _DELTAS:
            first, again = accountant.epsilon(both, delta), accountant.epsilon(arranged, delta)
            assert isinstance(again, float), f"epsilon() must return a float. Got {type(again).__name__}."
            assert math.isclose(first, again, rel_tol=_TOLERANCE), (
                f"Epsilon must not depend on earlier calls, order or nesting. Got {first!r} and {again!r}."
            )
            alone = accountant.epsilon(a, delta)
            assert alone <= again * (1.0 + _TOLERANCE), "One event must not cost more than it and another."
    for event in (a, b, both):
        epsilons = [accountant.epsilon(event, delta) for delta in _DELTAS]
        assert all(x <= y * (1.0 + _TOLERANCE) for x, y in pairwise(epsilons)), (
            f"Epsilon must not grow with delta. Got {epsilons!r} for decreasing delta."
        )
        deltas = [accountant.delta(event, epsilon) for epsilon in _EPSILONS]
        assert all(isinstance(x, float) and 0.0 <= x <= 1.0 for x in deltas), (
            f"delta() must return floats in [0, 1]. Got {deltas!r}."
        )
        assert all(x * (1.0 + _TOLERANCE) >= y for x, y in pairwise(deltas)), (
            f"Delta must not grow with epsilon. Got {deltas!r} for increasing epsilon."
        )
    by_noise = [accountant.epsilon(GaussianEvent(m), 1e-5) for m in (0.5, 1.0, 4.0, 50.0)]
    assert all(x * (1.0 + _TOLERANCE) >= y for x, y in pairwise(by_noise)), (
        f"More noise must not cost more. Got {by_noise!r} for increasing noise."
    )


def _check_gaussian_is_valid(accountant: Accountant) -> None:
    exact = GaussianDPAccountant()
    for event in (GaussianEvent(0.7), GaussianEvent(4.0), ComposedEvent((GaussianEvent(30.0),) * 20)):
        for delta in _DELTAS:
            epsilon, least = accountant.epsilon(event, delta), exact.epsilon(event, delta)
            assert epsilon >= least * (1.0 - _TOLERANCE), (
                f"{event} costs at least epsilon={least:.9g} at delta={delta:g}. Got {epsilon!r}."
            )
            back = accountant.delta(event, epsilon) if epsilon < math.inf else 0.0
            assert back <= delta * (1.0 + 1e-3), (
                f"delta(event, epsilon(event, {delta:g})) must not exceed {delta:g}. Got {back!r}."
            )
        for epsilon in _EPSILONS:
            _assert_delta(accountant, event, epsilon, least=exact.delta(event, epsilon))


def _check_selection_is_valid(accountant: Accountant, event: SelectionEvent) -> None:
    """Compare with two-point distributions whose log-ratios are t and t - range."""
    if event.kind == "pure":
        pairs = [(event.epsilon, 2.0 * event.epsilon)]
    else:
        pairs = [(event.epsilon * share, event.epsilon) for share in (0.5, 0.7, 0.9)]
    for epsilon in (0.0, 0.1, 0.3, 1.0, 2.0, 3.0):
        for t, width in pairs:
            q = -math.expm1(t - width) / (math.exp(t) - math.exp(t - width))
            _assert_delta(accountant, event, epsilon, least=q * (math.exp(t) - math.exp(epsilon)))


def _check_threshold_is_valid(accountant: Accountant) -> None:
    event = ComposedEvent((ThresholdEvent(1e-6), ThresholdEvent(2e-6)))
    assert accountant.epsilon(event, 2e-6) == math.inf, "Below the deltas of thresholds epsilon must be infinite."
    # Their union, up to terms of second order.
    _assert_delta(accountant, event, 1.0, least=3e-6)


def _assert_delta(accountant: Accountant, event: Event, epsilon: float, least: float) -> None:
    delta = accountant.delta(event, epsilon)
    assert delta >= least * (1.0 - 1e-5), (
        f"{event} costs at least delta={least:.9g} at epsilon={epsilon:g}. Got {delta!r}."
    )


def _supports(accountant: Accountant, event: Event) -> bool:
    try:
        accountant.epsilon(event, 1e-6)
    except UnsupportedEventError:
        refused = True
    else:
        refused = False
    try:
        accountant.delta(event, 1.0)
    except UnsupportedEventError:
        assert refused, "epsilon() and delta() must refuse the same events."
        return False
    assert not refused, "epsilon() and delta() must refuse the same events."
    return True
