"""A mechanism that is watched while its plan is carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skdpflow.mechanisms.base import Mechanism
from skdpflow.release import Measurement, Release
from skdpflow.release.dialogue import Dialogue
from skdpflow.release.request import PlanContext, Request, Rounds
from skdpflow.transport.model import Model


class Recorder:
    """Hands everything on to a mechanism, and keeps what was asked and answered; `check` sees all that was asked."""

    def __init__(self, mechanism: Mechanism, check: Callable[[list[list[Request]]], None] | None = None) -> None:
        self.mechanism = mechanism
        self.check_asked = check
        self.context: PlanContext | None = None
        self.asked: list[list[Request]] = []
        self.answered: list[list[Measurement]] = []

    def plan(self, context: PlanContext) -> Rounds:
        """Pass the rounds on."""
        self.context, self.asked, self.answered = context, [], []  # a plan is begun once more to see whether it fits
        dialogue = Dialogue(self.mechanism.plan(context))
        for requests in dialogue:
            self.asked.append(requests)
            if self.check_asked is not None:
                self.check_asked(self.asked)
            answers = yield requests
            self.answered.append(answers)
            dialogue.answer(answers)

    def learn(self, release: Release) -> Model:
        """Learn a model."""
        return self.mechanism.learn(release)

    def describe(self) -> dict[str, Any]:
        """Describe the mechanism."""
        return self.mechanism.describe()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.mechanism, name)

    def __sklearn_clone__(self) -> Recorder:
        return self
