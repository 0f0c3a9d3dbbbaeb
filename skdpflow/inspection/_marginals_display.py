"""The picture of columns: released histograms against synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skdpflow._validation import check_generator, check_int
from skdpflow.domain import Interval
from skdpflow.inspection._axes import grid_of_axes
from skdpflow.inspection._marginals import Marginal, marginals
from skdpflow.inspection._names import column_names, number_name, own_names
from skdpflow.inspection._released import sample_size
from skdpflow.inspection._sample import Sample
from skdpflow.release import Release

Array = NDArray[np.float64]

MEASURED, SYNTHETIC = "0.35", "#d55e00"
#: Columns that are drawn if none are named, and categories of each; panels beside each other.
_COLUMNS, _CATEGORIES, _WIDTH = 12, 16, 3
#: Parts of an axis: no bar is narrower than one.
PARTS = 32
#: Share from which on a single value is drawn as one.
LEAST_ATOM = 0.005
#: A bin at an end of the axis that holds less than this and is wider than this part of it is shown in part.
LITTLE, WIDE = 0.06, 0.2
#: Bins at the ends with less than this are left out.
CROPPED = 0.001


class MarginalsDisplay:
    """Picture of columns: the released histogram of each, with its noise, against that of a synthetic sample.

    Use `from_estimator` or `from_release` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    marginals : list of Marginal
        The columns.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_columns,)
        A panel for each column.
    figure_ : matplotlib Figure
        The figure around them.

    See Also
    --------
    QualityReport : The same in numbers, with two-way tables.

    Notes
    -----
    Bars are shares of the rows: of numbers, per equal part of the axis, so that wide and narrow bins can be compared.
    Whiskers are two standard deviations of the noise. Single values that many rows share are drawn as stems, and
    missing cells beside the axis. A skewed column that is not negative has a logarithmic axis. A column that was
    measured as its difference from another one is drawn as that difference, by the name "end - start". All of it is a
    function of the Release, and as public.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.inspection import MarginalsDisplay
    >>> X = np.random.default_rng(0).uniform(size=(500, 2))
    >>> flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X)
    >>> display = MarginalsDisplay.from_estimator(flow, random_state=0)
    >>> [ax.get_title() for ax in display.axes_]
    ['x0', 'x1']
    """

    def __init__(self, *, marginals: list[Marginal]) -> None:
        self.marginals = marginals

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        columns: Sequence[str] | None = None,
        n_samples: int | None = None,
        random_state: Any = None,
        axes: Any = None,
    ) -> Self:
        """Draw released and synthetic columns of a fitted flow.

        Parameters
        ----------
        estimator : DPSlicedWassersteinFlow
            The fitted flow.
        columns : sequence of str or None, default=None
            Names of columns; None takes the first 12.
        n_samples : int or None, default=None
            Number of synthetic rows; None takes as many as the Release estimates, from 10,000 to 50,000.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness of the synthetic rows.
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each column; None makes a new figure.

        Returns
        -------
        display : MarginalsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a name is none of the columns, or the Release has no histograms.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        release = estimator.release_
        n = sample_size(release) if n_samples is None else check_int(cls.__name__, "n_samples", n_samples, 1)
        rng = check_generator(cls.__name__, "random_state", random_state)
        sample = Sample.draw(estimator._model, release, n, rng)
        return cls(marginals=_wanted(release, sample, columns)).plot(axes)

    @classmethod
    def from_release(cls, release: Release, *, columns: Sequence[str] | None = None, axes: Any = None) -> Self:
        """Draw the columns of a Release as they were measured.

        Parameters
        ----------
        release : Release
            What a fit released.
        columns : sequence of str or None, default=None
            Names of columns; None takes the first 12.
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each column; None makes a new figure.

        Returns
        -------
        display : MarginalsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a name is none of the columns, or the Release has no histograms.
        ImportError
            If matplotlib is not installed.
        """
        return cls(marginals=_wanted(release, None, columns)).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each column; None makes a new figure.

        Returns
        -------
        display : MarginalsDisplay
            Itself.

        Raises
        ------
        ValueError
            If there are fewer axes than columns.
        ImportError
            If matplotlib is not installed.
        """
        if axes is None:
            axes = grid_of_axes(len(self.marginals), _WIDTH)
        self.axes_ = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        if len(self.axes_) < len(self.marginals):
            raise ValueError(f"{len(self.marginals)} columns need as many axes. Got {len(self.axes_)}.")
        for marginal, ax in zip(self.marginals, self.axes_, strict=False):
            _draw(marginal, ax)
        self.axes_[0].legend(frameon=False, fontsize="small")
        self.figure_ = self.axes_[0].figure
        return self


def _wanted(release: Release, sample: Sample | None, columns: Sequence[str] | None) -> list[Marginal]:
    """Return the columns to be drawn."""
    names = column_names(release)
    measured = dict(zip(own_names(release), names, strict=True))
    wanted = names[:_COLUMNS] if columns is None else [measured.get(str(name), str(name)) for name in columns]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ValueError(f"There are no columns {unknown}; the columns are {names[:20]}.")
    found = marginals(release, sample, wanted)
    if not found:
        raise ValueError("This Release holds no histograms of these columns, so there is nothing to draw.")
    return found


def _draw(marginal: Marginal, ax: Any) -> None:
    if marginal.edges is None:
        ticks, names = _draw_categories(marginal, ax)
    else:
        ticks, names = _draw_numbers(marginal, marginal.edges, ax)
    if marginal.missing is not None:
        low, high = ax.get_xlim()
        width = 0.4 if marginal.edges is None else 0.025 * (high - low)
        place = (high + 0.6) if marginal.edges is None else high + 3.0 * width
        _beside(ax, place, width, marginal.missing, marginal.sd)
        ticks, names = [*ticks, place], [*names, "missing"]
        ax.set_xlim(low, place + 2.0 * width)
    turned = marginal.edges is None and max(map(len, names), default=0) * len(names) > 30
    ax.set_xticks(ticks, names, rotation=45 if turned else 0, ha="right" if turned else "center", fontsize="small")
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0] if marginal.measured.min(initial=0.0) < 0.0 else 0.0))
    ax.set_title(marginal.name)
    ax.spines[["top", "right"]].set_visible(False)


def _beside(ax: Any, place: float, width: float, shares: Sequence[float], sd: float) -> None:
    """Draw missing cells, hatched, beside the axis."""
    ax.axvline(place - 1.7 * width, color="0.8", linewidth=0.8)
    for k, (share, colour) in enumerate(zip(shares, (MEASURED, SYNTHETIC), strict=False)):
        x = place + (k - 0.5) * width
        ax.bar(x, share, width, color="none", edgecolor=colour, hatch="////", yerr=2.0 * sd if k == 0 else None)


def _draw_categories(marginal: Marginal, ax: Any) -> tuple[list[float], list[str]]:
    """Draw bars beside each other; of many categories the most frequent, and the others together."""
    measured, sampled, labels, sds = marginal.measured, marginal.sampled, list(marginal.labels), marginal.sd
    sd = np.full(len(measured), sds)
    if len(labels) > _CATEGORIES:
        order = np.argsort(-measured, kind="stable")
        first, rest = np.sort(order[: _CATEGORIES - 1]), order[_CATEGORIES - 1 :]
        labels = [*(labels[k] for k in first), f"{len(rest)} others"]
        measured = np.append(measured[first], measured[rest].sum())
        sd = np.append(sd[first], sds * len(rest) ** 0.5)
        sampled = None if sampled is None else np.append(sampled[first], sampled[rest].sum())
    x = np.arange(len(labels), dtype=np.float64)
    width = 0.4 if sampled is not None else 0.8
    shift = width / 2.0 if sampled is not None else 0.0
    ax.bar(x - shift, measured, width, yerr=2.0 * sd, color="0.75", ecolor=MEASURED, label="measured, +- 2 sd")
    if sampled is not None:
        ax.bar(x + shift, sampled, width, color=SYNTHETIC, label="synthetic")
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.set_ylabel("share of rows")
    return x.tolist(), labels


def _draw_numbers(marginal: Marginal, edges: Array, ax: Any) -> tuple[list[float], list[str]]:
    """Draw steps over the axis, and stems of single values."""
    column, logarithmic = marginal.column, marginal.logarithmic
    assert isinstance(column, Interval)
    stems = marginal.atoms & (marginal.measured > max(3.0 * marginal.sd, LEAST_ATOM))
    lows, highs = edges[:-1].astype(np.float64), edges[1:].astype(np.float64)
    shown = ~stems
    if logarithmic:
        # the first bin that is drawn may begin at zero, where this axis does not
        held = shown & (highs > 0.0) & ~marginal.atoms
        k = int(np.argmax(held))
        least = lows[k] if lows[k] > 0.01 * highs[k] else highs[k] / 3.0
        shown &= highs > least
        lows, highs = (np.log10(np.maximum(x, least)) for x in (lows, highs))
    start, stop = _limits(
        lows[shown], highs[shown], (marginal.measured if marginal.sampled is None else marginal.sampled)[shown]
    )
    groups = _groups(lows[shown], highs[shown], (stop - start) / PARTS)
    first, last = lows[shown][groups], highs[shown][np.append(groups[1:], shown.sum()) - 1]
    density = (stop - start) / PARTS / np.maximum(last - first, np.finfo(np.float64).tiny)
    noise = 2.0 * marginal.sd * density * np.sqrt(np.diff(np.append(groups, shown.sum())))
    _steps(ax, first, last, np.add.reduceat(marginal.measured[shown], groups) * density, noise)
    if marginal.sampled is not None:
        # a line along the tops; the gap that a single value leaves is too narrow to be seen
        x, y = np.column_stack([first, last]).ravel(), np.add.reduceat(marginal.sampled[shown], groups) * density
        ax.plot(x, np.repeat(y, 2), color=SYNTHETIC, linewidth=1.4, label="synthetic")
    slot = _stems(marginal, ax, lows, np.flatnonzero(stems), start, stop, logarithmic)
    ax.set_xlim(start - 0.02 * (stop - start) if slot is None else slot - 0.05 * (stop - start), stop)
    ax.set_ylabel(f"share of rows, per 1/{PARTS} of the axis", fontsize="small")
    ticks, names = _ticks(column, start, stop, logarithmic)
    return (ticks, names) if slot is None else ([slot, *ticks], ["0", *names])


def _limits(lows: Array, highs: Array, shares: Array) -> tuple[float, float]:
    """Return the ends of the axis: wide bins at either end that hold little are shown in part."""
    first, last = 0, len(lows) - 1
    while first < last:
        whole = highs[last] - lows[first]
        if shares[first] < LITTLE and highs[first] - lows[first] > WIDE * whole:
            first += 1
        elif shares[last] < LITTLE and highs[last] - lows[last] > WIDE * whole:
            last -= 1
        else:
            break
    held = np.flatnonzero(shares[first : last + 1] > CROPPED)  # and empty bins at the ends are left out
    low, high = (first, last) if not held.size else (first + int(held[0]), first + int(held[-1]))
    margin = 0.08 * (highs[high] - lows[low])
    return max(float(lows[0]), float(lows[low]) - margin), min(float(highs[-1]), float(highs[high]) + margin)


def _groups(lows: Array, highs: Array, least: float) -> NDArray[np.int64]:
    """Return the first bin of each group of neighbours that is wide enough to be seen."""
    out, begin = [0], lows[0]
    for k in range(1, len(lows)):
        if highs[k - 1] - begin >= 0.99 * least and highs[-1] - lows[k] >= 0.99 * least:
            out.append(k)
            begin = lows[k]
    return np.array(out)


def _steps(ax: Any, lows: Array, highs: Array, heights: Array, noise: Array) -> None:
    """Draw the measured bars with their noise."""
    ax.bar(lows, heights, highs - lows, align="edge", color="0.82", label="measured, +- 2 sd")
    ax.errorbar((lows + highs) / 2.0, heights, noise, fmt="none", ecolor=MEASURED, elinewidth=0.8, alpha=0.7)


def _stems(
    marginal: Marginal, ax: Any, lows: Array, atoms: NDArray[np.int64], start: float, stop: float, logarithmic: bool
) -> float | None:
    """Draw single values that hold mass; returns the place of zero where the axis is logarithmic."""
    slot, shift = None, 0.006 * (stop - start)
    for k in atoms:
        x = lows[k]
        if logarithmic and marginal.edges is not None and marginal.edges[k] <= 0.0:
            x = slot = start - 0.08 * (stop - start)
        elif not start <= x <= stop:
            continue
        ax.errorbar(x - shift, marginal.measured[k], 2.0 * marginal.sd, fmt="s", color=MEASURED, markersize=4)
        ax.vlines(x - shift, 0.0, marginal.measured[k], color=MEASURED)
        if marginal.sampled is not None:
            ax.vlines(x + shift, 0.0, marginal.sampled[k], color=SYNTHETIC)
            ax.plot(x + shift, marginal.sampled[k], "o", color=SYNTHETIC, markersize=4)
    return slot


def _ticks(column: Interval, start: float, stop: float, logarithmic: bool) -> tuple[list[float], list[str]]:
    if logarithmic:
        for steps in ((1,), (1, 2, 5)):  # decades, or finer if there are few
            powers = range(int(np.floor(start)), int(np.ceil(stop)) + 1)
            numbers = [step * 10.0**k for k in powers for step in steps if start <= np.log10(step * 10.0**k) <= stop]
            if len(numbers) >= 3:
                break
        numbers = numbers[:: max(1, -(-len(numbers) // 5))]
        return np.log10(numbers).tolist(), [f"{number:g}" for number in numbers]
    from matplotlib.ticker import MaxNLocator

    most = 3 if column.unit is not None else 5
    places = [
        float(u) for u in MaxNLocator(most, integer=column.integer).tick_values(start, stop) if start <= u <= stop
    ]
    return places, [number_name(u, column) for u in places]
