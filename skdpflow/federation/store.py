"""Where a site keeps its answers: the first one to a request stays the only one."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


class AnswerStore:
    """Answers by the digest of the request, in a folder or in memory.

    Parameters
    ----------
    folder : path or None
        Where files are kept; None keeps them in memory.

    Attributes
    ----------
    epoch : str
        A random number of this store, in hexadecimal digits. Requests name it, so that a site which lost its answers
        does not answer an old request again: with another share of noise and the same mask, the shares of the other
        sites would hide less than they paid for.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._kept: dict[str, bytes] = {}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self.epoch = self.put("epoch", os.urandom(16).hex().encode()).decode()

    def get(self, request: str) -> bytes | None:
        """Return the answer to a request, if there is one."""
        if self._folder is None:
            return self._kept.get(request)
        if request in self._kept:
            return self._kept[request]
        file = self._file(request)
        return file.read_bytes() if file.exists() else None

    def put(self, request: str, answer: bytes) -> bytes:
        """Keep an answer, on disk before this returns, and return the one to send: an older one if there is one."""
        if self._folder is None:
            return self._kept.setdefault(request, answer)
        file, new = self._file(request), self._folder / f".{uuid.uuid4().hex}.part"
        try:
            with new.open("xb") as opened:
                opened.write(answer)
                opened.flush()
                os.fsync(opened.fileno())
            try:
                os.link(new, file)  # unlike a rename, this never replaces what another process stored
            except FileExistsError:
                pass
        finally:
            new.unlink(missing_ok=True)
        _flush(self._folder)
        return file.read_bytes()

    def put_failure(self, request: str, answer: bytes) -> bytes:
        """Keep that a request failed, so that it is not paid for again: in memory alone if the folder fails, too."""
        try:
            return self.put(request, answer)
        except OSError:
            return self._kept.setdefault(request, answer)

    def _file(self, request: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{request}.answer"


def _flush(folder: Path) -> None:
    """Make names in a folder survive a power failure: an answer that was sent and is lost would be made anew."""
    if os.name == "posix":  # elsewhere, folders cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
