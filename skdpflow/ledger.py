"""The budget of a data set: what was spent on it by all fits together, in memory or in one SQLite file."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from skdpflow._consistency import covers
from skdpflow._validation import check_choice, check_real
from skdpflow.accountants import ComposedEvent, Event, event_from_dict, event_to_dict, resolve_accountant
from skdpflow.exceptions import BudgetExceededError, LedgerError

__all__ = ["PrivacyLedger"]

_ACCOUNTANTS = ("gdp", "zcdp", "rdp", "pld")
_WAIT = 60.0  # seconds to wait for another process that is writing
_HERE: WeakValueDictionary[str, PrivacyLedger] = WeakValueDictionary()  # ledgers in the memory of this process

Row = tuple[int, str, str]  # position, content as JSON, head of the chain


def _next_row(rows: list[Row], content: dict[str, Any]) -> Row:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    before = rows[-1][2] if rows else ""
    return len(rows), text, hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


class PrivacyLedger:
    """A budget for everything that is ever done to one data set.

    Pass it as `ledger` to every fit on the data. A fit debits its whole budget before noise is drawn, and a fit that
    does not fit in is refused before anything is measured. Copies that `clone` and `deepcopy` make are
    the ledger itself.

    Parameters
    ----------
    path : path or None, default=None
        File of the ledger; it is made if there is none. None keeps the ledger in the memory of this process.
    epsilon : float
        What may be spent in all, finite and positive, under the relation `neighbours`.
    delta : float
        Probability with which the guarantee may fail, in (0, 1).
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        The neighbouring relation; fits under the other one are refused.
    accountant : {"gdp", "zcdp", "rdp", "pld"}, default="gdp"
        Composes the events of all fits.

    Raises
    ------
    LedgerError
        If the file is damaged, is no ledger, or was made with another budget, relation or accountant.

    See Also
    --------
    skdpflow.accountants.FitLedger : The filter within one fit.

    Notes
    -----
    The guarantee of the total is that of composition: rows may be the same in all fits, and later fits may depend
    on what earlier ones released, but how much each spends has to be fixed beforehand.

    On disk every debit is a transaction of its own that is flushed before noise is drawn, so a crash can waste
    budget and never forget it. Entries form a chain of SHA-256 hashes, and a Release holds the head after its debit:
    `verify` finds out that a file was set back to an older copy. Whoever rewrites the whole chain, or
    deletes the file and begins anew, is not detected. Keep the file on a local disk, where locks work.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow, PrivacyLedger
    >>> ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    >>> X = np.random.default_rng(0).uniform(size=(200, 2))
    >>> flow = DPSlicedWassersteinFlow(epsilon=0.8, domain=(0, 1), ledger=ledger).fit(X)
    >>> ledger.verify([flow.release_])
    >>> len(ledger.events), ledger.spent() < 0.81
    (1, True)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        epsilon: float,
        delta: float,
        neighbours: str = "add-remove",
        accountant: str = "gdp",
    ) -> None:
        name = type(self).__name__
        self.epsilon = check_real(name, "epsilon", epsilon, 0.0)
        self.delta = check_real(name, "delta", delta, 0.0, 1.0)
        self.neighbours = check_choice(name, "neighbours", neighbours, ("add-remove", "replace-one"))
        self.accountant = check_choice(name, "accountant", accountant, _ACCOUNTANTS)
        self.path = None if path is None else Path(path).resolve()
        self._key, self._pid, self._lock = uuid.uuid4().hex, os.getpid(), threading.Lock()
        self._rows = [_next_row([], {**self._budget(), "key": self._key})]
        if self.path is None:
            _HERE[self._key] = self
        else:
            if not self.path.exists():
                self._create()
            self._read()

    def _budget(self) -> dict[str, Any]:
        return {
            "format": "skdpflow-ledger-1",
            "epsilon": self.epsilon,
            "delta": self.delta,
            "neighbours": self.neighbours,
            "accountant": self.accountant,
        }

    def _create(self) -> None:
        """Make the file under another name and link it: it is never seen half made, and never overwrites."""
        assert self.path is not None
        new = self.path.with_name(f".{self.path.name}.{self._key}")
        try:
            with closing(sqlite3.connect(new, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode=DELETE")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("BEGIN IMMEDIATE")
                db.execute(
                    "CREATE TABLE chain (position INTEGER PRIMARY KEY, content TEXT NOT NULL, head TEXT NOT NULL)"
                )
                db.execute("INSERT INTO chain VALUES (?, ?, ?)", self._rows[0])
                db.execute("COMMIT")
            try:
                os.link(new, self.path)
            except FileExistsError:
                pass  # another process was faster: its budget is checked when it is read
        finally:
            new.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Open a connection of this call alone, so that none is shared by threads or survives a fork."""
        assert self.path is not None
        try:
            with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=_WAIT)) as db:
                db.isolation_level = None
                db.execute("PRAGMA synchronous=FULL")
                db.execute(begin)
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
        except sqlite3.Error as e:
            raise LedgerError(
                f"The ledger {self.path.name!r} could not be used ({e}). Nothing may be measured without it: restore "
                "the file, or wait for the process that holds it."
            ) from e

    def _checked(self, rows: list[Row]) -> list[Row]:
        try:
            good: list[Row] = []
            for row in rows:
                content = json.loads(row[1])
                if row != _next_row(good, content):
                    raise ValueError
                if good:
                    event_from_dict(content["event"])
                good.append(row)
            first = {k: v for k, v in json.loads(rows[0][1]).items() if k != "key"}
        except Exception as e:  # a damaged file can fail in any way
            raise LedgerError("The ledger is damaged or was altered: its chain of hashes is broken.") from e
        if first != self._budget():
            raise LedgerError(
                f"The ledger was made with {first}, and is now opened with {self._budget()}. A budget is fixed once: "
                "open it with the values it was made with."
            )
        return good

    def _read(self) -> list[Row]:
        if self.path is None:
            return list(self._rows)
        with self._transaction("BEGIN") as db:
            return self._checked(db.execute("SELECT position, content, head FROM chain ORDER BY position").fetchall())

    def _append(self, check: Callable[[list[Row]], Row]) -> str:
        if self.path is not None:
            with self._transaction("BEGIN IMMEDIATE") as db:
                rows = db.execute("SELECT position, content, head FROM chain ORDER BY position").fetchall()
                row = check(self._checked(rows))
                db.execute("INSERT INTO chain VALUES (?, ?, ?)", row)
            return row[2]
        if self._pid != os.getpid():
            raise LedgerError(
                "A ledger in memory cannot record in another process, where its entry would be lost. Give it a file: "
                'PrivacyLedger("data.ledger", ...), or use threads.'
            )
        with self._lock:
            row = check(self._rows)
            self._rows.append(row)
        return row[2]

    def debit(self, event: Event, what: str = "", *, neighbours: str) -> str:
        """Record a spend that is about to happen, or refuse it and record nothing.

        Parameters
        ----------
        event : Event
            What is about to be done.
        what : str, default=""
            What it is for, in words that may be published.
        neighbours : {"add-remove", "replace-one"}
            The relation that the event's multipliers are for.

        Returns
        -------
        head : str
            Head of the chain after this entry.

        Raises
        ------
        BudgetExceededError
            If less than that is left.
        LedgerError
            If the ledger cannot record here, is damaged, or is bound to the other relation.
        """
        if neighbours != self.neighbours:
            raise LedgerError(
                f"The ledger is for neighbours={self.neighbours!r}, and this is {neighbours!r}: the two "
                "cannot be added up."
            )
        content = {"time": datetime.now(UTC).isoformat(), "what": str(what), "event": event_to_dict(event)}

        def check(rows: list[Row]) -> Row:
            spent = self._spent(rows)
            if not self._spent(rows, event) <= self.epsilon:
                raise BudgetExceededError(
                    f"{str(what) or 'This'!r} exceeds the ledger: epsilon = {spent:.6g} of {self.epsilon:g} spent at "
                    f"delta = {self.delta:g}, so {self.epsilon - spent:.6g} is left, and with it the total "
                    f"would be {self._spent(rows, event):.6g}. Nothing was spent or measured; ask for less."
                )
            return _next_row(rows, content)

        return self._append(check)

    def _spent(self, rows: list[Row], *more: Event) -> float:
        events = [event_from_dict(json.loads(text)["event"]) for _, text, _ in rows[1:]]
        return float(resolve_accountant(self.accountant).epsilon(ComposedEvent((*events, *more)), self.delta))

    @property
    def events(self) -> tuple[Event, ...]:
        """What was recorded, in order."""
        return tuple(event_from_dict(json.loads(text)["event"]) for _, text, _ in self._read()[1:])

    def spent(self) -> float:
        """Return the epsilon of all entries together, at the ledger's delta.

        Returns
        -------
        epsilon : float
            What the rows have been charged so far.
        """
        return self._spent(self._read())

    def remaining(self) -> float:
        """Return the ledger's epsilon less what is spent; by tight composition a fit may ask for more than that.

        Returns
        -------
        epsilon : float
            At least 0.
        """
        return max(0.0, self.epsilon - self.spent())

    def what_if(self, event: Event) -> float:
        """Return what `spent` would be after an event; records nothing.

        Parameters
        ----------
        event : Event
            What might be done.

        Returns
        -------
        epsilon : float
            At the ledger's delta.
        """
        return self._spent(self._read(), event)

    def history(self) -> Any:
        """Return the entries as a pandas DataFrame.

        Returns
        -------
        history : pandas.DataFrame
            Columns ``time``, ``what``, ``event`` (JSON), ``epsilon`` (of all entries so far) and ``head``.
        """
        import pandas as pd

        rows = self._read()
        table = []
        for i, (_, text, head) in enumerate(rows[1:], 2):
            entry = json.loads(text)
            event = json.dumps(entry["event"])
            table.append((pd.Timestamp(entry["time"]), entry["what"], event, self._spent(rows[:i]), head))
        return pd.DataFrame(table, columns=["time", "what", "event", "epsilon", "head"])

    def verify(self, releases: Iterable[Any]) -> None:
        """Check that the chain holds a debit for every Release, of all that its fit was allowed.

        Parameters
        ----------
        releases : iterable of Release
            Releases made with this ledger.

        Raises
        ------
        LedgerError
            If one is missing: the ledger was set back to an older copy, or is not the one of that fit. Also if the
            debit is smaller than the `cap` of the Release, or of another neighbouring relation.
        """
        entries = {head: event_from_dict(json.loads(text)["event"]) for _, text, head in self._read()[1:]}
        for i, release in enumerate(releases):
            if release.ledger not in entries:
                raise LedgerError(
                    f"The debit of release {i} is not in the ledger. It was set back to an older copy, or the release "
                    "was made without it or with another one."
                )
            if release.neighbours != self.neighbours or not covers(entries[release.ledger], release.cap):
                raise LedgerError(
                    f"The debit of release {i} is smaller than what its fit was allowed (its cap, under "
                    f"neighbours={release.neighbours!r}). The ledger or the release was altered: do not trust it."
                )

    def __sklearn_clone__(self) -> PrivacyLedger:
        """Return the ledger itself: a copy would forget what is spent."""
        return self

    def __copy__(self) -> PrivacyLedger:
        return self

    def __deepcopy__(self, memo: Any) -> PrivacyLedger:
        return self

    def __reduce__(self) -> Any:
        return _restore, (self._budget(), None if self.path is None else str(self.path), self._key, list(self._rows))

    def __repr__(self) -> str:
        where = "" if self.path is None else f"{self.path.name!r}, "
        return f"PrivacyLedger({where}epsilon={self.epsilon:g}, delta={self.delta:g}, neighbours={self.neighbours!r})"


def _restore(budget: dict[str, Any], path: str | None, key: str, rows: list[Row]) -> PrivacyLedger:
    """Unpickle: the same file, the same object in its own process, and elsewhere a copy that can only be read."""
    if path is None and key in _HERE and _HERE[key]._pid == os.getpid():
        return _HERE[key]
    if path is not None and not os.path.exists(path):
        raise LedgerError("The file of the ledger is gone. It is not made anew: what was spent would be forgotten.")
    kept = {k: budget[k] for k in ("epsilon", "delta", "neighbours", "accountant")}
    ledger = PrivacyLedger(path, **kept)
    if path is None:
        ledger._pid, ledger._rows = -1, rows
    return ledger
