"""The noise really drawn has the stated scale, for every measurement of a default Release.

The sketch without noise is computed again here, with the ranks that the fit used, so that the noise is known.
A sum of m squared z-scores has a chi-square distribution with m degrees of freedom, closely enough for scales
above one; smaller scales are compared with the exact pmf. False alarms: 1e-9 for each number that is compared, less
than 2e-6 for all of them: most are correlations of pairs of measurements.
"""

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator.kinds import KINDS
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.sketch import Sums, sketch_rows
from skdpflow.curator.source import RowSource
from skdpflow.domain.schema import schema_of
from skdpflow.release import rounded_normal_pmf

pytestmark = pytest.mark.statistical

FALSE_ALARM = 1e-9
KEY = 2**100 + 12_345


def iris():
    X, y = load_iris(return_X_y=True)
    return X, y, {"domain": (0.0, 8.0), "target": Categories([0, 1, 2])}


def found():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y], {"target": Categories(), "epsilon": 8.0}


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X, y, {"domain": (-0.25, 0.25), "target": Interval(25, 350, integer=True)}


def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X = X[:, :6].astype(object)
    X[:, 5] = np.where(X[:, 5] > 0.1, "wide", "narrow")
    columns = {f"c{j}": Interval(0, 3000) for j in range(5)}
    domain = Domain({**columns, "c5": Categories(["narrow", "wide"])})
    return X, y, {"domain": domain, "target": Categories([0, 1]), "neighbours": "replace-one"}


TABLES = [iris, found, diabetes, cancer]


def fit(monkeypatch, table, **params):
    """Fit with a known rank key, the one secret that the sketches depend on; return what has Gaussian noise too."""
    monkeypatch.setattr(NoiseSource, "rank_key", lambda self: KEY)
    X, y, own = table()
    flow = DPSlicedWassersteinFlow(**{"epsilon": 1.0, "n_particles": 100, **own, **params}).fit(X, y)
    assert flow.release_.private
    noisy = [m for m in flow.release_.measurements if m.kind != "select_pairs"]
    return flow.release_, noisy, X, y


def noise_of(release, m, X, y):
    """What a measurement holds beyond the sum over the rows."""
    if m.kind == "labels":
        return m.values - [np.count_nonzero(y == label) for label in m.params["labels"]]
    source = RowSource(X, y, schema_of(X, y), release.domain)
    domain, target = (None, None) if m.kind == "bounds" else (release.domain, release.target)
    (sketch,) = sketch_rows(source, Sums([(KINDS[m.kind], m.params)], domain, target), KEY)
    return m.values - sketch.release(np.zeros(m.values.shape, dtype=np.int64))


def p_values(noise, m):
    """Of the spread and of the mean of the noise, under the stated scale."""
    z = (noise / m.sd).ravel()
    below = stats.chi2.cdf((z**2).sum(), z.size)
    return 2 * min(below, 1 - below), 2 * stats.norm.sf(abs(z.sum()) / np.sqrt(z.size))


@pytest.mark.parametrize("table", TABLES)
def test_every_measurement_has_the_noise_that_it_states(monkeypatch, table):
    release, noisy, X, y = fit(monkeypatch, table)
    spread, n_integers = [], 0
    for m in noisy:
        noise = noise_of(release, m, X, y)
        assert m.noise_scale.min() > 1.0
        # label counts are shown only above a threshold, so that their noise is not centred
        if m.kind == "labels":
            assert np.abs(noise / m.sd).max() < stats.norm.isf(FALSE_ALARM / noise.size)
            continue
        if noise.size < 8:  # numbers of rows: the noise of a few is zero in one fit of 10^5, but not in eight fits
            others = [other for other in (fit(monkeypatch, table)[0] for _ in range(7)) if m.name in other]
            noise = np.stack([noise, *(noise_of(other, other[m.name], X, y) for other in others)])
        assert noise.any()
        assert min(p_values(noise, m)) > FALSE_ALARM, m.name
        spread.append(((noise / m.sd) ** 2).sum())
        n_integers += noise.size
    # all together, much sharper
    assert abs(sum(spread) / n_integers - 1) < stats.norm.isf(FALSE_ALARM / 2) * np.sqrt(2 / n_integers)
    kinds = {m.kind for m in release.measurements}
    assert len(kinds) >= 3
    assert ("bounds" in kinds) == (table is found)
    assert ("labels" in kinds) == (table is found)


@pytest.mark.parametrize("table", [iris, diabetes])
def test_measurements_have_noise_of_their_own(monkeypatch, table):
    """No draw is used twice, within a measurement or in two of them, or in two fits."""
    drawn = []
    for _ in range(2):
        release, noisy, X, y = fit(monkeypatch, table)
        drawn += [(noise_of(release, m, X, y) / m.sd).ravel() for m in noisy]
    longest = max(map(len, drawn))
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            k = min(len(one), len(other))
            if k >= 30:
                r = np.corrcoef(one[:k], other[:k])[0, 1]
                assert abs(r) * np.sqrt(k) < stats.norm.isf(FALSE_ALARM)
    assert longest > 100


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_the_stated_scale_is_what_the_budget_asks_for(monkeypatch, epsilon):
    """noise scale = sensitivity x multiplier of the event, coordinate by coordinate."""
    release, noisy, *_ = fit(monkeypatch, iris, epsilon=epsilon)
    for m in noisy:
        statistic = KINDS[m.kind](m.params)
        assert m.sensitivity == statistic.sensitivity(release.neighbours)
        expected = statistic.relative_scale * m.sensitivity * m.event.noise_multiplier
        assert m.noise_scale == pytest.approx(expected, rel=1e-12)


def test_small_scales_have_the_exact_distribution(monkeypatch):
    """At a huge epsilon the noise is mostly zero, with exactly the probabilities of the rounded normal."""
    release, noisy, X, y = fit(monkeypatch, iris, epsilon=400.0)
    m = max((m for m in noisy if m.noise_scale.max() < 1.0), key=lambda m: m.values.size)
    noise, scale = noise_of(release, m, X, y).ravel(), float(m.noise_scale.max())
    zeros = float(rounded_normal_pmf(np.array([0]), scale)[0])
    assert stats.binomtest(int((noise == 0).sum()), noise.size, zeros).pvalue > FALSE_ALARM
