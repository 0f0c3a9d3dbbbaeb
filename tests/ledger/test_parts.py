"""Parallel composition: a ledger charges a record for the fits that could see it, and never for less."""

import pickle
from enum import Enum
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import KFold

from skdpflow import BudgetExceededError, DPSlicedWassersteinFlow, LedgerError, PrivacyLedger
from skdpflow.accountants import (
    ComposedEvent,
    GaussianEvent,
    RepeatAndSelectEvent,
    SelectionEvent,
    ThresholdEvent,
    resolve_accountant,
)
from skdpflow.ledger.parts import worst_cases

DELTA = 1e-5
ADD_REMOVE = {"neighbours": "add-remove"}

events = st.one_of(
    st.sampled_from([1.0, 2.0, 5.0, 20.0]).map(GaussianEvent),
    st.sampled_from([1e-7, 3e-7]).map(ThresholdEvent),
    st.builds(SelectionEvent, st.sampled_from([0.01, 0.3, 1.0]), st.sampled_from(["pure", "bounded-range"])),
)
parts = st.one_of(st.none(), st.tuples(st.sampled_from(["site", "sex"]), st.sampled_from(["A", "B", "C"])))
histories = st.lists(st.tuples(events, parts), max_size=8)
accountants = st.sampled_from(["gdp", "zcdp", "rdp"]).map(resolve_accountant)


def charged(history, record, accountant):
    """By brute force: everything that was done to a part that a record with these keys is in."""
    seen = [event for event, part in history if part is None or record[part[0]] == part[1]]
    return accountant.epsilon(ComposedEvent(tuple(seen)), DELTA)


def total(history, accountant, within=None):
    return max(accountant.epsilon(case, DELTA) for case in worst_cases(history, within))


RECORDS = [{"site": site, "sex": sex} for site, sex in product("ABCD", "ABCD")]


@given(histories, accountants)
def test_the_total_is_that_of_the_worst_record(history, accountant):
    worst = max(charged(history, record, accountant) for record in RECORDS)
    assert total(history, accountant) == pytest.approx(worst, rel=1e-12)
    in_sequence = accountant.epsilon(ComposedEvent(tuple(event for event, _ in history)), DELTA)
    assert worst <= in_sequence * (1 + 1e-12)


@given(histories, accountants, st.sampled_from(["A", "D"]))
def test_a_part_sees_what_its_own_records_were_charged(history, accountant, site):
    worst = max(charged(history, record, accountant) for record in RECORDS if record["site"] == site)
    assert total(history, accountant, ("site", site)) == pytest.approx(worst, rel=1e-12)


@given(histories, events, parts, accountants, st.randoms(use_true_random=False))
def test_more_entries_never_cost_less_and_their_order_is_irrelevant(history, event, part, accountant, random):
    before = total(history, accountant)
    after = [*history, (event, part)]
    random.shuffle(after)
    assert total(after, accountant) >= before * (1 - 1e-12)
    assert total(after, accountant, part) <= total(after, accountant) * (1 + 1e-12)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([4.0, 8.0]), parts), max_size=12))
def test_no_record_is_ever_charged_more_than_the_budget(debits):
    ledger, accepted = PrivacyLedger(epsilon=1.5, delta=DELTA), []
    for multiplier, part in debits:
        event = GaussianEvent(multiplier)
        try:
            (ledger if part is None else ledger.part(*part)).debit(event, **ADD_REMOVE)
        except BudgetExceededError:
            over = [*accepted, (event, part)]
            assert max(charged(over, r, resolve_accountant("gdp")) for r in RECORDS) > 1.5
        else:
            accepted.append((event, part))
    assert max(charged(accepted, r, resolve_accountant("gdp")) for r in RECORDS) <= 1.5
    assert ledger.events == tuple(event for event, _ in accepted)


def test_keys_of_which_none_is_the_worst_are_all_looked_at():
    """One key has more noise and a larger delta than the other: which of them costs more depends on the rest."""
    history = [(GaussianEvent(2.0), ("site", "A")), (GaussianEvent(2.2), ("site", "B"))]
    history.append((ThresholdEvent(0.9 * DELTA), ("site", "B")))
    assert len(list(worst_cases(history))) == 2
    for order in permutations([*history, (GaussianEvent(9.0), ("site", "C"))]):
        assert len(list(worst_cases(order))) == 2


def test_searches_on_parts_are_left_to_the_accountant():
    """Nobody can say which of two searches covers the other, so both are looked at."""
    ledger = PrivacyLedger(epsilon=20.0, delta=DELTA, accountant="rdp")
    searches = [RepeatAndSelectEvent(GaussianEvent(m), 10.0) for m in (20.0, 15.0)]
    for key, search in enumerate(searches):
        ledger.part("site", key).debit(search, **ADD_REMOVE)
    accountant = resolve_accountant("rdp")
    assert ledger.spent() == max(accountant.epsilon(search, DELTA) for search in searches)


@pytest.mark.slow
def test_many_sites_cost_what_one_costs(tmp_path):
    path = tmp_path / "a.ledger"
    ledger = PrivacyLedger(path, epsilon=1.0, delta=1e-6)
    for site in range(60):
        ledger.part("site", site).debit(GaussianEvent(5.0), f"site {site}", **ADD_REMOVE)
    once = PrivacyLedger(epsilon=1.0, delta=1e-6)
    once.debit(GaussianEvent(5.0), **ADD_REMOVE)
    assert ledger.spent() == once.spent()
    again = PrivacyLedger(path, epsilon=1.0, delta=1e-6)
    assert again.part("site", "7").spent() == again.part("site", 7).spent() == once.spent()
    assert again.part("site", "60").spent() == 0.0
    assert again.part("region", "north").what_if(GaussianEvent(5.0)) > once.spent()
    with pytest.raises(BudgetExceededError):
        again.part("site", np.int64(7)).debit(GaussianEvent(5.0), **ADD_REMOVE)
    assert list(again.history()["part"]) == [f"site={site}" for site in range(60)]
    assert again.history()["epsilon"].iloc[-1] == once.spent()


def test_fits_copies_and_pickles_are_charged_to_their_part(tmp_path):
    rng = np.random.default_rng(0)
    X, site = rng.uniform(size=(120, 2)), rng.integers(3, size=120)
    for path in (None, tmp_path / "a.ledger"):
        ledger = PrivacyLedger(path, epsilon=1.0, delta=1e-6)
        for key in range(3):
            flow = DPSlicedWassersteinFlow(0.9, domain=(0, 1), n_particles=8, ledger=ledger.part("site", key))
            assert clone(flow).ledger is flow.ledger
            fitted = pickle.loads(pickle.dumps(flow)).fit(X[site == key])
            ledger.verify([fitted.release_])
            with pytest.raises(BudgetExceededError, match="would fit"):
                clone(flow).fit(X[site == key])
        assert list(ledger.history()["part"]) == ["site=0", "site=1", "site=2"]
        assert ledger.spent() < 0.91


class Site(str, Enum):  # noqa: UP042 as its str() is "Site.A"
    A = "A"


class Floor(int, Enum):
    ONE = 1


@pytest.mark.parametrize(("key", "same"), [(Site.A, "A"), (Floor.ONE, 1), (np.str_("A"), "A")])
def test_equal_keys_are_one_part(key, same):
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    ledger.part("site", key).debit(GaussianEvent(5.0), **ADD_REMOVE)
    assert ledger.part("site", same).spent() == ledger.spent() > 0.0
    with pytest.raises(BudgetExceededError):
        ledger.part("site", same).debit(GaussianEvent(5.0), **ADD_REMOVE)


def test_equal_names_are_one_partition():
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    ledger.part(Site.A, "x").debit(GaussianEvent(5.0), **ADD_REMOVE)
    assert ledger.part("A", "y").spent() == 0.0


def test_the_ledger_of_a_part_verifies_what_was_charged_for_its_rows():
    ledger = PrivacyLedger(epsilon=4.0, delta=1e-6)
    a, b, other = ledger.part("site", "A"), ledger.part("site", "B"), ledger.part("sex", "f")

    def fitted(own):
        flow = DPSlicedWassersteinFlow(0.5, domain=(0, 1), n_particles=8, ledger=own)
        return flow.fit(np.random.default_rng(0).uniform(size=(50, 1)))

    for own in (a, ledger):
        a.verify([fitted(own).release_])
    for own in (b, other):
        release = fitted(own).release_
        ledger.verify([release])
        with pytest.raises(LedgerError, match="release 0 is for other rows"):
            a.verify([release])


def test_folds_are_no_parts():
    """Without row 0, rows change their folds: a fold is no function of the record alone."""
    rows = np.arange(10)
    with_row = [set(rows[test]) for _, test in KFold(5).split(rows)]
    without = [set(rows[1:][test]) for _, test in KFold(5).split(rows[1:])]
    assert sum(a - {0} != b for a, b in zip(with_row, without, strict=True)) > 1


def test_what_is_no_part_is_refused():
    with pytest.raises(LedgerError, match="add-remove"):
        PrivacyLedger(epsilon=1, delta=1e-6, neighbours="replace-one").part("site", "A")
    ledger = PrivacyLedger(epsilon=1, delta=1e-6)
    for by, key in [("", "A"), (None, "A"), ("site", None), ("site", 1.5), ("site", True)]:
        with pytest.raises(ValueError, match=r"'by'|'key'"):
            ledger.part(by, key)
    with pytest.raises(ValueError, match="already"):
        ledger.part("site", "A").part("sex", "f")
    assert "part('site', 'A')" in repr(ledger.part("site", "A"))
