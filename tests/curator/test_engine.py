"""Workers of joblib's backends: the same bits as in this process, also when they die, and no secret on the way."""

import os
import pickle
import signal
from contextlib import suppress
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.curator import engine, files
from skdpflow.curator.engine import Message
from skdpflow.curator.noise import RankKeys
from skdpflow.curator.parts import Part
from skdpflow.files import TableFile

pytest.importorskip("pyarrow")

N = 2000
DOMAIN = Domain({"age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0), "ward": Categories(["A", "B"])})


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A file of four parts, and a flow that repeats itself."""
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N), "ward": rng.choice(["A", "B"], N),
        "died": rng.integers(0, 2, N),
    })  # fmt: skip
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, index=False, row_group_size=500)
    return path


def fit(path, *, shared=True, **params):
    flow = DPSlicedWassersteinFlow(
        2.0, domain=DOMAIN, target=Categories([0, 1]), n_particles=50, random_state=0,
        **{"noise_random_state": 0, **params},
    )  # fmt: skip
    return flow.fit(TableFile(path, target="died", shared=shared))


def digest(flow):
    return [m.values.tobytes() for m in flow.release_.measurements]


def worker_pids():
    """Return the processes that loky started for this one."""
    found = []
    for own in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, command = (own / "stat").read_text().rpartition(")")[2].split(), (own / "cmdline").read_bytes()
            if int(state[1]) == os.getpid() and b"LokyProcess" in command:
                found.append(int(own.name))
    return found


def killing(monkeypatch, every):
    """Kill a worker while the first message of every so many rounds is made, from the first on; return the kills."""
    rounds, killed, keys = [], [], engine._keys

    def counted(rank_key, part):
        if part.number == 0 and rank_key not in rounds:
            if len(rounds) % every == 0:
                killed.append(worker_pids()[0])
                os.kill(killed[-1], signal.SIGKILL)
            rounds.append(rank_key)
        return keys(rank_key, part)

    monkeypatch.setattr(engine, "_keys", counted)
    return killed


pytestmark = pytest.mark.filterwarnings(
    "ignore::skdpflow.exceptions.PrivacyLeakWarning", "ignore:A worker stopped:UserWarning"
)


@pytest.mark.slow
def test_workers_give_the_same_bits(table):
    expected = digest(fit(table, shared=False))
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert digest(fit(table)) == expected


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_workers_that_are_killed_change_no_bit_and_no_debit(table, tmp_path, monkeypatch):
    expected = digest(fit(table, shared=False))
    with joblib.parallel_config(backend="loky", n_jobs=2):
        with monkeypatch.context() as patch:
            killed = killing(patch, every=4)  # each start of workers takes seconds
            assert digest(fit(table)) == expected
            assert len(set(killed)) == len(killed) > 1
        ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
        with monkeypatch.context() as patch:
            killing(patch, every=6)
            fit(table, noise_random_state=None, ledger=ledger)
        assert len(ledger.history()) == 1


@pytest.mark.slow
def test_every_task_of_workers_run_twice_changes_no_bit(table, monkeypatch):
    expected, ask = digest(fit(table, shared=False)), engine._from_workers
    monkeypatch.setattr(engine, "_from_workers", twice(ask))
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert digest(fit(table)) == expected


def twice(ask):
    """Ask for every part two times, and compare what comes back."""

    def asked(*args):
        first, second = (sorted(ask(*args), key=lambda answer: answer.part) for _ in range(2))
        assert [pickle.dumps(answer) for answer in first] == [pickle.dumps(answer) for answer in second]
        return second

    return asked


def test_a_part_that_is_computed_twice_changes_no_bit(table, monkeypatch):
    expected, once = digest(fit(table, shared=False)), engine.answer_part

    def twice(*args):
        first, second = once(*args), once(*args)
        assert pickle.dumps(first) == pickle.dumps(second)
        return second

    monkeypatch.setattr(engine, "answer_part", twice)
    assert digest(fit(table)) == digest(fit(table, shared=False)) == expected


def test_a_part_without_an_answer_gives_no_release(table, tmp_path, monkeypatch):
    whole, rounds = engine._from_workers, []

    def failing(*args):
        rounds.append(1)
        answers = list(whole(*args))
        return answers[: len(answers) - (len(rounds) == 3)]

    monkeypatch.setattr(engine, "_from_workers", failing)
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
    with pytest.raises(RuntimeError, match="Some parts of the rows were not answered") as caught:
        fit(table, noise_random_state=None, ledger=ledger)
    assert not any(c.isdigit() for c in str(caught.value))
    assert len(ledger.history()) == 1


def test_an_engine_that_gives_up_is_named_without_its_message(table, monkeypatch):
    class KilledError(Exception):
        pass

    def killed(self):
        raise KilledError("Message(0x1234)")

    monkeypatch.setattr(Message, "answer", killed)
    with pytest.raises(RuntimeError, match="Some parts of the rows were not answered") as caught:
        fit(table)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_worker_that_computes_otherwise_is_refused_before_the_debit(table, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_ready", lambda *args: "other")
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
    with pytest.raises(RuntimeError, match=r"another version.*Nothing was spent"):
        fit(table, noise_random_state=None, ledger=ledger)
    assert ledger.spent() == 0.0


def test_a_worker_that_comes_later_is_refused_too():
    message = Message(engine.packed(1), Part(0, 0, 1), engine.packed(1), RankKeys.of(1, 0, 1), "other")
    with pytest.raises(RuntimeError, match="another version"):
        message.answer()


def test_a_message_shows_nothing_and_holds_no_secret_but_the_keys_of_its_part():
    secret = 2**127 + 12345
    message = Message(b"where", Part(3, 70_000, 71_000, ("place",)), b"what", RankKeys.of(secret, 70_000, 71_000), "f")
    assert repr(message) == f"{message}" == "Message(<private>)"
    assert secret.to_bytes(16, "little") not in pickle.dumps(message)
    arrived = pickle.loads(pickle.dumps(message))
    np.testing.assert_array_equal(arrived._keys.ranks(70_000, 9, 2), message._keys.ranks(70_000, 9, 2))


def test_files_that_are_not_shared_stay_in_this_process(table, monkeypatch):
    def sent(*args):
        raise AssertionError

    monkeypatch.setattr(engine, "packed", sent)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        fit(table, shared=False)
