"""The paper's mechanism as a user meets it."""

import io
import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.accountants import noise_multiplier
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK
from skdpflow.curator import curator as curators
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.mechanisms import RecordsMechanism
from skdpflow.mechanisms.records import default_radius, lattice
from skdpflow.projections import spectral_norm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2000, 2)) @ np.array([[0.6, 0.3], [0.0, 0.3]])
Y = np.where(RNG.uniform(size=2000) < 0.3, "yes", "no")
X[Y == "yes"] += 0.8
BOX = (-3.0, 3.0)


def calibrated(epsilon, delta=1e-5):
    """Noise multiplier of a whole budget, less what is held back for rounding."""
    slack = epsilon * EPSILON_SLACK
    return noise_multiplier(epsilon - slack, delta * (1 - DELTA_SLACK) * math.exp(-slack))


def flow_of(epsilon=3.0, *, domain=BOX, target=None, n_steps=5, projections="auto", neighbours="replace-one", **params):
    return DPSlicedWassersteinFlow(
        epsilon,
        1e-5,
        domain=domain,
        target=target,
        mechanism=RecordsMechanism(**params),
        projections=projections,
        neighbours=neighbours,
        n_steps=n_steps,
        n_particles=1024,
        random_state=0,
    )


class DiagonalProjections(BaseEstimator):
    needs = ()

    def __init__(self, n_projections=None):
        self.n_projections = n_projections

    def sample(self, n_features, *, n_projections, seed, moments=None):
        return np.full((n_features, n_projections), n_features**-0.5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"neighbours": "add-remove"}, r"one line per row.*cannot hide.*neighbours='replace-one'"),
            ({"target": Categories(["no", "yes"])}, r"class of every line.*public_labels=True"),
            ({"target": Categories(), "public_labels": True}, r"have to be listed"),
            ({"projections": "principal"}, r"PrincipalProjections needs 'moments'"),
            ({"variant": "renewed"}, r"'variant' parameter of RecordsMechanism"),
            ({"n_projections": 0}, r"'n_projections' parameter of RecordsMechanism"),
            ({"diffusion": -1.0}, r"'diffusion' parameter of RecordsMechanism"),
            ({"radius": 0.0}, r"'radius' parameter of RecordsMechanism"),
            ({"public_labels": 1}, r"'public_labels' parameter of RecordsMechanism"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )
    def test_what_records_refuse_spends_nothing(self, changes, message, monkeypatch):
        def debit(self, event, name):
            raise AssertionError(f"{name} was debited")

        monkeypatch.setattr(curators.PrivacyFilter, "debit", debit)
        with pytest.raises(ValueError, match=message):
            flow_of(domain=None, **changes).fit(X, Y)

    def test_one_step_of_the_fresh_variant_must_be_there(self):
        with pytest.raises(ValueError, match="'n_steps' parameter of RecordsMechanism"):
            DPSlicedWassersteinFlow(
                mechanism=RecordsMechanism("fresh", n_steps=0), neighbours="replace-one", domain=BOX
            ).fit(X)


class TestAccounting:
    @pytest.mark.parametrize("epsilon", [0.5, 10.0])
    @pytest.mark.parametrize(("variant", "n_releases"), [("fixed", 1), ("fresh", 4)])
    def test_the_noise_is_what_the_formula_asks_for(self, variant, n_releases, epsilon):
        flow = DPSlicedWassersteinFlow(
            epsilon,
            1e-5,
            domain=BOX,
            mechanism=RecordsMechanism(variant, n_projections=5, n_steps=n_releases),
            neighbours="replace-one",
        ).fit(X)
        release = flow.release_
        assert len(release.measurements) == n_releases
        mu2 = 0.0
        for m in release.measurements:
            assert m.values.shape == (len(X), 5)
            directions = m.params["directions"]
            assert m.sensitivity == 2 * m.params["steps"] * spectral_norm(directions.astype(float))
            mu2 += (m.sensitivity / float(m.noise_scale[0])) ** 2
        multiplier = calibrated(epsilon)
        assert math.sqrt(mu2) == pytest.approx(1 / multiplier, rel=1e-9)
        assert flow.privacy_spent_ == (epsilon, 1e-5)

    def test_fresh_releases_have_directions_of_their_own(self):
        a, b = flow_of(variant="fresh").set_params(mechanism__n_steps=2).fit(X).release_.measurements
        assert (a.params["directions"] != b.params["directions"]).any()

    def test_bounds_found_privately_share_the_budget(self):
        release = flow_of(domain=None, epsilon=10.0).fit(X).release_
        assert [m.kind for m in release.measurements] == ["bounds", "records"]
        mu2 = sum((m.sensitivity / float(np.max(m.noise_scale))) ** 2 for m in release.measurements)
        multiplier = calibrated(10.0)
        assert math.sqrt(mu2) == pytest.approx(1 / multiplier, rel=1e-9)

    def test_whole_orthonormal_blocks_cost_least(self):
        m = flow_of(n_projections=6).fit(X).release_["records"]
        lengths = np.sqrt((m.params["directions"] ** 2).sum(axis=0))
        assert m.sensitivity == pytest.approx(2 * m.params["steps"] * math.sqrt(3) * lengths.mean(), rel=0.02)

    def test_the_statement_names_what_is_public(self):
        flow = flow_of(target=Categories(["no", "yes"]), public_labels=True).fit(X, Y)
        assert "The number of rows of each class" in str(flow.privacy_statement())
        assert flow.release_["records"].params["sizes"].tolist() == [(Y == "no").sum(), (Y == "yes").sum()]

    @pytest.mark.parametrize("d", [1, 3, 30, 300])
    @pytest.mark.parametrize("mu", [0.01, 0.3, 5.0, 1000.0])
    def test_the_lattice_is_fine_beside_the_noise_that_can_be_drawn(self, d, mu):
        steps, direction_steps = lattice(d, 2.0, mu, 2 * d)
        assert steps >= math.floor(16 * math.sqrt(d))
        assert direction_steps >= 64
        coarsest = direction_steps == 64 and steps <= 16 * math.sqrt(d)
        assert coarsest or 2.0 * steps * direction_steps / mu <= 2.0**22 * 1.01

    def test_the_radius_cuts_no_single_column(self):
        assert default_radius(1) == 1.0
        assert default_radius(16) == 2.0


MODELS = {
    "fixed": {},
    "fresh": {"variant": "fresh"},
    "diffused": {"diffusion": 0.01},
    "labels": {"target": Categories(["no", "yes"]), "public_labels": True},
    "number": {"target": Interval(-3.0, 3.0)},
    "diffused labels, one without rows": {
        "target": Categories(["no", "yes", "never"]),
        "public_labels": True,
        "diffusion": 0.01,
    },
}


class TestModel:
    @pytest.mark.parametrize("params", MODELS.values(), ids=MODELS)
    def test_a_release_gives_the_same_model_again(self, params):
        y = X.sum(axis=1) if isinstance(params.get("target"), Interval) else Y
        flow = flow_of(**params).fit(X, y)
        file = io.BytesIO()
        flow.release_.save(file)
        again = DPSlicedWassersteinFlow.from_release(Release.load(io.BytesIO(file.getvalue())))
        rows = flow.sample(100, random_state=1)
        np.testing.assert_array_equal(again.sample(100, random_state=1), rows)
        assert ((rows >= -3.0) & (rows <= 3.0)).all()
        assert (flow.sample(100, random_state=2) != rows).any()

    @pytest.mark.parametrize("params", [{}, {"variant": "fresh", "n_projections": 4}], ids=["fixed", "fresh"])
    def test_it_is_better_with_a_larger_budget(self, params):
        scores = [flow_of(epsilon, **params).fit(X).score(X) for epsilon in (0.5, 20.0, 2000.0)]
        assert scores[0] < scores[1] < scores[2]
        assert scores[2] > -0.6

    def test_a_huge_budget_gives_the_dependence_of_the_columns_back(self):
        new = flow_of(5000.0).fit(X).sample(4000, random_state=0)
        np.testing.assert_allclose(np.cov(new.T), np.cov(X.T), atol=0.08)
        np.testing.assert_allclose(new.mean(axis=0), X.mean(axis=0), atol=0.05)

    def test_each_class_follows_its_own_rows(self):
        flow = flow_of(5000.0, target=Categories(["no", "yes"]), public_labels=True).fit(X, Y)
        new, labels = flow.sample_labeled(4000, random_state=0)
        assert (labels == "yes").mean() == pytest.approx((Y == "yes").mean(), abs=0.03)
        for label in ("no", "yes"):
            expected = X[label == Y].mean(axis=0)
            np.testing.assert_allclose(new[labels == label].mean(axis=0), expected, atol=0.08)

    def test_a_numeric_target_is_a_column_of_the_record(self):
        new, y = flow_of(5000.0, target=Interval(-3.0, 3.0)).fit(X, X[:, 0]).sample_labeled(4000, random_state=0)
        assert np.corrcoef(new[:, 0], y)[0, 1] > 0.7

    def test_categories_come_back_as_declared(self):
        domain = Domain({"size": Interval(0, 9, integer=True), "ward": Categories(["a", "b", "c"])})
        rng = np.random.default_rng(1)
        table = np.empty((500, 2), dtype=object)
        table[:, 0], table[:, 1] = rng.integers(10, size=500), rng.choice(["a", "c"], p=[0.8, 0.2], size=500)
        new = flow_of(5000.0, domain=domain).fit(table).sample(1000, random_state=0)
        assert set(new[:, 1]) <= {"a", "b", "c"}
        assert set(new[:, 0]) <= set(range(10))
        assert (new[:, 1] == "a").mean() > 0.6

    @pytest.mark.parametrize("epsilon", [2.0, 2000.0])
    def test_the_density_of_a_column_integrates_to_one(self, epsilon):
        flow = flow_of(epsilon, domain=(0.0, 1.0)).fit(np.random.default_rng(0).beta(2, 3, size=(1000, 1)))
        # noise takes most rows of a small budget close to the ends: nodes are dense there
        edges = (1.0 - np.cos(np.linspace(0.0, np.pi, 20_001))) / 2.0
        middle = (edges[1:] + edges[:-1]) / 2.0
        assert np.exp(flow.score_samples(middle[:, None])) @ np.diff(edges) == pytest.approx(1.0, abs=0.02)

    def test_the_density_of_two_columns_integrates_to_one(self):
        flow = flow_of(1000.0).fit(X)
        middle = (np.arange(300) + 0.5) / 300 * 6.0 - 3.0
        grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
        density = np.exp(flow.score_samples(grid))
        assert density.sum() * (6.0 / 300) ** 2 == pytest.approx(1.0, abs=0.02)
        # and it is the density of the sample
        new = flow.sample(20_000, random_state=0)
        inside = (grid[:, 0] < 0.0) & (grid[:, 1] < 0.0)
        assert density[inside].sum() * (6.0 / 300) ** 2 == pytest.approx((new < 0.0).all(axis=1).mean(), abs=0.02)

    def test_the_wiener_term_spreads_the_rows_and_leaves_no_density(self):
        still, moved = (flow_of(2000.0, n_steps=20, diffusion=diffusion).fit(X) for diffusion in (0.0, 0.01))
        assert moved.sample(4000, random_state=0).var() > still.sample(4000, random_state=0).var()
        with pytest.raises(ValueError, match=r"score_samples needs diffusion=0"):
            moved.score_samples(X)

    def test_a_sampler_of_the_user_chooses_the_directions(self):
        release = flow_of(projections=DiagonalProjections(3)).fit(X).release_
        directions = release["records"].params["directions"]
        assert directions.shape == (2, 3)
        assert (directions == directions[0, 0]).all()
        # three times the same direction: the noise pays for each
        steps = release["records"].params["steps"]
        assert release["records"].sensitivity == pytest.approx(2 * steps * abs(directions[0, 0]) * math.sqrt(6))

    def test_a_seeded_noise_repeats_the_release_and_says_that_it_is_not_private(self):
        flow = flow_of().set_params(noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning):
            one = flow.fit(X).release_["records"].values
        with pytest.warns(PrivacyLeakWarning):
            two = flow.fit(X).release_["records"].values
        np.testing.assert_array_equal(one, two)
        assert not flow.release_.private

    def test_one_row_is_enough(self):
        flow = flow_of().fit(X[:1])
        assert flow.sample(5, random_state=0).shape == (5, 2)
        assert np.isfinite(flow.score_samples(X[:5])).all()


def test_found_labels_cannot_be_printed_by_a_mechanism_that_does_not_check():
    class Unchecked(RecordsMechanism):
        def check(self, target, neighbours):
            pass

    X, y = np.random.default_rng(0).uniform(size=(400, 2)), np.arange(400) % 2
    flow = DPSlicedWassersteinFlow(
        5.0,
        domain=(0, 1),
        target=Categories(),
        mechanism=Unchecked(public_labels=True),
        neighbours="replace-one",
    )
    with pytest.raises(ValueError, match="found privately"):
        flow.fit(X, y)
