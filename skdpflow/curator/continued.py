r"""More measurements of the same rows, within one guarantee for all of them.

Let a first fit have been allowed :math:`\mu_1` of Gaussian privacy, and let the accountant say that one Gaussian
release of :math:`\mu` guarantees the larger epsilon that is asked for now. The second fit gets
:math:`\mu_2^2 = \mu^2 - \mu_1^2`.

*The guarantee.* Take exact arithmetic first. Whatever the first Release is, the second fit is a filter with the fixed
cap :math:`\mu_2^2`: its Gaussian measurements, and its selections, each of which is dominated by a Gaussian release,
never exceed it. So both together are adaptively composed mechanisms with
:math:`\sum_i \mu_i^2 \le \mu_1^2 + \mu_2^2 = \mu^2` at all times, which is :math:`\mu`-Gaussian private [1]_ [2]_. This
holds by whatever accountants :math:`\mu_1` and :math:`\mu` were found. Threshold events add their deltas.
Floating-point arithmetic then changes the probability of every outcome of both fits by a factor of at most
:math:`e^{s_1 + s_2}`, but for :math:`d_1 + d_2` of delta. These slacks are added as they stand and not composed in
squares, since they bound a perturbation and are no mechanisms (`skdpflow.accountants.SlackEvent`): :math:`\mu` is
calibrated to :math:`\varepsilon - s_1 - s_2` and :math:`(\delta - d_1 - d_2) e^{-s_1 - s_2}`, less what thresholds may
spend. The sum is :math:`(\varepsilon, \delta)`. The same argument adds a third fit to the first two, and so on.

*What it is about.* A row that is in the tables of both fits. One that came in between is in the second alone, so the
total holds for it too. Only the statistics suffer from different tables: they are averaged as if they were of one.

*Adaptivity.* All that the second fit does may depend on the first Release, except its budget: a guarantee is a number
that is fixed beforehand. Where looking at the first Release decides how much more to spend, or whether to, what is
guaranteed is the most that might have been spent: the budget of a `PrivacyLedger`, which is such a cap.

References
----------
.. [1] A. Smith, A. Thakurta. "Fully Adaptive Composition for Gaussian Differential Privacy". 2022.
.. [2] J. Dong, A. Roth, W. Su. "Gaussian Differential Privacy". J. R. Stat. Soc. B, 2022.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skdpflow.accountants import ComposedEvent, Event, flatten_event
from skdpflow.accountants.budget import Budget
from skdpflow.curator.curator import Curator
from skdpflow.curator.fits import check_demands, of_requests
from skdpflow.curator.measure import converse
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.exceptions import LedgerError
from skdpflow.ledger import PrivacyLedger
from skdpflow.release import Measurement, Release
from skdpflow.release.pooling import REPEAT, groups, n_fits
from skdpflow.release.request import PlanContext


def measure_more(
    source: RowSource,
    release: Release,
    mechanism: Any,
    projections: Any,
    budget: Budget,
    noise: NoiseSource,
    *,
    ledger: PrivacyLedger | None = None,
    n_jobs: int | None = None,
) -> Release:
    """Carry out a mechanism's plan for improving a Release."""
    source.check_workers(n_jobs)
    curator = Curator(source, budget, noise, before=release.cap, n_jobs=n_jobs)
    cap, head = _both(release.cap, curator.whole_event), None
    seed = int(np.random.default_rng([int(release.transport["seed"]), n_fits(release)]).integers(2**31))
    domain, target = release.measured, release.target
    context = PlanContext.of(domain, target, curator.mu, budget.neighbours, seed, projections)
    later = getattr(mechanism, "continue_demands", None)
    demands = [
        *of_requests(next(mechanism.continue_plan(context, release), []), budget.neighbours, source),
        *(later(context, release) if callable(later) else []),
    ]
    check_demands(curator, demands, budget.neighbours)
    if ledger is not None:
        if release.ledger is not None:
            ledger.verify([release])
        elif ledger.is_part:
            raise LedgerError(
                "The first fit had no ledger, so nobody knows whether it was on this part of the rows alone. Give "
                "the ledger of all rows, which is then charged for both fits. Nothing was spent."
            )
        event = cap if release.ledger is None else curator.whole_event  # all, if it does not know of the earlier fits
        what = f"continue_fit ({budget.epsilon:g}, {budget.delta:g})"
        head = ledger.debit(event, what, neighbours=budget.neighbours, after=release.ledger)
    answers, _, _ = converse(curator, mechanism.continue_plan(context, release), 1.0, domain, target)
    return replace(
        release,
        epsilon=budget.epsilon,
        accountant=budget.accountant_name,
        event=_both(release.event, curator.filter.event),
        cap=cap,
        measurements=(*release.measurements, *_numbered(answers, release)),
        private=release.private and noise.private,
        ledger=head,
    )


def _both(before: Event, now: Event) -> ComposedEvent:
    """Compose without nesting: with nesting, the depth would grow with every fit until no file could hold the event."""
    return ComposedEvent((*flatten_event(before), *flatten_event(now)))


def _numbered(answers: list[Measurement], release: Release) -> list[Measurement]:
    """Name repetitions by their number."""
    earlier = groups(release)
    return [replace(m, name=f"{m.name}{REPEAT}{len(earlier[m.name]) + 1}") if m.name in earlier else m for m in answers]
