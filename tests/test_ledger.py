"""The budget of a data set: nothing is measured that is not paid for, whoever copies, races or crashes."""

import copy
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdpflow import BudgetExceededError, DPSlicedWassersteinFlow, LedgerError, PrivacyLedger
from skdpflow.accountants import GaussianEvent, PLDAccountant
from skdpflow.accountants.events import ComposedEvent
from skdpflow.compose import GenerativePipeline
from skdpflow.preprocessing import DPStandardScaler

X = np.random.default_rng(0).uniform(size=(120, 2))
EVENT = GaussianEvent(20.0)


def flow(ledger, epsilon=0.5):
    return DPSlicedWassersteinFlow(epsilon, domain=(0, 1), n_particles=64, n_steps=1, ledger=ledger)


@pytest.fixture(params=["memory", "disk"])
def ledger(request, tmp_path):
    return PrivacyLedger(None if request.param == "memory" else tmp_path / "a.ledger", epsilon=4, delta=1e-6)


def test_a_fit_of_the_whole_budget_is_paid_and_no_second_one(ledger):
    whole = flow(ledger, 4.0).fit(X)
    ledger.verify([whole.release_])
    assert ledger.spent() <= 4.0
    again = flow(ledger, 0.1)
    with pytest.raises(BudgetExceededError, match="left"):
        again.fit(X)
    assert not hasattr(again, "release_")
    assert len(ledger.events) == 1


def test_composition_is_tight_and_can_be_recomputed(ledger):
    for _ in range(4):
        flow(ledger).fit(X)
    assert 0.5 < ledger.spent() < 2.0
    assert PLDAccountant().epsilon(ComposedEvent(ledger.events), 1e-6) <= ledger.spent() * 1.001
    history = ledger.history()
    assert history["epsilon"].is_monotonic_increasing
    assert history["epsilon"].iloc[-1] == ledger.spent()
    assert ledger.what_if(EVENT) > ledger.spent()
    assert len(ledger.events) == 4
    assert ledger.remaining() == pytest.approx(4 - ledger.spent())


def test_copies_are_the_ledger(ledger):
    assert clone(flow(ledger)).ledger is ledger
    assert copy.deepcopy(ledger) is ledger
    pickle.loads(pickle.dumps(flow(ledger))).fit(X)
    assert len(ledger.events) == 1


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_searches_pay_for_every_fit(tmp_path, backend):
    ledger = PrivacyLedger(tmp_path / "a.ledger", epsilon=8, delta=1e-6)
    with parallel_backend(backend, n_jobs=2):
        GridSearchCV(flow(ledger), {"n_steps": [1, 2]}, cv=2, error_score="raise").fit(X)
        assert len(ledger.events) == 5
        cross_validate(flow(ledger), X, cv=2, error_score="raise")
    assert len(ledger.events) == 7
    make_pipeline(FunctionTransformer(), flow(ledger)).fit(X)
    assert len(ledger.events) == 8


def record(ledger, n):
    done = 0
    for _ in range(n):
        try:
            ledger.debit(EVENT, neighbours="add-remove")
            done += 1
        except BudgetExceededError:
            break
    return done


def test_memory_does_not_record_in_another_process():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(LedgerError, match="another process"):
            pool.submit(record, PrivacyLedger(epsilon=1, delta=1e-6), 1).result()


def test_eight_processes_race_for_the_last_of_the_budget(tmp_path):
    ledger = PrivacyLedger(tmp_path / "a.ledger", epsilon=1, delta=1e-6)
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        done = sum(pool.map(record, [ledger] * 8, [40] * 8))
    assert done == len(ledger.events)
    assert ledger.spent() <= 1.0 < ledger.what_if(EVENT)


CRASH = """
import sys
from skdpflow import PrivacyLedger
from skdpflow.accountants import GaussianEvent
ledger = PrivacyLedger(sys.argv[1], epsilon=100, delta=1e-6)
while True:
    print(ledger.debit(GaussianEvent(50.0), neighbours="add-remove"), flush=True)
"""


def test_a_killed_process_leaves_a_consistent_ledger(tmp_path):
    path, rng = tmp_path / "a.ledger", np.random.default_rng(0)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", CRASH, str(path)], stdout=subprocess.PIPE, text=True)
        heads = [process.stdout.readline().strip()]
        time.sleep(rng.uniform(0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        heads += process.communicate()[0].splitlines()
        recorded = set(PrivacyLedger(path, epsilon=100, delta=1e-6).history()["head"])
        assert {head for head in heads if len(head) == 64} <= recorded


def test_a_debit_smaller_than_the_cap_of_its_release_is_found(ledger):
    paid, other = flow(ledger).fit(X).release_, flow(ledger, 0.4).fit(X).release_
    ledger.verify([paid, other, paid.with_transport({"n_steps": 3}, {})])
    ledger.verify([replace(paid, cap=other.cap), replace(other, cap=GaussianEvent(1e4))])
    less = replace(paid, ledger=ledger.debit(GaussianEvent(99.0), neighbours="add-remove"))
    for altered in (replace(other, cap=paid.cap), less, replace(paid, neighbours="replace-one")):
        with pytest.raises(LedgerError, match="debit of release 2 is smaller"):
            ledger.verify([paid, other, altered])


def test_damage_rollback_and_another_budget_are_refused(tmp_path):
    path = tmp_path / "a.ledger"
    ledger = PrivacyLedger(path, epsilon=4, delta=1e-6)
    old = path.read_bytes()
    release = flow(ledger).fit(X).release_
    new = path.read_bytes()
    path.write_bytes(old)
    with pytest.raises(LedgerError, match="older copy"):
        ledger.verify([release])
    for damaged in (b"", new[:5000], b"no ledger" * 500):
        path.write_bytes(damaged)
        with pytest.raises(LedgerError):
            flow(ledger).fit(X)
    path.write_bytes(new)
    with pytest.raises(LedgerError, match="was made with"):
        PrivacyLedger(path, epsilon=5, delta=1e-6)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE chain SET content = replace(content, '0.5', '0.1')")
    db.close()
    with pytest.raises(LedgerError, match="chain"):
        ledger.spent()


def test_relation_seeded_noise_and_bad_input_are_refused_unpaid(ledger):
    with pytest.raises(LedgerError, match="replace-one"):
        flow(ledger).set_params(neighbours="replace-one").fit(X)
    with pytest.warns(UserWarning, match="noise_random_state"), pytest.raises(BudgetExceededError):
        flow(ledger).set_params(noise_random_state=0).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        flow(ledger).fit(np.full((5, 2), np.nan))
    flow(ledger).set_params().plan(n_guess=50, n_features=2)
    assert ledger.events == ()


def test_a_pipeline_does_not_charge_a_part_of_its_budget():
    ledger = PrivacyLedger(epsilon=10.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(ledger=ledger, domain=(0, 1))
    pipe = GenerativePipeline([("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow)], epsilon=1.0)
    with pytest.raises(ValueError, match="ledger=None"):
        pipe.fit(np.random.default_rng(0).uniform(size=(100, 2)))
    assert not ledger.events
