"""Whatever comes out of a search or a pipeline states at least what its existence cost, through every door."""

import copy
import io
import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from skdpflow import BudgetExceededError, Categories, DPSlicedWassersteinFlow, PrivacyLedger, Release
from skdpflow.accountants import GaussianEvent, NonPrivateEvent, RestsOn, SlackEvent, flatten_event
from skdpflow.accountants.base import tally
from skdpflow.accountants.resting import guarantee
from skdpflow.compose import DPOversampler, GenerativePipeline, TrainOnSynthetic
from skdpflow.exceptions import LedgerError, ReleaseError
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPPCA, DPStandardScaler
from skdpflow.release.checks import together

pytestmark = pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
X = np.random.default_rng(0).uniform(size=(300, 2))
Y = (X[:, 0] > 0.5).astype(int)
LABELS = Categories([0, 1])
SEARCH = 3.0


def flow(**params):
    return DPSlicedWassersteinFlow(**{"domain": (0, 1), "n_particles": 32, "n_steps": 1, "target": LABELS, **params})


def pipeline(**params):
    return GenerativePipeline([("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow(domain=None))], **params)


def searched(generator, **params):
    model = TrainOnSynthetic(LogisticRegression(), generator, n_samples=100)
    given = {"n_iter": 2, "epsilon": SEARCH, "max_rows": 30, **params}
    return DPSearchCV(model, {"estimator__C": [0.1, 1.0], "n_samples": [50, 100]}, **given).fit(X, Y)


def stored(release):
    file = io.BytesIO()
    release.save(file)
    return Release.load(io.BytesIO(file.getvalue()))


def loaded(model):
    file = io.BytesIO()
    model.save(file)
    return DPSlicedWassersteinFlow.load(io.BytesIO(file.getvalue()))


def flows_in(fitted):
    """Return the flow of a search, trained model, pipeline or flow."""
    for attribute in ("best_estimator_", "generator_"):
        if hasattr(fitted, attribute):
            return flows_in(getattr(fitted, attribute))
    return fitted.steps_[-1][1] if hasattr(fitted, "steps_") else fitted


def stated(fitted):
    """Return all (epsilon, private) that a fitted thing, and what is in it, states in whatever form."""
    if isinstance(fitted, Release):
        statement = fitted.privacy_statement()
        content = json.loads(statement.to_json())["guarantee"]
        text = float(str(statement).partition("(epsilon, delta) = (")[2].partition(",")[0])
        lines = [statement.epsilon, np.inf if content["epsilon"] is None else content["epsilon"], text]
        return [fitted.epsilon if fitted.private else np.inf, *lines]
    out = [fitted.privacy_spent_[0], fitted.privacy_statement().epsilon]
    for release in getattr(fitted, "releases_", {"": getattr(fitted, "release_", None)}).values():
        out += [] if release is None else stated(release)
    for name in ("best_estimator_", "generator_"):
        if hasattr(fitted, name):
            out += stated(getattr(fitted, name))
    for _, step in getattr(fitted, "steps_", ()):
        if hasattr(step, "privacy_spent_"):
            out += stated(step)
    return out


GENERATORS = {"flow": flow, "pipeline": pipeline}
EITHER = [pytest.param("flow", marks=pytest.mark.slow), "pipeline"]  # a pipeline has a flow

#: What can be done with a fitted search; none of it may state less than the search.
DOORS = {
    "as it is": lambda s: s,
    "pickled": lambda s: pickle.loads(pickle.dumps(s)),
    "copied": copy.copy,
    "deeply copied": copy.deepcopy,
    "parameters of the search": lambda s: copy.deepcopy(s).set_params(epsilon=0.01, delta=1e-9, n_iter=1.5),
    "parameters of the winner": lambda s: set_small(copy.deepcopy(s)),
    "release": lambda s: flows_in(s).release_,
    "stored release": lambda s: stored(flows_in(s).release_),
    "saved": lambda s: loaded(flows_in(s)),
    "saved twice": lambda s: loaded(loaded(flows_in(s))),
    "from release": lambda s: DPSlicedWassersteinFlow.from_release(flows_in(s).release_),
    "refit": lambda s: copy.deepcopy(flows_in(s)).set_params(n_steps=2, epsilon=0.01).refit(),
    "refit from release": lambda s: (
        DPSlicedWassersteinFlow.from_release(flows_in(s).release_).set_params(epsilon=0.01, n_steps=2).refit()
    ),
    "oversampler": lambda s: DPOversampler(flows_in(s).release_, {0: 2}, keep_original=False).fit(X, Y),
    "other transport": lambda s: flows_in(s).release_.with_transport({"n_steps": 3}, {}),
    # what is fitted anew has parameters that the search chose
    "fitted clone": lambda s: clone(s.best_estimator_).fit(X, Y),
    "fitted clone of the generator": lambda s: clone(s.best_estimator_.generator).fit(X, Y),
    "fitted clone of the fitted generator": lambda s: clone(s.best_estimator_.generator_).fit(X, Y),
    "fitted clone of the flow": lambda s: clone(flows_in(s)).fit(X, Y),
    "fitted clone of a clone": lambda s: clone(clone(s.best_estimator_)).fit(X, Y),
    "fitted clone with another generator": lambda s: clone(s.best_estimator_).set_params(generator=flow()).fit(X, Y),
    # with so much noise a sample may be of one class, which not every model can learn
    "fitted clone with small parameters": lambda s: (
        set_small(clone(s.best_estimator_)).set_params(estimator=DummyClassifier()).fit(X, Y)
    ),
    "fitted clone of a pickle": lambda s: clone(pickle.loads(pickle.dumps(s)).best_estimator_).fit(X, Y),
    "fitted from release": lambda s: DPSlicedWassersteinFlow.from_release(flows_in(s).release_).fit(X, Y),
    "fitted from a file": lambda s: loaded(flows_in(s)).fit(X, Y),
    "fitted from a file of a fitted clone": lambda s: loaded(clone(flows_in(s)).fit(X, Y)).fit(X, Y),
    "inside another model": lambda s: TrainOnSynthetic(LogisticRegression(), clone(flows_in(s))).fit(X, Y),
    "inside a pipeline": lambda s: GenerativePipeline([("flow", clone(flows_in(s)))]).fit(X, Y),
    "inside an oversampler": lambda s: DPOversampler(clone(flows_in(s)), {0: 2}, keep_original=False).fit(X, Y),
}


def set_small(model):
    """Set every epsilon and delta in a model."""
    small = {k: 0.01 if k.endswith("epsilon") else 1e-9 for k in model.get_params() if k.endswith(("epsilon", "delta"))}
    return model.set_params(**small)


@pytest.fixture(scope="module", params=EITHER)
def found(request):
    return searched(GENERATORS[request.param](epsilon=0.5))


@pytest.fixture(scope="module", params=EITHER)
def seeded(request):
    with pytest.warns(UserWarning, match="noise_random_state"):
        return searched(GENERATORS[request.param](epsilon=0.5), noise_random_state=0)


@pytest.mark.parametrize("door", DOORS)
def test_what_a_search_gave_states_at_least_the_search(found, door):
    made = DOORS[door](found)
    assert min(stated(made)) >= SEARCH
    release = made if isinstance(made, Release) else flows_in(made).release_
    assert guarantee(release.allowed, release.delta)[0] <= release.epsilon * (1 + 1e-9)
    assert stored(release).before == release.before
    again = DPSlicedWassersteinFlow.from_release(stored(release))
    for model in (again, loaded(again), pickle.loads(pickle.dumps(again))):
        with pytest.raises(ValueError, match="rests on"):
            model.continue_fit(X, Y, extra_epsilon=1.0)


@pytest.mark.filterwarnings("ignore:noise_random_state:skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.slow
def test_what_a_seeded_search_gave_is_not_private(seeded, door):
    made = DOORS[door](seeded)
    assert min(stated(made)) == np.inf
    release = made if isinstance(made, Release) else flows_in(made).release_
    assert not stored(release).private


def test_a_clone_of_a_winner_states_the_search_and_its_own_fit(found):
    again = clone(found.best_estimator_).fit(X, Y)
    release = flows_in(again).release_
    (searched_for, *_) = release.before
    assert not searched_for.contains
    needed = guarantee(release.allowed, release.delta)[0]
    assert release.epsilon == max(SEARCH, needed) < SEARCH + 0.55
    assert release.allowed.events == (searched_for.event, *release.allowed.events[1:])
    assert len(release.allowed.events) > 1
    assert release.delta == pytest.approx(2e-6)
    assert release.accountant == "rdp"
    assert again.privacy_statement().epsilon == again.privacy_spent_[0] == release.epsilon
    assert "decided parameters" in " ".join(str(release.privacy_statement()).split())


@pytest.mark.parametrize("generator", EITHER)
def test_a_ledger_is_charged_for_all_and_knows_of_all(generator):
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-5, accountant="rdp")
    search = searched(GENERATORS[generator](epsilon=0.5), ledger=ledger)
    again = clone(search.best_estimator_).fit(X, Y)
    assert len(ledger.events) == 2
    assert tally(ledger.events[1], repetitions=True).repetitions == ()  # the search was charged already
    ledger.verify([flows_in(search).release_, flows_in(again).release_])
    other = PrivacyLedger(epsilon=9.0, delta=1e-5, accountant="rdp")
    elsewhere = clone(again).set_params(generator__ledger=other).fit(X, Y)
    assert tally(other.events[0], repetitions=True).repetitions != ()  # and is charged where it was not
    other.verify([flows_in(elsewhere).release_])
    with pytest.raises(LedgerError):
        other.verify([flows_in(search).release_])


def test_a_ledger_refuses_what_rests_on_a_seeded_search(seeded):
    ledger = PrivacyLedger(epsilon=99.0, delta=1e-5, accountant="rdp")
    with pytest.raises(BudgetExceededError):
        clone(seeded.best_estimator_).set_params(generator__ledger=ledger).fit(X, Y)
    assert ledger.events == ()


def test_a_search_with_parameters_of_a_search_is_refused(found):
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-5, accountant="rdp")
    for model in (clone(found.best_estimator_), clone(found.best_estimator_).set_params(generator=flow())):
        with pytest.raises(ValueError, match="learnt from a Release"):
            DPSearchCV(model, {}, ledger=ledger).fit(X, Y)
    with pytest.raises(ValueError, match="learnt from a Release"):
        DPSearchCV(
            TrainOnSynthetic(LogisticRegression(), flow()), {"generator": [clone(flows_in(found))]}, ledger=ledger
        ).fit(X, Y)
    assert ledger.events == ()


# ---------------------------------------------------------------- pipelines


@pytest.mark.parametrize("public", [False, True])
def test_a_clone_of_a_later_step_rests_on_the_earlier_ones(public):
    negative = [("negative", FunctionTransformer(np.negative, inverse_func=np.negative))] if public else []
    steps = [("scale", DPStandardScaler(domain=(0, 1))), *negative, ("pca", DPPCA(2)), ("flow", flow(domain=None))]
    if public:
        steps[2] = ("pca", DPPCA(2, domain=(-9, 9)))
    pipe = GenerativePipeline(steps).fit(X, Y)
    rows = pipe["scale"].transform(X)
    own = pipe["pca"].epsilon
    again = clone(pipe["pca"]).fit(rows)
    assert again.privacy_spent_[0] == again.privacy_statement().epsilon > own * 1.2
    assert again.release_.before == (RestsOn(pipe["scale"].release_.cap, gave_domain=not public),)
    last = clone(pipe["flow"]).fit(pipe["pca"].transform(-rows if public else rows), Y)
    assert last.privacy_spent_[0] >= 0.999
    assert last.release_.handed_domain
    assert last.release_.allowed != last.release_.cap
    for release in (again.release_, last.release_):
        assert stored(release).before == release.before
    # what several rest on counts once
    releases = [*pipe.releases_.values(), again.release_, last.release_]
    assert len(together(releases).events) == 5
    assert clone(pipe["scale"]).fit(X).privacy_spent_[0] == pipe["scale"].epsilon  # rests on nothing


@pytest.mark.parametrize("found_privately", [{"domain": None, "target": None}, {"target": Categories()}])
def test_what_takes_private_bounds_or_labels_for_declared_ones_rests_on_them(found_privately):
    first = flow(epsilon=20.0, **found_privately).fit(X, Y)
    again = DPSlicedWassersteinFlow.from_release(first.release_).fit(X, Y)
    assert again.privacy_spent_[0] > 20.0
    assert again.release_.before == (RestsOn(first.release_.cap, gave_domain="bounds" in first.release_),)
    same = loaded(first)  # with the parameters that were declared
    assert same.fit(X, Y).privacy_spent_[0] == 20.0
    declared = flow(epsilon=20.0).fit(X, Y)
    assert DPSlicedWassersteinFlow.from_release(declared.release_).fit(X, Y).privacy_spent_[0] == 20.0


@pytest.mark.slow
def test_many_generations_can_be_stored():
    release = flow(domain=None).fit(X, Y).release_
    for _ in range(20):
        again = DPSlicedWassersteinFlow.from_release(release).set_params(epsilon=1.0, delta=1e-6)
        release = again.fit(X, Y).release_
    assert len(stored(release).before) == 20
    assert release.epsilon < 20.0


# ---------------------------------------------------------------- files


def forged(release, **changes):
    return copy.copy(release).__class__(**{**{f: getattr(release, f) for f in release.__dataclass_fields__}, **changes})


def test_files_that_understate_what_they_rest_on_are_refused(found):
    release = flows_in(found).release_
    (source,) = release.before
    tiny = RestsOn(SlackEvent(1e-9, 1e-12), contains=True)
    weak = next(e for e in flatten_event(source.event) if hasattr(e, "mean"))
    weaker = RestsOn(
        type(weak)(GaussianEvent(1e3), weak.mean, weak.distribution, weak.shape, weak.slack), contains=True
    )
    for changes, match in [
        ({"before": (tiny,)}, "did not allow its cap"),
        ({"before": (weaker,)}, "did not allow its cap"),
        ({"before": (RestsOn(GaussianEvent(0.01), contains=True),)}, "did not allow its cap"),
        ({"epsilon": 0.9 * SEARCH}, "costs more than the stated"),
        ({"before": (RestsOn(source.event),)}, "costs more than the stated"),
        ({"before": (source, RestsOn(GaussianEvent(1.0)))}, "costs more than the stated"),
        ({"before": (source, RestsOn(NonPrivateEvent()))}, "whether its noise is private"),
        ({"private": False}, "whether its noise is private"),
        ({"delta": 1e-9}, "costs more than the stated"),
    ]:
        with pytest.raises(ReleaseError, match=match):
            stored(forged(release, **changes))


@pytest.mark.parametrize(
    "entry",
    [{}, {"event": {"event": "non-private"}}, {"event": None, "contains": False, "gave_domain": False}, 1, "x", None],
)
def test_damaged_entries_are_refused(entry):
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        RestsOn.from_dict(entry)
    with pytest.raises(TypeError, match="two bools"):
        RestsOn(GaussianEvent(1.0), contains=1)


def test_the_number_of_rows_is_counted_beside_the_search():
    """Under add-remove it is released once with noise, and no trial pays for it."""
    private, public = (searched(flow(neighbours=n)).event_ for n in ("add-remove", "replace-one"))
    assert len(tally(private, repetitions=True).noise_multipliers) == 1
    assert tally(public, repetitions=True).noise_multipliers == ()
    (trial,) = tally(private, repetitions=True).repetitions
    assert tally(private, repetitions=True).noise_multipliers[0] == trial.event.events[1].noise_multiplier
