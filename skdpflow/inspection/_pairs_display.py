"""The picture of pairs of columns: released two-way tables beside those of a synthetic sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skdpflow._validation import check_generator, check_int
from skdpflow.inspection._axes import grid_of_axes
from skdpflow.inspection._released import sample_size
from skdpflow.inspection._sample import Sample
from skdpflow.inspection._tables import two_way_tables
from skdpflow.release import Release
from skdpflow.release.pooling import pooled
from skdpflow.release.size import Rows

Array = NDArray[np.float64]

#: Pairs that are drawn if none are named; panels beside each other; labels of an axis.
_PAIRS, _WIDTH, _TICKS = 6, 4, 6


@dataclass(frozen=True, eq=False)
class Pair:
    """A two-way table: shares of the rows in its entries, as they were released and of a sample.

    Parameters
    ----------
    names : tuple of str
        The two columns.
    labels : tuple of sequence of str
        What the bins of each column are called.
    measured : ndarray of shape (n_bins, n_other_bins)
        Released shares, with their noise.
    sd : float
        Standard deviation of the noise of a share.
    sampled : ndarray of shape (n_bins, n_other_bins) or None
        Shares of a synthetic sample.
    """

    names: tuple[str, str]
    labels: tuple[Sequence[str], Sequence[str]]
    measured: Array
    sd: float
    sampled: Array | None


class PairsDisplay:
    """Picture of pairs of columns: each released two-way table beside that of a synthetic sample.

    Use `from_estimator` or `from_release` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    pairs : list of Pair
        The two-way tables.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_panels,)
        A panel for each table: of each pair the measured one, followed by the synthetic one if there is a sample.
    figure_ : matplotlib Figure
        The figure around them.

    See Also
    --------
    MarginalsDisplay : Single columns.
    QualityReport : The same in numbers.

    Notes
    -----
    Colours are shares of the rows. The two tables of a pair have one scale, from zero to the largest share. Shares that
    noise made negative are drawn as zero. The title of a measured table tells two standard deviations of its noise. All
    of it is a function of the Release, and as public. Pairs that were not measured are not drawn: of these, the Release
    knows at most a correlation.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.inspection import PairsDisplay
    >>> x = np.random.default_rng(0).uniform(size=4000)
    >>> flow = DPSlicedWassersteinFlow(epsilon=3.0, domain=(0, 1)).fit(np.column_stack([x, x**2]))
    >>> display = PairsDisplay.from_estimator(flow, random_state=0)
    >>> sorted(display.pairs[0].names), len(display.axes_)
    (['x0', 'x1'], 2)
    """

    def __init__(self, *, pairs: list[Pair]) -> None:
        self.pairs = pairs

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        pairs: Sequence[tuple[str, str]] | None = None,
        n_samples: int | None = None,
        random_state: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw released and synthetic two-way tables of a fitted flow.

        Parameters
        ----------
        estimator : DPSlicedWassersteinFlow
            The fitted flow.
        pairs : sequence of pairs of str or None, default=None
            Names of columns, in either order; None takes the first 6 pairs that were measured.
        n_samples : int or None, default=None
            Number of synthetic rows; None takes as many as the Release estimates, from 10,000 to 50,000.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness of the synthetic rows.
        ax : sequence of matplotlib Axes or None, default=None
            Where to draw, two for each pair; None makes a new figure.

        Returns
        -------
        display : PairsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a pair was not measured.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        release = estimator.release_
        n = sample_size(release) if n_samples is None else check_int(cls.__name__, "n_samples", n_samples, 1)
        rng = check_generator(cls.__name__, "random_state", random_state)
        sample = Sample.draw(estimator._model, release, n, rng)
        return cls(pairs=_wanted(_pairs(sample, n), pairs)).plot(ax)

    @classmethod
    def from_release(cls, release: Release, *, pairs: Sequence[tuple[str, str]] | None = None, ax: Any = None) -> Self:
        """Draw the two-way tables of a Release as they were measured.

        Parameters
        ----------
        release : Release
            What a fit released.
        pairs : sequence of pairs of str or None, default=None
            Names of columns, in either order; None takes the first 6 pairs that were measured.
        ax : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each pair; None makes a new figure.

        Returns
        -------
        display : PairsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a pair was not measured.
        ImportError
            If matplotlib is not installed.
        """
        nothing = np.empty((0, len(release.declared))), np.empty(0, dtype=np.int64)
        return cls(pairs=_wanted(_pairs(Sample(release, *nothing), 0), pairs)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each table; None makes a new figure.

        Returns
        -------
        display : PairsDisplay
            Itself.

        Raises
        ------
        ValueError
            If there are fewer axes than tables.
        ImportError
            If matplotlib is not installed.
        """
        panels = [(pair, own) for pair in self.pairs for own in (False, True)[: 1 + (pair.sampled is not None)]]
        self.axes_ = np.atleast_1d(np.asarray(grid_of_axes(len(panels), _WIDTH) if ax is None else ax)).ravel()
        if len(self.axes_) < len(panels):
            raise ValueError(f"{len(panels)} tables need as many axes. Got {len(self.axes_)}.")
        for (pair, synthetic), own in zip(panels, self.axes_, strict=False):
            _draw(pair, synthetic, own)
        self.figure_ = self.axes_[0].figure
        return self


def _pairs(sample: Sample, n: int) -> list[Pair]:
    """Return the two-way tables of a Release, and of a sample of n rows."""
    release = pooled(sample.release)
    rows, out = Rows.of(release.measurements).number, []
    for own, shape, labels in two_way_tables(sample, release.measurements):
        measured, sampled = (counts.sum(axis=0).reshape(shape) for counts in (own.measured, own.sampled))
        sd = float(own.sd[0]) * len(own.measured) ** 0.5 / rows
        names = own.names[0], own.names[1]
        out.append(Pair(names, labels, measured / rows, sd, sampled / n if n else None))
    return out


def _wanted(found: list[Pair], wanted: Sequence[tuple[str, str]] | None) -> list[Pair]:
    """Return the pairs to be drawn."""
    if not found:
        raise ValueError("This Release holds no two-way tables, so there is nothing to draw.")
    if wanted is None:
        return found[:_PAIRS]
    known = {frozenset(pair.names): pair for pair in found}
    unknown = [tuple(names) for names in wanted if frozenset(names) not in known]
    if unknown:
        measured = ", ".join(" x ".join(pair.names) for pair in found[:20])
        raise ValueError(f"The pairs {unknown} were not measured. Measured are: {measured}.")
    return [known[frozenset(names)] for names in wanted]


def _draw(pair: Pair, synthetic: bool, ax: Any) -> None:
    tables = [pair.measured] if pair.sampled is None else [pair.measured, pair.sampled]
    most = max(*(float(table.max()) for table in tables), 1e-12)
    shares = np.maximum(tables[-1] if synthetic else pair.measured, 0.0)
    image = ax.imshow(shares.T, origin="lower", aspect="auto", cmap="Blues", vmin=0.0, vmax=most)
    ax.set_title("synthetic" if synthetic else f"measured, +- {2.0 * pair.sd:.1g}", fontsize="medium")
    ax.set_xlabel(pair.names[0])
    _label(ax.xaxis, pair.labels[0])
    ax.xaxis.set_tick_params(rotation=30)
    if synthetic:  # beside the measured table, which has the same bins
        ax.set_yticks([])
    else:
        ax.set_ylabel(pair.names[1])
        _label(ax.yaxis, pair.labels[1])
    if synthetic or pair.sampled is None:
        ax.figure.colorbar(image, ax=ax, format="%.2g").set_label("share of rows", fontsize="small")


def _label(axis: Any, labels: Sequence[str]) -> None:
    every = max(1, -(-len(labels) // _TICKS))
    axis.set_ticks(range(0, len(labels), every), [_short(label) for label in labels[::every]], fontsize="x-small")


def _short(label: str) -> str:
    """Return the beginning of a label: the lower end of a bin of numbers."""
    label = label.partition(" to ")[0]
    return label if len(label) <= 14 else f"{label[:13]}…"
