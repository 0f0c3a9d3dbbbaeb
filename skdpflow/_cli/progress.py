"""Progress on the standard error: stages and numbers of synthetic rows, which are public, and nothing of a row."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any


class Progress:
    """Says what is being done, if somebody watches or asked for it.

    Parameters
    ----------
    verbose : bool
        Whether it was asked for. Otherwise it is shown on a terminal only, so that logs of scripts stay empty.
    """

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        self._terminal = sys.stderr.isatty()

    def stage(self, text: str) -> None:
        """Say what begins."""
        if self.verbose or self._terminal:
            print(f"skdpflow: {text}", file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """Say more, to those who asked for it."""
        if self.verbose:
            print(text, file=sys.stderr, flush=True)

    def rows(self, blocks: Iterable[Any], n: int) -> Iterator[Any]:
        """Pass blocks of synthetic rows on, and count them."""
        done = 0
        for block in blocks:
            yield block
            done += len(block)
            self.stage(f"wrote {done:,} of {n:,} synthetic rows")
