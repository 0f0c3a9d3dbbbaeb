"""Scores of tables and densities of rows."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLeakWarning
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.metrics import sliced_wasserstein_distance
from skdpflow.transport.flow import FlowComponent

SEEDS = {"random_state": 0, "noise_random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")


class WithoutLayers(MarginalsMechanism):
    """The default mechanism, whose model stays at the Gaussians where the flow starts: smooth."""

    def learn(self, release):
        model = super().learn(release)
        return dataclasses.replace(
            model, components=tuple(FlowComponent(component.start) for component in model.components)
        )


class TestScore:
    def test_it_is_minus_a_distance(self, X, flow):
        assert flow.score(X) < 0.0
        assert flow.score(X, "ignored") == flow.score(X)

    def test_it_agrees_with_the_metric_on_a_fresh_sample(self, X, flow):
        sd = X.std(axis=0)
        distance = sliced_wasserstein_distance(X / sd, flow.sample(10_000, random_state=0) / sd)
        assert flow.score(X) == pytest.approx(-distance, abs=0.05)

    @pytest.mark.slow
    def test_good_models_score_higher(self, X):
        good = DPSlicedWassersteinFlow(20.0, domain=(-4.0, 4.0), **SEEDS).fit(X)
        other_rows = DPSlicedWassersteinFlow(20.0, domain=(-4.0, 4.0), **SEEDS).fit(X[:, ::-1] * [1.0, -1.0] + 0.5)
        poor = DPSlicedWassersteinFlow(0.01, domain=(-4.0, 4.0), **SEEDS).fit(X)
        assert good.score(X) > other_rows.score(X)
        assert good.score(X) > poor.score(X)

    def test_units_do_not_matter(self, patients):
        table = patients("pandas")[["age", "bmi"]]
        small = DPSlicedWassersteinFlow(domain=(0.0, [100.0, 60.0]), random_state=0, noise_random_state=0)
        large = DPSlicedWassersteinFlow(domain=(0.0, [100e6, 60e6]), random_state=0, noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning):
            one = small.fit(table).score(table)
        with pytest.warns(PrivacyLeakWarning):
            two = large.fit(table * 1e6).score(table * 1e6)
        assert one == pytest.approx(two, rel=0.6)  # public cells, and so the noise, depend on the units

    @pytest.mark.parametrize("value", [1.0, 0.0, 1e300])
    def test_constant_and_huge_rows_have_a_score(self, flow, value):
        assert -np.inf < flow.score(np.full((3, 2), value)) < 0.0

    def test_categories_count_in_the_score(self):
        domain = {"a": Categories(["x", "y"])}
        x, y = pd.DataFrame({"a": ["x"] * 500}), pd.DataFrame({"a": ["y"] * 500})
        flow = DPSlicedWassersteinFlow(10.0, domain=domain, **SEEDS).fit(x)
        assert flow.score(x) > -0.1
        assert flow.score(y) < -0.5

    def test_rows_found_outside_the_bounds_lower_the_score(self, X):
        flow = DPSlicedWassersteinFlow(5.0, **SEEDS).fit(X)
        assert flow.score(X + 1e6) < flow.score(X)


class TestScoreSamples:
    def test_one_dimension_integrates_to_one(self, X):
        flow = DPSlicedWassersteinFlow(10.0, domain=(-4.0, 4.0), **SEEDS).fit(X[:, :1])
        grid = np.linspace(-4.0, 4.0, 20_001)
        density = np.exp(flow.score_samples(grid[:, None]))
        assert trapezoid(density, grid) == pytest.approx(1.0, abs=0.02)

    @pytest.mark.slow
    def test_two_dimensions_integrate_to_one(self):
        rng = np.random.default_rng(0)
        a = rng.normal(size=(5000, 1))
        X = np.hstack([a, a + 0.3 * rng.normal(size=(5000, 1))]).clip(-4.0, 4.0)
        flow = DPSlicedWassersteinFlow(10.0, domain=(-4.0, [4.0, 6.0]), target=Categories([False, True]), **SEEDS).fit(
            X, X[:, 0] + np.tile([-1.0, 1.0], 2500) > 0.0
        )
        a, b = np.meshgrid(np.linspace(-4, 4, 401), np.linspace(-4, 6, 401))
        density = np.exp(flow.score_samples(np.column_stack([a.ravel(), b.ravel()])))
        assert density.sum() * (8 / 400) * (10 / 400) == pytest.approx(1.0, abs=0.05)

    def test_it_agrees_with_the_histogram_of_many_samples(self, X):
        flow = DPSlicedWassersteinFlow(10.0, domain=(-4.0, 4.0), **SEEDS).fit(X[:, :1])
        sample = flow.sample(100_000, random_state=0)[:, 0]
        edges = np.linspace(-2.0, 2.0, 21)
        inner = np.linspace(0.0, 0.2, 21)[:-1] + 0.005
        expected = np.array([np.exp(flow.score_samples(e + inner[:, None])).mean() * 0.2 for e in edges[:-1]])
        observed = np.histogram(sample, edges)[0] / len(sample)
        assert observed == pytest.approx(expected, abs=0.006)

    def test_the_mass_of_a_discrete_table_is_one(self):
        rng = np.random.default_rng(0)
        domain = {"n": Interval(0, 4, integer=True), "c": Categories(["x", "y", "z"])}
        table = pd.DataFrame({"n": rng.integers(0, 5, 1000), "c": rng.choice(["x", "y", "z"], 1000)})
        flow = DPSlicedWassersteinFlow(10.0, domain=domain, **SEEDS).fit(table)
        cells = pd.DataFrame(list(itertools.product(range(5), "xyz")), columns=["n", "c"])
        mass = np.exp(flow.score_samples(cells))
        assert mass.sum() == pytest.approx(1.0, abs=0.02)
        sample = flow.sample(50_000, random_state=0).value_counts(normalize=True)
        observed = np.array([sample.get((n, c), 0.0) for n, c in cells.itertuples(index=False)])
        assert mass == pytest.approx(observed, abs=0.02)

    def test_a_numeric_target_is_integrated_out(self, X):
        flow = DPSlicedWassersteinFlow(
            10.0, domain=(-4.0, 4.0), target=Interval(-4.0, 4.0), mechanism=WithoutLayers(n_partitions=0), **SEEDS
        ).fit(X[:, :1], X[:, 1])
        grid = np.linspace(-4.0, 4.0, 2001)
        density = np.exp(flow.score_samples(grid[:, None]))
        assert trapezoid(density, grid) == pytest.approx(1.0, abs=0.02)
        sample = flow.sample(100_000, random_state=0)[:, 0]
        for low, high in ((-2.0, -1.0), (-0.2, 0.2), (1.0, 1.5)):
            part = (grid >= low) & (grid <= high)
            expected = ((sample >= low) & (sample <= high)).mean()
            assert trapezoid(density[part], grid[part]) == pytest.approx(expected, abs=0.01)

    def test_densities_scale_with_the_units(self, X):
        flow = DPSlicedWassersteinFlow(100.0, domain=(-4.0, 4.0), random_state=0, noise_random_state=0)
        scaled = DPSlicedWassersteinFlow(100.0, domain=(-400.0, 400.0), random_state=0, noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning):
            one = flow.fit(X).score_samples(X)
        with pytest.warns(PrivacyLeakWarning):
            two = scaled.fit(100.0 * X).score_samples(100.0 * X)
        # public cells, and so the noise, depend on the units
        assert np.median(one) == pytest.approx(np.median(two) + 2.0 * np.log(100.0), abs=0.6)

    def test_rows_outside_the_domain_have_no_density(self, patients, patient_domain):
        flow = DPSlicedWassersteinFlow(domain=patient_domain).fit(patients("pandas"))
        inside = pd.DataFrame({"age": [30.0], "bmi": [25.0], "ward": ["A"], "smoker": [True], "grade": [1]})
        assert np.isfinite(flow.score_samples(inside)).all()
        for column, value in {"age": 16, "bmi": 60.5, "ward": "Z", "grade": 3}.items():
            assert flow.score_samples(inside.assign(**{column: value})) == -np.inf
        assert flow.score_samples(inside.assign(age=30.5)) == -np.inf  # no whole number

    def test_likely_rows_have_a_higher_density(self, X, flow):
        near, far = flow.score_samples([[0.0, 0.0], [2.0, -2.0]])
        assert near > far

    def test_many_rows_are_the_rows_one_by_one(self, X, flow):
        together = flow.score_samples(X[:10])
        alone = np.concatenate([flow.score_samples(X[i : i + 1]) for i in range(10)])
        assert together == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("target", [None, Categories([0, 1, 2, 3]), Interval(-2.0, 8.0)])
def test_probabilities_of_cells_are_those_of_samples(target):
    rng = np.random.default_rng(1)
    a, c = rng.integers(0, 4, 6000), rng.integers(0, 3, 6000)
    X = np.column_stack([a, (a + rng.integers(0, 2, 6000)) % 4, c])
    y = a if isinstance(target, Categories) else a + 2.0 * (c == 0) + rng.normal(scale=0.3, size=6000)
    domain = Domain({"a": Interval(0, 3, integer=True), "b": Interval(0, 3, integer=True), "c": Categories([0, 1, 2])})
    flow = DPSlicedWassersteinFlow(3.0, domain=domain, target=target, **SEEDS).fit(X, y)
    cells = np.array(list(itertools.product(range(4), range(4), range(3))))
    probability = np.exp(flow.score_samples(cells))
    assert probability.sum() == pytest.approx(1.0, abs=0.1)
    drawn = flow.sample(20_000, random_state=0) @ [12, 3, 1]
    assert 0.5 * np.abs(probability - np.bincount(drawn.astype(int), minlength=48) / 20_000).sum() < 0.1
