"""Output files that are complete or absent: after a crash or on a full disk, the old file or no file is there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_Path = str | os.PathLike[str]


def place(path: _Path) -> tuple[int, int] | str:
    """Return what two names of one file have in common, also through links, whether or not there is a file yet."""
    try:
        found = os.stat(path)
        return found.st_dev, found.st_ino
    except OSError:
        return os.path.normcase(os.path.realpath(path))


@contextmanager
def replacing(path: _Path) -> Iterator[BinaryIO]:
    """Open a new file beside a path, and move it there when the block ends without an error."""
    target = Path(os.path.realpath(path))
    mode = os.stat(path).st_mode if os.path.exists(path) else None
    if mode is not None and stat.S_ISDIR(mode):
        raise _error(errno.EISDIR, path)
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as direct:
            yield direct
        return
    for folder in (Path(path).parent, target.parent):
        if not folder.is_dir():
            raise _error(errno.ENOENT, folder)
    if mode is not None and not os.access(target, os.W_OK):
        raise _error(errno.EACCES, path)
    new = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        file = open(new, "xb")
    except OSError as e:
        raise _error(e.errno or errno.EIO, target.parent) from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            shutil.copymode(target, new)
        os.replace(new, target)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()


def check_writable(path: _Path) -> None:
    """Raise what `replacing` would raise at once, and change nothing."""

    class _Enough(Exception):
        pass

    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        return  # a pipe, which opening would disturb
    with suppress(_Enough), replacing(path):
        raise _Enough


def _error(number: int, path: _Path) -> OSError:
    return OSError(number, os.strerror(number), os.fspath(path))
