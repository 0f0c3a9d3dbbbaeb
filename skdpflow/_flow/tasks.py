"""What scikit-learn's callbacks are told of a fit: its rounds, and how much of a pass is done.

A callback gets the flow and the task. It gets no rows and no target, and no model from a part of the rounds, so a
`ScoringMonitor` has nothing to score. All tables have the same tasks in a round, whatever their number of rows. What a
callback returns is not used, since the whole budget is debited before the first round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Tasks"]


class Tasks:
    """Tells the callbacks of an estimator of the rounds of its fit.

    Parameters
    ----------
    estimator : DPSlicedWassersteinFlow
        The flow.
    name : str
        The method that is called.
    """

    def __init__(self, estimator: Any, name: str) -> None:
        self._estimator = estimator
        # scikit-learn's guide for developers names this method as the way to make a context, and as public
        self._root = estimator._init_callback_context(task_name=name, max_subtasks=None)
        self._round: Any = None
        self._root.call_on_fit_task_begin(estimator=estimator)
        self.step("checks")  # so that hooks which scikit-learn refuses are refused before anything is spent

    def begin(self, names: Sequence[str], n_steps: int) -> None:
        """Begin a round that measures what is named."""
        self._end_round()
        self._round = self._root.subcontext(", ".join(names), max_subtasks=n_steps)
        self._round.call_on_fit_task_begin(estimator=self._estimator)

    def step(self, name: str) -> None:
        """Tell of something that is done."""
        task = (self._round or self._root).subcontext(name)
        task.call_on_fit_task_begin(estimator=self._estimator)
        task.call_on_fit_task_end(estimator=self._estimator)

    def _end_round(self) -> None:
        """End a round, if one has begun."""
        if self._round is not None:
            self._round.call_on_fit_task_end(estimator=self._estimator)
        self._round = None

    def end(self) -> None:
        """End the fit, whose model is learnt."""
        self._end_round()
        self.step("model")
        self._root.call_on_fit_task_end(estimator=self._estimator)
