"""Nothing is spent for nothing: what a fit could need of slack, noise and memory is told before the debit."""

import itertools
import math
import re
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow._flow.rows import check_fit
from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, SlackEvent
from skdpflow.curator import fits
from skdpflow.curator.noise import MAX_SCALE
from skdpflow.curator.statistics import STATISTICS
from skdpflow.exceptions import ReleaseError
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.demands import total_slack
from skdpflow.model_selection import dp_score
from skdpflow.preprocessing import DPPCA
from skdpflow.release import Measurement, checks
from skdpflow.release.checks import numbers_held
from skdpflow.release.dialogue import Dialogue
from skdpflow.release.request import PlanContext, Request

RNG = np.random.default_rng(0)
SMALL = {"n_particles": 16, "n_steps": 1}
EPSILONS, DELTAS, WIDTHS = (1e-7, 1e-3, 1.0, 300.0), (1e-13, 1e-6), (1, 2, 9, 40)


def paid_or_refused(fit, epsilon, neighbours):
    """Call a fit with a ledger of its own; whether it was refused, with nothing spent then."""
    ledger, refusal = PrivacyLedger(epsilon=4 * epsilon, delta=1e-3, neighbours=neighbours), ""
    try:
        with warnings.catch_warnings(action="ignore"):
            fit(ledger)
    except ValueError as error:
        refusal = str(error)
    assert ("Nothing was spent" in refusal) == (ledger.spent() == 0.0), refusal
    return bool(refusal)


def cases():
    targets = {"none": None, "classes": Categories([0, 1, 2]), "found": Categories(), "number": Interval(0, 2)}
    grid = itertools.product(EPSILONS, DELTAS, WIDTHS, ("add-remove", "replace-one"), targets, ("marginals", "records"))
    for i, (epsilon, delta, d, neighbours, target, mechanism) in enumerate(grid):
        if mechanism == "records" and (neighbours == "add-remove" or target in ("classes", "found")):
            continue
        yield pytest.param(
            *(epsilon, delta, d, neighbours, targets[target], mechanism),
            id=f"{epsilon:g} {delta:g} {d} {neighbours} {target} {mechanism}",
            marks=() if i % 17 == 0 else pytest.mark.slow,
        )


@pytest.mark.parametrize(("epsilon", "delta", "d", "neighbours", "target", "mechanism"), list(cases()))
def test_a_fit_works_or_is_refused_with_nothing_spent(epsilon, delta, d, neighbours, target, mechanism):
    X, y = RNG.uniform(size=(80, d)), None if target is None else np.arange(80) % 3
    for domain in ((0, 1), None):
        flow = DPSlicedWassersteinFlow(
            epsilon, delta, domain=domain, target=target, mechanism=mechanism, neighbours=neighbours,
            **SMALL,
        )  # fmt: skip
        refused = paid_or_refused(
            lambda ledger, flow=flow: flow.set_params(ledger=ledger).fit(X, y), epsilon, neighbours
        )
        assert refused <= (epsilon < 1.0 or delta < 1e-6)


@pytest.mark.parametrize(
    "mechanism",
    [
        MarginalsMechanism(n_pairs=2**16),
        MarginalsMechanism(n_slices=2**16),
        MarginalsMechanism(n_partitions=4096, n_bins=4096),
        MarginalsMechanism(n_cuts=8),
        RecordsMechanism(n_projections=2**22),
    ],
    ids=repr,
)
def test_parameters_that_ask_for_much_work_or_are_refused_unpaid(mechanism):
    neighbours = "add-remove" if isinstance(mechanism, MarginalsMechanism) else "replace-one"
    flow = DPSlicedWassersteinFlow(0.01, 1e-9, domain=(0, 1), mechanism=mechanism, neighbours=neighbours, **SMALL)
    X = RNG.uniform(size=(64, 30))
    refused = paid_or_refused(lambda ledger: flow.set_params(ledger=ledger).fit(X), 0.01, neighbours)
    assert refused or mechanism.n_pairs or mechanism.n_cuts


def test_the_largest_width_that_fits_is_named_and_fits():
    X, flow = RNG.uniform(size=(50, 60)), DPSlicedWassersteinFlow(1e-3, domain=(0, 1), **SMALL)
    with pytest.raises(ValueError, match=r"At most (\d+) of these columns fit") as refusal:
        flow.fit(X)
    width = int(str(refusal.value).split("At most ")[1].split()[0])
    flow.fit(X[:, :width])
    with pytest.raises(ValueError, match=f"At most {width} "):
        flow.fit(X[:, : width + 1])
    with pytest.raises(ValueError, match=f"At most {width} "):
        flow.plan(n_guess=50, n_features=60)


def test_many_columns_leave_out_what_the_slack_has_no_room_for():
    domain, slack = Domain({f"c{j}": Interval(-1000, 1000) for j in range(2000)}), 0.875 * 2.0**-12
    context = PlanContext(domain, None, 0.2366, "add-remove", 0, None, slack)
    assert total_slack(MarginalsMechanism().demands(context), context) <= slack
    # what is asked for is not left out, so it is refused
    for asked in ({"n_cuts": 1}, {"n_slices": 8}):
        assert total_slack(MarginalsMechanism(**asked).demands(context), context) > slack


def test_memory_is_refused_unpaid():
    many = Categories(range(1000))
    flow = DPSlicedWassersteinFlow(1.0, domain=(0, 1), target=many, **SMALL)
    X = RNG.uniform(size=(40, 700))
    assert paid_or_refused(lambda ledger: flow.set_params(ledger=ledger).fit(X, np.arange(40)), 1.0, "add-remove")
    flow = DPSlicedWassersteinFlow(1.0, domain=(0, 1), target=many, n_particles=2**20)
    assert paid_or_refused(
        lambda ledger: flow.set_params(ledger=ledger).fit(X[:, :100], np.arange(40)), 1.0, "add-remove"
    )


@pytest.mark.parametrize("extra", [1e-7, 1e-4, 0.5])
def test_continuing_works_or_is_refused_with_nothing_more_spent(extra):
    X, ledger = RNG.uniform(size=(400, 12)), PrivacyLedger(epsilon=4.0, delta=1e-3)
    flow = DPSlicedWassersteinFlow(1.0, domain=(0, 1), ledger=ledger, **SMALL).fit(X)
    before, refusal = len(ledger.events), ""
    try:
        flow.continue_fit(X, extra_epsilon=extra)
    except ValueError as error:
        refusal = str(error)
    refused = "Nothing was spent" in refusal
    assert refused == bool(refusal)
    assert len(ledger.events) == before + (not refused)
    assert refused == (extra < 0.1)


def test_scores_and_components_are_refused_unpaid():
    X = RNG.uniform(size=(60, 40))
    assert paid_or_refused(lambda ledger: DPPCA(1e-6, domain=(0, 1), ledger=ledger).fit(X), 1e-6, "add-remove")
    model, y = LogisticRegression().fit(X, np.arange(60) % 2), np.arange(60) % 2
    score = partial(dp_score, model, X, y, epsilon=1e-7)
    assert paid_or_refused(lambda ledger: score(ledger=ledger), 1e-7, "add-remove")


class Asks:
    """A mechanism of somebody else whose first round cannot be answered."""

    def __init__(self, *requests):
        self.requests = requests

    def plan(self, context):
        yield list(self.requests)

    def learn(self, release):
        raise AssertionError

    def describe(self):
        return {"name": "asks"}


@pytest.mark.parametrize(
    "request_",
    [
        Request("a", "sums", 1.0, {"n_components": 1}),
        Request("a", "counts", 1.0, {"n_components": 0}),
        Request("a", "counts", 1e-18, {"n_components": 1}),
        Request("a", "bounds", 1.0, {"n_columns": 2**20, "grid": np.arange(500.0)}),
    ],
)
def test_the_first_round_of_any_mechanism_is_looked_at_before_the_debit(request_):
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-3)
    with pytest.raises(ValueError, match=r"statistic|Nothing was spent"):
        DPSlicedWassersteinFlow(0.5, domain=(0, 1), mechanism=Asks(request_), ledger=ledger).fit(
            RNG.uniform(size=(9, 2))
        )
    assert ledger.events == ()


@settings(max_examples=150, deadline=None)
@given(st.floats(-7, 2), st.integers(1, 300), st.floats(-3, 12), st.booleans(), st.sampled_from([None, 0, 3]))
def test_no_regime_asks_for_more_than_was_foreseen(log_mu, d, log_n, ordered, n_cuts):
    wanted = {"ordered": ordered, "n_cuts": n_cuts}
    every = policy.all_allocations(10**log_mu, d, **wanted)
    one = policy.allocate(10**log_n, 10**log_mu, d, 1, **wanted)
    for name in ("histograms", "mean", "second_moment"):
        assert getattr(one, name) >= min(getattr(r, name) for r in every) * (1 - 1e-9)
    of_number = {"n_cuts": ["subcomponents"], "n_slices": ["slices"], "n_pairs": ["selection", "pairs"]}
    for number, shares in of_number.items():
        assert getattr(one, number) <= max(getattr(r, number) for r in every)
        if getattr(one, number):
            for share in shares:
                assert getattr(one, share) >= min(getattr(r, share) for r in every if getattr(r, number)) * (1 - 1e-9)
    assert one.n_partitions <= max(r.n_partitions for r in every)
    assert one.depth <= max(r.depth for r in every)


def empty(request):
    """Answer a request as if there were no rows, and as good as no noise."""
    values = np.zeros(STATISTICS[request.kind](request.params).shape, dtype=np.int64)
    return Measurement(request.name, request.kind, request.params, values, np.array([1.0]), 1.0, GaussianEvent(1.0))


def test_the_lattice_gets_coarser_only_where_the_slack_asks_for_it():
    domain = Domain({f"x{j}": Interval(0, 1) for j in range(12)})
    mechanism = MarginalsMechanism()

    def steps(slack):
        context = PlanContext(domain, None, 0.001, "add-remove", 0, None, slack)
        dialogue = Dialogue(mechanism.plan(context))
        for asked in dialogue:
            if (moments := next((r for r in asked if r.kind == "column_moments"), None)) is not None:
                break
            dialogue.answer([empty(r) for r in asked])
        demands = mechanism.demands(context)
        assert max(d.scale(context.mu) for d in demands if not d.n_choices) < MAX_SCALE
        return moments.params["steps"], sum(d.slack(context.mu, "add-remove") for d in demands)

    finest, needed = steps(math.inf)
    assert finest == policy.lattice_steps(0.001)
    assert steps(needed * 1.001)[0] == finest
    coarser, less = steps(needed * 0.9)
    assert coarser < finest
    assert less <= needed * 0.9
    assert steps(0.0)[0] >= policy.least_steps(12)


class Generous:
    """An accountant that promises more privacy than there is."""

    def __init__(self, factor=0.5):
        self.factor = factor

    def epsilon(self, event, delta):
        return self.factor * GaussianDPAccountant().epsilon(event, delta)

    def delta(self, event, epsilon):
        return GaussianDPAccountant().delta(event, epsilon / self.factor)


@pytest.mark.parametrize("target", [None, Categories()])
def test_an_accountant_that_accepts_too_little_noise_is_refused_unpaid(target):
    X, y = RNG.uniform(size=(200, 2)), np.arange(200) % 2
    for factor, refused in [(0.5, True), (0.999, True), (1.0, False), (1.5, False)]:
        ledger = PrivacyLedger(epsilon=4.0, delta=1e-3)
        flow = DPSlicedWassersteinFlow(
            1.0, domain=(0, 1), target=target, accountant=Generous(factor), ledger=ledger, **SMALL
        )
        if refused:
            with pytest.raises(ValueError, match="accepts too little noise"):
                flow.fit(X, y)
        else:
            flow.fit(X, y)
        assert len(ledger.events) == (not refused)
    first = DPSlicedWassersteinFlow(1.0, domain=(0, 1), **SMALL).fit(X)
    with pytest.raises(ValueError, match="accepts too little noise"):
        first.set_params(accountant=Generous()).continue_fit(X, extra_epsilon=1.0)


@pytest.mark.parametrize("accountant", [GaussianDPAccountant()])
@pytest.mark.parametrize(("slack", "epsilon"), [(0.5, 0.0), (0.5, 0.1), (1e-3, 5e-4), (2.0, 1.9)])
def test_the_delta_of_slack_at_a_smaller_epsilon_is_what_one_neighbour_may_have_more(accountant, slack, epsilon):
    """An outcome that is certain may have e**-slack for the other neighbour: 1 - e**(epsilon - slack) is missing."""
    assert accountant.delta(SlackEvent(slack, 1e-300), epsilon) >= 1.0 - math.exp(epsilon - slack)
    assert accountant.delta(SlackEvent(slack, 1e-300), slack) < 1e-200


@pytest.mark.parametrize("cells", [None, 2, 16])
def test_the_parts_of_a_numeric_target_are_counted_as_a_file_counts_them(cells, monkeypatch):
    """A fit that is accepted can be loaded: a part of the rows has a model of its own, a cell of a part has none."""
    context = PlanContext(
        Domain({f"x{j}": Interval(0, 1) for j in range(9)}), Interval(0, 1), 1.0, "add-remove", 0, None
    )
    mechanism = MarginalsMechanism(n_target_bins=cells, n_cuts=1)
    most = mechanism.most_components(context)
    X = RNG.uniform(size=(4000, 10))
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1), target=Interval(0, 1), mechanism=mechanism, **SMALL)
    flow.fit(X[:, :9], X[:, 9])
    parts = int(flow.release_["mean"].params["n_components"])
    assert 1 <= parts <= most
    n = SMALL["n_particles"]
    ledger = PrivacyLedger(epsilon=10.0, delta=1e-3)
    monkeypatch.setattr(fits, "MAX_NUMBERS", 2 * numbers_held(n, most, 10))
    clone(flow).set_params(ledger=PrivacyLedger(epsilon=10.0, delta=1e-3)).fit(X[:, :9], X[:, 9])
    with pytest.raises(ValueError, match="n_particles"):
        clone(flow).set_params(n_particles=n + 1, ledger=ledger).fit(X[:, :9], X[:, 9])
    assert ledger.events == ()
    monkeypatch.setattr(checks, "MAX_NUMBERS", numbers_held(n, parts, 10))
    checks.check_particles(flow.release_)
    with pytest.raises(ReleaseError, match="n_particles"):
        checks.check_particles(replace(flow.release_, transport={**flow.release_.transport, "n_particles": n + 1}))


@pytest.mark.parametrize(("d", "n_classes"), [(2000, 0), (10, 1000), (784, 10)])
def test_wide_tables_and_many_classes_fit(d, n_classes):
    target = Categories(range(n_classes)) if n_classes else None
    flow = DPSlicedWassersteinFlow(1.0, 1e-6, domain=(0, 1), target=target)
    check_fit(flow, RNG.uniform(size=(2, d)), None if target is None else [0, 1])


@pytest.mark.slow
def test_what_is_too_wide_is_refused_unpaid_with_the_width_that_fits():
    X, ledger = RNG.uniform(size=(2, 5000)), PrivacyLedger(epsilon=2.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(1.0, 1e-6, domain=(0, 1), ledger=ledger)
    with pytest.raises(ValueError, match=r"At most \d+ of these columns fit.*Nothing was spent") as caught:
        flow.fit(X)
    assert ledger.events == ()
    fitting = int(re.search(r"At most (\d+)", str(caught.value))[1])
    assert fitting >= 2000
    check_fit(flow, X[:, :fitting], None)
    with pytest.raises(ValueError, match=f"At most {fitting} of these columns"):
        check_fit(flow, X[:, : fitting + 1], None)


@pytest.mark.slow
def test_a_model_that_is_learnt_again_is_no_larger_than_one_that_is_loaded():
    X = RNG.uniform(size=(200, 200))
    flow = DPSlicedWassersteinFlow(1.0, domain=(0, 1), **SMALL).fit(X)
    before = flow.sample(2, random_state=0)
    with pytest.raises(ReleaseError, match="n_particles"):
        flow.set_params(n_particles=2**20).refit()
    assert (flow.sample(2, random_state=0) == before).all()
