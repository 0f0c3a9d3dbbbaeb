"""The picture of a ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skdpflow._validation import check_choice
from skdpflow.inspection._axes import new_axes
from skdpflow.ledger import PrivacyLedger

_LABELS = 25  # as many fit beside each other


class LedgerDisplay:
    """Picture of a budget: what was spent after each entry, and what may be spent.

    Use `from_ledger` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    spent : array-like of shape (n_entries,)
        Epsilon of all entries so far.
    budget : float
        Epsilon that may be spent.
    delta : float
        At which both hold.
    labels : sequence of str of shape (n_entries,)
        What each entry was for.
    times : array-like of shape (n_entries,) or None, default=None
        When the entries were made, for a picture over time.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    line_ : matplotlib Line2D
        The steps of what was spent.
    budget_line_ : matplotlib Line2D
        What may be spent.

    See Also
    --------
    skdpflow.PrivacyLedger : The ledger, and its `history` as a table.

    Examples
    --------
    >>> from skdpflow import PrivacyLedger
    >>> from skdpflow.accountants import GaussianEvent
    >>> from skdpflow.inspection import LedgerDisplay
    >>> ledger = PrivacyLedger(epsilon=2.0, delta=1e-6)
    >>> for what in ["means", "model"]:
    ...     head = ledger.debit(GaussianEvent(6.0), what, neighbours="add-remove")
    >>> display = LedgerDisplay.from_ledger(ledger)
    >>> display.ax_.get_ylabel()
    'epsilon at delta = 1e-06'
    """

    def __init__(
        self, *, spent: ArrayLike, budget: float, delta: float, labels: Sequence[str], times: Any = None
    ) -> None:
        self.spent = spent
        self.budget = budget
        self.delta = delta
        self.labels = labels
        self.times = times

    @classmethod
    def from_ledger(
        cls,
        ledger: PrivacyLedger,
        *,
        over: str = "entries",
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        budget_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw a ledger.

        Parameters
        ----------
        ledger : PrivacyLedger
            The ledger, or that of a part.
        over : {"entries", "time"}, default="entries"
            What the horizontal axis is: one step for each entry, with its label, or when it was made (UTC).
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        line_kw : mapping or None, default=None
            Passed to ``Axes.step`` for what was spent.
        budget_kw : mapping or None, default=None
            Passed to ``Axes.axhline`` for the budget.

        Returns
        -------
        display : LedgerDisplay
            What was drawn.

        Raises
        ------
        LedgerError
            If the ledger cannot be read.
        ImportError
            If matplotlib is not installed.
        """
        over = check_choice(cls.__name__, "over", over, ("entries", "time"))
        history = ledger.history()
        labels = [
            f"{what} [{part}]" if part else what for what, part in zip(history["what"], history["part"], strict=True)
        ]
        display = cls(
            spent=history["epsilon"].to_numpy(dtype=float),
            budget=ledger.epsilon,
            delta=ledger.delta,
            labels=labels,
            times=history["time"].dt.tz_localize(None).to_numpy() if over == "time" else None,
        )
        return display.plot(ax, line_kw=line_kw, budget_kw=budget_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        budget_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        line_kw : mapping or None, default=None
            Passed to ``Axes.step`` for what was spent.
        budget_kw : mapping or None, default=None
            Passed to ``Axes.axhline`` for the budget.

        Returns
        -------
        display : LedgerDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            ax = new_axes()
        spent = np.asarray(self.spent, dtype=float)
        n, over_time = len(spent), self.times is not None
        x = np.asarray(self.times) if over_time else np.arange(1, n + 1)
        if n:
            # a step at each entry, from nothing before the first to a little after the last
            margin = (x[-1] - x[0]) / 20 if over_time else 1
            x, y = np.concatenate([[x[0] - margin], x, [x[-1] + margin]]), np.concatenate([[0.0], spent, spent[-1:]])
        else:
            y = spent
        (self.line_,) = ax.step(x, y, **{"where": "post", "label": "spent", "color": "C0", **(line_kw or {})})
        kw = {"label": "budget", "color": "C3", "linestyle": "--", **(budget_kw or {})}
        self.budget_line_ = ax.axhline(self.budget, **kw)
        if over_time:
            ax.tick_params(axis="x", labelrotation=30)
        else:
            every = max(1, -(-n // _LABELS))
            ax.set_xticks(
                np.arange(1, n + 1, every), list(self.labels)[::every], rotation=45, ha="right", rotation_mode="anchor"
            )
        ax.set(ylim=(0.0, 1.08 * max(self.budget, spent.max(initial=0.0))), ylabel=f"epsilon at delta = {self.delta:g}")
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
