"""A folder as mailbox: requests and answers are files, complete or absent."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from skdpflow._outputs import replacing
from skdpflow.federation.messages import digest

#: Seconds between two looks into the folder.
POLL = 0.02


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
        with replacing(open_request) as file:
            file.write(request)
        try:
            while waiting and time.monotonic() < end:
                for site in [site for site in waiting if self._answer(number, site).exists()]:
                    waiting.remove(site)
                    yield site, self._answer(number, site).read_bytes()
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
            if file.stem not in known:
                with suppress(FileNotFoundError):  # it was closed in between
                    found.append((file.stem, file.read_bytes()))
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
        return os.path.lexists(self._answer(request, site))  # also a link, which must not lead the answer elsewhere

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
        with replacing(self._answer(request, site)) as file:
            file.write(answer)

    def end(self, fit: str) -> None:
        """Tell the sites that a fit is over.

        Parameters
        ----------
        fit : str
            Number of the fit.
        """
        with replacing(self.folder / f"{fit}.end"):
            pass

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
