"""What a search must not tell: how many trials there were, which of them won, and what its models did with the rows."""

import random
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skdpflow.model_selection._search as searching
from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow._isolation import Replica
from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, RepeatAndSelectEvent, flatten_event
from skdpflow.accountants.base import tally
from skdpflow.compose import GenerativePipeline, TrainOnSynthetic
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.scoring import LEVELS, RowScorer
from skdpflow.exceptions import BudgetExceededError, PrivacyLeakWarning
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.model_selection import DPSearchCV, dp_score
from skdpflow.preprocessing import DPStandardScaler

X = np.random.default_rng(1).normal(size=(60, 2))
Y = np.where(X[:, 0] > 0, "a", "b")
CLASSES = Categories(["a", "b"])


def flow(**params):
    return DPSlicedWassersteinFlow(**{"domain": (-4.0, 4.0), "target": CLASSES, "n_particles": 64, **params})


def search(estimator=None, space=None, generator=None, **params):
    model = LogisticRegression() if estimator is None else estimator
    model = TrainOnSynthetic(model, flow() if generator is None else generator, n_samples=50)
    given = {"n_iter": 3, "epsilon": 3.0, "max_rows": 20, **params}
    return DPSearchCV(model, {"n_samples": [50]} if space is None else space, **given)


@pytest.fixture
def trials(monkeypatch):
    """Fix the number of trials, and keep the models in their order."""
    models, original = [], searching._trial

    def trial(candidate, *args):
        models.append(candidate[1])
        return original(candidate, *args)

    monkeypatch.setattr(searching, "_trial", trial)
    monkeypatch.setattr(searching, "number_of_trials", lambda *_: 3)
    return models


# ---------------------------------------------------------------- random states


class Drawing(ClassifierMixin, BaseEstimator):
    """Draws from the generators that everything in the process shares."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.drawn_ = (int(np.random.randint(2**31)), random.getrandbits(31))  # noqa: NPY002
        return self

    def predict(self, X):
        np.random.uniform()  # noqa: NPY002
        return np.full(len(X), self.classes_[random.getrandbits(1)])


@pytest.mark.slow
def test_no_trial_moves_a_shared_random_state_or_starts_from_it(trials):
    seen = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        search(Drawing()).fit(X, Y)
        seen += [model.estimator_.drawn_ for model in trials[-3:]]
        own = [Drawing().fit(X, Y).drawn_ for _ in range(8)]
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        expected = [Drawing().fit(X, Y).drawn_ for _ in range(9)]
        assert own == expected[:8]
        assert not {n for drawn in seen for n in drawn} & {n for drawn in expected for n in drawn}
    assert len({n for drawn in seen for n in drawn}) == 12


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_the_winner_of_a_seeded_script_does_not_tell_its_place(trials):
    fitted = search(RandomForestClassifier(n_estimators=2), {"estimator__max_depth": [1, 2]})
    states = set()
    for _ in range(3):
        np.random.seed(0)  # noqa: NPY002
        states.add(fitted.fit(X, Y).best_estimator_.estimator_.estimators_[0].random_state)
    assert len(states) == 3


class Counting:
    """A distribution that counts its calls."""

    def __init__(self):
        self.calls = 0

    def rvs(self, random_state=None):
        self.calls += 1
        print("drawn")
        warnings.warn("drawn", stacklevel=1)
        return float(random_state.uniform(0.1, 1.0))


def test_a_distribution_does_not_learn_how_often_it_was_drawn_from(trials, capsys):
    distribution = Counting()
    fitted = search(space={"estimator__C": distribution}).fit(X, Y)
    assert distribution.calls == 0
    assert 0.1 <= fitted.best_params_["estimator__C"] <= 1.0
    assert len({model.estimator.C for model in trials}) == 3
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- what a model does while it is scored


def in_place():
    return make_pipeline(StandardScaler(copy=False), LogisticRegression())


@pytest.mark.slow
def test_scoring_leaves_the_rows_as_they_are():
    for rows in (X.copy(), pd.DataFrame(X, columns=["u", "v"])):
        before = np.array(rows)
        model = search(in_place()).fit(rows, Y)
        dp_score(model, rows, Y)
        np.testing.assert_array_equal(rows, before)
    held = X.copy()
    held.flags.writeable = False
    assert dp_score(in_place().fit(X.copy(), Y), held, Y, epsilon=1e3) > 0.8  # on memory of its own, it works


class Keeping(ClassifierMixin, BaseEstimator):
    """Keeps the rows that it predicts."""

    def __init__(self, kept=None):
        self.kept = kept

    def fit(self, X, y):
        self.classes_, self.rows_ = np.unique(y), []
        return self

    def predict(self, X):
        self.rows_.append(X)
        return np.full(len(X), "a")


@pytest.mark.slow
def test_nothing_of_the_scored_rows_stays_in_the_released_model(trials):
    fitted = search(Keeping()).fit(X, Y)
    assert fitted.best_estimator_.estimator_.rows_ == []
    model = Keeping().fit(X, Y)
    dp_score(model, X, Y, target=CLASSES)
    assert model.rows_ == []
    lottery = DummyClassifier(strategy="stratified", random_state=np.random.RandomState(0))
    left = search(lottery).fit(X, Y).best_estimator_.estimator_.random_state.get_state()
    np.testing.assert_array_equal(left[1], np.random.RandomState(0).get_state()[1])


def test_a_row_shows_nothing_of_the_others():
    rows = pd.DataFrame({"u": X[:, 0], "ward": pd.Categorical(list("xyz") * 20)}, index=np.arange(60) + 7)
    replica = Replica(Keeping().fit(rows, Y))
    scorer = RowScorer("test", rows, Y, CLASSES, "accuracy", "add-remove", NoiseSource())
    scorer._total(replica)
    assert len(replica.model.rows_) == 60
    for i, row in enumerate(replica.model.rows_):
        assert list(row.index) == [0]
        assert list(row["ward"].cat.categories) == ["xyz"[i % 3]]
    replica = Replica(Keeping().fit(X, Y))
    RowScorer("test", np.asfortranarray(X), Y, CLASSES, "accuracy", "add-remove", NoiseSource())._total(replica)
    for i, row in enumerate(replica.model.rows_):
        assert row.ctypes.data % 64 == 0
        assert row.flags.c_contiguous
        np.testing.assert_array_equal(row, X[i : i + 1])


@pytest.mark.parametrize("state", [lambda: np.random.RandomState(3), lambda: None])
def test_a_row_moves_the_sum_of_a_random_model_by_one_term(state, monkeypatch):
    model = DummyClassifier(strategy="stratified", random_state=state()).fit(X, Y)
    monkeypatch.setattr(NoiseSource, "rank_key", lambda self: 5)  # the same secret in both worlds

    def total(keep):
        scorer = RowScorer("test", X[keep], Y[keep], CLASSES, "accuracy", "add-remove", NoiseSource())
        return scorer._total(Replica(model))

    totals = [total(np.arange(60) != i) for i in range(8)]
    assert max(abs(np.array(totals) - total(np.arange(60) >= 0))) <= LEVELS


class Stuck(Keeping):
    """Cannot be copied."""

    def __deepcopy__(self, memo):
        raise RuntimeError("secret")


def test_what_cannot_be_copied_is_refused_before_anything_is_spent():
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-5)
    with pytest.raises(TypeError, match="Stuck cannot be copied") as caught:
        dp_score(Stuck().fit(X, Y), X, Y, target=CLASSES, ledger=ledger)
    assert "secret" not in str(caught.value)
    assert ledger.events == ()


# ---------------------------------------------------------------- what could be heard


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (RandomForestClassifier(verbose=1), "estimator__verbose=1 would print"),
        (LogisticRegression(solver="liblinear", verbose=True), "estimator__verbose=True would print"),
        (Pipeline([("m", LogisticRegression())], memory="cache"), "'estimator__memory' would be given"),
        (make_pipeline(StandardScaler(), LogisticRegression(verbose=2)), "logisticregression__verbose=2"),
    ],
)
def test_what_would_write_in_every_trial_is_refused(estimator, match):
    with pytest.raises(ValueError, match=match):
        search(estimator).fit(X, Y)
    with pytest.raises(ValueError, match=match):
        search(space={"estimator": [estimator]}).fit(X, Y)


class Loud(Keeping):
    def fit(self, X, y):
        import sys

        sys.stderr.write("fit")
        return super().fit(X, y)


def test_what_python_code_prints_is_not_heard(trials, capsys):
    search(Loud(), generator=flow(verbose=1)).fit(X, Y)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_column_vector_warns_as_often_as_it_does_in_one_fit(monkeypatch):
    numbers = []
    for k in (1, 6):
        monkeypatch.setattr(searching, "number_of_trials", lambda *_, k=k: k)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search().fit(X, Y[:, None])
        numbers.append(len(caught))
    assert numbers == [1, 1]


@pytest.mark.slow
def test_all_candidates_have_one_domain(trials):
    given = {"u": Interval(-4, 4), "v": Interval(-4, 4)}
    rows = pd.DataFrame(X, columns=["u", "v"])
    search(space={"generator": [flow(), flow(domain=given)]}).fit(rows, Y)
    with pytest.raises(ValueError, match="same 'domain'"):
        search(space={"generator": [flow(domain=(-5.0, 5.0))]}).fit(X, Y)
    with pytest.raises(ValueError, match="'generator__domain' cannot be searched"):
        search(space={"generator__domain": [(-4.0, 4.0), (-5.0, 5.0)]}).fit(X, Y)


def test_an_error_holds_no_candidate(trials):
    with pytest.raises(ValueError, match="failed") as caught:
        search(space={"n_samples": [-1]}).fit(X, Y)
    (frame,) = [entry.frame for entry in caught.traceback if entry.name == "fit" and "spaces" in entry.frame.f_locals]
    assert not {"candidates", "trials"} & set(frame.f_locals)


# ---------------------------------------------------------------- what is paid, and said of it


def test_a_search_that_does_not_fit_in_makes_no_trial(trials):
    ledger = PrivacyLedger(epsilon=0.5, delta=1e-5, accountant="rdp")
    with pytest.raises(BudgetExceededError, match="Nothing was spent"):
        search(ledger=ledger).fit(X, Y)
    assert ledger.events == ()
    assert trials == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "generator",
    [
        flow(epsilon=2.0, delta=1e-7),
        flow(epsilon=2.0, delta=1e-7, accountant="zcdp"),
        GenerativePipeline(
            [("scale", DPStandardScaler(domain=(-4.0, 4.0))), ("flow", flow(domain=None))], epsilon=2.0, delta=1e-7
        ),
    ],
)
def test_the_entry_covers_what_was_done(generator):
    ledger = PrivacyLedger(epsilon=20.0, delta=1e-5, accountant="rdp")
    fitted = search(generator=generator, ledger=ledger).fit(X, Y)
    assert len(ledger.events) == 1
    best = fitted.best_estimator_
    releases = getattr(best.generator_, "releases_", None) or {"fit": best.generator_.release_}
    ledger.verify(list(releases.values()))
    with pytest.warns(PrivacyLeakWarning, match="dp_score"):
        best.score(X, Y)
    again = clone(best).fit(X, Y)  # is paid for, too
    assert len(ledger.events) == 2
    releases = getattr(again.generator_, "releases_", None) or {"fit": again.generator_.release_}
    ledger.verify(list(releases.values()))  # with the search that chose its parameters


class Loose(BaseEstimator):
    """An accountant that is tight for compositions only."""

    def epsilon(self, event, delta):
        return (1.2 if type(event) is GaussianEvent else 1.0) * GaussianDPAccountant().epsilon(event, delta)

    def delta(self, event, epsilon):
        return GaussianDPAccountant().delta(event, epsilon / (1.2 if type(event) is GaussianEvent else 1.0))


@pytest.mark.slow
def test_a_fit_has_the_noise_that_was_paid_for_by_whatever_accountant(trials):
    fitted = search(generator=flow(accountant=Loose())).fit(X, Y)
    (whole,) = (e for e in flatten_event(fitted.event_) if isinstance(e, RepeatAndSelectEvent))
    paid = 1.0 / whole.event.events[0].noise_multiplier
    assert tally(fitted.best_estimator_.generator_.release_.event).gaussian_mu <= paid * (1 + 1e-9)


def test_a_fit_with_less_noise_than_paid_for_fails(trials, monkeypatch):
    monkeypatch.setattr(searching.TrialAllocation, "epsilon_for", lambda self, *_: 5.9)
    with pytest.raises(ValueError, match=r"failed \(LedgerError\)"):
        search().fit(X, Y)


class Targeted(MarginalsMechanism):
    """With a parameter of the name of the flow's own."""

    def __init__(self, target=None):
        super().__init__()
        self.target = target

    @classmethod
    def _get_param_names(cls):
        return ["target"]


def test_labels_of_the_flow_itself_are_declared():
    mechanism = Targeted(target=CLASSES)
    with pytest.raises(ValueError, match="needs declared classes"):
        search(generator=flow(target=Categories(), mechanism=mechanism)).fit(X, Y)
    for target in (Interval(0, 1), CLASSES):
        model = TrainOnSynthetic(LogisticRegression(), flow(target=target, mechanism=mechanism), n_samples=50)
        if target is CLASSES:
            model.fit(X, Y)
        else:
            with pytest.raises(ValueError, match="numeric y"):
                model.fit(X, Y)


class NosyFlow(DPSlicedWassersteinFlow):
    def fit(self, X, y=None):
        self.rows_ = np.array(X)
        return super().fit(X, y)


class NosyScaler(DPStandardScaler):
    def fit(self, X, y=None):
        return super().fit(X, y)


class NosyModel(TrainOnSynthetic):
    def fit(self, X, y=None):
        return super().fit(X, y)


@pytest.mark.parametrize(
    ("generator", "named"),
    [
        (NosyFlow(domain=(-4.0, 4.0), target=CLASSES), ["NosyFlow"]),
        (GenerativePipeline([("scale", NosyScaler(domain=(-4.0, 4.0))), ("flow", flow(domain=None))]), ["NosyScaler"]),
    ],
)
def test_the_statement_of_a_search_names_what_overrides_fit(generator, named):
    model = NosyModel(LogisticRegression(), generator, n_samples=50)
    winner = DPSearchCV(model, {"n_samples": [50]}, epsilon=4.0, n_iter=1.01, max_rows=20).fit(X, Y)
    assert winner.privacy_statement().content["unverified"] == [*named, "NosyModel"]


def test_public_labels_are_for_all_candidates_or_none(trials):
    shown = flow(neighbours="replace-one", mechanism=RecordsMechanism(public_labels=True))
    for base in (flow(neighbours="replace-one"), shown):
        space = {"generator__mechanism": ["marginals"] if base is shown else [RecordsMechanism(public_labels=True)]}
        with pytest.raises(ValueError, match="same 'public_labels'"):
            search(space=space, generator=base).fit(X, Y)
    statement = search(generator=shown, epsilon=8.0).fit(X, Y).privacy_statement()
    assert "The number of rows of each class is public" in " ".join(str(statement).split())


class Undeclared(RecordsMechanism):
    """Shows the classes of rows without having said so."""

    def __init__(self):
        super().__init__(public_labels=True)
        self.shown, self.public_labels = True, False

    @classmethod
    def _get_param_names(cls):
        return []

    def plan(self, public):
        return RecordsMechanism(public_labels=True).plan(public)

    def describe(self):
        return RecordsMechanism(public_labels=True).describe()

    def check(self, target, neighbours):
        pass


def test_a_mechanism_that_shows_labels_unsaid_loses(trials):
    generator = flow(neighbours="replace-one", mechanism=Undeclared())
    TrainOnSynthetic(LogisticRegression(), generator, n_samples=50).fit(X, Y)
    with pytest.raises(ValueError, match=r"failed \(ValueError\)"):
        search(generator=generator, epsilon=8.0).fit(X, Y)


# ---------------------------------------------------------------- dates


class Someday(RegressorMixin, BaseEstimator):
    def __init__(self, day=None):
        self.day = day

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.full(len(X), self.day)


@pytest.mark.parametrize("day", [np.datetime64("2020-01-30"), 18291.0])
def test_dates_are_scored_in_their_unit(day):
    dates = np.datetime64("2020-01-01") + np.arange(60)
    target = Interval("2020-01-01", "2020-03-31", unit="D")
    model = Someday(day).fit(X, dates)
    exact = -np.abs(np.arange(60) - 29).mean() / 90
    for given in (dates, dates.tolist()):
        score = dp_score(model, X, given, scoring="neg_mean_absolute_error", target=target, epsilon=1e3)
        assert score == pytest.approx(exact, abs=5e-3)
    fitted = search(
        model, generator=flow(target=target), scoring="neg_mean_absolute_error", epsilon=10.0, max_rows=100
    ).fit(X, dates)
    assert -1.0 <= fitted.best_score_ <= 0.0
