"""The tilt: closer to the counts, exact to sample, with a density that integrates to one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval
from skdpflow.latent.kdtree import KDTree, grid
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.transport.flow import FlowComponent
from skdpflow.transport.start import Gaussian
from skdpflow.transport.tilt import ACCEPTANCE, RegionFinder, enough_particles, tilt

EDGES = (np.array([-0.5, 0.5]), np.array([0.0]))
#: One partition by both columns, one by the first alone.
SUBCOMPONENTS = RegionFinder(EDGES, (grid([0, 1], [3, 2]), grid([0], [3])))
LEAVES = [FlowComponent(Gaussian(np.zeros(2), np.eye(2))), FlowComponent(Gaussian(np.array([1.0, 0.0]), np.eye(2)))]
SIZES = np.array([600.0, 400.0])


def particles(n=20_000):
    rng = np.random.default_rng(0)
    return [component.sample(n, rng) for component in LEAVES]


def counts_of(weights, points, groups=2):
    found = [np.asarray(SUBCOMPONENTS.find(z)) for z in points]
    return [
        np.array([np.bincount(f[t], np.full(f.shape[1], w), size) for f, w in zip(found, weights, strict=True)])
        for t, size in enumerate((8, 4))  # a quarter of the regions can hold no point
    ]


def test_points_are_found_in_their_cells():
    points = np.array([[-1.0, -1.0], [-1.0, 1.0], [0.0, 0.0], [2.0, -1.0]])
    both, first = SUBCOMPONENTS.find(points)
    assert both.tolist() == [0, 1, 3, 4]  # two bits for the bin of the first column
    assert first.tolist() == [0, 0, 1, 2]


def test_nothing_moves_where_the_counts_agree():
    points = particles()
    counts = counts_of(SIZES / len(points[0]), points)
    tilted = tilt(LEAVES, points, SIZES, SUBCOMPONENTS, np.arange(2), counts, [5.0] * len(counts))
    for component in tilted:
        assert np.abs(component.log_factor(points[0])).max() < 1e-6


def test_counts_that_contradict_each_other_leave_all_numbers_finite():
    """As after a further fit of other rows, whose partitions are kept beside those of the first."""
    points, rng = particles(2000), np.random.default_rng(0)
    regions = RegionFinder(EDGES, SUBCOMPONENTS.trees * 40)
    counts = [h * rng.choice([0.0, 1.0, 1e6], size=h.shape) for h in counts_of(SIZES / 2000, points) * 40]
    for component, z in zip(
        tilt(LEAVES, points, SIZES, regions, np.arange(2), counts, [0.1] * 80), points, strict=True
    ):
        assert max(np.abs(f).max() for f in component.log_factors) > 10.0
        assert np.isfinite([component.log_bound, component.log_mean]).all()
        assert np.isfinite(component.log_density(z)).all()
        assert component.sample(100, rng).shape == (100, 2)


def test_many_partitions_give_the_factor_that_few_rows_at_once_give(monkeypatch):
    points = particles(2000)
    counts = [h * np.linspace(0.5, 1.5, h.size).reshape(h.shape) for h in counts_of(SIZES / 2000, points)]
    component = tilt(LEAVES, points, SIZES, SUBCOMPONENTS, np.arange(2), counts, [1.0, 1.0])[0]
    whole = component.log_factor(points[0])
    monkeypatch.setattr("skdpflow.transport.tilt._REGIONS_HELD", 14)
    assert np.array_equal(component.log_factor(points[0]), whole)


def test_the_model_agrees_with_precise_counts():
    points = particles()
    rng = np.random.default_rng(1)
    # twice as many rows of the first component where both columns are positive
    z = np.concatenate([points[0], points[0][(points[0] > 0).all(axis=1)]])
    truth = counts_of(SIZES / len(points[0]), [z, points[1]])
    sizes = truth[0].sum(axis=1)
    tilted = tilt(LEAVES, points, sizes, SUBCOMPONENTS, np.arange(2), truth, [0.1] * len(truth))
    drawn = [component.sample(100_000, rng) for component in tilted]
    for wanted, got in zip(truth, counts_of(sizes / 100_000, drawn), strict=True):
        # rows are a sample themselves; and four standard errors of the samples
        assert (np.abs(got - wanted) <= np.sqrt(wanted) + 6.0).all()


def test_counts_that_are_mostly_noise_move_little():
    points = particles()
    rng = np.random.default_rng(2)
    counts = [h + rng.normal(scale=1e4, size=h.shape) for h in counts_of(SIZES / len(points[0]), points)]
    tilted = tilt(LEAVES, points, SIZES, SUBCOMPONENTS, np.arange(2), counts, [1e4] * len(counts))
    assert max(np.abs(component.log_factor(points[0])).max() for component in tilted) < 0.05


@given(st.integers(0, 2**32), st.sampled_from([0.5, 20.0, 300.0]))
@settings(max_examples=30, deadline=None)
def test_densities_integrate_to_one_and_factors_are_bounded(seed, sd):
    points = particles(4000)
    rng = np.random.default_rng(seed)
    counts = [
        h * rng.exponential(size=h.shape) + sd * rng.standard_normal(h.shape) for h in counts_of(SIZES / 4000, points)
    ]
    tilted = tilt(LEAVES, points, SIZES, SUBCOMPONENTS, np.arange(2), counts, [sd] * len(counts))
    for component, own in zip(tilted, points, strict=True):
        factor = np.exp(component.log_factor(own))
        assert ACCEPTANCE * np.exp(component.log_bound) <= factor.mean() * (1 + 1e-9)
        assert factor.max() <= np.exp(component.log_bound) * (1 + 1e-9)
        ratio = np.exp(component.log_density(own) - component.component.log_density(own))
        assert ratio.mean() == pytest.approx(1.0, rel=1e-9)


def test_samples_follow_the_density():
    """False alarm at 1e-4 a component, with a fixed seed."""
    points = particles()
    counts = [h * np.linspace(0.3, 1.7, h.shape[1]) for h in counts_of(SIZES / len(points[0]), points)]
    tilted = tilt(LEAVES, points, SIZES, SUBCOMPONENTS, np.arange(2), counts, [1.0] * len(counts))
    component = tilted[0]
    mass = np.exp(
        component.log_factor(np.array([[-1.0, 0.5], [0.0, 0.5], [1.0, 0.5], [-1.0, -0.5], [0.0, -0.5], [1.0, -0.5]]))
    )
    mass = mass.reshape(2, 3) / np.exp(component.log_mean)
    weight = 0.5 * mass.sum(axis=0) * np.diff(norm.cdf([-np.inf, -0.5, 0.5, np.inf]))

    def cdf(x):
        inner = np.array([-np.inf, -0.5, 0.5, np.inf])
        low = norm.cdf(np.clip(x[:, None], inner[:-1], inner[1:])) - norm.cdf(inner[:-1])
        return (low / np.diff(norm.cdf(inner))) @ (weight / weight.sum())

    x = component.sample(20_000, np.random.default_rng(3))[:, 0]
    assert kstest(x, cdf).pvalue > 1e-4
    assert component.sample(0, np.random.default_rng(0)).shape == (0, 2)


def exclusive(n=20_000):
    """Two columns of which neither alone tells anything about the label, and both together tell everything."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, (np.prod(X, axis=1) > 0).astype(int)


def test_partitions_alone_teach_joint_dependence():
    X, y = exclusive()
    agreement = []
    for n_partitions in (0, 16):
        mechanism = MarginalsMechanism(n_pairs=0, n_slices=0, n_cuts=0, n_partitions=n_partitions)
        flow = DPSlicedWassersteinFlow(3.0, domain=(-1, 1), target=Categories([0, 1]), mechanism=mechanism)
        a, b = flow.fit(X, y).sample_labeled(5000, random_state=0)
        agreement.append(np.mean((np.prod(a, axis=1) > 0) == b))
    assert agreement[1] > agreement[0] + 0.08


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_partitions_cost_their_share():
    X, y = exclusive(2000)
    mechanism = MarginalsMechanism(n_partitions=7)
    flow = DPSlicedWassersteinFlow(1.0, domain=(-1, 1), target=Interval(0, 1), mechanism=mechanism, random_state=0)
    release = flow.fit(X, y).release_
    for name, k in [("partitions", 3), ("partitions2", 4)]:
        assert release[name].sensitivity == pytest.approx(np.sqrt(k))
        assert len(release[name].params["partition_columns"]) == k
    without = flow.set_params(mechanism__n_partitions=0).fit(X, y).release_
    assert "partitions" not in without
    assert flow.sample(10).shape == (10, 2)


def test_particles_err_less_than_the_noise():
    sizes, sd, n_regions = np.array([600.0, 400.0]), 5.0, 20
    n = int(enough_particles(sizes, [np.zeros((1, n_regions)), np.zeros((2, 40))], [sd, 4 * sd]))
    rng = np.random.default_rng(0)
    predicted = 1000.0 / (2 * n) * rng.multinomial(2 * n, np.full(n_regions, 1.0 / n_regions), size=4000)
    assert 0.9 * sd < predicted.std(axis=0).mean() < 1.05 * sd


def test_many_tables_in_many_columns_do_not_run_away():
    """The limit of factors moves from sweep to sweep; the rows that are predicted must not."""
    d, rng = 12, np.random.default_rng(0)
    points = [rng.standard_normal((4000, d))]
    leaf = FlowComponent(Gaussian(np.zeros(d), np.eye(d)))
    whole = [grid(rng.permutation(d)[:3].tolist(), [8, 8, 8]) for _ in range(64)]
    trees = tuple(KDTree(tree.columns[:7], tree.cuts[:127]) for tree in whole)
    regions = RegionFinder((norm.ppf(np.arange(1, 8) / 8.0),) * d, trees)
    rows = rng.standard_normal((6000, d)) + rng.choice([-1.0, 1.0], size=(6000, 1))
    counts = [np.bincount(found, minlength=128)[None].astype(float) for found in regions.find(rows)]
    (tilted,) = tilt([leaf], points, np.array([6000.0]), regions, np.zeros(1, dtype=int), counts, [3.0] * len(counts))
    fresh = rng.standard_normal((20_000, d))
    weights = np.exp(tilted.log_factor(fresh) - tilted.log_bound)
    weights /= weights.mean()
    assert (weights**2).mean() < 5.0

    def error(shares):
        rows = [6000.0 * np.bincount(found, shares, 128) for found in regions.find(fresh)]
        return np.sqrt(np.mean((np.array(rows) - np.array(counts)[:, 0]) ** 2))

    even = np.full(len(fresh), 1.0 / len(fresh))
    assert error(even * weights) < 0.85 * error(even)
