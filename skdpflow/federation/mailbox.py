"""A folder as mailbox: requests and answers are files, complete or absent."""

from __future__ import annotations

import os
import stat
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from skdpflow.federation.messages import MAX_BYTES, digest

#: Seconds between two looks into the folder.
POLL = 0.02
_BINARY = getattr(os, "O_BINARY", 0)


class Mailbox:
    """A shared folder, in which the coordinator writes requests and sites write answers.

    Parameters
    ----------
    folder : path
        An existing folder. Whoever can write in it can waste the budget of the sites, and cannot exceed it.

    Examples
    --------
    >>> import tempfile
    >>> from skdpflow.federation.mailbox import Mailbox
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Mailbox(folder).requests()
    []
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {str(folder)!r} to use as a mailbox.")

    def ask(self, request: bytes, sites: Sequence[str], timeout: float) -> Iterator[tuple[str, bytes]]:
        """Write a request, and return the answers of the sites as they come, until the time is over.

        Parameters
        ----------
        request : bytes
            The request.
        sites : sequence of str
            Whom to wait for.
        timeout : float
            Seconds to wait.

        Yields
        ------
        answer : tuple of str and bytes
            Of one site.
        """
        number, waiting, end = digest(request), list(sites), time.monotonic() + timeout
        open_request = self.folder / f"{number}.request"
        _write(open_request, request)
        try:
            while waiting and time.monotonic() < end:
                for site in list(waiting):
                    if (answer := _content(self._answer(number, site))) is not None:
                        waiting.remove(site)
                        yield site, answer
                if waiting:
                    time.sleep(POLL)
        finally:  # nobody should pay for an answer that is not waited for
            open_request.unlink(missing_ok=True)

    def requests(self, known: Collection[str] = ()) -> list[tuple[str, bytes]]:
        """Return the digests and contents of open requests.

        Parameters
        ----------
        known : collection of str, default=()
            Digests of requests to leave out.

        Returns
        -------
        requests : list of tuple of str and bytes
            Files whose name is not the digest of their content are left out.
        """
        found = []
        for file in sorted(self.folder.glob("*.request")):
            if file.stem not in known and (request := _content(file)) is not None:
                found.append((file.stem, request))
        return [(number, request) for number, request in found if digest(request) == number]

    def answered(self, request: str, site: str) -> bool:
        """Say whether the answer of a site is there.

        Parameters
        ----------
        request : str
            Digest of the request.
        site : str
            Name of the site.

        Returns
        -------
        answered : bool
            Whether it is complete.
        """
        return os.path.lexists(self._answer(request, site))

    def put(self, request: str, site: str, answer: bytes) -> None:
        """Write the answer of a site.

        Parameters
        ----------
        request : str
            Digest of the request.
        site : str
            Name of the site.
        answer : bytes
            The answer.
        """
        _write(self._answer(request, site), answer)

    def end(self, fit: str) -> None:
        """Tell the sites that a fit is over.

        Parameters
        ----------
        fit : str
            Number of the fit.
        """
        _write(self.folder / f"{fit}.end", b"")

    def ended(self) -> set[str]:
        """Return the numbers of the fits that are over.

        Returns
        -------
        fits : set of str
            As `end` was told.
        """
        return {file.stem for file in self.folder.glob("*.end")}

    def _answer(self, request: str, site: str) -> Path:
        return self.folder / f"{request}.{site}.answer"


def _content(file: Path) -> bytes | None:
    """Read a message; None if there is none. Whoever writes into the folder may put links, pipes and devices there."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    except OSError:  # it is not there, was closed in between, or is a link
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            return None
        with os.fdopen(handle, "rb", closefd=False) as opened:
            return opened.read()
    except (OSError, MemoryError):  # a message that cannot be read must not stop whoever reads the others
        return None
    finally:
        os.close(handle)


def _write(file: Path, content: bytes) -> None:
    """Write a file that is complete or absent, in the place of a link and not where it leads."""
    new = file.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with open(new, "xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
