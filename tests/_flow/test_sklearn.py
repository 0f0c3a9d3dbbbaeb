"""scikit-learn's own checks, without a single expected failure, and what they do not cover."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, PrivacyLeakWarning
from skdpflow.accountants import GaussianDPAccountant, PLDAccountant, RenyiAccountant, ZCDPAccountant
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.projections import (
    OrthogonalProjections,
    PrincipalProjections,
    QuasiMonteCarloProjections,
    UniformProjections,
)

# scikit-learn compares two fits, so the noise of the instances that it checks is seeded.
FLOWS = [
    DPSlicedWassersteinFlow(noise_random_state=0),
    DPSlicedWassersteinFlow(noise_random_state=0, domain=(-5.0, 5.0)),
    DPSlicedWassersteinFlow(noise_random_state=0, domain=(-5.0, 5.0), target=Categories([0, 1, 2])),
    DPSlicedWassersteinFlow(noise_random_state=0, target=Categories()),
    DPSlicedWassersteinFlow(noise_random_state=0, target=Interval(-3.0, 3.0)),
    DPSlicedWassersteinFlow(noise_random_state=0, neighbours="replace-one", accountant=ZCDPAccountant()),
    DPSlicedWassersteinFlow(
        noise_random_state=0, mechanism=MarginalsMechanism(n_slices=4), projections=OrthogonalProjections()
    ),
    DPSlicedWassersteinFlow(noise_random_state=0, mechanism="records", neighbours="replace-one"),
]
OBJECTS = [
    GaussianDPAccountant(),
    ZCDPAccountant(),
    RenyiAccountant(),
    PLDAccountant(),
    UniformProjections(),
    OrthogonalProjections(n_projections=5),
    QuasiMonteCarloProjections(),
    PrincipalProjections(),
    MarginalsMechanism(),
    RecordsMechanism(),
]


# A list: scikit-learn 1.6 has a generator there, which pytest 9 deprecates.
CHECKS = parametrize_with_checks(FLOWS).mark


def estimators_and_checks():
    """Mark the checks of all instances but one as slow."""
    for estimator, check in CHECKS.args[1]:
        quick = repr(estimator) == repr(FLOWS[2])
        yield pytest.param(estimator, check, marks=() if quick else pytest.mark.slow)


@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(CHECKS.args[0], list(estimators_and_checks()), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


def checks_without_fit():
    """The checks that hold for objects that have parameters but nothing to fit."""
    names = {
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
    }
    for instance in OBJECTS:
        found = set()
        for estimator, check in estimator_checks_generator(instance):
            name = getattr(check, "func", check).__name__
            if name in names:
                found.add(name)
                yield pytest.param(estimator, check, id=f"{type(instance).__name__}-{name}")
        assert len(found) >= 8, "scikit-learn renamed its checks"


@pytest.mark.parametrize(("instance", "check"), list(checks_without_fit()))
def test_common_checks_of_objects_without_fit(instance, check):
    check(instance)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(400, 3))


def test_the_tags_say_what_a_flow_is():
    tags = get_tags(DPSlicedWassersteinFlow())
    assert tags.non_deterministic
    assert tags.estimator_type == "density_estimator"
    assert not tags.target_tags.required
    assert not tags.input_tags.allow_nan


def test_clone_keeps_parameters_and_nothing_fitted(X):
    flow = DPSlicedWassersteinFlow(
        2.0, projections=UniformProjections(3), accountant=RenyiAccountant(orders=[2.0, 8.0])
    ).fit(X)
    copy = clone(flow)
    assert [name for name in vars(copy) if name.endswith("_") or name.startswith("_")] == ["_lineage"]  # number of fits
    assert copy.projections is not flow.projections
    assert repr(copy) == repr(flow)


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_nested_parameters(X):
    flow = DPSlicedWassersteinFlow(
        projections=UniformProjections(), accountant=RenyiAccountant(), mechanism=MarginalsMechanism()
    )
    assert {"projections__n_projections", "accountant__orders", "mechanism__n_bins"} <= set(flow.get_params())
    release = flow.set_params(accountant__orders=[2.0, 4.0, 16.0], mechanism__n_bins=7).fit(X).release_
    assert release["histograms"].values.shape[1] == 3 * (7 + 3)  # below, above, no number
    assert "[2.0, 4.0, 16.0]" in release.accountant
    flow.set_params(mechanism=RecordsMechanism(), neighbours="replace-one")
    flow.set_params(mechanism__n_projections=4, projections__n_projections=5).fit(X)
    # the sampler insists on its own number
    assert flow.release_["records"].params["directions"].shape == (3, 5)
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        flow.set_params(mechanism__colour=1)


def test_fit_does_not_change_parameters(X):
    flow = DPSlicedWassersteinFlow(mechanism=MarginalsMechanism(), projections=UniformProjections())
    before = {name: (id(value), repr(value)) for name, value in flow.get_params().items()}
    flow.fit(X).sample(3)
    assert {name: (id(value), repr(value)) for name, value in flow.get_params().items()} == before


def test_pipeline_ends_with_the_flow(X):
    pipe = make_pipeline(MinMaxScaler(), DPSlicedWassersteinFlow(domain=(0.0, 1.0))).fit(X)
    assert pipe.score(X) < 0.0
    assert pipe.score_samples(X).shape == (len(X),)
    back = pipe[:-1].inverse_transform(pipe[-1].sample(20))
    assert back.shape == (20, 3)
    assert (back >= X.min(axis=0) - 1e-9).all()


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_a_flow_works_in_cross_val_score(X):
    scores = cross_val_score(DPSlicedWassersteinFlow(), X, cv=3)
    assert scores.shape == (3,)
    assert (scores < 0.0).all()


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_flow_works_in_grid_search(X, n_jobs):
    flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), projections=UniformProjections(), mechanism=MarginalsMechanism())
    grid = {"epsilon": [0.01, 20.0], "mechanism__n_bins": [8, 16], "projections__n_projections": [None, 2]}
    search = GridSearchCV(flow, grid, cv=KFold(2), n_jobs=n_jobs, error_score="raise").fit(X)
    assert search.best_params_["epsilon"] == 20.0  # better models have better scores
    assert search.best_estimator_.sample(2).shape == (2, 3)
    assert search.score(X) == search.best_estimator_.score(X)


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
def test_grid_search_over_a_pipeline_with_labels(X):
    y = np.where(X[:, 0] > 0, "high", "low")
    pipe = make_pipeline(MinMaxScaler(), DPSlicedWassersteinFlow(domain=(0.0, 1.0), target=Categories(["high", "low"])))
    search = GridSearchCV(pipe, {"dpslicedwassersteinflow__n_steps": [1, 3]}, cv=2, error_score="raise")
    assert search.fit(X, y).best_score_ < 0.0


def test_found_bounds_of_different_widths_can_be_compared(X):
    # Scaled by its own domain, a model with far too wide bounds would look perfect.
    good = DPSlicedWassersteinFlow(5.0, domain=(-4.0, 4.0)).fit(X)
    wide = DPSlicedWassersteinFlow(0.02, domain=(-1e6, 1e6)).fit(X)
    assert good.score(X) > wide.score(X)


@pytest.mark.parametrize("display", ["text", "diagram"])
def test_html_repr_is_about_parameters_and_the_release(X, display):
    marked = np.where(np.arange(400)[:, None] == 7, 3.1415926535, X)
    flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(marked)
    with config_context(display=display, print_changed_only=False):
        bundle = flow._repr_mimebundle_()
    for text in bundle.values():
        assert "DPSlicedWassersteinFlow" in text
        assert "3.14159" not in text
    version = tuple(map(int, sklearn.__version__.split(".")[:2]))
    if display == "diagram" and version >= (1, 9):
        assert "privacy_spent_" in bundle["text/html"]  # fitted attributes are shown since 1.9
        assert "400" not in bundle["text/html"].split("privacy_spent_")[1].split("</table>")[0]


def test_pickle_of_a_fitted_flow_samples_the_same(X):
    flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), mechanism=MarginalsMechanism(n_slices=3)).fit(X)
    again = pickle.loads(pickle.dumps(flow))
    assert np.array_equal(again.sample(10, random_state=0), flow.sample(10, random_state=0))
    assert again.score(X) == flow.score(X)
    assert X.tobytes() not in pickle.dumps(flow)


def test_subclasses_keep_working(X):
    class Quiet(DPSlicedWassersteinFlow):
        pass

    flow = Quiet(domain=(-4.0, 4.0)).fit(X)
    assert isinstance(Quiet.from_release(flow.release_), Quiet)
    with pytest.raises(ValueError, match="parameter of Quiet must be"):
        Quiet(epsilon=-1).fit(X)


def test_seeded_noise_warns_at_the_call_to_fit(X):
    with pytest.warns(PrivacyLeakWarning, match="no privacy") as caught:
        DPSlicedWassersteinFlow(noise_random_state=0).fit(X)
    assert caught[0].filename == __file__
