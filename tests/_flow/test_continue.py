"""More budget for an existing model: what is guaranteed, what is charged, and that the model gets better."""

import copy
import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skdpflow import (
    BudgetExceededError,
    Categories,
    DPSlicedWassersteinFlow,
    Interval,
    LedgerError,
    PrivacyLeakWarning,
    PrivacyLedger,
    Release,
)
from skdpflow.accountants import GaussianEvent, PLDAccountant, flatten_event, gdp_mu, resolve_accountant
from skdpflow.accountants.base import tally
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.events import ComposedEvent, SelectionEvent
from skdpflow.accountants.gaussian import GaussianDPAccountant, total_mu
from skdpflow.accountants.resting import guarantee
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.release import Measurement
from skdpflow.release.pooling import groups, n_fits, pool, pooled
from skdpflow.release.request import Request

DELTA = 1e-6
rng = np.random.default_rng(0)
N = 3000
X = rng.uniform(size=(N, 4))
X[:, 1] = (X[:, 0] + X[:, 1]) / 2
LABELS = (X[:, 0] + 0.3 * rng.normal(size=N) > 0.5).astype(int)
NUMBERS = np.clip(X[:, 0] + 0.1 * rng.normal(size=N), 0, 1)
SHAPES = {
    "labels": ({"domain": (0, 1), "target": Categories([0, 1])}, LABELS),
    "numbers": ({"domain": (0, 1), "target": Interval(0, 1)}, NUMBERS),
    "no target": ({"domain": (0, 1), "neighbours": "replace-one"}, None),
    "bounds and labels found": ({"target": Categories()}, LABELS),
}


def flow(epsilon=0.5, **params):
    return DPSlicedWassersteinFlow(epsilon, DELTA, **{"domain": (0, 1), "n_particles": 256, "n_steps": 1, **params})


def guaranteed(event, delta):
    """Epsilon of Gaussian and threshold events by Gaussian DP, and slack as it stands."""
    return GaussianDPAccountant().epsilon(event, delta)


# ---------------------------------------------------------------- what is guaranteed


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_total_is_guaranteed_and_used_again_and_again(shape):
    params, y = SHAPES[shape]
    model = flow(**params).fit(X, y)
    for extra, total in [(0.5, 1.0), (0.1, 1.1), (2.0, 3.1)]:
        before = model.release_
        assert model.continue_fit(X, y, extra_epsilon=extra) is model
        release = model.release_
        assert model.privacy_spent_ == pytest.approx((total, DELTA))
        assert release.private
        assert release.measurements[: len(before.measurements)] == before.measurements
        cap, spent = tally(release.cap), tally(release.event)
        assert 0.98 * total < guaranteed(release.cap, DELTA) <= release.epsilon
        assert 0.97 * cap.gaussian_mu < total_mu(spent) <= cap.gaussian_mu * (1 + 1e-12)
        # the noise itself, whatever the events say
        one = 1 if release.neighbours == "add-remove" else 2
        mu2 = 0.0
        for m in release.measurements:
            if m.kind == "select_pairs":
                assert m.sensitivity == one
                mu2 += total_mu(tally(m.event)) ** 2
            else:
                mu2 += (m.sensitivity / np.max(m.noise_scale)) ** 2
        assert mu2 <= gdp_mu(release.epsilon, DELTA) ** 2
    assert n_fits(model.release_) == 4
    sample = model.sample(50, random_state=0)
    assert sample.shape == (50, 4)
    assert np.isfinite(model.score_samples(X[:5])).all()


@given(
    epsilons=st.lists(st.floats(0.01, 20), min_size=2, max_size=5),
    delta=st.floats(1e-12, 0.1),
    threshold=st.floats(0, 0.2),
    accountants=st.lists(st.sampled_from(["gdp", "zcdp", "rdp"]), min_size=5, max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_budgets_exceeds_the_guarantee(epsilons, delta, threshold, accountants):
    total, cap, refusals = 0.0, None, []
    for i, (extra, accountant) in enumerate(zip(epsilons, accountants, strict=False)):
        budget = Budget(total + extra, delta, "add-remove", resolve_accountant(accountant), accountant)
        thresholds = threshold * delta if i == 0 else 0.0
        try:
            curator = Curator(None, budget, NoiseSource(), threshold_delta=thresholds, before=cap)
        except ValueError as refusal:  # a looser accountant than the one before leaves nothing
            refusals.append((i, str(refusal)))
            continue
        total += extra
        cap = curator.whole_event if cap is None else ComposedEvent((cap, curator.whole_event))
        assert guaranteed(cap, delta) <= total
    assert all(i > 0 and "leaves nothing to spend" in refusal for i, refusal in refusals)


def test_somebody_elses_accountant_agrees():
    release = flow().fit(X).continue_fit(X, extra_epsilon=0.5).release_
    assert 0.97 < PLDAccountant().epsilon(release.cap, DELTA) <= 1.0 + 1e-3
    assert PLDAccountant().epsilon(release.event, DELTA) <= 1.0


class Greedy(MarginalsMechanism):
    """Asks for more than there is in a further fit."""

    def describe(self):
        return {"name": "greedy"}

    def continue_plan(self, public, release):
        for name, share in [("a", 0.9), ("b", 0.2)]:
            yield [Request(name, "counts", share, {"n_components": 1})]


def test_a_plan_cannot_exceed_what_is_left():
    model = flow(mechanism=Greedy()).fit(X)
    before = model.release_
    with pytest.raises(BudgetExceededError, match="'b' needs"):
        model.continue_fit(X, extra_epsilon=0.5)
    assert model.release_ is before


# ---------------------------------------------------------------- what is charged


def test_the_ledger_is_debited_the_increment_before_any_noise_is_drawn(monkeypatch):
    ledger = PrivacyLedger(epsilon=1.001, delta=DELTA)
    model = flow(ledger=ledger).fit(X)
    seen = []
    draw = NoiseSource.rounded_gaussian
    monkeypatch.setattr(NoiseSource, "rounded_gaussian", lambda *a: (seen.append(len(ledger.events)), draw(*a))[1])
    model.continue_fit(X, extra_epsilon=0.5)
    assert set(seen) == {2}
    assert 0.99 < ledger.spent() <= 1.001
    assert list(flatten_event(ComposedEvent(ledger.events))) == list(flatten_event(model.release_.cap))
    ledger.verify([model.release_])
    seen.clear()
    before = model.release_
    with pytest.raises(BudgetExceededError):
        model.continue_fit(X, extra_epsilon=0.5)
    assert model.release_ is before
    assert seen == []


@pytest.mark.slow
def test_a_ledger_that_does_not_know_of_the_first_fit_is_debited_all():
    ledger = PrivacyLedger(epsilon=2, delta=DELTA)
    model = flow().fit(X).set_params(ledger=ledger).continue_fit(X, extra_epsilon=0.5)
    assert len(ledger.events) == 1
    assert list(flatten_event(ledger.events[0])) == list(flatten_event(model.release_.cap))
    ledger.verify([model.release_])
    model.continue_fit(X, extra_epsilon=0.5)
    assert len(ledger.events) == 2
    ledger.verify([model.release_])


def test_another_ledger_or_none_is_refused():
    model = flow(ledger=PrivacyLedger(epsilon=4, delta=DELTA)).fit(X)
    other = PrivacyLedger(epsilon=4, delta=DELTA)
    with pytest.raises(LedgerError, match="not in the ledger"):
        model.set_params(ledger=other).continue_fit(X, extra_epsilon=0.5)
    assert other.events == ()
    with pytest.raises(ValueError, match="set the 'ledger' parameter"):
        model.set_params(ledger=None).continue_fit(X, extra_epsilon=0.5)
    assert model.privacy_spent_ == (0.5, DELTA)


# ---------------------------------------------------------------- what is refused


def test_bad_input_spends_nothing_and_leaves_the_model_alone():
    ledger = PrivacyLedger(epsilon=4, delta=DELTA)
    model = flow(target=Categories([0, 1]), ledger=ledger)
    with pytest.raises(ValueError, match="not fitted"):
        model.continue_fit(X, LABELS, extra_epsilon=0.5)
    model.fit(X, LABELS)
    before, expected = model.release_, model.sample(9, random_state=0)
    for x, y, extra, error, message in [
        (X, LABELS, 0.0, ValueError, "extra_epsilon"),
        (X, LABELS, "1", TypeError, "extra_epsilon"),
        (X, LABELS, 1e-5, ValueError, "leaves nothing to spend"),
        (X[:, :3], LABELS, 0.5, ValueError, "3 features"),
        (X, None, 0.5, ValueError, "requires y"),
        (X, LABELS[:9], 0.5, ValueError, "inconsistent"),
    ]:
        with pytest.raises(error, match=message):
            model.continue_fit(x, y, extra_epsilon=extra)
        assert model.release_ is before
    assert len(ledger.events) == 1
    assert_array_equal(model.sample(9, random_state=0), expected)


def test_mechanisms_that_cannot_or_changed_are_refused():
    records = flow(mechanism="records", neighbours="replace-one").fit(X)
    with pytest.raises(ValueError, match="'records' cannot improve a release"):
        records.continue_fit(X, extra_epsilon=0.5)
    model = flow().fit(X)
    with pytest.raises(ValueError, match="made by the mechanism 'marginals'"):
        model.set_params(mechanism="records", neighbours="replace-one").continue_fit(X, extra_epsilon=0.5)
    with pytest.raises(ValueError, match=r"\['n_bins'\].* are not those"):
        model.set_params(mechanism=MarginalsMechanism(n_bins=8)).continue_fit(X, extra_epsilon=0.5)
    assert model.privacy_spent_ == (0.5, DELTA)


@pytest.mark.slow
def test_a_looser_accountant_is_refused_where_nothing_is_left():
    model = flow(1.0, accountant="gdp").fit(X)
    with pytest.raises(ValueError, match="no looser"):
        model.set_params(accountant="zcdp").continue_fit(X, extra_epsilon=0.01)
    model.continue_fit(X, extra_epsilon=1.0)
    assert model.release_.accountant == "zcdp"


# ---------------------------------------------------------------- what comes of it


@pytest.mark.slow
def test_a_continued_release_is_the_model_to_the_bit(tmp_path):
    model = flow(target=Categories([0, 1])).fit(X, LABELS)
    for _ in range(2):
        model.continue_fit(X, LABELS, extra_epsilon=0.5)
        expected = model.sample(20, random_state=0)
        buffer = io.BytesIO()
        model.release_.save(buffer)
        release = Release.load(io.BytesIO(buffer.getvalue()))
        again = DPSlicedWassersteinFlow.from_release(release)
        model.save(tmp_path / "a.flow")
        for other in (again, DPSlicedWassersteinFlow.load(tmp_path / "a.flow"), copy.deepcopy(model).refit()):
            assert other.privacy_spent_ == model.privacy_spent_
            assert other.release_.cap == release.cap
            assert_array_equal(other.sample(20, random_state=0), expected)
        model = again  # a loaded model goes on like the one that was saved
    assert n_fits(model.release_) == 3
    assert len({m.name for m in release.measurements}) == len(release.measurements)


def test_what_may_change_of_the_parameters_and_what_the_release_keeps():
    model = flow(target=Categories([0, 1])).fit(X, LABELS)
    model.set_params(epsilon=9.0, delta=0.1, domain=(5, 6), target=None, neighbours="replace-one", n_steps=2)
    model.continue_fit(X, LABELS, extra_epsilon=0.5)
    assert model.privacy_spent_ == (1.0, DELTA)
    assert model.release_.neighbours == "add-remove"
    assert list(model.classes_) == [0, 1]
    assert model.epsilon == 9.0


def test_the_statement_says_that_there_were_several_fits():
    model = flow().fit(X)
    assert "measured 2 times" not in str(model.privacy_statement())
    text = str(model.continue_fit(X, extra_epsilon=0.5).privacy_statement())
    assert "(1, 1e-06)" in text
    assert "measured 2 times" in text
    assert "histograms#2" in text


@pytest.mark.slow
def test_seeded_noise_is_repeatable_fresh_in_each_fit_and_stays_unsafe():
    def made(seed, again):
        with pytest.warns(PrivacyLeakWarning):
            model = flow(random_state=0, noise_random_state=seed).fit(X)
        if again is None:
            return model.set_params(noise_random_state=None).continue_fit(X, extra_epsilon=0.5)
        with pytest.warns(PrivacyLeakWarning):
            return model.set_params(noise_random_state=again).continue_fit(X, extra_epsilon=0.5)

    first, second, other = made(0, 0), made(0, 0), made(0, None)
    for a, b in zip(first.release_.measurements, second.release_.measurements, strict=True):
        assert_array_equal(a.values, b.values)
    assert_array_equal(first.sample(9, random_state=0), second.sample(9, random_state=0))
    for model in (first, other):
        assert not model.release_.private
        assert model.privacy_spent_ == (np.inf, 1.0)
    # the noise of the two counts is known here: it must not be the same but for its scale
    count, again = first.release_["counts"], first.release_["counts#2"]
    noise = [(int(m.values[0]) - N) / float(m.noise_scale[0]) for m in (count, again)]
    assert abs(noise[0] - noise[1]) > 1e-2


@pytest.mark.slow
def test_repeated_statistics_have_the_same_parameters_and_are_averaged():
    release = flow().fit(X).continue_fit(X, extra_epsilon=1.5).release_
    assert pooled(release) is not release
    mean = pooled(release)
    assert {"counts", "histograms", "mean", "second_moment"} <= {m.name for m in mean.measurements}
    for name, same in groups(release).items():
        for a, b in itertools.pairwise(same):
            assert a.kind == b.kind
            assert a.params.keys() == b.params.keys()
            for key in a.params:
                assert_array_equal(a.params[key], b.params[key])
        if len(same) > 1:
            assert np.max(mean[name].sd) < min(np.max(m.sd) for m in same)
    single = flow().fit(X).release_
    assert pooled(single) is single


@given(
    scales=st.lists(st.floats(0.2, 1e4), min_size=2, max_size=4),
    values=st.lists(st.integers(-(10**9), 10**9), min_size=3, max_size=3),
)
def test_pooling_is_the_mean_of_least_variance(scales, values):
    made = [
        Measurement("a", "counts", {}, np.array(values) + i, np.array([s]), 1.0, GaussianEvent(s))
        for i, s in enumerate(scales)
    ]
    weights = np.array([1 / float(m.sd[0]) ** 2 for m in made])
    mean = pool(made)
    assert_allclose(mean.values, np.average([m.values for m in made], axis=0, weights=weights))
    assert_allclose(mean.sd, weights.sum() ** -0.5)
    assert_allclose(pool([pool(made[:2]), *made[2:]]).values, mean.values, rtol=1e-9, atol=1e-6)


def test_new_pairs_are_not_those_known_already():
    wide = np.random.default_rng(1).uniform(size=(4000, 8))
    wide[:, 1:] = (wide[:, 1:] + wide[:, :1]) / 2
    release = flow(0.5).fit(wide).continue_fit(wide, extra_epsilon=1.0).release_
    tables = [m for name, (m, *_) in groups(release).items() if m.kind == "pairs"]
    pairs = np.sort(np.concatenate([m.params["pairs"] for m in tables]), axis=1)
    assert len(tables) == 2
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert "selected+2" in release


@pytest.mark.slow
def test_the_noise_of_a_continued_fit_is_that_of_one_with_the_whole_budget():
    def error(model):
        counts = pooled(model.release_)["histograms"].values[:, :16]  # of the first column
        truth = np.histogram(X[:, 0], 16, (0, 1))[0]
        return np.sqrt(np.mean((counts - truth) ** 2))

    mechanism = MarginalsMechanism(n_bins=16, n_pairs=0, n_slices=0, n_partitions=0)
    half = np.mean([error(flow(0.5, mechanism=mechanism).fit(X)) for _ in range(8)])
    one = np.mean([error(flow(1.0, mechanism=mechanism).fit(X)) for _ in range(8)])
    more = np.mean([error(flow(0.5, mechanism=mechanism).fit(X).continue_fit(X, extra_epsilon=0.5)) for _ in range(8)])
    assert more < 0.75 * half
    assert more < 1.25 * one  # where the columns lie is located once


@pytest.mark.slow
def test_a_fit_on_a_part_of_the_rows_goes_on_there_or_in_the_whole():
    ledger = PrivacyLedger(epsilon=4, delta=DELTA)
    model = flow(ledger=ledger.part("site", "A")).fit(X)
    with pytest.raises(LedgerError, match="for other rows"):
        model.set_params(ledger=ledger.part("site", "B")).continue_fit(X, extra_epsilon=0.5)
    assert len(ledger.events) == 1
    for own in (ledger.part("site", "A"), ledger):
        model.set_params(ledger=own).continue_fit(X, extra_epsilon=0.5)
        ledger.verify([model.release_])
    with pytest.raises(LedgerError, match="continues a fit on other rows"):
        model.set_params(ledger=ledger.part("site", "A")).continue_fit(X, extra_epsilon=0.5)
    assert len(ledger.events) == 3


def test_a_first_fit_without_a_ledger_may_have_been_on_all_rows():
    ledger, model = PrivacyLedger(epsilon=4, delta=DELTA), flow().fit(X)
    with pytest.raises(LedgerError, match="The first fit had no ledger"):
        model.set_params(ledger=ledger.part("site", "A")).continue_fit(X, extra_epsilon=0.5)
    assert ledger.events == ()
    model.set_params(ledger=ledger).continue_fit(X, extra_epsilon=0.5)
    assert ledger.part("site", "B").spent() == ledger.spent() > 0.9


def test_a_model_that_was_continued_often_can_be_stored(tmp_path):
    ledger = PrivacyLedger(tmp_path / "a.ledger", epsilon=20, delta=1e-5)
    mechanism = MarginalsMechanism(n_bins=8, n_pairs=0, n_slices=0, n_partitions=0)
    model = flow(mechanism=mechanism, n_particles=16).fit(X[:100, :1])
    for _ in range(34):
        model.continue_fit(X[:100, :1], extra_epsilon=0.1)
    model.set_params(ledger=ledger).continue_fit(X[:100, :1], extra_epsilon=0.1)
    assert 2.0 < ledger.spent() < 4.1
    buffer = io.BytesIO()
    model.release_.save(buffer)
    assert Release.load(io.BytesIO(buffer.getvalue())).cap == model.release_.cap


@pytest.mark.parametrize("what", ["class_labels", "set_released"])
def test_a_model_is_never_beside_a_smaller_guarantee(monkeypatch, what):
    """What fails late leaves the fit as it was before, both its model and what it states."""
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(300, 2)), rng.integers(2, size=300)
    flow = DPSlicedWassersteinFlow(0.5, domain=(0, 1), target=Categories([0, 1]), n_particles=64).fit(X, y)
    model, release = flow._model, flow.release_

    def broken(*args):
        raise MemoryError

    monkeypatch.setattr(f"skdpflow._flow.base.{what}", broken)
    with pytest.raises(MemoryError):
        flow.continue_fit(X, y, extra_epsilon=0.5)
    assert flow._model is model
    assert flow.release_ is release
    assert flow.privacy_spent_ == (0.5, 1e-6)


@pytest.mark.slow
def test_a_cap_that_holds_a_selection_is_counted_as_a_whole():
    """No fit has one, but a file may."""
    flow = DPSlicedWassersteinFlow(1.0, domain=(0, 1), n_particles=32, n_steps=1).fit(X)
    cap = ComposedEvent((*flatten_event(flow.release_.cap), SelectionEvent(0.5)))
    other = DPSlicedWassersteinFlow.from_release(replace(flow.release_, epsilon=2.0, cap=cap))
    release = other.continue_fit(X, extra_epsilon=0.5).release_
    assert guarantee(release.allowed, release.delta)[0] <= release.epsilon * (1 + 1e-9)
