"""Debits come first, and the filter of a fit holds against any mechanism."""

import numpy as np
import pytest

import skdpflow
import skdpflow._flow.rows
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.accountants import GaussianDPAccountant
from skdpflow.accountants.budget import Budget
from skdpflow.curator import curator as curators
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain.schema import schema_of
from skdpflow.exceptions import BudgetExceededError
from skdpflow.release.request import Request


def source_of(X=None, y=None):
    X = np.random.default_rng(0).uniform(size=(50, 2)) if X is None else X
    return RowSource(X, y, schema_of(X, y), None)


BUDGET = Budget(1.0, 1e-6, "add-remove", GaussianDPAccountant(), "gdp")
UNIT = Domain({"a": Interval(0, 1), "b": Interval(0, 1)})


def counts(share, name="counts"):
    return Request(name, "counts", share, {"n_components": 1})


class BrokenNoise(NoiseSource):
    """Fails where noise should come out."""

    def rounded_gaussian(self, scale, shape):
        raise OSError("no entropy")


def test_a_spend_survives_the_failure_of_the_noise():
    curator = Curator(source_of(), BUDGET, BrokenNoise())
    before = curator.filter.remaining
    with pytest.raises(OSError, match="no entropy"):
        curator.answer([counts(0.25)], UNIT, None)
    (entry,) = curator.filter.entries
    assert entry.what == "counts"
    assert curator.filter.remaining == pytest.approx(0.75 * before)


def test_a_spend_survives_the_failure_of_the_sketch(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("disk")

    monkeypatch.setattr(curators, "sketch_rows", broken)
    curator = Curator(source_of(), BUDGET, NoiseSource())
    with pytest.raises(RuntimeError, match="disk"):
        curator.answer([counts(0.25), counts(0.25, "more")], UNIT, None)
    assert [entry.what for entry in curator.filter.entries] == ["counts", "more"]


ROWS = np.random.default_rng(0).uniform(size=(100, 2))
Y = np.random.default_rng(1).integers(0, 2, 100)
LABELS = {"domain": (0.0, 1.0), "target": Categories([0, 1])}


class Greedy:
    """Asks for the shares it is told to ask for, whatever they sum to."""

    def __init__(self, *rounds, params=None):
        self.rounds = rounds
        self.params = params or {"n_components": 1}
        self.answers = []

    def plan(self, public):
        for i, shares in enumerate(self.rounds):
            requests = [Request(f"r{i}.{j}", "counts", s, self.params) for j, s in enumerate(shares)]
            self.answers.append((yield requests))

    def learn(self, release):
        raise AssertionError("learnt from an overspent budget")

    def describe(self):
        return {"name": "greedy"}


@pytest.mark.parametrize(
    "rounds",
    [
        [[1.01]],
        [[0.6, 0.6]],
        [[0.6], [0.6]],
        [[1.0], [1e-3]],
        [[0.25], [0.25], [0.25], [0.25], [0.01]],
        [[1e6]],
    ],
)
def test_a_mechanism_cannot_overspend(monkeypatch, rounds):
    drawn = []
    original = NoiseSource.rounded_gaussian
    monkeypatch.setattr(NoiseSource, "rounded_gaussian", lambda *args: drawn.append(1) or original(*args))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=Greedy(*rounds))
    with pytest.raises(BudgetExceededError, match="left"):
        flow.fit(ROWS)
    assert not hasattr(flow, "release_")
    # the round that would overspend is refused as a whole, before any of its noise
    assert len(drawn) == sum(len(shares) for shares in rounds[:-1])


@pytest.mark.parametrize("share", [0.0, -0.1, np.nan, np.inf, -np.inf])
def test_shares_that_are_none_are_refused(share):
    flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=Greedy([0.5, share]))
    with np.errstate(all="ignore"), pytest.raises((ValueError, BudgetExceededError)):
        flow.fit(ROWS)
    assert not hasattr(flow, "release_")


class Revealing(Greedy):
    """Asks for a line per row, with labels that nobody declared public."""

    def plan(self, public):
        params = {"n_components": 2, "levels": np.full(2, 2**20), "radius": 1.0, "steps": 64, **self.params}
        yield [Request("lines", "records", 1.0, {**params, "directions": np.eye(2, dtype=np.int64)})]


@pytest.mark.parametrize(
    ("params", "neighbours", "match"),
    [
        ({"public_labels": False}, "replace-one", "declared public"),
        ({"public_labels": 1}, "replace-one", "declared public"),
        ({"public_labels": True}, "add-remove", "replace-one"),
    ],
)
def test_a_mechanism_cannot_show_private_labels_or_the_number_of_rows(params, neighbours, match):
    flow = DPSlicedWassersteinFlow(mechanism=Revealing(params=params), neighbours=neighbours, **LABELS)
    with pytest.raises(ValueError, match=match):
        flow.fit(ROWS, Y)
    assert not hasattr(flow, "release_")


@pytest.mark.parametrize("params", [{}, {"domain": None}, {"domain": None, "target": Categories()}])
def test_all_rounds_together_cost_what_was_asked(params):
    """Also with what is found privately before the plan begins: shares of a mechanism are of the rest."""
    flow = DPSlicedWassersteinFlow(1.0, **{"domain": (0.0, 1.0), **params}, n_particles=300).fit(
        np.tile(ROWS, (3, 1)), np.tile(Y, 3)
    )
    release = flow.release_
    for accountant in (release.accountant, "zcdp", "rdp"):
        spent = skdpflow.accountants.resolve_accountant(accountant).epsilon(release.event, release.delta)
        if accountant == "gdp":
            assert spent <= release.epsilon
            assert spent >= 0.9 * release.epsilon
        else:
            assert spent >= 0.9 * release.epsilon  # looser accountants, same events
    assert flow.privacy_spent_ == (1.0, 1e-6)


@pytest.mark.parametrize("accountant", ["gdp", "zcdp", "rdp", pytest.param("pld", marks=pytest.mark.slow)])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_the_exact_cost_is_never_above_the_guarantee(accountant, epsilon):
    flow = DPSlicedWassersteinFlow(epsilon, accountant=accountant, n_particles=300, **LABELS).fit(ROWS, Y)
    exact = GaussianDPAccountant().epsilon(flow.release_.event, flow.release_.delta)
    assert exact <= epsilon
    assert flow.release_.accountant == accountant


def test_unknown_statistics_are_refused_before_anything_is_spent():
    curator = Curator(source_of(), BUDGET, BrokenNoise())
    with pytest.raises(ValueError, match="no statistic 'rows'"):
        curator.answer([counts(0.1), Request("rows", "rows", 0.1, {})], UNIT, None)
    assert curator.filter.entries == ()


def test_a_wrong_number_of_leaves_shares_no_noise():
    """One count for three classes: it must not come out as three counts with the same noise."""
    curator = Curator(source_of(y=np.arange(50) % 3), BUDGET, NoiseSource())
    (m,) = curator.answer([counts(0.5)], UNIT, Categories([0, 1, 2]))
    assert m.values.shape == (1,)


def test_noise_beyond_the_floating_point_slack_is_refused_without_a_private_number():
    tiny = Budget(1e-9, 1e-6, "add-remove", GaussianDPAccountant(), "gdp")
    curator = Curator(source_of(), tiny, BrokenNoise())
    with pytest.raises(ValueError, match="floating-point slack") as caught:
        curator.answer([counts(0.001)], UNIT, None)
    assert "50" not in str(caught.value)
    assert len(curator.filter.entries) == 1
