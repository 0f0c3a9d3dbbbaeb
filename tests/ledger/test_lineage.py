"""The second fit of an estimator and its clones without a ledger is told what all of them cost."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdpflow import Categories, DPSlicedWassersteinFlow, PrivacyLeakWarning, PrivacyLedger
from skdpflow.accountants import ComposedEvent, GaussianDPAccountant
from skdpflow.compose import DPOversampler, GenerativePipeline, TrainOnSynthetic
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler

X = np.random.default_rng(0).uniform(size=(120, 2))
Y = (X[:, 0] > 0.5).astype(int)


def flow(**params):
    given = {"domain": (0, 1), "target": Categories([0, 1]), "n_particles": 32, "n_steps": 1, **params}
    return DPSlicedWassersteinFlow(**given)


MODELS = {
    "flow": flow(),
    "no delta to spare": flow(delta=1e-12, target=Categories()),
    "scaler": DPStandardScaler(domain=(0, 1)),
    "quantiles": DPQuantileTransformer(domain=(0, 1)),
    "pca": DPPCA(domain=(0, 1)),
    "pipeline": GenerativePipeline([("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow(domain=None))]),
    "trained": TrainOnSynthetic(LogisticRegression(), flow(epsilon=5.0)),
    "oversampler": DPOversampler(flow(), {0: 2}, keep_original=False),
}


def emitted(call):
    """Return the warnings about fits without a ledger."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [w for w in caught if issubclass(w.category, PrivacyLeakWarning) and "without a ledger" in str(w.message)]


def second_fits():
    """Each way to a second fit of a flow, and each model; all pairs are slow."""
    ways = ["itself", "a clone", "a clone of a clone", "a copy", "a deep copy", "of a clone"]
    for name in sorted(MODELS.keys() - {"no delta to spare"}):
        for way in ways[:1] if name == "trained" else ways:
            quick = way == "a clone" or (name in ("flow", "trained") and way == "itself")
            yield pytest.param(name, way, marks=() if quick else pytest.mark.slow, id=f"{name}, {way}")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "again"), list(second_fits()))
def test_the_second_fit_warns_once(name, again):
    first = copy.deepcopy(MODELS[name])
    first = clone(first) if again == "of a clone" else first
    vars(first).pop("_lineage", None)
    for part in vars(first).values():
        getattr(part, "__dict__", {}).pop("_lineage", None)
    assert emitted(lambda: first.fit(X, Y)) == []
    second = {
        "a clone": lambda: clone(first),
        "a clone of a clone": lambda: clone(clone(first)),
        "a copy": lambda: copy.copy(first),
        "a deep copy": lambda: copy.deepcopy(first),
    }.get(again, lambda: first)()
    (warning,) = emitted(lambda: second.fit(X[:60], Y[:60]))
    assert warning.filename == __file__
    assert "Fit number 2 without a ledger" in str(warning.message)
    for model in (first, second, clone(second)):
        assert emitted(lambda model=model: model.fit(X, Y)) == []


def test_it_says_what_a_ledger_would_have_been_charged():
    one = flow(epsilon=1.0).fit(X, Y)
    other = clone(one).set_params(epsilon=2.0)
    (warning,) = emitted(lambda: other.fit(X, Y))
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-6)
    for epsilon in (1.0, 2.0):
        flow(epsilon=epsilon, ledger=ledger).fit(X, Y)
    (total,) = re.findall(r"cost epsilon=([\d.]+) together", str(warning.message))
    assert float(total) == pytest.approx(ledger.spent(), rel=1e-3)
    assert float(total) == pytest.approx(
        GaussianDPAccountant().epsilon(ComposedEvent((one.release_.cap, other.release_.cap)), 1e-6), rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*score:skdpflow.PrivacyLeakWarning")
def test_searches_of_scikit_learn_warn_once_and_those_with_a_ledger_do_not():
    assert len(emitted(lambda: GridSearchCV(flow(), {"n_steps": [1, 2]}, cv=2).fit(X, Y))) == 1
    assert len(emitted(lambda: cross_val_score(TrainOnSynthetic(LogisticRegression(), flow()), X, Y, cv=3))) == 1
    ledger = PrivacyLedger(epsilon=20.0, delta=1e-5)
    assert emitted(lambda: GridSearchCV(flow(ledger=ledger), {"n_steps": [1, 2]}, cv=2).fit(X, Y)) == []


@pytest.mark.slow
def test_a_private_search_counts_as_one_fit_of_itself():
    """A number of fits that followed the number of trials would tell it."""
    generator = flow()
    search = DPSearchCV(TrainOnSynthetic(LogisticRegression(), generator, n_samples=50), {}, n_iter=4, max_rows=20)
    assert emitted(lambda: search.fit(X, Y)) == []
    assert len(emitted(lambda: search.fit(X, Y))) == 1
    assert len(vars(search)["_lineage"].fits) == 2
    found = search.best_estimator_.generator_
    for part in (generator, found, search.best_estimator_.generator):
        assert vars(part)["_lineage"].fits == []


@pytest.mark.filterwarnings("ignore:noise_random_state:skdpflow.PrivacyLeakWarning")
def test_seeded_fits_are_not_counted():
    seeded = flow(noise_random_state=0)
    assert emitted(lambda: seeded.fit(X, Y).fit(X, Y)) == []
    assert emitted(lambda: clone(seeded).set_params(noise_random_state=None).fit(X, Y)) == []


def test_a_refused_fit_is_none():
    model = flow()
    for rows in (np.ones((4, 3)), np.ones((4, 3, 2))):
        with pytest.raises(ValueError, match=r"columns|2D"):
            model.set_params(domain=((0, 0), (1, 1))).fit(rows, [0, 1, 0, 1])
    assert emitted(lambda: model.fit(X, Y)) == []


def test_where_it_is_an_error_nothing_is_measured():
    model = flow().fit(X, Y)
    release = model.release_
    for _ in range(2):
        with pytest.raises(PrivacyLeakWarning, match="Fit number 2"):
            model.fit(X, Y)
        assert model.release_ is release


def test_a_continued_fit_counts_and_states_its_total_itself():
    model = flow().fit(X, Y)
    assert emitted(lambda: model.continue_fit(X, Y, extra_epsilon=1.0)) == []
    (warning,) = emitted(lambda: clone(model).fit(X, Y))
    assert "Fit number 3" in str(warning.message)


def test_a_loaded_flow_was_fitted_before(tmp_path):
    model = flow().fit(X, Y)
    model.save(tmp_path / "a.flow")
    for again in (
        DPSlicedWassersteinFlow.load(tmp_path / "a.flow"),
        DPSlicedWassersteinFlow.from_release(model.release_),
        pickle.loads(pickle.dumps(model)),
    ):
        assert len(emitted(lambda again=again: again.fit(X, Y))) == 1


def test_what_a_lineage_knows_is_how_often_and_what_was_allowed():
    """Neither rows nor anything made of them; two tables leave the same."""
    one, other = (flow().fit(rows, Y) for rows in (X, X * 0.5))
    assert vars(one)["_lineage"] == vars(other)["_lineage"]
    assert pickle.dumps(vars(one)["_lineage"]) == pickle.dumps(vars(other)["_lineage"])
    assert set(vars(vars(one)["_lineage"])) == {"fits", "neighbours", "warned"}
    assert vars(one)["_lineage"].fits == [(one.release_.cap, ())]


@pytest.mark.slow
def test_other_processes_are_not_seen():
    """Which the documentation says: only a ledger in a file counts there."""
    model = flow()
    with parallel_backend("loky", n_jobs=2):
        grid = GridSearchCV(model, {"n_steps": [1, 2]}, cv=2, refit=False)
        assert emitted(lambda: grid.fit(X, Y)) == []


@pytest.mark.slow
def test_a_second_search_is_told_of():
    model = TrainOnSynthetic(LogisticRegression(), flow())
    search = DPSearchCV(model, {"estimator__C": [1.0, 2.0]}, n_iter=2)
    assert emitted(lambda: search.fit(X, Y)) == []
    told = emitted(lambda: clone(search).fit(X, Y))
    assert len(told) == 1
    assert "Fit number 2 without a ledger, of one DPSearchCV" in str(told[0].message)
    ledger = PrivacyLedger(epsilon=5, delta=1e-3, accountant="rdp")
    assert emitted(lambda: search.set_params(ledger=ledger).fit(X, Y).fit(X, Y)) == []
