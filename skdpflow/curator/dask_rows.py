"""Private rows in the partitions of a dask frame: workers compute with them, and none comes here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from skdpflow.curator.cells import quiet
from skdpflow.curator.dtypes import OBJECT, CellType, pandas_type
from skdpflow.curator.engine import FOREIGN, RAISED, Message
from skdpflow.curator.files import FileBlock, check_names
from skdpflow.curator.fingerprint import fingerprint
from skdpflow.curator.partitions import Partition, digest, parts_of
from skdpflow.curator.parts import Answer, Part
from skdpflow.domain import Domain
from skdpflow.domain.measured import is_measured
from skdpflow.frames import DaskTable


def _looked_at(frame: Any) -> tuple[int, int]:
    with quiet():
        return len(frame), digest(frame)


def _answered(frame: Any, message: Message) -> Answer:
    return message.answer(frame)


class DaskRows:
    """The partitions of a frame, as parts; see `FileTable`.

    Parameters
    ----------
    table : DaskTable
        The frame.
    columns : Domain
        The columns to read, the target's last.
    """

    kind = "frame"

    def __init__(self, table: DaskTable, columns: Domain) -> None:
        self.domain, self.columns = columns, list(columns)
        check_names(list(table.frame.columns), columns, "frame")
        kinds = dict(table.frame.dtypes)
        self.dtypes = [kinds[name] for name in columns]
        self.types: list[CellType] = [
            pandas_type(kinds[name], f"Column {name!r} of the frame") if is_measured(column) else OBJECT
            for name, column in columns.items()
        ]
        self._frame = table.frame[self.columns].persist()
        futures = import_module("distributed").futures_of(self._frame)
        if not futures:
            raise ValueError("A DaskTable needs a distributed.Client, which runs its workers. Nothing was spent.")
        self._client = futures[0].client
        sizes = self._on_workers(_looked_at, self._frame.to_delayed())
        self.parts, self._full = parts_of(sizes)
        self.shape = (sum(n_rows for n_rows, _ in sizes), len(columns))

    def _on_workers(self, function: Callable[..., Any], rows: Sequence[Any], *others: Sequence[Any]) -> list[Any]:
        task = import_module("dask").delayed(function, pure=False)
        return list(self._client.gather(self._client.compute([task(*own) for own in zip(rows, *others, strict=True)])))

    def ask(self, parts: Sequence[Part], message: Callable[[Part], Message], n_jobs: int | None) -> Iterator[Answer]:
        """Yield the answers of the workers that hold the partitions."""
        delayed = self._frame.to_delayed()
        own = [delayed[self._full[part.number]] for part in parts]
        try:
            yield from self._on_workers(_answered, own, [message(part) for part in parts])
        except RAISED:
            raise
        except Exception:  # of an engine that gave up; it may name what it was doing
            return

    def check_workers(self, n_jobs: int | None) -> None:
        """Refuse workers that compute otherwise."""
        if set(self._client.run(fingerprint).values()) != {fingerprint()}:
            raise RuntimeError(f"{FOREIGN} Nothing was spent.")

    def blocks(self, part: Part, block_rows: int) -> Iterator[FileBlock]:
        """Bring a part here, for whoever holds the rows and asks for more than sums."""
        frame = self._frame.partitions[self._full[part.number]].compute()
        return Partition(self.domain, self.types, frame).blocks(part, block_rows)
