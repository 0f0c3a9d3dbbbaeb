"""The two-world game: who knows all rows but one cannot tell the worlds apart better than claimed.

Each game is a whole measurement: ledger, sketch and noise from the operating system. The adversary applies
the matched filter, which is the best test between two Gaussians, at a threshold fixed beforehand. Both error
rates are compared with the claim on the scale of Gaussian privacy, mu = Phi^-1(1 - alpha) - Phi^-1(beta).

False alarms: one in 10^6 for each of eight claims that is found beaten. That 70 % of the claim is reached is stated at
confidence 95 %; with this many games a correct implementation misses it less than once in 10^7 runs. In all: 10^-5.
"""

import numpy as np
import pytest
from scipy.stats import beta, binom, norm

from skdpflow import Categories, Domain
from skdpflow.accountants import GaussianDPAccountant, gdp_mu
from skdpflow.accountants.budget import Budget
from skdpflow.curator import curator as curators
from skdpflow.curator.continued import measure_more
from skdpflow.curator.measure import measure
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain.schema import schema_of
from skdpflow.latent.rank import RankTransform
from skdpflow.projections import OrthogonalProjections
from skdpflow.release.pooling import pooled
from skdpflow.release.request import Request

pytestmark = pytest.mark.statistical

GAMES = 5000
EPSILON, DELTA = 3.0, 1e-5
CONFIDENCE, REACHED = 1e-6, 0.05
COLUMNS = 3
DOMAIN = Domain({name: Categories(["low", "high"]) for name in "abc"})
TARGET = Categories([0, 1])


class OneRequest:
    """A mechanism with one statistic, for the whole budget."""

    def __init__(self, kind, params):
        self.request = Request("all", kind, 1.0, params)

    def plan(self, public):
        yield [self.request]

    def continue_plan(self, public, release):
        yield [self.request]

    def describe(self):
        return {"name": "one request"}


@pytest.fixture(autouse=True)
def _calibrate_once(monkeypatch):
    """Calibration is a function of public numbers: its result is kept from game to game."""
    results = {}
    original = curators.calibrate

    def kept(make_event, epsilon, delta, accountant):
        key = (epsilon, delta)
        if key not in results:
            results[key] = original(make_event, epsilon, delta, accountant)
        return results[key]

    monkeypatch.setattr(curators, "calibrate", kept)


def play(rows, labels, mechanism, neighbours):
    X, y = np.array(rows, dtype=object), np.array(labels)
    budget = Budget(EPSILON, DELTA, neighbours, GaussianDPAccountant(), "gdp")
    source = RowSource(X, y, schema_of(X, y), DOMAIN)
    projections = OrthogonalProjections()
    noise = NoiseSource()
    release = measure(source, DOMAIN, TARGET, mechanism, projections, budget, noise, seed=0, transport={})
    assert release.private
    return release["all"]


def upper(errors, confidence):
    """Clopper-Pearson bound from above on an error rate."""
    return 1.0 if errors == GAMES else float(beta.isf(confidence, errors + 1, GAMES - errors))


def shown_mu(false_alarms, misses, confidence):
    """Mu that the adversary has shown: both error rates at their upper bounds, half of the risk each."""
    return norm.isf(upper(false_alarms, confidence / 2)) - norm.ppf(upper(misses, confidence / 2))


def run_game(world, other, mechanism, neighbours):
    """Play the game and return the mu that the adversary has shown, at both confidences, with the claim."""
    start = play(*world, mechanism, neighbours)
    truth = exact(world, mechanism, neighbours), exact(other, mechanism, neighbours)
    weights = (truth[1] - truth[0]) / start.noise_scale**2
    threshold = float((weights * (truth[0] + truth[1])).sum() / 2)
    scores = [
        np.array([(weights * play(*w, mechanism, neighbours).values).sum() for _ in range(GAMES)])
        for w in (world, other)
    ]
    false_alarms, misses = int((scores[0] > threshold).sum()), int((scores[1] <= threshold).sum())
    claim = 1.0 / start.event.noise_multiplier
    shown = [shown_mu(false_alarms, misses, c) for c in (CONFIDENCE, REACHED)]
    return shown, claim


def exact(world, mechanism, neighbours):
    """The statistic without noise: what the adversary, who knows the worlds, can compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NoiseSource, "rounded_gaussian", lambda self, s, shape: np.zeros(shape, dtype=np.int64))
        return play(*world, mechanism, neighbours).values.astype(float)


def check(world, other, mechanism, neighbours):
    (safe, likely), claim = run_game(world, other, mechanism, neighbours)
    assert GaussianDPAccountant().epsilon(play(*world, mechanism, neighbours).event, DELTA) <= EPSILON
    assert safe <= claim
    assert likely >= 0.7 * claim


def neighbours_of(rows, labels, one, other):
    """Worlds that differ in one row in the middle: present or not, or of one kind or the other."""
    (row, label), middle = one, len(rows) // 2

    def put(row, label):
        return [*rows[:middle], row, *rows[middle:]], [*labels[:middle], label, *labels[middle:]]

    return put(row, label), ((rows, labels) if other is None else put(*other))


REST = [["low"] * COLUMNS, ["high"] * COLUMNS, ["low", "high", "low"], ["high"] * COLUMNS], [0, 1, 0, 1]
HISTOGRAMS = {
    "n_components": 2,
    "columns": np.arange(COLUMNS),
    "edges": np.tile(np.arange(3), COLUMNS),
    "edge_sizes": np.full(COLUMNS, 3),
}


@pytest.mark.parametrize(
    ("neighbours", "other"),
    [("add-remove", None), ("replace-one", (["high"] * COLUMNS, 0)), ("replace-one", (["low"] * COLUMNS, 1))],
    ids=["add-remove", "replace-one, other bins", "replace-one, other class"],
)
def test_histograms_keep_their_promise_and_waste_little(neighbours, other):
    world, changed = neighbours_of(*REST, (["low"] * COLUMNS, 0), other)
    check(world, changed, OneRequest("histograms", HISTOGRAMS), neighbours)


TINY = 1e-9


def moments(first_edges, first_cdf):
    """Cells "low" of other columns sit at 0; the first has a score of its own for each code, whatever the rank is."""
    edges = [np.array(first_edges), *[np.array([0.0, TINY, 1.0 - TINY, 2.0])] * (COLUMNS - 1)]
    cdf = [np.array(first_cdf), *[np.array([0.0, 0.5 - TINY, 0.5 + TINY, 1.0])] * (COLUMNS - 1)]
    latent = RankTransform(edges, cdf, [None] * COLUMNS, [np.zeros((0, 2))] * COLUMNS)
    return {"n_components": 2, **latent.to_params(), "radius": 2.0, "steps": 32, "pooled": False}


LOW, HIGH = ["low"] * COLUMNS, ["high"] + ["low"] * (COLUMNS - 1)
# "low" at -4, clipped to the ball at -2; "high" spread over the rest, or at 4
ONE_FAR = moments([0, 1, 2], [0.0, TINY, 1.0])
BOTH_FAR = moments([0.0, 1.0, 1.0 + TINY, 2.0], [0.0, TINY, 1 - TINY, 1.0])


@pytest.mark.parametrize(
    ("kind", "params", "neighbours", "other"),
    [
        ("mean", ONE_FAR, "add-remove", None),
        ("mean", BOTH_FAR, "replace-one", (HIGH, 0)),
        ("second_moment", ONE_FAR, "add-remove", None),
        ("second_moment", ONE_FAR, "replace-one", (LOW, 1)),
    ],
    ids=[
        "mean, add-remove",
        "mean, opposite rows",
        "second moment, add-remove",
        "second moment, other class",
    ],
)
def test_moments_keep_their_promise_and_waste_little(kind, params, neighbours, other):
    rest = [LOW, LOW, LOW, LOW], [9, 9, 9, 9]  # rows of no declared class are in no component
    world, changed = neighbours_of(*rest, (LOW, 0), other)
    check(world, changed, OneRequest(kind, params), neighbours)


def test_a_fit_that_is_continued_keeps_its_total(monkeypatch):
    """The adversary sees both measurements, and takes their mean of inverse variance: all that they tell."""
    first, accountant = EPSILON / 2, GaussianDPAccountant()
    mechanism, projections = OneRequest("histograms", HISTOGRAMS), OrthogonalProjections()

    def play_twice(rows, labels, mechanism, neighbours):
        X, y = np.array(rows, dtype=object), np.array(labels)
        source = RowSource(X, y, schema_of(X, y), DOMAIN)
        half, whole = (Budget(e, DELTA, neighbours, accountant, "gdp") for e in (first, EPSILON))
        once = measure(
            source, DOMAIN, TARGET, mechanism, projections, half, NoiseSource(), seed=0, transport={"seed": 0}
        )
        release = measure_more(source, once, mechanism, projections, whole, NoiseSource())
        assert release.private
        return pooled(release)["all"]

    monkeypatch.setitem(globals(), "play", play_twice)
    world, other = neighbours_of(*REST, (["low"] * COLUMNS, 0), None)
    (safe, likely), claim_of_the_first = run_game(world, other, mechanism, "add-remove")
    claim = gdp_mu(EPSILON, DELTA)
    assert claim_of_the_first < 0.6 * claim
    assert safe <= claim
    assert likely >= 0.7 * claim


def test_the_game_finds_noise_that_is_too_small(monkeypatch):
    """The same game against a sampler with two thirds of the stated noise: the claim is beaten."""
    original = NoiseSource.rounded_gaussian
    monkeypatch.setattr(
        NoiseSource, "rounded_gaussian", lambda self, s, shape: original(self, np.asarray(s) / 1.5, shape)
    )
    world, other = neighbours_of(*REST, (["low"] * COLUMNS, 0), None)
    (safe, _), claim = run_game(world, other, OneRequest("histograms", HISTOGRAMS), "add-remove")
    assert safe > claim


def test_bounds_on_rates_are_those_of_the_binomial():
    assert binom.cdf(1700, GAMES, upper(1700, CONFIDENCE)) == pytest.approx(CONFIDENCE, rel=1e-6)
    assert binom.cdf(0, GAMES, upper(0, REACHED)) == pytest.approx(REACHED)
    assert upper(GAMES, REACHED) == 1.0
