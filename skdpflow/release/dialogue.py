"""The loop of a plan: a round is asked for, it is answered, and the answers decide the next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skdpflow.release.measurement import Measurement
from skdpflow.release.request import Request, Rounds


class Dialogue:
    """Goes through the rounds of a plan: each is to be answered, by `answer`, before the next one is asked for."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds
        self._answers: list[Measurement] = []

    def __iter__(self) -> Iterator[list[Request]]:
        requests = next(self._rounds, None)
        while requests is not None:
            yield requests
            try:
                requests = self._rounds.send(self._answers)
            except StopIteration:
                return

    def answer(self, measurements: Sequence[Measurement]) -> None:
        """Answer the round that was asked for last."""
        self._answers = list(measurements)
