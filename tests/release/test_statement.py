"""The statement: an auditor who has nothing but the JSON comes to the same guarantee."""

import io
import json
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from dp_accounting import ComposedDpEvent, GaussianDpEvent
from dp_accounting.dp_event import RepeatAndSelectDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from skdpflow import (
    Categories,
    Domain,
    DPSlicedWassersteinFlow,
    Interval,
    LedgerError,
    PrivacyLedger,
    Release,
    ReleaseError,
)
from skdpflow.accountants import NonPrivateEvent, RestsOn
from skdpflow.compose import DPOversampler, GenerativePipeline, TrainOnSynthetic
from skdpflow.curator.kinds import KINDS as MEASURED
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.mechanisms import RecordsMechanism
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler
from skdpflow.release.sentences import ACCOUNTANTS, KINDS

X = np.random.default_rng(0).uniform(size=(3000, 3))
Y = (X[:, 0] > 0.5).astype(int)
LABELS = Categories([0, 1])
CONSTRAINED = Domain({name: Interval(0, 1) for name in "abc"}, constraints=["a <= b"])


def flow(**params):
    return DPSlicedWassersteinFlow(**{"n_particles": 64, "n_steps": 1, "domain": (0, 1), **params})


CASES = {
    "gdp": flow(target=LABELS),
    "zcdp": flow(target=LABELS, accountant="zcdp"),
    "rdp": flow(target=LABELS, accountant="rdp"),
    "pld": flow(accountant="pld", epsilon=0.5),
    "found": flow(target=Categories(), domain=None, epsilon=3.0),
    "found replace-one": flow(target=Categories(), domain=None, neighbours="replace-one"),
    "numeric replace-one": flow(target=Interval(0, 1), neighbours="replace-one", epsilon=0.2),
    "large": flow(epsilon=20.0, delta=1e-3),
    "records": flow(mechanism="records", neighbours="replace-one"),
    "records of classes": flow(mechanism=RecordsMechanism(public_labels=True), target=LABELS, neighbours="replace-one"),
    "pca": DPPCA(domain=(0, 1)),
    "scaler": DPStandardScaler(accountant="rdp"),
    "quantiles": DPQuantileTransformer(domain=(0, 1), neighbours="replace-one"),
    "pipeline": GenerativePipeline(
        [("scale", DPStandardScaler()), ("pca", DPPCA()), ("flow", flow(target=Categories(), domain=None))], epsilon=2.0
    ),
    "pipeline zcdp": GenerativePipeline(
        [("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow(accountant="zcdp"))], weights={"scale": 1, "flow": 9}
    ),
}
#: How much less than stated may come out: a pipeline splits by GDP, so steps with another accountant lose something;
#: it holds back slack for each step; and zCDP and RDP are compared with what privacy loss distributions say.
LOWEST = 0.8
#: dp-accounting rounds privacy losses up to a grid of 1e-4, and its delta to that of a truncated distribution.
ROUNDED = 1 + 1e-4


@pytest.fixture(scope="module", params=[*CASES, "continued"])
def text(request):
    """All that the auditor gets."""
    if request.param == "continued":
        fitted = flow(target=Categories()).fit(X, Y).continue_fit(X, Y, extra_epsilon=0.5)
    else:
        fitted = CASES[request.param].fit(X, Y)
    return fitted.privacy_statement().to_json()


def parts(events, kind):
    return [event for event in events for _ in range(event["times"]) if event["event"] == kind]


def epsilon_of(events, delta, accountant):
    """Compose the events of a statement with somebody else's accountant."""
    multipliers = [e["noise_multiplier"] for e in parts(events, "gaussian")]
    for choice in parts(events, "selection"):
        assert choice["kind"] == "bounded-range"
        multipliers.append(-0.5 / norm.ppf(1 / (1 + np.exp(choice["epsilon"] / 2))))
    for multiplier in multipliers:
        # add-or-remove whatever the relation is: the multipliers contain the sensitivity under it
        accountant.compose(GaussianDpEvent(multiplier))
    s, d = (sum(e[name] for e in parts(events, "slack")) for name in ("epsilon", "delta"))
    return accountant.get_epsilon((delta - d) * np.exp(-s) - sum(e["delta"] for e in parts(events, "threshold"))) + s


def from_noise(m):
    """Return the events of a measurement by its noise and sensitivity alone."""
    if m["noise"] == "Gumbel":
        each = 2 * m["sensitivity"] / m["noise_scale"]["largest"]
        chosen = len(parts(m["events"], "selection"))
        return [{"event": "selection", "kind": "bounded-range", "epsilon": each, "times": chosen}]
    multiplier = m["noise_scale"]["largest"] / m["sensitivity"]
    return [{"event": "gaussian", "noise_multiplier": multiplier, "times": 1}, *parts(m["events"], "threshold")]


def caps(content):
    return content["composition"]["cap"]


def measured(content):
    return [event for step in content["steps"] for m in step["measurements"] for event in from_noise(m)]


def renyi():
    return RdpAccountant(orders=(1 + np.geomspace(0.01, 1000, 1000)).tolist())


@pytest.mark.slow
def test_an_auditor_recomputes_the_guarantee_from_the_json(text):
    content = json.loads(text)
    stated = content["guarantee"]
    assert stated["private"]
    capped = epsilon_of(caps(content), stated["delta"], PLDAccountant())
    assert LOWEST * stated["epsilon"] <= capped <= stated["epsilon"] * ROUNDED
    spent = epsilon_of(measured(content), stated["delta"], PLDAccountant())
    assert 0.95 * capped <= spent <= capped * ROUNDED
    if [step["accountant"]["name"] for step in content["steps"]] in (["zcdp"], ["rdp"]):
        capped = epsilon_of(caps(content), stated["delta"], renyi())
        assert 0.99 * stated["epsilon"] <= capped <= stated["epsilon"] * ROUNDED


@pytest.mark.slow
def test_an_auditor_finds_too_little_noise(text):
    content = json.loads(text)
    stated = content["guarantee"]
    for event in caps(content):
        event["noise_multiplier"] = 0.7 * event.get("noise_multiplier", 0.0)
    assert epsilon_of(caps(content), stated["delta"], PLDAccountant()) > 1.05 * stated["epsilon"]


def test_each_step_stays_within_its_cap_and_its_sensitivities_follow(text):
    content = json.loads(text)
    factor = {"add-remove": 1, "replace-one": 2}[content["guarantee"]["neighbours"]]
    for step in content["steps"]:
        numeric = (step["rows"]["target"] or {}).get("kind") == "interval"
        columns = len(step["rows"]["domain"]["columns"]) + numeric
        shares = [m["share"] for m in step["measurements"]]
        assert 0.95 <= sum(shares) <= 1 + 1e-9
        for m in step["measurements"]:
            K, d = m["parameters"].get("steps"), 1 if m["name"] == "target" else columns
            expected = {
                "1": 1.0,
                "2": 2.0,
                "sqrt(2)": 2**0.5,
                "sqrt(d)": d**0.5,
                "sqrt(2 d)": (2 * d) ** 0.5,
                "K": K,
                "2 K": K and 2 * K,
                "K^2": K and K**2,
                "sqrt(2) K^2": K and 2**0.5 * K**2,
            }.get(m["sensitivity_is"])
            if m["kind"] == "location":  # d is the number of columns that are located
                assert any(m["sensitivity"] ** 2 / factor == pytest.approx(k, rel=1e-9) for k in range(1, d + 1))
            elif expected is not None:
                assert m["sensitivity"] == pytest.approx(expected, rel=1e-12), m["name"]
            elif m["sensitivity_is"] in ("sqrt(k)", "sqrt(2 k)"):
                assert m["sensitivity"] ** 2 / factor == pytest.approx(round(m["sensitivity"] ** 2 / factor), rel=1e-9)
            else:
                assert m["kind"] == "records"
            for event in parts(m["events"], "gaussian"):
                assert event["noise_multiplier"] <= m["noise_scale"]["largest"] / m["sensitivity"] * (1 + 1e-12)


def test_every_kind_and_accountant_has_its_sentences():
    assert set(KINDS) == {*MEASURED, "labels", "levels", "select_pairs"}
    assert {"gdp", "zcdp", "rdp", "pld"} <= set(ACCOUNTANTS)


def test_the_text_says_what_the_json_says():
    ledger = PrivacyLedger(epsilon=4, delta=1e-6, neighbours="replace-one")
    statement = (
        flow(target=Categories(), domain=None, neighbours="replace-one", ledger=ledger).fit(X, Y).privacy_statement()
    )
    text = " ".join(str(statement).split())
    for said in [*statement.content["assumptions"], *statement.content["not_covered"]]:
        assert said in text
    for m in statement.content["steps"][0]["measurements"]:
        assert f"{m['name']} {m['kind']} {m['integers']} {m['sensitivity']:.6g}" in text
    assert "(epsilon, delta) = (1, 1e-06), neighbours: replace-one, accountant: gdp" in text
    assert "The number of rows is public" in text
    assert "was declared" not in text
    assert f"Recorded in a PrivacyLedger: {statement.content['steps'][0]['ledger']}" in text
    assert repr(statement) == "PrivacyStatement(epsilon=1, delta=1e-06)"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "The domain was declared"),
        ({"domain": CONSTRAINED}, "In every row, as declared: a <= b"),
        ({"target": LABELS}, "The classes were declared, and not learnt from the rows: [0, 1]"),
        ({"target": Interval(0, 1)}, "The interval of the target was declared"),
        (
            {"mechanism": "records", "neighbours": "replace-one"},
            "The number of rows is public, since records are released",
        ),
        ({"accountant": "zcdp"}, "zcdp: rho = sum"),
    ],
)
def test_what_is_public_is_named(params, said):
    statement = " ".join(str(flow(**params).fit(X, Y).privacy_statement()).split())
    assert said in statement
    assert "Recorded in no PrivacyLedger" in statement


def test_a_continued_fit_rests_on_budgets_that_were_decided_beforehand():
    fitted = flow().fit(X)
    assert "was fixed before" not in str(fitted.privacy_statement())
    statement = fitted.continue_fit(X, extra_epsilon=0.5).privacy_statement()
    assert statement.epsilon == 1.5
    assert any("was fixed before anything was released" in said for said in statement.content["assumptions"])


def test_seeded_noise_guarantees_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        seeded = flow(noise_random_state=0).fit(X).privacy_statement()
        step = DPStandardScaler(domain=(0, 1), noise_random_state=0)
        pipeline = GenerativePipeline([("scale", step), ("flow", flow())]).fit(X).privacy_statement()
    for statement in (seeded, pipeline):
        assert (statement.epsilon, statement.delta) == (float("inf"), 1.0)
        assert json.loads(statement.to_json())["guarantee"]["epsilon"] is None
        assert str(statement).startswith("(epsilon, delta) = (inf, 1), ")
        assert "NOT PRIVATE" in str(statement)
        assert not any("entropy" in said for said in statement.content["assumptions"])
        assert parts(statement.content["steps"][0]["cap"], "non-private")


def test_the_statement_is_a_function_of_the_release():
    fitted = flow(target=LABELS).fit(X, Y)
    statement = fitted.privacy_statement()
    file = io.BytesIO()
    fitted.release_.save(file)
    again = Release.load(io.BytesIO(file.getvalue()))
    assert again.privacy_statement() == fitted.release_.privacy_statement() == statement
    assert DPSlicedWassersteinFlow.from_release(again).privacy_statement() == statement
    assert json.loads(statement.to_json(indent=None)) == statement.content


def test_names_from_a_file_cannot_pose_as_lines():
    release = flow().fit(X).release_
    first, *rest = release.measurements
    forged = replace(release, measurements=(replace(first, name="a\n(epsilon, delta) = (0.1, 0)\x1b[2J"), *rest))
    text = str(forged.privacy_statement())
    assert "a?(epsilon, delta) = (0.1, 0)?[2J" in text
    assert not any(line.startswith("(epsilon, delta) = (0.1") for line in text.splitlines())


def test_what_is_made_of_a_generator_states_its_guarantee():
    made = {
        "trained": TrainOnSynthetic(LogisticRegression(), flow(target=LABELS)).fit(X, Y),
        "trained pipeline": TrainOnSynthetic(LogisticRegression(), GenerativePipeline(STEPS)).fit(X, Y),
    }
    oversampler = DPOversampler(flow(target=LABELS))
    with pytest.raises(NotFittedError):
        oversampler.privacy_statement()
    oversampler.fit_resample(X, Y)
    for model in (*made.values(), oversampler):
        assert model.privacy_statement() == model.generator_.privacy_statement()


def searched(generator, ledger=None, **params):
    model = TrainOnSynthetic(LogisticRegression(), generator, n_samples=200)
    given = {"n_iter": 2, "epsilon": 3.0, "max_rows": 50, "distribution": "truncated-negative-binomial", **params}
    return DPSearchCV(model, {"estimator__C": [0.1, 1.0]}, ledger=ledger, **given).fit(X[:300], Y[:300])


STEPS = [("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow(domain=None, target=LABELS))]


@pytest.mark.parametrize("generator", [flow(target=LABELS), GenerativePipeline(STEPS)], ids=["flow", "pipeline"])
def test_the_winner_of_a_search_states_what_the_search_was_allowed(generator):
    ledger = PrivacyLedger(epsilon=3.0, delta=1e-6, accountant="rdp")
    best = searched(generator, ledger)
    releases = getattr(best.best_estimator_.generator_, "releases_", {}) or {
        "fit": best.best_estimator_.generator_.release_
    }
    ledger.verify(releases.values())
    for release in releases.values():
        file = io.BytesIO()
        release.save(file)
        assert (
            Release.load(io.BytesIO(file.getvalue())).before
            == release.before
            == (RestsOn(best.event_, contains=True, gave_domain=release.handed_domain),)
        )
    statement = best.privacy_statement()
    assert statement == best.best_estimator_.privacy_statement()
    assert "best of a random number of trials" in str(statement)
    assert f"Recorded in a PrivacyLedger: {next(iter(releases.values())).ledger}" in str(statement)
    content = json.loads(statement.to_json())
    events, accountant = content["composition"]["cap"], renyi()
    (repeated,) = parts(events, "repeat-and-select")
    trial = ComposedDpEvent([GaussianDpEvent(e["noise_multiplier"]) for e in repeated["trial"]["events"]])
    accountant.compose(RepeatAndSelectDpEvent(trial, repeated["mean"], repeated["shape"]))
    assert LOWEST * 3.0 <= epsilon_of(events, 1e-6, accountant) <= 3.0 * ROUNDED
    for step in content["steps"]:
        assert 0.5 < sum(m["share"] for m in step["measurements"]) <= 1.0 + 1e-9


def test_the_winner_of_a_search_cannot_be_continued_as_if_it_had_been_the_only_trial():
    best = searched(flow(target=LABELS)).best_estimator_.generator_
    with pytest.raises(ValueError, match="rests on a search that it won"):
        best.continue_fit(X, Y, extra_epsilon=1.0)


def read_again(release):
    file = io.BytesIO()
    release.save(file)
    return Release.load(io.BytesIO(file.getvalue()))


NEGATIVE = FunctionTransformer(np.negative, inverse_func=np.negative)
THREE = [("scale", DPStandardScaler(domain=(0, 1))), ("pca", DPPCA(3)), ("flow", flow(domain=None, target=LABELS))]


@pytest.mark.parametrize("weights", [{"scale": 100, "pca": 1, "flow": 1}, {"scale": 1, "pca": 1, "flow": 1}])
def test_the_release_of_a_later_step_states_what_it_rests_on(weights):
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    pipe = GenerativePipeline(THREE, weights=weights, ledger=ledger).fit(X, Y)
    scale, pca, last = (read_again(release) for release in pipe.releases_.values())
    assert scale.before == ()
    assert pca.before == (RestsOn(scale.cap, gave_domain=True),)
    assert last.before == (RestsOn(scale.cap), RestsOn(pca.cap, gave_domain=True))
    for name, release in [("pca", pca), ("flow", last)]:
        alone = release.privacy_statement()
        assert (alone.epsilon, alone.delta) == pipe[name].privacy_spent_ == pipe.privacy_spent_ == (1.0, 1e-6)
        assert alone.content["steps"][0]["rows"]["domain_is"] == "released by an earlier step"
        assert "was declared, and not learnt" not in str(alone)
        assert "They come from earlier steps of a pipeline" in " ".join(str(alone).split())
        ledger.verify([release])
    # the whole is what the last step rests on, and recomputed from its Release alone
    whole = json.loads(last.privacy_statement().to_json())
    assert whole["composition"]["mu"] == pipe.privacy_statement().content["composition"]["mu"]
    assert LOWEST <= epsilon_of(caps(whole), 1e-6, PLDAccountant()) <= ROUNDED
    ledger.verify([scale, pca, last])
    ledger.verify([scale, last])
    assert DPSlicedWassersteinFlow.from_release(last).privacy_spent_ == (1.0, 1e-6)
    small = PrivacyLedger(epsilon=1.0, delta=1e-6)
    head = small.debit(last.cap, neighbours="add-remove")  # what it alone was allowed
    with pytest.raises(LedgerError, match="smaller"):
        small.verify([replace(last, ledger=head)])


def test_a_release_that_rests_on_more_than_it_states_is_refused():
    last = GenerativePipeline(STEPS).fit(X, Y).releases_["flow"]
    assert read_again(last).before == last.before
    for forged in (replace(last, epsilon=0.9), replace(last, before=2 * last.before)):
        with pytest.raises(ReleaseError, match="costs more"):
            read_again(forged)
    with pytest.raises(ReleaseError, match="whether its noise is private"):
        read_again(replace(last, before=(*last.before, RestsOn(NonPrivateEvent()))))


@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
def test_what_rests_on_seeded_noise_is_not_private():
    steps = [("scale", DPStandardScaler(domain=(0, 1), noise_random_state=0)), ("flow", flow(domain=None))]
    pipe = GenerativePipeline(steps).fit(X)
    assert pipe["flow"].privacy_spent_ == pipe.privacy_spent_ == (float("inf"), 1.0)
    assert not read_again(pipe["flow"].release_).private
    assert "NOT PRIVATE" in str(pipe["flow"].privacy_statement())


@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize("seeded", ["scale", "pca", "flow"])
def test_one_seeded_step_leaves_nothing_private_of_the_pipeline(seeded):
    pipe = clone(GenerativePipeline(THREE)).set_params(**{f"{seeded}__noise_random_state": 0}).fit(X, Y)
    statement = pipe.privacy_statement()
    assert (statement.epsilon, statement.delta) == pipe.privacy_spent_ == (float("inf"), 1.0)
    assert (statement.content["guarantee"]["private"], statement.content["guarantee"]["epsilon"]) == (False, None)
    text = " ".join(str(statement).split())
    assert text.startswith("(epsilon, delta) = (inf, 1)")
    assert "The entropy of the operating system is random" not in text


def test_what_a_public_step_comes_between_rests_on_the_first_too():
    steps = [("scale", DPStandardScaler(domain=(0, 1))), ("negative", NEGATIVE), ("flow", flow(domain=(-9, 9)))]
    pipe = GenerativePipeline(steps).fit(X)
    statement = pipe["flow"].privacy_statement()
    assert statement.epsilon == pipe["flow"].privacy_spent_[0] == 1.0
    assert pipe["flow"].release_.before == (RestsOn(pipe["scale"].release_.cap),)
    assert statement.content["steps"][0]["rows"]["domain_is"] == "declared"
    assert "The domain was declared, and not learnt from the rows" in str(statement)


def test_a_verbose_step_prints_what_it_rests_on(capsys):
    clone(GenerativePipeline(STEPS)).set_params(flow__verbose=1).fit(X, Y)
    assert capsys.readouterr().out.startswith("(epsilon, delta) = (1, 1e-06)")


def test_a_later_step_is_not_continued_as_if_it_had_been_the_only_one():
    last = GenerativePipeline(STEPS).fit(X, Y).releases_["flow"]
    ledger = PrivacyLedger(epsilon=9.0, delta=1e-5)
    again = DPSlicedWassersteinFlow.from_release(last).set_params(ledger=ledger)
    with pytest.raises(ValueError, match="as that of a step of a pipeline"):
        again.continue_fit(X, Y, extra_epsilon=1.0)
    assert ledger.events == ()


class Unread:
    """Rows that nobody may look at."""

    def __getattr__(self, name):
        raise AssertionError(name)


def parts_of(model):
    """Return all that has a guarantee in a fitted estimator."""
    inner = [step for _, step in getattr(model, "steps_", []) if hasattr(step, "privacy_spent_")]
    inner += [getattr(model, name) for name in ("generator_", "best_estimator_") if hasattr(model, name)]
    return [part for one in inner for part in (one, *parts_of(one))]


def same(X):
    return X


SAME = FunctionTransformer(same, inverse_func=same)


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(
    ("model", "n_parts"),
    [
        (GenerativePipeline(THREE), 3),
        (TrainOnSynthetic(LogisticRegression(), GenerativePipeline(STEPS)), 3),
        (GenerativePipeline([("same", SAME), ("flow", flow(target=LABELS))]), 1),
        (DPOversampler(flow(target=LABELS), {0: 2}, keep_original=False), 1),
        (DPSearchCV(TrainOnSynthetic(LogisticRegression(), flow(target=LABELS)), {}, n_iter=1.5, epsilon=3.0), 2),
        (
            DPSearchCV(
                TrainOnSynthetic(LogisticRegression(), GenerativePipeline(STEPS)),
                {},
                n_iter=1.5,
                epsilon=3.0,
            ),
            4,
        ),
    ],
    ids=["pipeline", "trained", "public step", "oversampler", "search", "search of pipelines"],
)
@pytest.mark.slow
def test_parts_are_not_fitted_behind_the_back_of_the_whole(model, n_parts):
    model = clone(model).fit(X[:300], Y[:300])
    before = model.privacy_statement()
    found = parts_of(pickle.loads(pickle.dumps(model))) + parts_of(model)
    assert len(found) == 2 * n_parts
    for part in found:
        with pytest.raises(ValueError, match=f"This {type(part).__name__} is a part of a fitted"):
            part.set_params().fit(Unread())
        if hasattr(part, "continue_fit"):
            with pytest.raises(ValueError, match=r"is a part of a fitted|step of a pipeline|search that it won"):
                part.continue_fit(Unread(), extra_epsilon=1.0)
        if hasattr(part, "refit"):
            part.refit()  # sees no rows
    assert model.privacy_statement().epsilon == before.epsilon == model.privacy_spent_[0]
    clone(found[0]).fit(X[:300], Y[:300])
    model.fit(X[:300], Y[:300])


@pytest.mark.slow
def test_a_flow_alone_in_a_pipeline_can_be_continued_apart_from_it():
    pipe = GenerativePipeline([("negative", NEGATIVE), ("flow", flow(domain=(-1, 0)))]).fit(X)
    with pytest.raises(ValueError, match="is a part of a fitted GenerativePipeline"):
        pipe["flow"].continue_fit(-X, extra_epsilon=1.0)
    own = DPSlicedWassersteinFlow.from_release(pipe["flow"].release_).continue_fit(-X, extra_epsilon=1.0)
    assert (own.privacy_spent_, pipe.privacy_spent_) == ((2.0, 1e-6), (1.0, 1e-6))
    assert read_again(own.release_).epsilon == 2.0


def test_a_pipeline_names_its_steps_and_what_each_was_handed():
    log = FunctionTransformer(np.log1p, inverse_func=np.expm1)
    steps = [("log", log), ("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow(target=LABELS))]
    statement = GenerativePipeline(steps, epsilon=2.0).fit(X, Y).privacy_statement()
    assert statement.epsilon == 2.0
    assert statement.content["public_steps"] == {"log": "FunctionTransformer"}
    assert [s["rows"]["domain_is"] for s in statement.content["steps"]] == ["declared", "released by an earlier step"]
    text = " ".join(str(statement).split())
    assert "The step 'log' (FunctionTransformer) learnt nothing" in text
    assert "The domain of the step 'scale' was declared" in text
    assert "domain of the step 'flow'" not in text
    assert "The classes were declared" in text
