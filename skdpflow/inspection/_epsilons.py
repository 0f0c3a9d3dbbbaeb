"""The picture of what more budget would buy, from plans alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from skdpflow._validation import check_choice, check_real
from skdpflow.inspection._axes import new_axes

#: Epsilons that are planned for if none are given.
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)
_OF = ("usefulness", "resolution")
_LABELS = {
    "usefulness": "expected error, times that of as many real rows",
    "resolution": "least share of rows that can be seen, in %",
}


class EpsilonsDisplay:
    """Picture of what more budget would buy: the expected accuracy of a fit, by epsilon. No row is looked at.

    Use `from_estimator` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,)
        The budgets.
    curves : mapping of str to array-like of shape (n_epsilons,)
        What is drawn, by its name; NaN where a budget does not pay for it.
    of : {"usefulness", "resolution"}, default="usefulness"
        What the curves are.
    title : str, default=""
        What stands above the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    BudgetDisplay : What one plan spends its budget on.
    skdpflow.DPSlicedWassersteinFlow.plan : The numbers behind it.

    Notes
    -----
    Usefulness is the error that noise and sampling give together, divided by the error that sampling alone gives. At 1,
    synthetic rows tell as much as real rows of that number. At 2, privacy doubles the error. Resolution is the share of
    rows below which a level of a category, or a located value, cannot be told from noise.

    Examples
    --------
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.inspection import EpsilonsDisplay
    >>> flow = DPSlicedWassersteinFlow(domain=(0, 1))
    >>> display = EpsilonsDisplay.from_estimator(flow, n_guess=1000, n_features=3, epsilons=[0.5, 5.0])
    >>> errors = display.curves["correlation of two columns"]
    >>> bool(errors[0] > errors[1] > 1.0)
    True
    """

    def __init__(
        self,
        *,
        epsilons: ArrayLike,
        curves: Mapping[str, ArrayLike],
        of: str = "usefulness",
        title: str = "",
    ) -> None:
        self.epsilons = epsilons
        self.curves = curves
        self.of = of
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_guess: int,
        epsilons: Sequence[float] | None = None,
        n_features: int | None = None,
        n_classes: int | None = None,
        of: str = "usefulness",
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw what a flow would learn with other budgets.

        Parameters
        ----------
        estimator : DPSlicedWassersteinFlow
            The flow, fitted or not. It stays as it is.
        n_guess : int
            Public guess of the number of rows.
        epsilons : sequence of float or None, default=None
            Budgets to plan for. Each takes about as long as a fit on that many rows. None takes 0.1, 0.3, 1, 3 and 10.
        n_features, n_classes : int or None, default=None
            As for `plan`, where the flow does not say.
        of : {"usefulness", "resolution"}, default="usefulness"
            What to draw, see the notes.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        line_kw : mapping or None, default=None
            Passed to ``Axes.plot`` for all curves.

        Returns
        -------
        display : EpsilonsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is not valid, or there is nothing to draw.
        ImportError
            If matplotlib is not installed.
        """
        of = check_choice(cls.__name__, "of", of, _OF)
        wanted = EPSILONS if epsilons is None else epsilons
        budgets = sorted(check_real(cls.__name__, "epsilons", e, 0.0) for e in wanted)
        if not budgets:
            raise ValueError("`epsilons` must hold at least one budget.")
        plans = [
            clone(estimator)
            .set_params(epsilon=epsilon)
            .plan(n_guess=n_guess, n_features=n_features, n_classes=n_classes)
            for epsilon in budgets
        ]
        found = [_usefulness(plan) if of == "usefulness" else _resolution(plan) for plan in plans]
        names = list(dict.fromkeys(name for own in found for name in own))
        if not names:
            raise ValueError(f"The plans have nothing of the {of}: there are no categories or located columns.")
        curves = {name: np.array([own.get(name, np.nan) for own in found]) for name in names}
        title = f"plan for {n_guess:,} rows of {plans[0].n_features} columns, delta = {plans[0].delta:g}"
        return cls(epsilons=np.array(budgets), curves=curves, of=of, title=title).plot(ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        line_kw : mapping or None, default=None
            Passed to ``Axes.plot`` for all curves.

        Returns
        -------
        display : EpsilonsDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            ax = new_axes()
            ax.figure.set(size_inches=(10.5, 4.6), layout_engine="constrained")
        epsilons, kw = np.asarray(self.epsilons, dtype=float), dict(line_kw or {})
        self.lines_ = []
        for k, (name, values) in enumerate(self.curves.items()):
            style = {"marker": "o", "color": f"C{k % 10}", "linestyle": "-" if k < 10 else "--", "label": name, **kw}
            self.lines_ += ax.plot(epsilons, np.asarray(values, dtype=float), **style)
        ax.set(xscale="log", yscale="log", xlabel="epsilon", ylabel=_LABELS[self.of])
        ax.set_xticks(epsilons, [f"{e:g}" for e in epsilons], minor=False)
        ax.set_xticks([], minor=True)
        from matplotlib.ticker import LogLocator

        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter("")
        if self.of == "usefulness":
            ax.axhline(1.0, color="0.6", linewidth=1.0, linestyle=":")
        ax.set_title(self.title, loc="left", fontsize="medium")
        ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _usefulness(plan: Any) -> dict[str, float]:
    """Return the error of each quantity, in that of sampling alone; of one measured twice, the smaller."""
    out: dict[str, float] = {}
    for error in plan.errors:
        if error.sampling > 0.0:  # not NaN
            ratio = float(np.hypot(error.noise, error.sampling) / error.sampling)
            out[error.quantity] = min(ratio, out.get(error.quantity, np.inf))
    return out


def _resolution(plan: Any) -> dict[str, float]:
    """Return the least shares that can be told from noise, in hundredths."""
    return {} if plan.least_share is None else {"level of a category": 100.0 * plan.least_share}
