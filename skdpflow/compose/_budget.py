"""The budget of a pipeline: the shares of its steps, and what the Release of each step states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skdpflow._validation import check_real, invalid
from skdpflow.accountants import (
    ComposedEvent,
    Event,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    RestsOn,
    SlackEvent,
    ThresholdEvent,
    gdp_mu,
)
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK
from skdpflow.domain.categories import is_undeclared
from skdpflow.ledger.joint import SingleUseDebit, Terms
from skdpflow.release import Release
from skdpflow.release.discovery import LABELS_DELTA_SHARE, LEVELS_DELTA_SHARE


def split_budget(
    owner: str, epsilon: Any, delta: Any, paying: Sequence[tuple[str, Any]], weights: Any
) -> dict[str, SingleUseDebit]:
    """Return what pays for each step, once; `GenerativePipeline` says why the whole keeps the budget."""
    epsilon, delta = check_real(owner, "epsilon", epsilon, 0.0), check_real(owner, "delta", delta, 0.0, 1.0)
    names = [name for name, _ in paying]
    weights = {name: 1.0 for name in names} | {names[-1]: 4.0} if weights is None else weights
    if not isinstance(weights, Mapping) or set(weights) != set(names):
        raise invalid(owner, "weights", f"None or a mapping of exactly {names} to positive numbers", weights)
    parts = np.array([check_real(owner, "weights", weights[name], 0.0) for name in names])
    slack = epsilon * EPSILON_SLACK * len(names)  # the epsilon of a step is at most that of the whole
    labels = LABELS_DELTA_SHARE * is_undeclared(paying[-1][1].target)
    domain = paying[-1][1].domain
    if isinstance(domain, Mapping) and any(map(is_undeclared, domain.values())):
        labels += LEVELS_DELTA_SHARE
    exact_delta = delta * (1.0 - DELTA_SLACK * len(names)) * math.exp(-slack) - delta * labels
    mus = gdp_mu(epsilon - slack, exact_delta) * np.sqrt(parts / parts.sum())
    accountant, shares = GaussianDPAccountant(), {}
    whole = Budget(epsilon, delta, paying[-1][1].neighbours, accountant, "gdp")
    for (name, step), mu in zip(paying, mus, strict=True):
        gaussian = GaussianEvent(float(1.0 / mu))
        # at the delta of the whole, so that a step's own calibration gives back its mu
        own = accountant.epsilon(gaussian, delta)
        events: list[Event] = [gaussian, SlackEvent(own * EPSILON_SLACK, delta * DELTA_SLACK)]
        if labels and name == names[-1]:
            events.append(ThresholdEvent(delta * labels))
        if step.noise_random_state is not None:
            events.append(NonPrivateEvent())
        shares[name] = SingleUseDebit(replace(whole, epsilon=own), ComposedEvent(tuple(events)))
    return shares


def terms_of_step(
    given: Terms, earlier: Release | None, whole: tuple[float, float], n_steps: int, *, handed: bool
) -> Terms:
    """Return what the Release of a step states: it rests on what the pipeline was given and on the step before."""
    contained = any(source.contains for source in given.before)
    before = given.before
    if earlier is not None and not contained:
        others = tuple(replace(source, gave_domain=False) for source in earlier.before)
        before = (*others, RestsOn(earlier.cap, gave_domain=handed))
    elif handed:
        before = tuple(replace(source, gave_domain=True) for source in before)
    if given.asked is not None:
        return Terms(before, given.asked)
    # the Release of the first of several steps rests on nothing else, so it states its own share
    own_share = earlier is None and n_steps > 1
    return Terms(before, None if own_share else whole)
