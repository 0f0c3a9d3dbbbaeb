"""Ledgers as files: forks, races, hostile schemas, and folders that cannot be written."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import pytest

from skdpflow import DPSlicedWassersteinFlow, LedgerError, PrivacyLedger
from skdpflow.accountants import GaussianEvent
from skdpflow.curator.noise import NoiseSource

EVENT = GaussianEvent(1e5)
BUDGET = {"epsilon": 50.0, "delta": 1e-3}
X = np.random.default_rng(0).uniform(size=(50, 1))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.ledger"


# A thread writes while the process forks; each child debits on, with the ledger it inherited and with a new one.
FORKS = """
import os, sys, threading
from skdpflow import PrivacyLedger
from skdpflow.accountants import GaussianEvent
budget = dict(epsilon=50.0, delta=1e-3)
ledger = PrivacyLedger(sys.argv[1], **budget)
debit = lambda ledger, what: ledger.debit(GaussianEvent(1e5), what, neighbours="add-remove")
stop, started = threading.Event(), threading.Event()
def write():
    while not stop.is_set():
        debit(ledger, "thread")
        started.set()
thread = threading.Thread(target=write)
thread.start()
started.wait()
children = []
for i in range(12):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            debit(ledger, "inherited")
            debit(PrivacyLedger(sys.argv[1], **budget), "opened")
            code = 0
        finally:
            os._exit(code)
    children.append(pid)
stop.set()
thread.join()
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
assert codes == [0] * 12, codes
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_of_a_fork_can_record_while_a_thread_of_the_parent_does(path):
    subprocess.run([sys.executable, "-c", FORKS, path], check=True, timeout=120)
    what = PrivacyLedger(path, **BUDGET).history()["what"].value_counts()
    assert what["inherited"] == what["opened"] == 12


def while_it_is_checked(monkeypatch, ledger, act):
    """Debit, and call `act` once while the debit is being checked."""
    spent, todo = PrivacyLedger._spent, [act]

    def watched(self, entries):
        if todo:
            todo.pop()()
        return spent(self, entries)

    monkeypatch.setattr(PrivacyLedger, "_spent", watched)
    ledger.debit(EVENT, "first", neighbours="add-remove")


def test_nobody_writes_to_a_file_while_a_debit_is_checked(monkeypatch, path):
    ledger = PrivacyLedger(path, **BUDGET)

    def intrude():
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")

    while_it_is_checked(monkeypatch, ledger, intrude)
    assert len(ledger.events) == 1


def test_nobody_writes_to_memory_while_a_debit_is_checked(monkeypatch):
    ledger, threads = PrivacyLedger(**BUDGET), []

    def intrude():
        thread = threading.Thread(target=ledger.debit, args=(EVENT, "second"), kwargs={"neighbours": "add-remove"})
        threads.append(thread)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "a debit was made on top of one that was still being checked"

    while_it_is_checked(monkeypatch, ledger, intrude)
    threads[0].join()
    assert ledger.history()["what"].tolist() == ["first", "second"]


@pytest.mark.parametrize("ledger", ["memory", "file"])
@pytest.mark.parametrize("continued", [False, True])
def test_the_debit_is_there_before_the_first_noise(monkeypatch, path, ledger, continued):
    book = PrivacyLedger(None if ledger == "memory" else path, **BUDGET)
    flow = DPSlicedWassersteinFlow(0.5, 1e-8, domain=(0, 1), n_particles=8, n_steps=1, ledger=book)
    if continued:
        flow.fit(X)
    found = []
    draw = NoiseSource.rounded_gaussian

    def watched(self, scale, shape):
        found.append(len(book.events))
        return draw(self, scale, shape)

    monkeypatch.setattr(NoiseSource, "rounded_gaussian", watched)
    flow.continue_fit(X, extra_epsilon=0.1) if continued else flow.fit(X)
    assert set(found) == {1 + continued}


def alter(path, statement):
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON chain BEGIN DELETE FROM chain WHERE position = NEW.position; END",
        "CREATE TRIGGER t AFTER INSERT ON chain BEGIN UPDATE chain SET content = '{}' WHERE head = NEW.head; END",
        "CREATE TRIGGER t BEFORE INSERT ON chain BEGIN SELECT RAISE(IGNORE); END",
        "ALTER TABLE chain RENAME TO c; CREATE VIEW chain AS SELECT * FROM c; "
        "CREATE TRIGGER t INSTEAD OF INSERT ON chain BEGIN SELECT 1; END",
        "ALTER TABLE chain ADD COLUMN more TEXT",
        "ALTER TABLE chain RENAME TO c; CREATE TABLE chain (position INTEGER PRIMARY KEY ON CONFLICT REPLACE, "
        "content TEXT NOT NULL, head TEXT NOT NULL); INSERT INTO chain SELECT * FROM c; DROP TABLE c",
        "CREATE UNIQUE INDEX i ON chain (head)",
        "CREATE TABLE other (x)",
        "DROP TABLE chain",
    ],
)
def test_a_file_that_holds_more_than_its_entries_is_refused(path, statement):
    ledger = PrivacyLedger(path, **BUDGET)
    ledger.debit(EVENT, neighbours="add-remove")
    alter(path, statement)
    flow = DPSlicedWassersteinFlow(0.5, 1e-8, domain=(0, 1), ledger=ledger)
    for use in (ledger.spent, lambda: flow.fit(X), lambda: PrivacyLedger(path, **BUDGET)):
        with pytest.raises(LedgerError, match="table of entries and nothing else"):
            use()
    assert not hasattr(flow, "release_")


def test_an_entry_that_is_gone_after_its_transaction_is_noticed_before_noise(monkeypatch, path):
    class Forgetful(sqlite3.Connection):
        def execute(self, sql, *args):
            return super().execute("ROLLBACK" if sql == "COMMIT" else sql, *args)

    ledger, connect = PrivacyLedger(path, **BUDGET), sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, factory=Forgetful, **kw))
    monkeypatch.setattr(NoiseSource, "rounded_gaussian", lambda *_: pytest.fail("noise was drawn"))
    with pytest.raises(LedgerError, match="did not keep the entry"):
        DPSlicedWassersteinFlow(0.5, 1e-8, domain=(0, 1), ledger=ledger).fit(X)


def test_folders_and_files_that_cannot_be_used_are_named_with_a_remedy(tmp_path, path):
    for wrong, remedy in [
        (tmp_path / "nowhere" / "a.ledger", "the folder must exist"),
        (tmp_path, "cannot be opened"),
        (tmp_path / "a.txt" / "a.ledger", "the folder must exist"),
    ]:
        (tmp_path / "a.txt").write_text("no ledger" * 100)
        with pytest.raises(LedgerError, match=remedy):
            PrivacyLedger(wrong, **BUDGET)
    with pytest.raises(LedgerError, match="no ledger, or is damaged"):
        PrivacyLedger(tmp_path / "a.txt", **BUDGET)
    ledger = PrivacyLedger(path, **BUDGET)
    path.unlink()
    with pytest.raises(LedgerError, match="file must exist"):
        ledger.debit(EVENT, neighbours="add-remove")
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_what_may_only_be_read_is_named_with_a_remedy(tmp_path, path):
    ledger = PrivacyLedger(path, **BUDGET)
    path.chmod(0o444)
    with pytest.raises(LedgerError, match="may only be read"):
        ledger.debit(EVENT, neighbours="add-remove")
    path.chmod(0o644)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(LedgerError, match="folder"):
            ledger.debit(EVENT, neighbours="add-remove")
        with pytest.raises(LedgerError, match="allowed to write there"):
            PrivacyLedger(tmp_path / "b.ledger", **BUDGET)
    finally:
        tmp_path.chmod(0o755)


def test_a_ledger_that_another_process_holds_is_named_with_a_remedy(monkeypatch, path):
    ledger = PrivacyLedger(path, **BUDGET)
    monkeypatch.setattr("skdpflow.ledger.log._WAIT", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another process held it"):
            ledger.debit(EVENT, neighbours="add-remove")
