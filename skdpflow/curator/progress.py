"""What a long fit prints of itself: rounds, and the share of a pass that is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

#: Shares of a pass, in percent, that are told of: the same for all rows.
_STEPS = (25, 50, 75, 100)


class Told(Protocol):
    """Who is told of rounds."""

    def begin(self, names: Sequence[str], n_steps: int) -> None:
        """Begin a round that measures what is named."""
        ...

    def step(self, name: str) -> None:
        """Tell of something that is done."""
        ...


class Progress:
    """Prints rounds and passes, the same lines for any rows: in how many parts they are read would tell their number.

    Parameters
    ----------
    shown : bool, default=False
        Whether anything is printed.
    told : Told or None, default=None
        What else is told of rounds, and of the share that is done.
    """

    def __init__(self, shown: bool = False, told: Told | None = None) -> None:
        self._shown, self._told, self._round, self._next = shown, told, 0, 0

    def begin(self, names: Sequence[str]) -> None:
        """Begin a round that measures what is named."""
        self._round, self._next = self._round + 1, 0
        if self._shown:
            print(f"round {self._round}: {', '.join(names)}", flush=True)
        if self._told is not None:
            self._told.begin(names, len(_STEPS))

    def done(self, share: float) -> None:
        """Show that a share of the pass is done, in steps that are always the same."""
        while self._next < len(_STEPS) and 100.0 * share >= _STEPS[self._next]:
            if self._shown:
                print(f"round {self._round}: {_STEPS[self._next]} % of the rows read", flush=True)
            if self._told is not None:
                self._told.step(f"{_STEPS[self._next]} % of the rows read")
            self._next += 1
