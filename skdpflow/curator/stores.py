"""Where the files of a table are, on this machine or on any filesystem that pyarrow knows: found, dated and opened.

Nothing of a filesystem is shown, neither in an error nor in a repr: it may hold credentials, and so may what its own
errors say.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, TypeVar

from skdpflow.files import URI, TableFile, kind_of

_T = TypeVar("_T")


class LocalStore:
    """The filesystem of this machine."""

    def find(self, given: str) -> list[PurePath]:
        """Return the files that a path, a folder or a pattern means."""
        path = Path(given)
        if path.is_dir():
            return [p for p in path.iterdir() if p.is_file() and p.name[0] not in "._"]
        if path.exists() or not has_magic(given):
            return [path]
        return [p for p in map(Path, glob(given)) if p.is_file()]

    def dated(self, path: PurePath) -> tuple[int, int]:
        """Return the size of a file and the time of its last change."""
        state = os.stat(path)
        return state.st_size, state.st_mtime_ns

    @contextmanager
    def opened(self, path: PurePath) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with open(path, "rb") as file:
            yield file

    @contextmanager
    def parquet(self, path: PurePath) -> Iterator[Any]:
        """Open what pyarrow reads a Parquet file from: by the path, so that Python reads no byte of it."""
        yield path


class ArrowStore:
    """A filesystem of pyarrow.

    Parameters
    ----------
    filesystem : pyarrow.fs.FileSystem
        The filesystem.
    """

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem

    def find(self, given: str) -> list[PurePath]:
        """Return the files that a path, a folder or a pattern means."""
        from pyarrow.fs import FileType

        own = self._filesystem.get_file_info(given.rstrip("/"))
        if own.type == FileType.Directory:
            return [PurePosixPath(p) for p, is_file in self._listed(own.path) if is_file and _name(p)[0] not in "._"]
        if own.type == FileType.File or not has_magic(given):
            return [PurePosixPath(given)]
        first, *others = given.rstrip("/").split("/")
        found = [(first, False)]
        if has_magic(first):
            found = [own for own in self._listed("") if _matches(own[0], first)]
        for step in others:
            folders = [path for path, is_file in found if not is_file]
            if has_magic(step):
                found = [own for folder in folders for own in self._listed(folder) if _matches(own[0], step)]
            else:
                found = [(f"{folder}/{step}", False) for folder in folders]
        if not has_magic(others[-1] if others else first):
            infos = self._filesystem.get_file_info([path for path, _ in found])
            found = [(info.path, info.type == FileType.File) for info in infos]
        return [PurePosixPath(path) for path, is_file in found if is_file]

    def _listed(self, folder: str) -> list[tuple[str, bool]]:
        from pyarrow.fs import FileSelector, FileType

        infos = self._filesystem.get_file_info(FileSelector(folder or "/", allow_not_found=True))
        return [(info.path, info.type == FileType.File) for info in infos]

    def dated(self, path: PurePath) -> tuple[int, int]:
        """Return the size of a file and the time of its last change."""
        from pyarrow.fs import FileType

        self._forget()
        info = self._filesystem.get_file_info(str(path))
        if info.type == FileType.NotFound:
            raise FileNotFoundError(f"There is no file {path.name!r}.")
        if info.size is None or info.mtime_ns is None:
            raise UndatedError(
                f"The filesystem of a table must tell the size and the time of the last change of {path.name!r}, which "
                "show that it stays as it is during a fit. Those of pyarrow do. Nothing was spent."
            )
        return info.size, info.mtime_ns

    def _forget(self) -> None:
        """Have a filesystem of fsspec look again, and not tell what it found before."""
        own = getattr(getattr(self._filesystem, "handler", None), "fs", None)
        if own is not None and hasattr(own, "invalidate_cache"):
            own.invalidate_cache()

    @contextmanager
    def opened(self, path: PurePath) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with self._filesystem.open_input_file(str(path)) as file:
            yield file

    parquet = opened

    def __repr__(self) -> str:
        return "<store>"


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _matches(path: str, pattern: str) -> bool:
    """Match the last step of a path as `glob` does, which leaves hidden files out."""
    return fnmatchcase(_name(path), pattern) and (pattern[0] == "." or _name(path)[0] != ".")


class UndatedError(ValueError):
    """A filesystem does not tell what shows that a file stays as it is."""


def read_all(file: IO[bytes], size: int) -> bytes:
    """Read so many bytes, from a file that may give fewer at once; a cell that is cut would be another one."""
    read = io.BytesIO()
    while size and (piece := file.read(size)):
        size -= read.write(piece)
    if size:
        raise EOFError
    return read.getvalue()


def found(file: TableFile) -> tuple[LocalStore | ArrowStore, list[PurePath], str]:
    """Return where the files of a table are, the files in the order of their names, and their format."""
    given = os.fspath(file.path)
    name = PurePosixPath(given).name
    if file.filesystem is not None:
        store: LocalStore | ArrowStore = ArrowStore(_filesystem(file.filesystem))
    elif isinstance(file.path, str) and URI.match(given):
        store, given = _of_uri(given)
    else:
        store, name = LocalStore(), Path(given).name
    paths = store.find(given) if isinstance(store, LocalStore) else _quietly(lambda: store.find(given), name)
    if not paths:
        raise ValueError(f"There are no files {name!r}. Nothing was spent.")
    kinds = {_kind_of_input(path) for path in paths}
    if len(kinds) > 1:
        raise ValueError(f"The files of {name!r} must all be CSV, or all be Parquet. Nothing was spent.")
    return store, sorted(paths), kinds.pop()


def _kind_of_input(path: PurePath) -> str:
    return "csv" if path.name.lower().endswith(".csv.gz") else kind_of(path)


def _filesystem(given: Any) -> Any:
    """Return a filesystem of pyarrow, also for one of fsspec."""
    from pyarrow import fs

    if isinstance(given, fs.FileSystem):
        return given
    fsspec = sys.modules.get("fsspec")
    if fsspec is not None and isinstance(given, fsspec.AbstractFileSystem):
        return fs.PyFileSystem(fs.FSSpecHandler(given))
    raise TypeError(
        "The 'filesystem' of a TableFile must be a pyarrow.fs.FileSystem, or a filesystem of fsspec. Got an instance "
        f"of {type(given).__name__!r}."
    )


def _of_uri(uri: str) -> tuple[ArrowStore, str]:
    """Return the filesystem that a URI names, and the path there, which may be a pattern."""
    from pyarrow.fs import FileSystem

    steps = uri.split("/")
    plain = next((i for i, step in enumerate(steps) if has_magic(step)), len(steps))
    filesystem, path = _quietly(lambda: FileSystem.from_uri("/".join(steps[:plain])), steps[-1])
    return ArrowStore(filesystem), "/".join([path.rstrip("/"), *steps[plain:]])


def _quietly(look: Callable[[], _T], name: str) -> _T:
    """Look on a filesystem without its own messages."""
    try:
        return look()
    except Exception:  # the message of a filesystem may show credentials
        pass
    raise ValueError(
        f"The files {name!r} cannot be looked up: pyarrow must know the filesystem, which must answer and let you list "
        "the files. Nothing was spent."
    )
