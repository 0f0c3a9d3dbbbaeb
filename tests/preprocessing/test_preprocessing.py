"""Private transformers: what they learn, what they cost, and that they show nothing else."""

import io
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, PrivacyLeakWarning, Release
from skdpflow.accountants import GaussianDPAccountant
from skdpflow.curator.kinds import KINDS
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler
from skdpflow.preprocessing._pca import MARGIN, n_kept

BOX = {"domain": (-5.0, 5.0), "noise_random_state": 0}
CHECKED = [
    DPStandardScaler(noise_random_state=0),
    DPStandardScaler(**BOX),
    DPQuantileTransformer(**BOX),
    DPQuantileTransformer(output_distribution="normal", n_bins=8, neighbours="replace-one", **BOX),
    DPPCA(noise_random_state=0),
    DPPCA(n_components=1, **BOX),
    DPPCA(neighbours="replace-one", accountant="zcdp", **BOX),
]
CHECKS = parametrize_with_checks(CHECKED).mark
ALL = [DPStandardScaler, DPQuantileTransformer, DPPCA]


@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


def digits():
    return load_digits(return_X_y=True)[0]


# ---------------------------------------------------------------- what they learn


def test_scaler_standardises():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(5.0, 2.0, 20_000), rng.integers(0, 10, 20_000)])
    domain = {"a": Interval(-10, 20), "b": Interval(0, 9, integer=True)}
    scaler = DPStandardScaler(3.0, domain=domain).fit(X)
    assert_allclose(scaler.mean_, X.mean(axis=0), atol=0.2)
    assert_allclose(scaler.scale_, X.std(axis=0), rtol=0.15)
    Z = scaler.transform(X)
    assert_allclose(Z.mean(axis=0), 0.0, atol=0.1)
    back = scaler.inverse_transform(Z)
    assert_allclose(back[:, 0], X[:, 0], atol=1e-3)
    assert (back[:, 1] == X[:, 1]).all()
    for (lower, upper), z in zip([(c.lower, c.upper) for c in scaler.domain_out_.columns], Z.T, strict=True):
        assert lower - 1e-9 <= z.min()
        assert z.max() <= upper + 1e-9


@pytest.mark.parametrize(("output", "median", "spread"), [("uniform", 0.5, 0.29), ("normal", 0.0, 1.0)])
def test_quantiles_have_the_wanted_distribution(output, median, spread):
    X = np.random.default_rng(0).exponential(size=(20_000, 1))
    quantiles = DPQuantileTransformer(3.0, domain=(0.0, 10.0), output_distribution=output).fit(X)
    Z = quantiles.transform(X)
    assert abs(np.median(Z) - median) < 0.05
    assert abs(Z.std() - spread) < 0.05
    assert_allclose(quantiles.inverse_transform(Z), X, atol=0.01)


def test_quantiles_are_increasing_where_many_rows_share_a_bin():
    X = np.repeat([0.1, 0.2, 9.0], 3000)[:, None]
    quantiles = DPQuantileTransformer(3.0, domain=(0.0, 10.0), n_bins=4).fit(X)
    z = quantiles.transform([[0.1], [0.2], [0.3], [9.0]]).ravel()
    assert (np.diff(z) > 0).all()


def test_pca_finds_the_subspace():
    X = digits()
    ours = DPPCA(30.0, domain=(0.0, 16.0)).fit(X)
    theirs = PCA(ours.n_components_).fit(X)
    assert 8 <= ours.n_components_ < 64
    # cosines of the angles between the leading axes
    assert np.linalg.svd(ours.components_[:5] @ theirs.components_[:5].T)[1].min() > 0.9
    assert_allclose(ours.explained_variance_[:3], theirs.explained_variance_[:3] / 64.0, rtol=0.25)
    assert_allclose(ours.components_ @ ours.components_.T, np.eye(ours.n_components_), atol=1e-9)
    kept = ours.inverse_transform(ours.transform(X))
    lost = theirs.inverse_transform(theirs.transform(X))
    assert ((kept - X) ** 2).mean() < 1.5 * ((lost - X) ** 2).mean() + 1.0


def test_fewer_components_stand_out_of_more_noise():
    found = [DPPCA(epsilon, domain=(0.0, 16.0)).fit(digits()).n_components_ for epsilon in (0.1, 1.0, 100.0)]
    assert found[0] < found[2]
    assert found[0] <= found[1] <= found[2]


def noisy_spectrum(true, sd, seed=0):
    """Eigenvalues of a diagonal matrix with symmetric noise, falling, and the variances along the noisy axes."""
    d = len(true)
    noise = np.random.default_rng(seed).normal(0.0, sd, (d, d))
    values, vectors = np.linalg.eigh(np.diag(true) + (noise + noise.T) / np.sqrt(2.0))
    return values[::-1], (vectors[:, ::-1] ** 2).T @ true


@pytest.mark.parametrize("sd", [0.001, 0.02])
def test_components_end_where_the_rows_end(sd):
    true = np.append(np.full(6, 3.0), np.zeros(200))
    values, variances = noisy_spectrum(true, sd)
    assert n_kept(values, variances, 2.0 * sd * np.sqrt(len(true)), 1e6, 0.1) == 6


def test_components_inside_the_noise_are_kept_while_they_hold_a_part_of_what_is_left():
    true = 5.0 * np.arange(1.0, 151.0) ** -1.2
    values, variances = noisy_spectrum(true, 0.03)
    edge = 2.0 * 0.03 * np.sqrt(len(true))
    standing_out = int((values > MARGIN * edge).sum())
    many, few = (n_kept(values, variances, edge, n, 0.1) for n in (1e6, 1e3))
    assert standing_out + 3 < many < 60
    assert standing_out <= few < many
    nothing = np.linspace(edge, -edge, 150)
    assert n_kept(nothing, np.zeros(150), edge, 1e6, 0.1) == 1


@pytest.mark.parametrize("n", [30, 60_000])
def test_few_components_that_stand_out_are_kept_and_tiny_ones_are_not(n):
    values = np.append([3.0, 0.8], np.full(30, 1e-5))
    assert n_kept(values, values, 1e-7, n, 0.1) == 2


def textures():
    """Eigenvalues of images with texture: a few large ones, and hundreds that fall slowly."""
    k = np.arange(1.0, 785.0)
    return 160.0 * np.append([0.29, 0.18], 0.53 * k[:-2] ** -1.1 / (k[:-2] ** -1.1).sum())


def test_textures_keep_more_components_where_rows_are_many():
    values, variances = noisy_spectrum(textures(), 0.023)
    edge = 2.0 * 0.023 * 28.0
    standing_out = int((values > MARGIN * edge).sum())
    kept = [n_kept(values, variances, edge, n, 0.12) for n in (1e3, 6e4, 1e6)]
    assert kept[0] < kept[1] <= kept[2]
    assert standing_out + 8 < kept[1] < 60


def test_axes_that_are_like_all_others_are_not_kept():
    values, variances = noisy_spectrum(np.append(np.full(3, 20.0), np.full(297, 0.05)), 0.02)
    assert n_kept(values, variances, 2.0 * 0.02 * np.sqrt(300.0), 1e6, 1.0) == 3


def test_all_components_give_the_rows_back():
    X = np.random.default_rng(0).uniform(size=(500, 4))
    pca = DPPCA(1.0, domain=(0.0, 1.0), n_components=4).fit(X)
    assert_allclose(pca.inverse_transform(pca.transform(X)), X, atol=2e-3)


# ---------------------------------------------------------------- what they cost


def test_rows_that_are_drawn_back_have_the_variance_of_the_real_ones():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2)) @ rng.normal(size=(2, 12)) + rng.normal(size=(20_000, 12)) * 0.4
    pca = DPPCA(epsilon=3.0, domain=(-8.0, 8.0), n_components=2).fit(X)
    Z = pca.transform(X)
    real, flat, drawn = (rows.var(axis=0).sum() for rows in (X, pca.inverse_transform(Z), pca.sample_inverse(Z)))
    assert flat < 0.95 * real
    assert abs(drawn / real - 1.0) < 0.03
    # what is drawn lies beside the components
    again = pca.transform(pca.sample_inverse(Z[:100], random_state=0))
    assert np.allclose(again, pca.transform(pca.inverse_transform(Z[:100])), atol=0.01)
    same = [pca.sample_inverse(Z[:5], random_state=1) for _ in range(2)]
    assert (same[0] == same[1]).all()
    assert (same[0] != pca.sample_inverse(Z[:5], random_state=2)).any()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
def test_the_release_accounts_for_everything(cls, neighbours):
    release = cls(0.7, 1e-5, domain=(0.0, 16.0), neighbours=neighbours).fit(digits()).release_
    assert GaussianDPAccountant().epsilon(release.event, 1e-5) <= 0.7
    assert len(release.measurements) == len(release.event.events)
    for m in release.measurements:
        statistic = KINDS[m.kind](m.params)
        assert statistic.sensitivity(neighbours) <= m.sensitivity
        multiplier = np.min(m.noise_scale / (statistic.relative_scale * m.sensitivity))
        assert multiplier >= m.event.noise_multiplier * (1 - 1e-12)


@pytest.mark.parametrize(("epsilon", "d"), [(1e-3, 1), (0.01, 64), (0.1, 600), (1.0, 600), (100.0, 600)])
def test_pca_keeps_within_the_floating_point_slack(epsilon, d):
    """At any width and budget the lattice is chosen so that the curator answers."""
    X = np.random.default_rng(0).uniform(size=(20, d))
    assert DPPCA(epsilon, domain=(0.0, 1.0)).fit(X).privacy_spent_ == (epsilon, 1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_private_bounds_are_part_of_the_budget(cls):
    X = np.random.default_rng(0).normal(size=(2000, 2))
    release = cls(2.0).fit(X).release_
    assert release.measurements[0].kind == "bounds"
    assert GaussianDPAccountant().epsilon(release.event, 1e-6) <= 2.0


# ---------------------------------------------------------------- rows stay alone, and inside


@pytest.mark.parametrize("cls", ALL)
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_transformed_row_depends_on_that_row_alone(cls, data):
    X = digits()[:300]
    fitted = cls(1.0, domain=(0.0, 16.0), noise_random_state=None).fit(X)
    rows = data.draw(st.lists(st.integers(0, 299), min_size=1, max_size=40))
    whole = fitted.transform(X)
    assert np.array_equal(fitted.transform(X[rows]), whole[rows])


@pytest.mark.parametrize("cls", ALL)
def test_everything_follows_from_the_release(cls):
    X = digits()
    fitted = cls(1.0, domain=(0.0, 16.0)).fit(X)
    again = clone(fitted)._learn(fitted.release_)
    assert np.array_equal(again.transform(X), fitted.transform(X))
    assert {k for k in vars(again) if k.endswith("_")} == {k for k in vars(fitted) if k.endswith("_")}
    packed = pickle.dumps(fitted)
    assert X.tobytes() not in packed
    assert X[0].tobytes() not in packed
    buffer = io.BytesIO()
    fitted.release_.save(buffer)
    loaded = clone(fitted)._learn(Release.load(io.BytesIO(buffer.getvalue())))
    assert np.array_equal(loaded.transform(X), fitted.transform(X))


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_containers_come_back(cls, container):
    rng = np.random.default_rng(0)
    X = container({"a": rng.uniform(size=500).astype("float32"), "b": rng.integers(0, 5, 500)})
    domain = {"a": Interval(0, 1), "b": Interval(0, 4, integer=True)}
    fitted = cls(1.0, domain=domain).fit(X)
    back = fitted.inverse_transform(fitted.transform(X))
    assert isinstance(back, container)
    assert list(back.columns) == ["a", "b"]
    assert list(back.dtypes) == list(X.dtypes)
    framed = fitted.set_output(transform="pandas").transform(X)
    assert list(framed.columns) == list(fitted.get_feature_names_out()) == list(fitted.domain_out_)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (DPPCA(n_components=65, domain=(0, 16)), "at most the number of columns"),
        (DPPCA(n_components=0), "'n_components' parameter of DPPCA"),
        (DPPCA(epsilon=-1.0), "'epsilon' parameter of DPPCA"),
        (DPStandardScaler(delta=2.0), "'delta' parameter of DPStandardScaler"),
        (DPStandardScaler(neighbours="some"), "'neighbours' parameter"),
        (DPStandardScaler(n_jobs=0), "'n_jobs' parameter"),
        (DPQuantileTransformer(n_bins=1), "'n_bins' parameter"),
        (DPQuantileTransformer(output_distribution="beta"), "'output_distribution' parameter"),
        (DPQuantileTransformer(domain={f"c{j}": Categories([0, 1]) for j in range(64)}), "must be numeric"),
        *((cls(domain={f"c{j}": Interval(0, 16, nullable=True) for j in range(64)}), "no missing") for cls in ALL),
    ],
)
def test_bad_parameters_are_refused(estimator, message, monkeypatch):
    monkeypatch.setattr("skdpflow.ledger.filter.PrivacyFilter.debit", lambda *_: pytest.fail("a budget was spent"))
    with pytest.raises(ValueError, match=message):
        estimator.fit(digits())
    assert not hasattr(estimator, "release_")


@pytest.mark.parametrize("cls", ALL)
def test_errors_show_no_cell(cls):
    X = digits().astype(object)
    X[3, 5] = "SECRET"
    declared = cls(domain=(0.0, 16.0)).fit(X)
    assert np.isfinite(declared.transform(X)).all()
    np.testing.assert_array_equal(np.delete(declared.transform(X), 3, 0), np.delete(declared.transform(digits()), 3, 0))
    fitted = cls().fit(digits())
    before = fitted.release_
    for call in (fitted.fit, fitted.transform):
        with pytest.raises(ValueError, match="text where numbers") as caught:
            call(X)
        assert "SECRET" not in str(caught.value)
    with pytest.raises(ValueError, match="finite numbers to transform back") as caught:
        fitted.inverse_transform([["SECRET"] * len(fitted.domain_out_)])
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert fitted.release_ is before


def test_seeded_noise_is_not_private():
    with pytest.warns(PrivacyLeakWarning, match="no privacy") as caught:
        fitted = DPPCA(noise_random_state=0).fit(digits())
    assert caught[0].filename == __file__
    assert fitted.privacy_spent_ == (float("inf"), 1.0)


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
def test_grid_search_in_a_plain_pipeline():
    flow = DPSlicedWassersteinFlow(domain=(-10.0, 10.0))
    pipe = make_pipeline(DPPCA(domain=(0.0, 16.0)), flow)
    search = GridSearchCV(pipe, {"dppca__n_components": [1, 2]}, cv=2, error_score="raise").fit(digits())
    assert search.best_estimator_[-1].sample(2).shape[1] in (1, 2)
