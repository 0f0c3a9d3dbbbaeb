"""The picture of what a fit spent its budget on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.inspection._axes import new_axes
from skdpflow.release import Release
from skdpflow.release.sentences import WHAT


class BudgetDisplay:
    """Picture of what a fit spent its budget on: one bar for each measurement, in order.

    Use `from_estimator`, `from_release` or `from_plan` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    shares : array-like of shape (n_measurements,)
        Share of the budget that each measurement costs, in mu**2 of Gaussian privacy, which adds up.
    labels : sequence of str of shape (n_measurements,)
        What was measured.
    rounds : sequence of int of shape (n_measurements,) or None, default=None
        Round of each measurement, by which the shades of the bars alternate. Each round is decided from what was
        released before. A Release does not hold them, a plan does.
    title : str, default=""
        What stands above the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    bars_ : matplotlib BarContainer
        The bars.

    See Also
    --------
    LedgerDisplay : What all fits on a data set spent.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.inspection import BudgetDisplay
    >>> X = np.random.default_rng(0).uniform(size=(500, 2))
    >>> display = BudgetDisplay.from_estimator(DPSlicedWassersteinFlow(domain=(0, 1)).fit(X))
    >>> display.labels[0]
    'counts (number of rows)'
    """

    def __init__(
        self, *, shares: ArrayLike, labels: Sequence[str], rounds: Sequence[int] | None = None, title: str = ""
    ) -> None:
        self.shares = shares
        self.labels = labels
        self.rounds = rounds
        self.title = title

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, bar_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw what a fitted flow spent.

        Parameters
        ----------
        estimator : DPSlicedWassersteinFlow
            The fitted flow.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        bar_kw : mapping or None, default=None
            Passed to ``Axes.barh``.

        Returns
        -------
        display : BudgetDisplay
            What was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        return cls.from_release(estimator.release_, ax=ax, bar_kw=bar_kw)

    @classmethod
    def from_release(cls, release: Release, *, ax: Any = None, bar_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw what a Release spent.

        Parameters
        ----------
        release : Release
            What a fit released.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        bar_kw : mapping or None, default=None
            Passed to ``Axes.barh``.

        Returns
        -------
        display : BudgetDisplay
            What was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        costs = np.array([total_mu(tally(m.event)) ** 2 for m in release.measurements])
        cap = tally(release.cap).gaussian_mu ** 2
        whole = max(cap, float(costs.sum())) or 1.0  # of seeded noise, there is no cap
        labels = [_label(m.name, m.kind) for m in release.measurements]
        if cap - costs.sum() > 1e-6 * whole:
            costs, labels = np.append(costs, cap - costs.sum()), [*labels, "not used"]
        stated = f"epsilon = {release.epsilon:g}, delta = {release.delta:g}" if release.private else "not private"
        return cls(shares=costs / whole, labels=labels, title=stated).plot(ax, bar_kw=bar_kw)

    @classmethod
    def from_plan(cls, plan: Any, *, ax: Any = None, bar_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw what a fit is going to spend, round by round.

        Parameters
        ----------
        plan : FitPlan
            What ``DPSlicedWassersteinFlow.plan`` returns.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        bar_kw : mapping or None, default=None
            Passed to ``Axes.barh``.

        Returns
        -------
        display : BudgetDisplay
            What was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return cls(
            shares=[m.share for m in plan.measurements],
            labels=[f"round {m.round}: {_label(m.name, m.kind)}" for m in plan.measurements],
            rounds=[m.round for m in plan.measurements],
            title=f"plan: epsilon = {plan.epsilon:g}, delta = {plan.delta:g}",
        ).plot(ax, bar_kw=bar_kw)

    def plot(self, ax: Any = None, *, bar_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        bar_kw : mapping or None, default=None
            Passed to ``Axes.barh``.

        Returns
        -------
        display : BudgetDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        shares, y = 100.0 * np.asarray(self.shares, dtype=float), np.arange(len(self.labels))
        if ax is None:
            ax = new_axes()
            ax.figure.set(size_inches=(7.5, 0.9 + 0.32 * max(len(y), 3)), layout_engine="constrained")
        colours = "C0" if self.rounds is None else ["C0" if k % 2 else "#9ecae1" for k in self.rounds]
        self.bars_ = ax.barh(y, shares, **{"color": colours, **(bar_kw or {})})
        ax.bar_label(self.bars_, labels=[f"{share:.1f} %" for share in shares], padding=3)
        ax.set_yticks(y, list(self.labels))
        ax.invert_yaxis()
        ax.set(xlabel="share of the budget, in %", xlim=(0.0, 1.18 * shares.max(initial=1.0)))
        ax.set_title(self.title, loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _label(name: str, kind: str) -> str:
    what = WHAT.get(kind, kind)
    if name.startswith("subcomponent"):
        what = "of cut classes"
    return name if what == name else f"{name} ({what})"
