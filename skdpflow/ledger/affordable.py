"""What epsilon one more fit may ask for, given what a ledger was charged."""

from __future__ import annotations

from skdpflow.accountants import Accountant, ComposedEvent, Event, GaussianEvent, SlackEvent, ThresholdEvent, calibrate
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK


def largest_epsilon(
    cases: list[ComposedEvent],
    total: tuple[float, float],
    accountant: str,
    fit: Accountant,
    delta: float,
    thresholds: float,
) -> float:
    """Return a little less than the largest epsilon of a fit that keeps every case within the total; 0 if none does."""
    epsilon_of_all, delta_of_all = total
    found = (ThresholdEvent(thresholds),) if thresholds else ()

    def largest(slack: float) -> float:
        rest = (*found, SlackEvent(slack, delta * DELTA_SLACK))

        def least_noise(case: ComposedEvent) -> float:
            def with_noise(multiplier: float) -> Event:
                return ComposedEvent((case, GaussianEvent(multiplier), *rest))

            return calibrate(with_noise, epsilon_of_all, delta_of_all, accountant)

        return fit.epsilon(GaussianEvent(max(map(least_noise, cases))), delta * (1.0 - DELTA_SLACK) - thresholds)

    try:
        epsilon = largest(1e-300)  # with hardly any slack, so too large: its slack is enough for the answer
        epsilon = largest(epsilon * EPSILON_SLACK)
    except ValueError:  # no noise is enough
        return 0.0
    digits = f"{epsilon * (1.0 - 4.0 * EPSILON_SLACK):.12e}".partition("e")
    return float(f"{digits[0][:5]}e{digits[2]}")  # four digits, rounded down
