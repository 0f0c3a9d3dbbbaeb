"""From raw rows to a Release: the ledger first, then the sketch, then the noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from skdpflow.accountants import (
    ComposedEvent,
    Event,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    SlackEvent,
    ThresholdEvent,
    calibrate,
)
from skdpflow.accountants.algebra import ROUNDING
from skdpflow.accountants.base import tally
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.gaussian import total_mu
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK, differing, draw_slack
from skdpflow.curator.kinds import KINDS
from skdpflow.curator.noise import MAX_SCALE, NoiseSource
from skdpflow.curator.records import Records, check_size, release_records
from skdpflow.curator.selection import rounding_epsilon, select_top, selection_epsilon, selection_event
from skdpflow.curator.sketch import Sketch, Sums, sketch_rows
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics.pairs import PairScores
from skdpflow.domain import Categories, Column, Domain
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.release import Measurement
from skdpflow.release.request import Request


def check_calibration(multiplier: float, event: Event, epsilon: float, delta: float, budget: Budget) -> None:
    """Refuse an accountant that accepts too little noise: this one is exact for all that a fit may do."""
    if math.isfinite(multiplier) and not GaussianDPAccountant().epsilon(event, delta) <= epsilon * ROUNDING:
        raise ValueError(
            f"The accountant {budget.accountant_name!r} accepts too little noise for (epsilon, delta) = "
            f"({budget.epsilon:g}, {budget.delta:g}): by exact Gaussian differential privacy, it costs more. Correct "
            "the accountant, or use one of this package. Nothing was spent."
        )


class Curator:
    r"""Answers requests about one set of rows within one budget.

    Parameters
    ----------
    source : RowSource
        The raw rows.
    budget : Budget
        What may be spent.
    noise : NoiseSource
        Noise and rank keys.
    threshold_delta : float, default=0.0
        Part of delta that threshold events may spend.
    n_jobs : int or None, default=None
        Number of threads.
    before : Event or None, default=None
        What earlier fits of the same Release were allowed, their slack included. `budget` is then the guarantee of
        all together, and this curator may spend what is left of it, see `skdpflow.curator.continued`.

    Notes
    -----
    The accountant calibrates one number: the noise multiplier :math:`m` such that one Gaussian release with it, and
    the threshold events, meet the guarantee. Its rounds pass a filter with the fixed cap :math:`\mu^2 = 1/m^2`: rounds
    may be chosen adaptively and can never exceed it. Gaussian mechanisms with :math:`\sum_i \mu_i^2 \le 1/m^2`, also
    adaptive ones, are dominated by that one release, so the guarantee holds with any accountant.

    The fractions `EPSILON_SLACK` and `DELTA_SLACK` of epsilon and delta are held back for floating-point arithmetic
    before the noise is calibrated, as `SlackEvent` says, and a request that would exceed them is refused: see
    `skdpflow.accountants.slack`. Selections draw on the same epsilon, see
    `skdpflow.curator.selection.rounding_epsilon`.
    """

    def __init__(
        self,
        source: RowSource,
        budget: Budget,
        noise: NoiseSource,
        *,
        threshold_delta: float = 0.0,
        n_jobs: int | None = None,
        before: Event | None = None,
    ) -> None:
        self._source = source
        self._budget = budget
        self._noise = noise
        self._n_jobs = n_jobs
        spent = tally(ComposedEvent(() if before is None else (before,)))

        def total(multiplier: float, threshold_delta: float) -> Event:
            thresholds = (ThresholdEvent(threshold_delta),) if threshold_delta else ()
            return ComposedEvent((GaussianEvent(multiplier), *thresholds))

        def all_fits(multiplier: float) -> Event:
            return total(multiplier, spent.threshold_delta + threshold_delta)

        self.slack = SlackEvent(budget.epsilon * EPSILON_SLACK, budget.delta * DELTA_SLACK)
        slack = self.slack.epsilon + spent.slack_epsilon
        epsilon = budget.epsilon - slack
        delta = (budget.delta - self.slack.delta - spent.slack_delta) * math.exp(-slack)
        enough = calibrate(all_fits, epsilon, delta, budget.accountant) if epsilon > 0.0 < delta else math.inf
        check_calibration(enough, all_fits(enough), epsilon, delta, budget)
        cap = enough**-2 - total_mu(spent) ** 2
        if not cap > 0.0:
            raise ValueError(
                f"(epsilon, delta) = ({budget.epsilon:g}, {budget.delta:g}) leaves nothing to spend beside what "
                f"was allowed before, by the accountant {budget.accountant_name!r}. Nothing was spent; ask for more, "
                "or use an accountant that is no looser than the one before."
            )
        self.mu = math.sqrt(cap)
        self.filter = PrivacyFilter(self.mu**2, threshold_delta)
        self._total = total(1.0 / self.mu, threshold_delta)
        self._slack_left = self.slack.epsilon
        self._draws_left = self.slack.delta * 2.0**60

    @property
    def whole_event(self) -> Event:
        """What this fit may do at most: its cap, and its floating-point slack."""
        seeded = () if self._noise.private else (NonPrivateEvent(),)
        return ComposedEvent((self._total, self.slack, *seeded))

    def event(self, share: float) -> GaussianEvent:
        """Gaussian event that costs a share of the cap."""
        return GaussianEvent(1.0 / (self.mu * np.sqrt(share)))

    def draw(self, scale: Any, shape: tuple[int, ...], *, differing: int) -> np.ndarray:
        """Draw noise within the floating-point slack."""
        largest = float(np.max(scale))
        self._slack_left -= draw_slack(differing, largest)
        self._draws_left -= differing
        if self._slack_left < 0 or self._draws_left < 0 or largest > MAX_SCALE:
            raise ValueError(
                f"A measurement in which a row changes {differing} integers with noise scale {largest:g} exceeds "
                "the floating-point slack of the guarantee. Use fewer columns or a larger epsilon or delta."
            )
        return self._noise.rounded_gaussian(scale, shape)

    def _sketches(self, query: Sums) -> list[Sketch]:
        """Sum over the rows; a round has ranks of its own, see `skdpflow.curator.parts`."""
        return sketch_rows(self._source, query, self._noise.rank_key(), n_jobs=self._n_jobs)

    def select(self, request: Request, domain: Domain, target: Column | None) -> Measurement:
        """Choose the pairs of columns whose two-way tables are predicted worst."""
        query = Sums([(PairScores, request.params)], domain, target)
        statistic = cast(PairScores, query.statistics[0])
        k, sensitivity = statistic.k, statistic.sensitivity(self._budget.neighbours)
        epsilon = selection_epsilon(self.mu * float(np.sqrt(request.share / k)))
        event = selection_event(epsilon, k)
        self._slack_left -= rounding_epsilon(k, epsilon, sensitivity)
        if self._slack_left < 0:
            raise ValueError(
                f"Selecting {k} pairs exceeds the floating-point slack of the guarantee. Select fewer pairs or use a "
                "larger epsilon."
            )
        self.filter.debit(event, request.name)
        self._source.progress.begin([request.name])
        (sketch,) = self._sketches(query)
        chosen = select_top(sketch.apply(statistic.scores), k, epsilon, sensitivity, self._noise)
        params = {"k": k, "epsilon_each": epsilon}
        scale = np.array([2.0 * sensitivity / epsilon])
        return Measurement(request.name, request.kind, params, statistic.pairs[chosen], scale, sensitivity, event)

    def answer(self, requests: Sequence[Request], domain: Domain | None, target: Column | None) -> list[Measurement]:
        """Measure one round: debit, then sketch, then add noise."""
        if any(r.kind == "select_pairs" for r in requests):
            if len(requests) > 1 or domain is None:
                raise ValueError(
                    "A request 'select_pairs' needs a domain and a round of its own. Ask for other statistics in "
                    "another round."
                )
            return [self.select(requests[0], domain, target)]
        for request in requests:
            if request.kind not in KINDS:
                raise ValueError(
                    f"There is no statistic {request.kind!r}; there are {sorted([*KINDS, 'select_pairs'])}."
                )
        query = Sums([(KINDS[r.kind], r.params) for r in requests if r.kind != "records"], domain, target)
        sums = iter(query.statistics)
        statistics = [Records(r.params) if r.kind == "records" else next(sums) for r in requests]
        if isinstance(target, Categories) and any(isinstance(s, Records) and not s.public_labels for s in statistics):
            raise ValueError("Records show the class of every line: the labels have to be declared public.")
        events = [self.event(r.share) for r in requests]
        sensitivities = [s.sensitivity(self._budget.neighbours) for s in statistics]
        check_size(self._source, [s for s in statistics if isinstance(s, Records)])
        for request, event in zip(requests, events, strict=True):
            self.filter.debit(event, request.name)
        self._source.progress.begin([request.name for request in requests])
        sketches = iter(self._sketches(query) if query.statistics else ())
        out = []
        for request, statistic, event, sensitivity in zip(requests, statistics, events, sensitivities, strict=True):
            scale = statistic.relative_scale * (sensitivity * event.noise_multiplier)
            if isinstance(statistic, Records):
                assert domain is not None
                key = self._noise.rank_key()
                values, sizes = release_records(self._source, statistic, scale, self.draw, key, domain, target)
                params = {**request.params, "sizes": sizes}
                out.append(Measurement(request.name, request.kind, params, values, scale, sensitivity, event))
                continue
            changed = differing(statistic.touched, self._budget.neighbours)
            values = next(sketches).release(self.draw(scale, statistic.shape, differing=changed))
            out.append(Measurement(request.name, request.kind, request.params, values, scale, sensitivity, event))
        return out
