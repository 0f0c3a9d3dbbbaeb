"""Rows of JSON, each with a hash over all before it, in memory or in one SQLite file."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from skdpflow.exceptions import LedgerError

_WAIT = 60.0  # seconds to wait for another process that is writing
_TABLE = "CREATE TABLE chain (position INTEGER PRIMARY KEY, content TEXT NOT NULL, head TEXT NOT NULL)"
_SELECT = "SELECT position, content, head FROM chain ORDER BY position"
_SELECT_ONE = "SELECT position, content, head FROM chain WHERE position = ?"
_HERE: WeakValueDictionary[str, Chain] = WeakValueDictionary()  # chains in the memory of this process

Row = tuple[int, str, str]  # position, content as JSON, head of the chain

#: Held while a connection is open, and while the process forks. Otherwise SQLite in the child would think that the
#: parent's connection still holds its lock, and each later transaction of the child would wait for it without end.
_CONNECTED = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_CONNECTED.acquire, after_in_parent=_CONNECTED.release, after_in_child=_CONNECTED.release
    )

#: What to do about an error of SQLite, by the beginning of its name.
_REMEDIES = {
    "SQLITE_BUSY": f"another process held it for more than {_WAIT:g} seconds: call again when that is done",
    "SQLITE_READONLY": "it or its folder may only be read: allow this user to write both, since a journal stands "
    "beside the file during a debit",
    "SQLITE_CANTOPEN": "it, or the journal beside it, cannot be opened: the file must exist, and this user must be "
    "allowed to read and write it and its folder",
    "SQLITE_PERM": "this user must be allowed to read and write it and its folder",
    "SQLITE_FULL": "the disk is full: make room and call again",
    "SQLITE_IOERR": "the disk cannot be read or written: see that it works and has room, then call again",
    "SQLITE_NOTADB": "it is no ledger, or is damaged: give the right path, or restore the file",
    "SQLITE_CORRUPT": "it is damaged: restore the file",
}


def _next_row(rows: list[Row], content: dict[str, Any]) -> Row:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    before = rows[-1][2] if rows else ""
    return len(rows), text, hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def _unusable(path: Path, error: sqlite3.Error | OSError) -> LedgerError:
    """Say what keeps a ledger from being used, and what to do."""
    name = getattr(error, "sqlite_errorname", "")
    remedies = [remedy for begin, remedy in _REMEDIES.items() if name.startswith(begin)]
    if isinstance(error, OSError):
        remedies = [
            f"it could not be made in {str(path.parent)!r} ({error.strerror}): the folder must exist on a local disk "
            "that knows hard links, and this user must be allowed to write there"
        ]
    reason = remedies[0] if remedies else f"{error}: restore the file"
    return LedgerError(f"The ledger {path.name!r} could not be used: {reason}. Nothing may be measured without it.")


def _flush_all(db: sqlite3.Connection) -> None:
    """Make a commit survive a power failure: flush the deletion of the journal, which would undo it."""
    db.execute("PRAGMA synchronous=EXTRA")
    db.execute("PRAGMA fullfsync=ON")  # macOS: the disk's own cache too


def first_row(path: Path) -> dict[str, Any]:
    """Return what the first row of a file says; `Chain` checks it with all others."""
    content = None
    try:
        with _CONNECTED, closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_WAIT)) as db:
            content = json.loads(db.execute(_SELECT_ONE, (0,)).fetchone()[1])
    except sqlite3.DatabaseError as e:
        if getattr(e, "sqlite_errorname", "") != "SQLITE_ERROR":  # which is a database without such a table
            raise _unusable(path, e) from e
    except (TypeError, ValueError):
        pass
    if not isinstance(content, dict):
        raise LedgerError(f"The file {path.name!r} is no ledger. Give the right path.")
    return content


class Chain:
    """Rows that can be appended. A changed row is noticed, and so is a lost row while the chain is open.

    Parameters
    ----------
    path : path or None
        The file; it is made if there is none. None keeps the rows in the memory of this process.
    first : dict
        Content of the first row, which a file has to agree with.
    check : callable
        Raises an error if the content of a later row is not valid.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        first: dict[str, Any],
        check: Callable[[dict[str, Any]], object],
    ) -> None:
        self.path = None if path is None else Path(path).resolve()
        self.key = uuid.uuid4().hex
        self.first, self._check = first, check
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._rows = [_next_row([], {**first, "key": self.key})]
        self._seen = (0, "")  # length and head of the longest chain that was read, and so its random key
        if self.path is None:
            _HERE[self.key] = self
        else:
            if not os.path.exists(self.path):  # also False if the folder cannot be read: making it fails, too
                self._create(self.path)
            self.read()

    def _create(self, path: Path) -> None:
        """Make the file under another name and link it, so that no file is seen incomplete or overwritten."""
        new = path.with_name(f".{path.name}.{self.key}")
        try:
            new.touch(exist_ok=False)
            with _CONNECTED, closing(sqlite3.connect(new, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode=DELETE")
                _flush_all(db)
                db.execute("BEGIN IMMEDIATE")
                db.execute(_TABLE)
                db.execute("INSERT INTO chain VALUES (?, ?, ?)", self._rows[0])
                db.execute("COMMIT")
            with suppress(FileExistsError):  # another process was faster: its first row is checked when it is read
                os.link(new, path)
        except (sqlite3.Error, OSError) as e:
            raise _unusable(path, e) from e
        finally:
            with suppress(OSError):
                new.unlink()

    @contextmanager
    def _transaction(self, path: Path, begin: str) -> Iterator[sqlite3.Connection]:
        """Open a connection for this call alone, so that no thread shares it and it does not survive a fork."""
        try:
            url = f"{path.as_uri()}?mode=rw"
            with _CONNECTED, closing(sqlite3.connect(url, uri=True, timeout=_WAIT)) as db:
                db.isolation_level = None
                _flush_all(db)
                db.execute(begin)
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
        except sqlite3.Error as e:
            raise _unusable(path, e) from e

    def _read(self, db: sqlite3.Connection, seen: tuple[int, str]) -> list[Row]:
        """Return the checked rows of a file that holds nothing else: a trigger could delete what is written."""
        if db.execute("SELECT type, name, sql FROM sqlite_master").fetchall() != [("table", "chain", _TABLE)]:
            raise LedgerError(
                "The file is no ledger, or was altered: it must hold the table of entries and nothing else (no "
                "triggers, views or indices). Restore the file; nothing may be measured without it."
            )
        return self._checked(db.execute(_SELECT).fetchall(), seen)

    def _confirm(self, path: Path, row: Row) -> None:
        """Read a row again after its transaction: a row counts as written when others can read it."""
        with self._transaction(path, "BEGIN") as db:
            if db.execute(_SELECT_ONE, (row[0],)).fetchall() != [row]:
                raise LedgerError(
                    "The ledger did not keep the entry that was written to it. The file was altered or exchanged: "
                    "restore it; nothing may be measured without it."
                )

    def _check_row(self, before: list[Row], row: Row) -> None:
        content = json.loads(row[1])
        if row != _next_row(before, content):
            raise ValueError
        if before:
            self._check(content)

    def _checked(self, rows: list[Row], seen: tuple[int, str]) -> list[Row]:
        try:
            good: list[Row] = []
            for row in rows:
                self._check_row(good, row)
                good.append(row)
            first = {k: v for k, v in json.loads(rows[0][1]).items() if k != "key"}
        except Exception as e:  # a damaged file can fail in any way
            raise LedgerError("The ledger is damaged or was altered: its chain of hashes is broken.") from e
        if first != self.first:
            differ = [name for name in sorted({*first, *self.first}) if first.get(name) != self.first.get(name)]
            made, now = (", ".join(f"{name}={of.get(name)!r}" for name in differ) for of in (first, self.first))
            raise LedgerError(
                f"The ledger was made with {made}, and is now opened with {now}. A budget is fixed once: open it with "
                "the values it was made with."
            )
        length, head = seen
        if length and (len(good) < length or good[length - 1][2] != head):
            raise LedgerError(
                "The file of the ledger was set back to an older copy, or exchanged, since it was opened here: "
                "debits that were made are not in it. Put the right file back; nothing may be measured without it."
            )
        return good

    def read(self) -> list[Row]:
        """Return all rows."""
        if self.path is None:
            return list(self._rows)
        seen = self._seen  # before the file is read, so that threads that append meanwhile do not matter
        with self._transaction(self.path, "BEGIN") as db:
            rows = self._read(db, seen)
        self._seen = len(rows), rows[-1][2]
        return rows

    def append(self, content_after: Callable[[list[Row]], dict[str, Any]]) -> str:
        """Append a row while no other process or thread can."""
        if self.path is not None:
            seen = self._seen
            with self._transaction(self.path, "BEGIN IMMEDIATE") as db:
                rows = self._read(db, seen)
                row = self._readable(rows, content_after(rows))
                db.execute("INSERT INTO chain VALUES (?, ?, ?)", row)
            self._confirm(self.path, row)
            self._seen = len(rows) + 1, row[2]
            return row[2]
        if self._pid != os.getpid():
            raise LedgerError(
                "A ledger in memory cannot record in another process, where its entry would be lost. Give it a file: "
                'PrivacyLedger("data.ledger", ...), or use threads.'
            )
        with self._lock:
            row = self._readable(self._rows, content_after(self._rows))
            self._rows.append(row)
        return row[2]

    def _readable(self, before: list[Row], content: dict[str, Any]) -> Row:
        """Return the next row, after checking that it can be read again: otherwise no later row could be appended."""
        row = _next_row(before, content)
        try:
            self._check_row(before, row)
        except Exception as e:
            raise LedgerError(f"The entry could not be read again ({e}), so nothing was recorded or spent.") from e
        return row

    def __reduce__(self) -> Any:
        return _restore, (self.path, self.first, self._check, self.key, list(self._rows), self._seen)


def _restore(
    path: Path | None, first: dict[str, Any], check: Any, key: str, rows: list[Row], seen: tuple[int, str]
) -> Chain:
    """Unpickle: the same file, the same object in its own process, and elsewhere a copy that can only be read."""
    if path is None and key in _HERE and _HERE[key]._pid == os.getpid():
        return _HERE[key]
    if path is not None and not path.exists():
        raise LedgerError("The file of the ledger is gone. It is not made anew: what was spent would be forgotten.")
    chain = Chain(path, first, check)
    if path is None:
        chain._pid, chain._rows = -1, rows
    else:
        chain._seen = seen
        chain.read()
    return chain
