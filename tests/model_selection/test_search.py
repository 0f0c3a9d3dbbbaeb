"""A private search: what it costs, what it shows, and what it refuses."""

import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import skdpflow.model_selection._search as searching
from skdpflow import (
    BudgetExceededError,
    Categories,
    DPSlicedWassersteinFlow,
    Interval,
    PrivacyLeakWarning,
    PrivacyLedger,
)
from skdpflow.accountants import RenyiAccountant, RepeatAndSelectEvent, event_from_dict, event_to_dict, flatten_event
from skdpflow.accountants.base import tally
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.repetition import poisson_rate, steepness
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK
from skdpflow.compose import GenerativePipeline, TrainOnSynthetic
from skdpflow.curator.noise import NoiseSource
from skdpflow.ledger.joint import SingleUseDebit
from skdpflow.model_selection import DPSearchCV
from skdpflow.model_selection._trial import TrialAllocation, give_budget
from skdpflow.preprocessing import DPPCA, DPStandardScaler

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
Y = np.where(X[:, 0] > 0, "high", "low")
CLASSES = Categories(["high", "low"])
ATTRIBUTES = {
    "best_params_", "best_score_", "best_index_", "best_estimator_", "cv_results_", "event_", "scorer_",
    "privacy_spent_", "n_features_in_", "classes_",
}  # fmt: skip


def flow(**params):
    return DPSlicedWassersteinFlow(**{"domain": (-4.0, 4.0), "target": CLASSES, "n_particles": 64, **params})


def model(estimator=None, **params):
    return TrainOnSynthetic(estimator or LogisticRegression(), flow(**params), n_samples=200)


def search(space=None, **params):
    estimator = params.pop("estimator", None) or model()
    given = {"n_iter": 3, "epsilon": 5.0, "max_rows": 50, **params}
    return DPSearchCV(estimator, {"estimator__C": [0.1, 1.0]} if space is None else space, **given)


class Marked(ClassifierMixin, BaseEstimator):
    """A model that says its mark aloud, and fails with some marks."""

    def __init__(self, mark=None, fails=False):
        self.mark = mark
        self.fails = fails

    def fit(self, X, y):
        print("fit", self.mark)
        warnings.warn(f"fit {self.mark}", stacklevel=1)
        if self.fails:
            raise RuntimeError(f"cannot fit {self.mark}")
        self.classes_ = np.unique(y)
        self.mark_ = self.mark
        return self

    def predict(self, X):
        return np.full(len(X), "high")


class Hopeless(BaseEstimator):
    """An accountant that can certify nothing at the small delta of a trial."""

    def epsilon(self, event, delta):
        return math.inf if delta < 1e-6 else 1.0

    def delta(self, event, epsilon):
        return 1.0


# ---------------------------------------------------------------- what it costs


budgets = st.builds(
    Budget,
    epsilon=st.floats(0.05, 10.0),
    delta=st.floats(-9, -4).map(lambda e: 10**e),
    neighbours=st.sampled_from(["add-remove", "replace-one"]),
    accountant=st.just(RenyiAccountant()),
    accountant_name=st.just("rdp"),
)
allocations = st.builds(
    TrialAllocation,
    budget=budgets,
    mean=st.floats(1.01, 100.0),
    distribution=st.sampled_from(["poisson", "truncated-negative-binomial"]),
    shape=st.sampled_from([0.0, 1.0, 2.5]),
    score_share=st.floats(0.01, 0.9),
    n_steps=st.integers(1, 3),
)


def budget_of(epsilon, delta=1e-6, neighbours="add-remove"):
    return Budget(epsilon, delta, neighbours, RenyiAccountant(), "rdp")


@settings(max_examples=15, deadline=None)
@given(allocations)
def test_the_whole_search_costs_what_was_asked(allocation):
    event, budget = allocation.event(allocation.calibrated()), allocation.budget
    spent = RenyiAccountant().epsilon(event, budget.delta)
    assert 0.99 * budget.epsilon <= spent <= budget.epsilon
    assert event_from_dict(event_to_dict(event)) == event


@settings(max_examples=30, deadline=None)
@given(allocations, st.floats(1.0, 50.0))
def test_the_slack_of_a_search_covers_bad_draws_whatever_epsilon_is_stated(allocation, multiplier):
    """Its parts may have bad draws with the delta that each holds back; see `steepness`, which knows no epsilon."""
    event = allocation.event(multiplier)
    (best,) = (e for e in flatten_event(event) if isinstance(e, RepeatAndSelectEvent))
    slack = tally(event, repetitions=True)
    bad = (allocation.n_steps + 1) * allocation.delta_each * DELTA_SLACK
    steep = steepness(allocation.mean, allocation.distribution, allocation.shape)
    arithmetic = 2.0 * allocation.budget.epsilon * EPSILON_SLACK
    assert slack.slack_delta >= (allocation.mean * bad + allocation.delta_each * DELTA_SLACK) * (1 - 1e-12)
    assert slack.slack_epsilon >= arithmetic + 2.0 * (steep * bad - math.log1p(-bad))
    assert best.slack >= arithmetic * (allocation.n_steps + 1) - 2.0 * math.log1p(-bad)


@pytest.mark.parametrize(
    "generator",
    [
        flow(),
        flow(accountant="zcdp"),
        flow(accountant="rdp", neighbours="replace-one"),
        GenerativePipeline([("scale", DPStandardScaler(domain=(-4.0, 4.0))), ("flow", flow(domain=None))]),
        GenerativePipeline(
            [("pca", DPPCA(2, domain=(-4.0, 4.0))), ("skip", "passthrough"), ("flow", flow(domain=None))]
        ),
    ],
)
@pytest.mark.parametrize("epsilon", [0.3, 5.0])
def test_a_fit_has_the_noise_and_the_slack_of_a_trial(generator, epsilon):
    estimator = TrainOnSynthetic(LogisticRegression(), clone(generator))
    n_steps = 2 if isinstance(generator, GenerativePipeline) else 1
    neighbours = generator.get_params().get("neighbours", "add-remove")
    allocation = TrialAllocation(budget_of(epsilon, neighbours=neighbours), 5.0, "poisson", 1.0, 0.1, n_steps)
    mu = math.sqrt(0.9) / allocation.calibrated()
    give_budget(estimator, allocation, mu)
    fitted = estimator.generator.fit(X, Y)
    releases = fitted.releases_.values() if n_steps == 2 else [fitted.release_]
    caps = [tally(release.cap) for release in releases]
    together = math.hypot(*(cap.gaussian_mu for cap in caps))
    assert 0.8 * mu < together <= mu
    if generator.get_params().get("accountant") == "gdp":
        assert together > 0.9999 * mu
    assert 0 < sum(cap.slack_epsilon for cap in caps) < allocation.slack_epsilon
    drawn = sum(cap.slack_delta for cap in caps)
    assert 0 < drawn * 5.0 < tally(allocation.event(1.0), repetitions=True).slack_delta


def test_one_debit_before_anything_is_fitted(monkeypatch):
    ledger, order = PrivacyLedger(epsilon=6.0, delta=1e-5, accountant="rdp"), []
    original = TrainOnSynthetic.fit

    def spy(self, X, y):
        order.append(len(ledger.events))
        assert isinstance(self.generator.ledger, SingleUseDebit)
        return original(self, X, y)

    monkeypatch.setattr(TrainOnSynthetic, "fit", spy)
    fitted = search(ledger=ledger).fit(X, Y)
    assert set(order) == {1}
    assert ledger.events == (fitted.event_,)
    assert RenyiAccountant().epsilon(fitted.event_, 1e-6) <= 5.0
    (best,) = (e for e in flatten_event(fitted.event_) if isinstance(e, RepeatAndSelectEvent))
    assert (best.mean, best.distribution) == (3.0, "poisson")
    order.clear()
    with pytest.raises(BudgetExceededError):
        search(ledger=ledger).fit(X, Y)
    assert order == []
    assert len(ledger.events) == 1


# ---------------------------------------------------------------- what it shows


def test_only_the_winner_is_known(monkeypatch, capsys):
    monkeypatch.setattr(searching, "number_of_trials", lambda *_: 7)
    marks = [f"mark{i:03d}" for i in range(50)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = search({"estimator__mark": marks}, estimator=model(Marked())).fit(X, Y)
    assert capsys.readouterr() == ("", "")
    assert {name for name in vars(fitted) if name.endswith("_")} == ATTRIBUTES
    assert {name for name in vars(fitted) if name.startswith("_")} == {"_lineage"}
    assert [event for event, _ in vars(fitted)["_lineage"].fits] == [fitted.event_]
    winner = fitted.best_params_["estimator__mark"]
    fitted.param_distributions = None  # public, and holds them all
    texts = [repr(vars(fitted)), repr(fitted), fitted._repr_html_(), repr(fitted.cv_results_), repr(fitted.event_)]
    for text in (*texts, pickle.dumps(fitted).decode("latin1")):
        assert [mark for mark in marks if mark in text and mark != winner] == []
    assert all(len(column) == 1 for column in fitted.cv_results_.values())
    assert winner in repr(fitted.cv_results_["param_estimator__mark"])


class Telling:
    """A callback that keeps what it sees."""

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        self.seen.append(estimator)

    def teardown(self, estimator, context):
        self.seen.append(estimator)

    on_fit_task_begin = on_fit_task_end = setup


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")  # clones of one flow are fitted
@pytest.mark.parametrize("space", [{}, {"estimator": [LogisticRegression()]}], ids=["given", "searched"])
def test_no_callback_hears_of_a_trial(space):
    """It would get the model of every trial, and their number."""
    telling = Telling()
    for estimator in space.get("estimator", []):
        estimator.set_callbacks(telling)
    given = TrainOnSynthetic(LogisticRegression().set_callbacks(telling), flow().set_callbacks(telling), n_samples=200)
    fitted = search({"estimator__C": [1.0], **space}, estimator=given).fit(X, Y)
    clone(fitted.best_estimator_).fit(X, Y)
    assert telling.seen == []
    clone(given.generator).fit(X, Y)  # the user's own flow keeps them
    assert telling.seen


def test_the_winner_states_the_guarantee_of_the_search():
    fitted = search(estimator=model(epsilon=0.7, delta=1e-9), epsilon=3.0).fit(X, Y)
    best = fitted.best_estimator_
    for spent in (fitted.privacy_spent_, best.privacy_spent_, best.generator_.privacy_spent_):
        assert spent == (3.0, 1e-6)
    release = best.generator_.release_
    assert (release.epsilon, release.delta) == (3.0, 1e-6)
    assert release.privacy_statement().epsilon == 3.0
    again = DPSlicedWassersteinFlow.from_release(release)
    np.testing.assert_array_equal(again.sample(5, random_state=0), fitted.sample(5, random_state=0))
    assert clone(best).generator.epsilon == 0.7
    steps = [("scale", DPStandardScaler(domain=(-4.0, 4.0))), ("flow", flow(domain=None))]
    pipe = TrainOnSynthetic(LogisticRegression(), GenerativePipeline(steps, epsilon=0.7), n_samples=200)
    fitted = search(estimator=pipe, epsilon=3.0, n_iter=1.5).fit(X, Y)
    generator = fitted.best_estimator_.generator_
    assert [r.epsilon for r in (*generator.releases_.values(), *(s.release_ for _, s in generator.steps_))] == [3.0] * 4
    assert generator.privacy_spent_ == (3.0, 1e-6)
    assert fitted.best_estimator_.generator.epsilon == 0.7


@pytest.mark.slow
def test_a_trial_that_fails_loses(monkeypatch):
    monkeypatch.setattr(searching, "number_of_trials", lambda *_: 6)
    space = [{"estimator__fails": [True], "estimator__mark": ["bad"]}, {"estimator__mark": ["good"]}]
    assert search(space, estimator=model(Marked())).fit(X, Y).best_params_["estimator__mark"] == "good"
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-5, accountant="rdp")
    with pytest.raises(ValueError, match=r"failed \(ValueError\)") as caught:
        search(space[:1], estimator=model(Marked()), ledger=ledger).fit(X, Y)
    assert "bad" not in str(caught.value)
    assert caught.value.__context__ is None
    assert len(ledger.events) == 1


@pytest.mark.slow
def test_it_searches_like_scikit_learn():
    weak, strong = LogisticRegression(C=1e-9, fit_intercept=False), LogisticRegression()
    space = {"estimator": [weak, strong], "n_samples": stats.randint(100, 300)}
    fitted = search(space, n_iter=12, epsilon=10.0, delta=1e-3, max_rows=300, scoring="neg_brier_score").fit(X, Y)
    assert fitted.best_params_["estimator"].C == 1.0
    assert 100 <= fitted.best_params_["n_samples"] < 300
    assert -0.2 < fitted.best_score_ <= 0
    assert (fitted.predict(X) == Y).mean() > 0.85
    assert fitted.score(X, Y) > 0.85
    assert fitted.predict_proba(X).shape == fitted.decision_function(X)[:, None].repeat(2, 1).shape
    assert fitted.sample(3).shape == (3, 2)
    assert fitted.sample_labeled(3)[1].shape == (3,)
    wanted = list(fitted.classes_) * 2
    assert list(fitted.sample_labeled(y=wanted)[1]) == wanted
    assert list(fitted.classes_) == ["high", "low"]
    assert fitted.best_index_ == 0
    assert strong.C == 1.0
    assert not hasattr(strong, "coef_")


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
def test_numbers_and_parameters_of_trials(monkeypatch):
    """Both follow their distributions, and no seed that is not the noise's moves them.

    Known bytes, so no failure by chance; of other bytes, one in 3000 would fail.
    """
    drawn = []

    def trial(candidate, *_):
        drawn[-1].append(candidate[0]["estimator__C"])
        return candidate[0], candidate[1], math.nan, "OK"

    monkeypatch.setattr(searching, "_trial", trial)
    monkeypatch.setattr(TrialAllocation, "calibrated", lambda self: 5.0)
    runs = search({"estimator__C": [1.0, 2.0, 3.0]}, estimator=model(random_state=0), n_iter=4)
    for _ in range(200):
        np.random.seed(0)  # noqa: NPY002
        drawn.append([])
        with pytest.raises(ValueError, match="failed"):
            runs.fit(X[:5], Y[:5])
    k = np.array([len(d) for d in drawn])
    pmf = stats.poisson.pmf(np.arange(1, 8), poisson_rate(4.0))
    expected = np.append(pmf, 1 - math.exp(-poisson_rate(4.0)) - pmf.sum()) / (1 - math.exp(-poisson_rate(4.0)))
    counts = np.append(np.bincount(k, minlength=8)[1:8], (k >= 8).sum())
    assert stats.chisquare(counts, 200 * expected).pvalue > 1e-4
    assert stats.chisquare(np.bincount(np.concatenate(drawn).astype(int))[1:]).pvalue > 1e-4
    pairs = np.array([d[:2] for d in drawn if len(d) > 1]).astype(int) - 1
    assert stats.chisquare(np.bincount(pairs[:, 0] * 3 + pairs[:, 1])).pvalue > 1e-4  # independent, with replacement


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_no_two_searches_try_the_same_parameters(monkeypatch):
    """If it were known what the fifth trial is, its victory would say that there were five."""
    drawn = []

    def trial(candidate, *_):
        drawn[-1].append(candidate[0]["estimator__C"])
        return candidate[0], candidate[1], math.nan, "OK"

    monkeypatch.setattr(searching, "_trial", trial)
    monkeypatch.setattr(searching, "number_of_trials", lambda *_: 5)
    runs = search({"estimator__C": stats.uniform()}, estimator=model(random_state=0))
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        drawn.append([])
        with pytest.raises(ValueError, match="failed"):
            runs.fit(X, Y)
    assert len(set(drawn[0] + drawn[1])) == 10


# ---------------------------------------------------------------- two worlds


class Constant(ClassifierMixin, BaseEstimator):
    """Always says the same, so that nothing but the selection can tell about the rows."""

    def __init__(self, says="high"):
        self.says = says

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.array([self.says])


FITTED = flow().fit(X, Y)


def fit_nothing(self, X, y):
    self.generator_ = clone(self.generator)
    self.generator_.release_ = FITTED.release_
    self.estimator_, self.n_features_in_, self.privacy_spent_ = self.estimator, 2, FITTED.privacy_spent_
    return self


def play(rows, times, epsilon):
    labels, constant = np.array(["high"] * rows), TrainOnSynthetic(Constant(), flow())
    game = DPSearchCV(
        constant, {"estimator__says": ["high", "low"]}, n_iter=3, epsilon=epsilon, delta=1e-3, score_share=0.99
    )
    results = (game.fit(X[:rows], labels) for _ in range(times))
    return np.array([(r.best_params_["estimator__says"] == "high") + r.best_score_ for r in results])


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
@pytest.mark.parametrize("noisy", [True, False])
def test_no_attacker_tells_two_worlds_apart_better_than_stated(monkeypatch, noisy):
    """One row more or not: what the winner says of it is bounded by the guarantee; without noise it is not.

    Known bytes, so no failure by chance; of other bytes, one in a hundred could fail: 80 bounds of 10^-4 each.
    """
    times, epsilon, delta, confidence = 300 if noisy else 60, 1.0, 1e-3, 1 - 1e-4
    calibrated = TrialAllocation(budget_of(epsilon, delta), 3.0, "poisson", 1.0, 0.99, 1).calibrated()
    monkeypatch.setattr(TrialAllocation, "calibrated", lambda self: calibrated)
    monkeypatch.setattr(TrainOnSynthetic, "fit", fit_nothing)
    if not noisy:
        monkeypatch.setattr(NoiseSource, "rounded_gaussian", lambda self, s, shape: np.zeros(shape, dtype=np.int64))
    worlds = play(1, times, epsilon), play(2, times, epsilon)
    if not noisy:
        monkeypatch.undo()
        worlds = tuple(w * n for w, n in zip(worlds, (1, 2), strict=True))
    found = -math.inf
    for a, b in (worlds, worlds[::-1]):
        for cut in np.quantile(np.concatenate(worlds), np.linspace(0.05, 0.95, 10)):
            for hits, misses in ((np.sum(a > cut), np.sum(b > cut)), (np.sum(a <= cut), np.sum(b <= cut))):
                low = stats.beta.ppf(1 - confidence, hits, times - hits + 1) if hits else 0.0
                high = stats.beta.ppf(confidence, misses + 1, times - misses) if misses < times else 1.0
                if low > delta:
                    found = max(found, math.log((low - delta) / high))
    assert (found <= epsilon) == noisy


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"estimator": flow()}, "TrainOnSynthetic"),
        ({"estimator": LogisticRegression()}, "TrainOnSynthetic"),
        ({"estimator": model(ledger=PrivacyLedger(epsilon=1.0, delta=1e-5))}, "must not have a ledger"),
        ({"estimator": model(accountant=Hopeless())}, "accountant='gdp'"),
        ({"estimator": model(noise_random_state=0)}, "must not have a noise_random_state"),
        ({"estimator": model(target=Categories())}, "declared classes"),
        ({"estimator": TrainOnSynthetic(LogisticRegression(), GridSearchCV(flow(), {}))}, "an estimator with"),
        ({"estimator": TrainOnSynthetic(LogisticRegression(), GenerativePipeline(
            [("public", FunctionTransformer()), ("flow", flow())]))}, "Transform the rows before"),
        ({"space": {"generator__epsilon": [1.0, 2.0]}}, "cannot be searched"),
        ({"space": {"generator__n_steps": [0]}}, "'n_steps' parameter"),
        ({"space": {"generator": [flow(neighbours="replace-one")]}}, "same 'neighbours'"),
        ({"space": {"generator": [flow(noise_random_state=0)]}}, "must not have a noise_random_state"),
        ({"space": {"estimator__c": [1.0]}}, "Invalid parameter 'c'"),
        ({"space": {"estimator__C": []}}, "list of values"),
        ({"space": {"estimator__C": "12"}}, "list of values"),
        ({"space": []}, "'param_distributions' parameter"),
        ({"space": 3}, "'param_distributions' parameter"),
        ({"scoring": "roc_auc"}, "compares rows"),
        ({"scoring": "r2"}, "without bounds"),
        ({"scoring": "neg_brier_score", "estimator": model(Marked())}, "predict_proba"),
        ({"n_iter": 1.0}, "'n_iter' parameter"),
        ({"epsilon": 0.0}, "'epsilon' parameter"),
        ({"delta": 0.0}, "'delta' parameter"),
        ({"distribution": "binomial"}, "'distribution' parameter"),
        ({"score_share": 1.0}, "'score_share' parameter"),
        ({"max_rows": 0}, "'max_rows' parameter"),
        ({"ledger": PrivacyLedger(epsilon=9.0, delta=1e-5)}, "accountant='rdp'"),
        ({"y": Y[:-1]}, "one entry per row"),
        ({"y": None}, "requires y"),
        ({"X": X + 1j}, "Complex data not supported"),
    ],
)  # fmt: skip
def test_wrong_input_spends_nothing(params, match):
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-5, accountant="rdp")
    params = {"ledger": ledger, **params}
    rows, labels = params.pop("X", X), params.pop("y", Y)
    with pytest.raises(ValueError, match=match):
        search(**params).fit(rows, labels)
    assert ledger.events == ()


# ---------------------------------------------------------------- scikit-learn's own checks

CHECKS = parametrize_with_checks(
    [
        DPSearchCV(
            TrainOnSynthetic(
                LinearRegression(),
                DPSlicedWassersteinFlow(target=Interval(-500, 500, integer=True), n_particles=64, random_state=0),
                n_samples=100,
                random_state=0,
            ),
            {"estimator__fit_intercept": [True, False]},
            n_iter=1.5,
            epsilon=10.0,
            delta=0.1,
            scoring="neg_mean_absolute_error",
            max_rows=20,
            noise_random_state=0,
        )
    ]
).mark


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_seeded_noise_warns_and_guarantees_nothing():
    seeded = search(estimator=TrainOnSynthetic(LogisticRegression(), flow(random_state=0), random_state=0))
    seeded.set_params(noise_random_state=0)
    with pytest.warns(PrivacyLeakWarning):
        first = seeded.fit(X, Y)
    assert first.privacy_spent_ == (math.inf, 1.0)
    score = first.best_score_
    with pytest.warns(PrivacyLeakWarning):
        assert seeded.fit(X, Y).best_score_ == score
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-5, accountant="rdp")
    with pytest.warns(PrivacyLeakWarning), pytest.raises(BudgetExceededError):
        seeded.set_params(ledger=ledger).fit(X, Y)
