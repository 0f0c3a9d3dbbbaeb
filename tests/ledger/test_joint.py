"""The budget of a data set, spent by transformers, by pipelines, and by what holds a generator."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer

from skdpflow import BudgetExceededError, Categories, DPSlicedWassersteinFlow, Interval, LedgerError, PrivacyLedger
from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent, SlackEvent
from skdpflow.accountants.algebra import covers
from skdpflow.accountants.budget import Budget
from skdpflow.compose import DPOversampler, GenerativePipeline, TrainOnSynthetic
from skdpflow.compose._steps import check_fits
from skdpflow.ledger.joint import SingleUseDebit
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler

X = np.random.default_rng(0).uniform(size=(120, 2))
Y = (X[:, 0] > 0.5).astype(int)


def flow(ledger, epsilon=0.5):
    return DPSlicedWassersteinFlow(epsilon, domain=(0, 1), n_particles=64, n_steps=1, ledger=ledger)


@pytest.fixture(params=["memory", "disk"])
def ledger(request, tmp_path):
    return PrivacyLedger(None if request.param == "memory" else tmp_path / "a.ledger", epsilon=4, delta=1e-6)


def labelled(ledger, epsilon=0.5):
    return flow(ledger, epsilon).set_params(target=Categories([0, 1]))


def pipeline(ledger, **params):
    steps = [("scale", DPStandardScaler()), ("pca", DPPCA()), ("flow", flow(None))]
    return GenerativePipeline(steps, ledger=ledger, **params)


@pytest.mark.parametrize("transformer", [DPStandardScaler, DPQuantileTransformer, DPPCA])
def test_private_transformers_pay(ledger, transformer):
    fitted = transformer(3.9, domain=(0, 1), ledger=ledger).fit(X)
    ledger.verify([fitted.release_])
    assert 3.8 < ledger.spent() <= 4.0
    again = clone(fitted)
    with pytest.raises(BudgetExceededError, match="left"):
        again.fit(X)
    assert not hasattr(again, "release_")
    assert len(ledger.events) == 1


@pytest.mark.parametrize(
    ("transformer", "match"),
    [
        (DPPCA(n_components=3), "n_components=3"),
        (DPStandardScaler(domain={"a": Interval(0, 1), "b": Categories([0, 1])}), "must be numeric"),
        (DPQuantileTransformer(domain={"a": Interval(0, 1), "b": Interval(0, 1, nullable=True)}), "nullable"),
        (DPPCA(ledger="a.ledger"), "a PrivacyLedger or None"),
    ],
)
def test_transformers_refuse_unpaid_what_they_cannot_do(transformer, match):
    ledger = PrivacyLedger(epsilon=4, delta=1e-6)
    if transformer.ledger is None:
        transformer = transformer.set_params(ledger=ledger)
    with pytest.raises(ValueError, match=match):
        transformer.fit(X)
    assert ledger.events == ()


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("accountant", ["gdp", "zcdp", "rdp"])
@pytest.mark.parametrize("target", [None, Categories([0, 1]), Categories()])
def test_a_pipeline_pays_once_for_all_its_steps(epsilon, accountant, target):
    ledger = PrivacyLedger(epsilon=epsilon, delta=1e-6)  # the whole of it, and nothing more
    pipe = pipeline(ledger, epsilon=epsilon).set_params(flow__target=target, flow__accountant=accountant).fit(X, Y)
    assert len(ledger.events) == 1
    assert 0.9 * epsilon < ledger.spent() <= epsilon
    ledger.verify(pipe.releases_.values())
    ledger.verify([*pipe.releases_.values(), *pipe.releases_.values()])
    (head,) = {release.ledger for release in pipe.releases_.values()}
    assert f"Recorded in a PrivacyLedger: {head}" in str(pipe.privacy_statement())
    caps = ComposedEvent(tuple(release.cap for release in pipe.releases_.values()))
    assert covers(ledger.events[0], caps)
    assert GaussianDPAccountant().epsilon(caps, 1e-6) <= epsilon
    assert all(step.ledger is None for _, step in pipe.steps_)
    with pytest.raises(BudgetExceededError, match="pipeline"):
        clone(pipe).fit(X, Y)


def test_steps_of_two_pipelines_do_not_share_a_debit():
    ledger = PrivacyLedger(epsilon=4, delta=1e-6)
    one, two = (pipeline(ledger).fit(X).releases_ for _ in range(2))
    ledger.verify([*one.values(), *two.values()])
    moved = replace(two["pca"], ledger=one["pca"].ledger)
    with pytest.raises(LedgerError, match="release 3 is smaller"):
        ledger.verify([*one.values(), moved])


class Unread:
    """Rows that nobody may look at."""

    def __getattr__(self, name):
        raise AssertionError(name)


def test_a_pipeline_that_does_not_fit_in_reads_nothing(ledger):
    with pytest.raises(BudgetExceededError, match="Nothing was spent"):
        pipeline(ledger, epsilon=4.1).fit(Unread())
    assert ledger.events == ()


def test_a_pipeline_refuses_unpaid_what_it_cannot_do(ledger):
    with pytest.raises(ValueError, match="step 'flow' has a ledger of its own"):
        pipeline(ledger).set_params(flow__ledger=ledger).fit(X)
    with pytest.raises(ValueError, match="step 'pca' has a ledger of its own"):
        pipeline(None).set_params(pca__ledger=ledger).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        pipeline(ledger).fit(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="2D"):
        pipeline(ledger).fit(np.zeros((5, 2, 2)))
    with pytest.raises(ValueError, match="n_components=3"):
        pipeline(ledger).set_params(scale="passthrough", pca__n_components=3).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        GenerativePipeline([("flow", flow(None).set_params(domain=None))], ledger=ledger).fit(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="a PrivacyLedger or None"):
        pipeline("a.ledger").fit(X)
    with pytest.raises(LedgerError, match="replace-one"):
        pipeline(ledger).set_params(
            scale__neighbours="replace-one", pca__neighbours="replace-one", flow__neighbours="replace-one"
        ).fit(X)
    with pytest.raises(BudgetExceededError):
        pipeline(ledger).set_params(pca__noise_random_state=0).fit(X)
    assert ledger.events == ()


class Optimist(GaussianDPAccountant):
    """Says that everything costs a tenth."""

    def epsilon(self, event, delta):
        return super().epsilon(event, delta) / 10


def test_a_step_whose_accountant_asks_for_too_little_noise_measures_nothing(ledger):
    pipe = pipeline(ledger).set_params(pca__accountant=Optimist())
    with pytest.raises(ValueError, match="too little noise"):
        pipe.fit(X)
    assert ledger.events == ()
    assert not hasattr(pipe, "releases_")


class FitsTwice(DPPCA):
    """Measures the rows twice for one share."""

    def fit(self, X, y=None):
        super().fit(X)
        return super().fit(X)


class Glances(DPSlicedWassersteinFlow):
    """Looks at the rows without noise."""

    def fit(self, X, y=None):
        self.seen_ = np.mean(X)
        return super().fit(X)


def test_a_step_that_fits_twice_is_paid_once(ledger):
    with pytest.raises(LedgerError, match="a second time"):
        pipeline(ledger).set_params(pca=FitsTwice()).fit(X)
    assert len(ledger.events) == 1


def test_the_statement_of_a_pipeline_names_a_step_that_overrides_fit(ledger):
    fitted = pipeline(ledger).set_params(flow=Glances()).fit(X)
    statement = fitted.privacy_statement()
    assert statement.content["unverified"] == ["Glances"]
    assert "Unverified: the class Glances overrides fit." in " ".join(str(statement).split())
    assert pipeline(None).fit(X).privacy_statement().content["unverified"] == []


BUDGET = Budget(1.0, 1e-6, "add-remove", GaussianDPAccountant(), "gdp")


def test_a_part_of_a_debit_pays_for_one_fit():
    part = SingleUseDebit(BUDGET, ComposedEvent((GaussianEvent(0.1), SlackEvent(1.0, 1e-6))))
    one, other = (DPStandardScaler(domain=(0, 1), ledger=part) for _ in range(2))
    one.fit(X)
    for again in (one, other, clone(one), copy(one), deepcopy(one)):
        with pytest.raises(LedgerError, match="a second time"):
            again.fit(X)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(one)


def test_a_part_of_a_debit_pays_for_one_of_many_threads():
    part, waiting = SingleUseDebit(BUDGET, GaussianEvent(0.1)), Barrier(8)

    def paid(_):
        waiting.wait()
        try:
            part.debit(GaussianEvent(1.0), neighbours="add-remove")
        except LedgerError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(paid, range(8))) == 1


def test_what_holds_a_generator_with_a_ledger_pays_once_per_fit(ledger):
    identity = FunctionTransformer(inverse_func=np.asarray)
    made = [
        TrainOnSynthetic(LogisticRegression(), labelled(ledger)).fit(X, Y).generator_,
        GenerativePipeline([("i", identity), ("flow", labelled(None))], ledger=ledger, epsilon=0.5).fit(X, Y)["flow"],
        TrainOnSynthetic(LogisticRegression(), pipeline(ledger).set_params(flow__target=Categories([0, 1]))),
    ]
    made[2] = made[2].fit(X, Y).generator_.steps_[-1][1]
    oversampler = DPOversampler(labelled(ledger))
    oversampler.fit_resample(X, Y)
    made.append(oversampler.generator_)
    assert len(ledger.events) == 4
    ledger.verify([generator.release_ for generator in made])
    assert len({generator.release_.ledger for generator in made}) == 4
    DPOversampler(made[0].release_).fit_resample(X, Y)  # another holder's rows: nothing is spent here
    assert len(ledger.events) == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*score:skdpflow.PrivacyLeakWarning")
def test_searches_pay_for_every_pipeline(tmp_path):
    ledger = PrivacyLedger(tmp_path / "a.ledger", epsilon=8, delta=1e-6)
    with parallel_backend("loky", n_jobs=2):
        GridSearchCV(pipeline(ledger), {"flow__n_steps": [1, 2]}, cv=2, error_score="raise").fit(X)
    assert len(ledger.events) == 5


WIDE = np.random.default_rng(1).uniform(size=(40, 70))
HARDLY_ANY = {"epsilon": 0.001, "flow__n_particles": 16}
#: What the last of three steps refuses, by public facts and y alone.
REFUSED = {
    "slack": (WIDE, None, HARDLY_ANY, "slack"),
    "particles": (WIDE, None, {"flow__n_particles": 2**20}, "n_particles"),
    "n_steps": (X, None, {"flow__n_steps": 0}, "'n_steps'"),
    "mechanism": (X, None, {"flow__mechanism": "records"}, "replace-one"),
    "accountant": (X, None, {"flow__accountant": Optimist()}, "too little noise"),
    "random_state": (X, None, {"flow__random_state": "a"}, "'random_state'"),
    "no y": (X, None, {"flow__target": Categories([0, 1])}, "requires y"),
    "another length of y": (X, [0, 1], {"flow__target": Categories([0, 1])}, "one entry per row"),
    "text": (X, np.repeat("a", len(X)), {"flow__target": Categories([0, 1])}, "declared categories"),
}


@pytest.mark.parametrize("between", [None, FunctionTransformer(np.tanh, np.arctanh)], ids=["handed", "public step"])
@pytest.mark.parametrize("refused", REFUSED)
def test_what_a_later_step_refuses_costs_nothing(ledger, refused, between):
    rows, y, params, message = REFUSED[refused]
    steps = [("scale", DPStandardScaler(domain=(0, 1))), ("public", between), ("flow", flow(None))]
    pipe = GenerativePipeline(steps, ledger=ledger).set_params(**params)
    with pytest.raises((ValueError, TypeError), match=message):
        pipe.fit(rows, y)
    assert ledger.events == ()
    assert not hasattr(pipe, "steps_")


def test_components_whose_number_is_to_be_released_stop_no_fit():
    """More columns than the generator could do with may become few."""
    many = flow(None).set_params(n_particles=2**20)
    with pytest.raises(ValueError, match="n_particles"):
        check_fits([("scale", DPStandardScaler(domain=(0, 1))), ("flow", many)], WIDE, None)
    with pytest.raises(ValueError, match="n_particles"):
        check_fits([("pca", DPPCA(domain=(0, 1), n_components=65)), ("flow", many)], WIDE, None)
    assert set(check_fits([("pca", DPPCA(domain=(0, 1))), ("flow", many)], WIDE, None)) == {"pca", "flow"}


@pytest.mark.parametrize(
    "params",
    [
        {"n_particles": 2**20},
        {"target": Categories(list(range(2**12))), "mechanism": MarginalsMechanism(n_partitions=4096)},
    ],
)
def test_what_no_trial_of_a_search_could_do_costs_nothing(params):
    ledger, y = PrivacyLedger(epsilon=4, delta=1e-3, accountant="rdp"), np.arange(len(WIDE)) % 2
    many = flow(None).set_params(**{"target": Categories([0, 1])} | params)
    for generator in (many, GenerativePipeline([("scale", DPStandardScaler(domain=(0, 1))), ("flow", many)])):
        model = TrainOnSynthetic(LogisticRegression(), generator)
        with pytest.raises(ValueError, match="Nothing was spent"):
            DPSearchCV(model, {"estimator__C": [1.0, 2.0]}, n_iter=3, ledger=ledger).fit(WIDE, y)
        assert ledger.events == ()


@pytest.mark.parametrize("domain", [None, (-9.0, 9.0)])
def test_made_up_rows_that_a_public_step_cannot_do_with_stop_no_fit(ledger, domain):
    """What is made up is one, and a half, which have no logarithm here."""
    log = FunctionTransformer(lambda X: np.log(np.where(np.isin(X, (1.0, 0.5)), -1.0, 9.0)), inverse_func=np.exp)
    steps = [("scale", DPStandardScaler(domain=(0, 1))), ("log", log)]
    with np.errstate(invalid="ignore"):
        GenerativePipeline([*steps, ("flow", flow(None).set_params(domain=domain))], ledger=ledger).fit(X)
    assert len(ledger.events) == 1
