"""What a curator draws, for which numbers, with which secrets and within which slack."""

from itertools import combinations

import numpy as np
import pytest

from skdpflow import Categories, Domain, Interval
from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, resolve_accountant
from skdpflow.accountants.base import tally
from skdpflow.accountants.budget import Budget
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain import FINE_LEVELS
from skdpflow.domain.schema import schema_of
from skdpflow.latent.rank import RankTransform
from skdpflow.release.request import Request

RELATIONS = ["add-remove", "replace-one"]
DOMAIN = Domain({"a": Interval(0.0, 1.0), "b": Interval(0.0, 1.0)})
TARGET = Categories([0, 1])
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(60, 2)), RNG.integers(0, 2, size=60)
# one bin a column, over which rows are spread: so their scores are a matter of their ranks alone
WHOLE = np.array([0, FINE_LEVELS])
LATENT = RankTransform([WHOLE] * 2, [np.array([0.0, 1.0])] * 2, [None] * 2, [WHOLE[None]] * 2).to_params()
EDGES = np.array([0, FINE_LEVELS // 2, FINE_LEVELS])
PARAMS = {
    "counts": {"n_components": 2},
    "histograms": {
        "n_components": 2,
        "columns": np.arange(2),
        "edges": np.tile(EDGES, 2),
        "edge_sizes": np.array([3, 3]),
    },
    "mean": {"n_components": 2, **LATENT, "radius": 3.0, "steps": 64},
    "second_moment": {"n_components": 2, **LATENT, "radius": 3.0, "steps": 64, "pooled": False},
}
#: Under either relation, by the sentences of the documentation.
SENSITIVITIES = {
    "counts": (1.0, np.sqrt(2.0)),
    "histograms": (np.sqrt(2.0), 2.0),
    "mean": (64.0, 128.0),
    "second_moment": (64.0**2, np.sqrt(2.0) * 64.0**2),
}
RECORDS = {
    "n_components": 1,
    "levels": np.full(2, FINE_LEVELS),
    "radius": 2.0,
    "steps": 64,
    "directions": np.eye(2, dtype=np.int64),
}


class KnownNoise(NoiseSource):
    """Noise of 0, 1, 2, ..., which notes what was asked for."""

    def __init__(self, step=1):
        super().__init__()
        self.step, self.asked = step, []

    def rounded_gaussian(self, scale, shape):
        self.asked.append((np.asarray(scale), shape))
        return self.step * np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def curator_of(X=X, y=Y, noise=None, neighbours="add-remove", epsilon=1.0, accountant="gdp", **params):
    budget = Budget(epsilon, 1e-6, neighbours, resolve_accountant(accountant), accountant)
    return Curator(RowSource(X, y, schema_of(X, y), DOMAIN), budget, noise or NoiseSource(), **params)


def answer(curator, kind, share=0.5, params=None, target=TARGET):
    return curator.answer([Request("asked", kind, share, params or PARAMS[kind])], DOMAIN, target)[0]


# ---------------------------------------------------------------- noise


@pytest.mark.parametrize("neighbours", RELATIONS)
@pytest.mark.parametrize("kind", PARAMS)
def test_each_integer_has_a_draw_of_its_own_with_the_noise_that_is_paid_for(kind, neighbours):
    noise = KnownNoise()
    curator = curator_of(noise=noise, neighbours=neighbours)
    m = answer(curator, kind)
    ((scale, shape),) = noise.asked
    assert shape == m.values.shape
    assert m.event == GaussianEvent(1.0 / (curator.mu * np.sqrt(0.5)))
    assert [entry.event for entry in curator.filter.entries] == [m.event]
    expected = SENSITIVITIES[kind][RELATIONS.index(neighbours)] * m.event.noise_multiplier
    if kind == "second_moment":  # the entry (0, 1) of three
        expected = expected * np.array([1.0, np.sqrt(0.5), 1.0])
    for stated in (scale, m.noise_scale):
        assert np.broadcast_to(stated, shape) == pytest.approx(np.broadcast_to(expected, shape), rel=1e-12)


def test_what_is_measured_is_the_sum_and_the_noise():
    high = X >= 0.5
    for kind, exact in (
        ("counts", [(c == Y).sum() for c in (0, 1)]),
        ("histograms", [[f(h[c == Y]) for h in high.T for f in (lambda v: (~v).sum(), np.sum)] for c in (0, 1)]),
    ):
        m = answer(curator_of(noise=KnownNoise(1000)), kind)
        assert (m.values - 1000 * np.arange(m.values.size).reshape(m.values.shape)).tolist() == np.array(exact).tolist()


@pytest.mark.parametrize("kind", PARAMS)
def test_a_measurement_holds_what_was_asked_and_the_noisy_numbers_alone(kind):
    m = answer(curator_of(), kind)
    assert set(m.params) == set(PARAMS[kind])
    assert all(np.array_equal(m.params[name], value) for name, value in PARAMS[kind].items())


# ---------------------------------------------------------------- secrets


class Silent(NoiseSource):
    """No noise, so that what is left differs by secrets alone."""

    def rounded_gaussian(self, scale, shape):
        return np.zeros(shape, dtype=np.int64)


@pytest.mark.usefixtures("entropy")
def test_every_round_gives_a_row_another_rank():
    curators = [curator_of(noise=Silent()) for _ in range(2)]
    sums = [answer(curator, "mean", 0.25).values.tolist() for curator in curators for _ in range(2)]
    assert all(one != other for one, other in combinations(sums, 2))


@pytest.mark.usefixtures("entropy")
def test_lines_come_in_another_secret_order_each_time():
    curator = curator_of(y=None, noise=Silent(), neighbours="replace-one")
    again = curator_of(y=None, noise=Silent(), neighbours="replace-one")
    orders = [answer(c, "records", 0.25, RECORDS, None).values.tolist() for c in (curator, curator, again)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])


# ---------------------------------------------------------------- slack and calibration


class Noting(Curator):
    """Notes how many integers it says that a row can change."""

    def draw(self, scale, shape, *, differing):
        self.differing = differing
        return super().draw(scale, shape, differing=differing)


@pytest.mark.parametrize("kind", PARAMS)
def test_slack_is_charged_for_every_integer_that_neighbours_can_differ_in(kind):
    """Removing a row changes what it touches; moving it to another class changes that in both classes."""
    last, moved = len(X) - 1, np.where(np.arange(len(X)) == len(X) - 1, 1 - Y, Y)
    for neighbours, other in (("add-remove", (X[:last], Y[:last])), ("replace-one", (X, moved))):
        worlds = []
        for rows, labels in ((X, Y), other):
            noise = Silent(seed=0)  # one rank key in both
            budget = Budget(1.0, 1e-6, neighbours, GaussianDPAccountant(), "gdp")
            curator = Noting(RowSource(rows, labels, schema_of(rows, labels), DOMAIN), budget, noise)
            worlds.append(answer(curator, kind).values)
            assert curator.differing == {"counts": 1, "histograms": 2, "mean": 2, "second_moment": 3}[kind] * (
                1 if neighbours == "add-remove" else 2
            )
        assert np.count_nonzero(worlds[0] - worlds[1]) == curator.differing


def test_all_draws_together_stay_within_the_slack_that_is_stated():
    curator, charged = curator_of(epsilon=1e-3), 0.0
    slack = tally(curator.whole_event).slack_epsilon
    with pytest.raises(ValueError, match="floating-point slack"):  # noqa: PT012
        for _ in range(1000):
            curator.draw(1e5, (3,), differing=4)
            charged += (4 + 8) * 1e5 * 2.0**-47
    assert 0.9 * slack < charged <= slack


def test_all_draws_together_have_the_delta_that_is_stated():
    curator, n = curator_of(), 0
    slack = tally(curator.whole_event).slack_delta
    largest = int(slack * 2.0**60) // 3
    with pytest.raises(ValueError, match="floating-point slack"):  # noqa: PT012
        for _ in range(100):
            curator.draw(1e-9, (3,), differing=largest)
            n += 1
    assert n <= 3
    assert n * largest * 2.0**-60 <= slack


@pytest.mark.parametrize("accountant", ["gdp", "zcdp", "rdp"])
@pytest.mark.parametrize("threshold_delta", [0.0, 3e-7])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
def test_all_that_a_fit_may_do_costs_no_more_than_was_asked(epsilon, threshold_delta, accountant):
    """Its noise, its thresholds and its slack together, by the accountant that calibrated it."""
    curator = curator_of(epsilon=epsilon, accountant=accountant, threshold_delta=threshold_delta)
    parts = tally(curator.whole_event)
    assert parts.threshold_delta == threshold_delta
    assert parts.slack_epsilon > 0
    assert 0.999 * epsilon < resolve_accountant(accountant).epsilon(curator.whole_event, 1e-6) <= epsilon
