"""What a plan asks for, whatever is released along the way, is covered by the demands that were told before."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.accountants import GaussianEvent
from skdpflow.curator.kinds import KINDS
from skdpflow.curator.statistics.pairs import PairScores
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.projections import OrthogonalProjections
from skdpflow.release import Measurement
from skdpflow.release.dialogue import Dialogue
from skdpflow.release.request import Demand, PlanContext
from skdpflow.release.tables import split

RELATIONS = ["add-remove", "replace-one"]
COLUMNS = [
    Interval(0, 1),
    Interval(-1e6, 1e6),
    Interval(0, 2000, integer=True),
    Interval(0, 2**40, integer=True),
    Interval(0, 5, integer=True),
    Interval(0, 50, integer=True, nullable=True),
    *(Categories([str(i) for i in range(n)]) for n in (1, 2, 10, 200)),
]
TARGETS = [None, Interval(0, 1), Interval(0, 100, integer=True), *(Categories(list(range(n))) for n in (1, 2, 3, 30))]


def mechanism_of(rng):
    """A mechanism with some parameters given."""
    choices = {
        "n_bins": (16,),
        "n_slices": (0, 3),
        "n_pairs": (0, 3, 100),
        "n_partitions": (0, 1, 2, 3, 7, 65),
        "n_cuts": (0, 1, 3),
        "n_factorial_bits": (0, 1, 2, 5),
        "n_target_bins": (1, 2, 13),
    }
    return MarginalsMechanism(**{name: rng.choice(of) for name, of in choices.items() if rng.random() < 0.4})


def answer(request, n, context, rng):
    """Answer a request with any counts of about n rows, and noise."""
    if request.kind == "select_pairs":
        scores = PairScores(request.params)
        chosen = scores.pairs[rng.choice(len(scores.pairs), scores.k, replace=False)]
        event = GaussianEvent(1.0)
        return Measurement(request.name, request.kind, {"k": scores.k}, chosen, np.array([1.0]), 1.0, event)
    statistic = KINDS[request.kind](request.params)
    event, sensitivity = (
        GaussianEvent(1.0 / (context.mu * request.share**0.5)),
        statistic.sensitivity(context.neighbours),
    )
    scale, size = statistic.relative_scale * sensitivity * event.noise_multiplier, int(np.prod(statistic.shape))
    shares = rng.dirichlet(np.full(size, rng.choice([0.05, 1.0, 100.0]))) * rng.choice([0.0, 1.0, -1.0])
    shares = np.abs(shares) if request.kind == "counts" else shares
    if request.kind == "location" and context.seed % 2:  # all rows share one value, which is looked for to the end
        edges = split(request.params, "edges")
        held = [np.append(np.diff(e > 0.37 * e[0] + 0.63 * e[-1]), 0.0) for e in edges]
        shares = np.concatenate(held)
    values = np.rint(n * shares.reshape(statistic.shape) + rng.normal(size=statistic.shape) * scale).astype(np.int64)
    return Measurement(request.name, request.kind, request.params, values, scale, sensitivity, event)


def rounds_of(plan, n, context, rng):
    dialogue, asked = Dialogue(plan), []
    for requests in dialogue:
        asked.append(requests)
        dialogue.answer([answer(r, n, context, rng) for r in requests])
    return asked


def demand_of(request, neighbours):
    """What a request turns out to need."""
    if request.kind == "select_pairs":
        scores = PairScores(request.params)
        return Demand(request.share, scores.sensitivity(neighbours), 0, int(np.prod(scores.shape)), scores.k)
    s = KINDS[request.kind](request.params)
    return Demand(request.share, s.sensitivity(neighbours), s.touched, int(np.prod(s.shape)))


def covers(foreseen, needed):
    return (
        foreseen.scale(1.0) >= needed.scale(1.0) * (1.0 - 1e-9)
        and foreseen.touched >= needed.touched
        and foreseen.n_integers >= needed.n_integers
        and foreseen.n_choices >= needed.n_choices
        and bool(foreseen.n_choices) == bool(needed.n_choices)
    )


def check_covered(requests, demands, neighbours):
    """Each request has a demand of its own that covers it."""
    needed = [demand_of(r, neighbours) for r in requests]
    covered = csr_array(np.array([[covers(d, own) for d in demands] for own in needed], dtype=int))
    matched = maximum_bipartite_matching(covered, perm_type="column")
    assert [r.name for r, found in zip(requests, matched, strict=True) if found < 0] == []
    assert sum(r.share for r in requests) <= 1.0 + 1e-9


@pytest.mark.slow
@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(st.integers(0, 2**32).map(np.random.default_rng))
def test_demands_cover_what_a_plan_asks_for_in_any_case(rng):
    d = rng.choice([1, 2, 3, 5, 7, 40, 70])
    domain = Domain({f"x{j}": COLUMNS[rng.integers(len(COLUMNS))] for j in range(d)})
    target, neighbours, seed = TARGETS[rng.integers(len(TARGETS))], RELATIONS[rng.integers(2)], int(rng.integers(2**31))
    budget, slack, n = 10.0 ** rng.uniform([-3.0, -9.0, 0.0], [1.5, 0.0, 6.0])
    context = PlanContext.of(
        domain, target, budget, neighbours, seed, OrthogonalProjections(), slack, rng.random() < 0.8
    )
    mechanism = mechanism_of(rng)
    demands = mechanism.demands(context)
    asked = rounds_of(mechanism.plan(context), n, context, rng)
    check_covered([r for requests in asked for r in requests], demands, neighbours)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(st.integers(0, 2**32).map(np.random.default_rng))
def test_demands_cover_what_a_further_budget_asks_for_in_any_case(rng):
    """After other mechanisms, and other rows."""
    kind, neighbours, n = rng.integers(3), RELATIONS[rng.integers(2)], int(10.0 ** rng.uniform(1.5, 3.5))

    def table(X):
        return X, (None, X[:, 0], (3.5 * X[:, 0]).astype(int))[kind]

    d, target = rng.integers(2, 6), (None, Interval(0, 1), Categories([0, 1, 2]))[kind]
    flow = DPSlicedWassersteinFlow(
        10.0 ** rng.uniform(-0.5, 1.5), domain=(0, 1), target=target, mechanism=mechanism_of(rng), n_steps=1,
        n_particles=32, neighbours=neighbours, noise_random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        flow.fit(*table(rng.uniform(size=(n, d))))
        if rng.random() < 0.5:
            flow.continue_fit(*table(rng.beta(8, 1, size=(30 * n, d))), extra_epsilon=1.0)
    release, mechanism = flow.release_, mechanism_of(rng)
    context = PlanContext.of(
        release.measured, target, 10.0 ** rng.uniform(-2, 1), neighbours, 5, OrthogonalProjections()
    )
    context = replace(context, chooses=bool(rng.integers(2)))
    later = mechanism.continue_demands(context, release)
    asked = rounds_of(mechanism.continue_plan(context, release), float(n), context, rng)
    first = asked[0] if all(r.name in release for r in asked[0]) else []  # is looked at as it is
    new = [r for requests in asked[bool(first) :] for r in requests]
    assert {r.kind for r in new} <= {*KINDS, "select_pairs"}
    if new:
        check_covered(new, later, neighbours)
