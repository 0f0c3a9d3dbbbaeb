"""How the default mechanism spends its budget, as a function of what is public or already released.

One number decides most: `rows_per_noise`, the rows of a component in units of the noise that a bin of its histograms
would carry with the whole budget, t = n mu / (C sqrt(d)). Where it is small, a few moments are worth more than many
bins, and one second moment for all components more than one for each; where it is large, two-way tables pay.
Partitions, whose regions correct the model where many columns matter at once, pay at every size. They also show how a
numeric target depends on the columns, so that few of its ranges need statistics of their own.
Where the noise allows, components are cut into subcomponents with moments of their own, which show what a normal class
hides. The shares were chosen by ablation on eight real tables (see the benchmarks in the documentation), the switches
follow from the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain.grid import FEW_VALUES

#: Shares of the first round, which tells how many rows there are and where the columns lie.
FIRST_SHARES = {"counts": 0.02, "column_moments": 0.05}
#: Shares of the rounds that locate the mass of columns, on bins that are refined from round to round.
LOCATION_SHARES = (0.04, 0.04, 0.04)
#: Shares of further rounds, which cut the bins that single values fill until these are one number: much noise will do.
ISOLATION_SHARES = (0.005,) * 7
#: Share of a numeric target's own histogram, which cuts it into bins.
TARGET_SHARE = 0.02
#: Fewest and most bins of a numeric target that are components of their own; a further one for so many rows of each
#: column, in units of the noise that the whole budget gives a count.
TARGET_BINS, TARGET_ROWS = (3, 4), 250.0
#: Radius of the ball of column moments, times the root of the number of columns.
COLUMN_RADIUS = 0.9
#: Radius of the ball of latent rows, times the root of the number of columns: a latent row has norm about sqrt(d).
LATENT_RADIUS = 1.1
#: Most steps of a radius: rounding adds step**2 / 12 to a variance, far below the noise.
LATTICE_STEPS = 64
#: Wanted bound of the noise of a second moment in lattice units, well below the curator's limit of 2**24.
_LATTICE_NOISE = 2.0**21
#: Bins of a column in a two-way table.
PAIR_BINS = 16
#: Entries of the tables of all pairs and components in the selection, which is a matter of memory: the curator's limit.
SCORED_ENTRIES = 2**24
#: Up to this noise of the entries of a component's second moment, beside variances of one, a component may have its
#: own.
COMPONENT_NOISE = 0.5
#: It gets its own if that noise is below this part of the variance between components.
LEAF_DIFFERENCE = 0.6
#: Bins of a column in a partition.
PARTITION_BINS = 32
#: Share and number of partitions: where rows are scarce, in between, and from `PARTITIONS_GROW` rows per noise on.
PARTITION_SHARES, PARTITION_NUMBERS = (0.10, 0.20, 0.30), (32, 32, 64)
PARTITIONS_GROW = 500.0
#: With a numeric target they grow from this many on. They are measured in two rounds then, however many there are:
#: which columns matter at once for its size is seen better once a first round has taught the model. For classes a
#: second round did not help.
ORDERED_GROW, ORDERED_ROUNDS = 200.0, 2
#: Rows in a region of a partition, in units of the noise of its count.
PARTITION_ROWS = 3.0
#: Levels of its tree: the fewest, the most, and the most where groups are many.
PARTITION_DEPTHS = (3, 9, 7)
#: Share of the factorial table, which costs all other statistics half as much in noise; bits of its cells, from the
#: fewest that show what two-way tables do not, up to so many in a table of few columns, and of many.
FACTORIAL_SHARE, FACTORIAL_BITS = 0.02, (3, 10, 12)
#: A factorial table is measured if a parity on which all rows of a group agree stands out by so many deviations.
PARITY_SIGNAL = 4.0
#: Two-way tables are measured from this many rows per noise on.
PAIRS_FROM = 60.0
#: One more table for so many rows per noise, from the fewest to a usual number of tables; beyond that for more rows,
#: since each later table disturbs the earlier ones a little; and the most, which is a matter of time.
PAIR_ROWS, USUAL_PAIRS, MORE_PAIR_ROWS, MOST_PAIRS = 20.0, (5, 30), 200.0, 256
#: A component is cut once or twice if the entries of the second moment of a subcomponent then carry at most this noise.
SUBCOMPONENT_NOISES = (0.3, 0.15)
#: How the share of the moments of subcomponents is split.
SUBCOMPONENT_SHARES = {"counts": 0.04, "mean": 0.21, "second_moment": 0.75}
#: Sliced histograms, one block of directions, from this many on; bins of each, of equal predicted mass.
SLICES_FROM, SLICE_BINS = 400.0, 16
#: Integer columns of at most so many values are counted value by value: where rows are scarce, and from `SLICES_FROM`
#: rows per noise on.
VALUES = (FEW_VALUES, 128)
#: Rows per noise from which a numeric column has twice as many bins as before, from 32 on.
MORE_BINS_FROM = (1500.0, 6000.0, 24000.0)
#: Rows per noise at which shares, bins or the number of tables change their rule.
_CHANGES = (
    *(PAIRS_FROM, 80.0, ORDERED_GROW, SLICES_FROM, PARTITIONS_GROW, *MORE_BINS_FROM),
    *(n * PAIR_ROWS for n in USUAL_PAIRS),
    *(n * MORE_PAIR_ROWS for n in (USUAL_PAIRS[1], MOST_PAIRS)),
)


@dataclass(frozen=True)
class Allocation:
    """What to measure, and for which share of mu**2.

    Parameters
    ----------
    n_bins : int
        Bins of a numeric column.
    n_values : int
        Integer columns of at most this many values get one bin a value.
    histograms, mean, second_moment, subcomponents, slices, selection, pairs, partitions, factorial : float
        Shares; with those of the first round they sum to at most one.
    component_noise : float
        Noise of an off-diagonal entry of a component's second moment over its rows, with a third of the budget.
    n_pairs, n_slices : int
        Two-way tables to select and measure, and sliced directions.
    n_cuts : int
        Cuts of each component into subcomponents with moments of their own.
    n_partitions, depth : int
        Partitions to measure, and levels of their trees.
    n_rounds : int
        Rounds of partitions, each grown on the model that the earlier ones have taught.
    n_bits : int
        Bits of the cells of the factorial table; 0 measures none.
    """

    n_bins: int
    n_values: int
    histograms: float
    mean: float
    second_moment: float
    subcomponents: float
    slices: float
    selection: float
    pairs: float
    partitions: float
    factorial: float
    component_noise: float
    n_pairs: int
    n_slices: int
    n_cuts: int
    n_partitions: int
    depth: int
    n_rounds: int
    n_bits: int

    @property
    def most_in_round(self) -> int:
        """Most partitions of one round."""
        return -(-self.n_partitions // self.n_rounds)


def rows_per_noise(n: float, mu: float, d: int, n_components: int) -> float:
    """Rows of a component, in units of the noise of a histogram bin that would cost the whole budget."""
    return n * mu / (n_components * float(np.sqrt(d)))


def lattice_steps(mu: float) -> int:
    """Steps of a radius: finer is not better, and at a tiny budget the noise must not outgrow the lattice.

    Examples
    --------
    >>> from skdpflow.mechanisms.marginals.allocation import lattice_steps
    >>> lattice_steps(0.25), lattice_steps(0.0001)
    (64, 8)
    """
    finest = np.sqrt(_LATTICE_NOISE * mu)
    return int(np.clip(2.0 ** np.floor(np.log2(finest)), 2, LATTICE_STEPS))


def least_steps(d: int) -> int:
    """Return the fewest steps of a radius with which rounding adds a twelfth of its square to a variance, as reckoned.

    Examples
    --------
    >>> from skdpflow.mechanisms.marginals.allocation import least_steps
    >>> least_steps(13), least_steps(784)
    (2, 16)
    """
    return max(2, int(np.ceil(LATENT_RADIUS * np.sqrt(d) / 2.0)))


def n_target_histogram_bins(n: float, mu: float) -> int:
    """Bins of a numeric target's own histogram: few where its noise exceeds its counts."""
    return int(2 ** np.clip(np.floor(np.log2(max(n * mu, 1.0) / 8.0)), 3, 6))


def n_target_bins(n: float, mu: float, d: int) -> int:
    """Cells into which a numeric target is cut: few, since two-way tables and partitions show it, too."""
    return int(np.clip(n * mu / (TARGET_ROWS * d), *TARGET_BINS))


def n_groups(n_components: int, *, ordered: bool) -> int:
    """Groups of components that partitions count apart: classes, but no ranges of a numeric target, which they cut."""
    return 1 if ordered else n_components


def groups_of(n_components: int, *, ordered: bool) -> NDArray[np.int64]:
    """Return the group of each component."""
    return np.arange(n_components) % n_groups(n_components, ordered=ordered)


def n_pair_bins(d: int, n_components: int) -> int:
    """Bins of a column in a two-way table: fewer where there are very many columns or components.

    Examples
    --------
    >>> from skdpflow.mechanisms.marginals.allocation import n_pair_bins
    >>> n_pair_bins(13, 2), n_pair_bins(784, 1)
    (16, 5)
    """
    return min(PAIR_BINS, isqrt(SCORED_ENTRIES // n_components) // d)


def allocate(
    n: float,
    mu: float,
    d: int,
    n_components: int,
    *,
    spent: float = sum(FIRST_SHARES.values()),
    ordered: bool = False,
    n_slices: int | None = None,
    n_pairs: int | None = None,
    n_partitions: int | None = None,
    n_cuts: int | None = None,
    n_bits: int | None = None,
) -> Allocation:
    """Choose what to measure.

    Examples
    --------
    >>> from skdpflow.mechanisms.marginals.allocation import allocate
    >>> allocate(n=300, mu=0.25, d=30, n_components=2).n_pairs
    0
    >>> allocate(n=30_000, mu=0.25, d=13, n_components=2).n_pairs > 0
    True
    """
    t = rows_per_noise(n, mu, d, n_components)
    component_noise = _component_noise(t, d)
    scarce = component_noise > COMPONENT_NOISE
    if n_pairs is None:
        n_pairs = 0 if scarce or t < PAIRS_FROM else _n_pairs(t)
    if n_cuts is None:
        # two columns need no subcomponents: a two-way table shows all
        n_cuts = (
            0 if d < 3 else sum(component_noise * 2**k <= most for k, most in enumerate(SUBCOMPONENT_NOISES, start=1))
        )
    # histograms, mean, second moment, subcomponents
    if n_cuts:
        shares = np.array([0.15, 0.12, 0.16, 0.50])
    else:
        shares = np.array([0.12, 0.48, 0.33] if scarce else [0.35, 0.28, 0.30] if t < 80.0 else [0.40, 0.20, 0.33])
        shares = np.append(shares, 0.0)
    pairs = 0.08 * float(np.clip(t / 200.0, 1.0, 3.0)) if n_pairs else 0.0
    if n_slices is None:
        n_slices = 0 if scarce or t < SLICES_FROM else d
    slices = 0.1 if n_slices else 0.0
    rich = t >= (ORDERED_GROW if ordered else PARTITIONS_GROW)
    level = 0 if scarce else 1 + rich
    n_partitions = PARTITION_NUMBERS[level] if n_partitions is None else n_partitions
    partitions = PARTITION_SHARES[level] if n_partitions else 0.0
    groups = n_groups(n_components, ordered=ordered)
    region_noise = float(np.sqrt(n_partitions / partitions)) / mu if n_partitions else np.inf
    depth = _depth(n / (PARTITION_ROWS * groups * region_noise), groups)
    if n_bits is None:
        n_bits = _factorial_bits(n * mu / groups, d)
    factorial = FACTORIAL_SHARE if n_bits else 0.0
    shares *= (1.0 - spent - pairs - slices - partitions - factorial) / shares.sum()
    histograms, mean, second, subcomponents = (float(s) for s in shares)
    n_bins = 16 if scarce else 32 << sum(t >= least for least in MORE_BINS_FROM)
    return Allocation(
        n_bins=n_bins,
        n_values=VALUES[0] if t < SLICES_FROM else max(VALUES[1], n_bins),
        histograms=histograms,
        mean=mean,
        second_moment=second,
        subcomponents=subcomponents,
        slices=slices,
        selection=pairs / 7.0,
        pairs=pairs * 6.0 / 7.0,
        partitions=partitions,
        factorial=factorial,
        component_noise=component_noise,
        n_pairs=n_pairs,
        n_slices=n_slices,
        n_cuts=n_cuts,
        n_partitions=n_partitions,
        depth=depth,
        n_rounds=ORDERED_ROUNDS if ordered and n_partitions >= ORDERED_ROUNDS else 1,
        n_bits=n_bits,
    )


def _n_pairs(t: float) -> int:
    """Return how many two-way tables pay for so many rows per noise."""
    return int(min(max(np.clip(t / PAIR_ROWS, *USUAL_PAIRS), t / MORE_PAIR_ROWS), MOST_PAIRS))


def _depth(n_regions: float, n_groups: int) -> int:
    """Return the levels of a tree with about so many regions."""
    least, most, with_groups = PARTITION_DEPTHS
    return int(
        np.clip(np.round(np.log2(max(n_regions, 1.0))), least, max(most + 1 - n_groups.bit_length(), with_groups))
    )


def _factorial_bits(rows: float, d: int) -> int:
    """Return the bits of a factorial table for rows of a group, in units of the noise that the whole budget gives."""
    least, few, many = FACTORIAL_BITS
    # the noise of a parity is that of all cells together
    bits = int(2.0 * np.log2(max(rows * np.sqrt(FACTORIAL_SHARE) / PARITY_SIGNAL, 1.0)))
    return 0 if bits < least else min(bits, max(few, min(d, many)))


def all_allocations(mu: float, d: int, **wanted: Any) -> list[Allocation]:
    """Return an allocation of each kind that some number of rows leads to, and those at the ends of every range."""
    one_component = float(np.sqrt(d)) / mu
    shapes = [_component_noise(1.0, d) * 2**k / most for k, most in enumerate((COMPONENT_NOISE, *SUBCOMPONENT_NOISES))]
    beside = (1.0 - 1e-9, 1.0, 1.0 + 1e-9)
    rows = [0.0, *(t * side * one_component for t in (*_CHANGES, *shapes) for side in beside), 1e9 * one_component]
    # groups of components decide whether there is a factorial table: all else is with one, and without
    asked = wanted.pop("n_bits", None)
    all_bits = (0, FACTORIAL_BITS[-1]) if asked is None else (asked,)
    return [
        allocate(max(n, 1e-9 * one_component), mu, d, 1, **wanted, n_bits=n_bits) for n in rows for n_bits in all_bits
    ]


def _component_noise(t: float, d: int) -> float:
    """Return the noise of an off-diagonal entry of a component's second moment, with a third of the budget."""
    return float(LATENT_RADIUS**2 * np.sqrt(d) * np.sqrt(3.0 / 2.0) / t)


def pooled(allocation: Allocation, between: float) -> bool:
    """Whether all components share one second moment."""
    return allocation.component_noise > min(COMPONENT_NOISE, LEAF_DIFFERENCE * between)
