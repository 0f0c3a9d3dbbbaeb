"""Where the mass of numeric columns lies: public grids, bins of which are refined where they stand out of their noise.

Bounds are declared honestly, so they are wide. A first round counts all classes together on a grid of many scales that
depends on the declared column alone. Later rounds cut what stands out of its known noise into parts; every part gets
noise, empty ones too, so nothing but counts is released. Single values are bins as well: declared ones, the bounds, 0,
usual codes of "unknown", short decimals inside refined bins, and whole numbers. They are candidates that everybody can
write down. Other values that many rows share, such as means that were filled in, are isolated: further rounds cut the
bins that may hide one until these are one number. Which bins are cut and which single values are kept follows from
noisy counts: no number is copied from a row.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.grid import FEW_VALUES, Grid, after
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.mass import Estimate, estimated
from skdpflow.release import Measurement
from skdpflow.release.request import PlanContext, Request
from skdpflow.release.tables import locations_of

Array = NDArray[np.float64]

#: Octaves of the public grid around 0 and towards both bounds, bins of an octave around 0, equal bins of the width.
OCTAVES, PER_OCTAVE, LINEAR = 24, 2, 16
#: Values that often stand for "unknown", "refused" and the like.
USUAL_CODES = (-1, -9, -99, -999, 9, 77, 88, 99, 888, 999, 8888, 9999, 99999)
#: Narrower columns are measured on their declared scale: there are too few numbers between their bounds.
NARROWEST = 1e-270
#: A bin is refined if its count exceeds so many standard deviations of its noise.
STANDS_OUT = 3.0
#: Fewest and most parts of a refined bin, and most new bins of a column in a round.
LEAST_PARTS, MOST_PARTS, MOST_BINS = 8, 512, 768
#: A bin may hide a single value if its count exceeds so many deviations of the noise that its parts are going to have.
HIDES = 5.0
#: Most columns in which such bins are cut in a round: more would take slack and memory from other statistics.
MOST_ISOLATED = 64
#: Short decimals of a refined bin that are bins of their own.
DECIMALS = 10
#: Share of the values below which a single one is no atom, whatever the noise.
LEAST_ATOM = 0.005
#: Rows that a single value has at least: in a small table the share above is less than one.
LEAST_ROWS = 5.0
#: Most single values of a column that are bins of their own: those with the largest counts, and declared ones.
MOST_ATOMS = 64
#: A column keeps its declared scale if its values need so large a part of its width.
WIDE_ENOUGH = 0.25
#: A column is done if so large a part of it is known, and its declared scale serves.
KNOWN = 0.9
#: Share that is spread over all bins of a grid, so that every one of them can be told from its neighbours.
FLOOR = 1e-9
#: Shares of all rounds, in order.
LOCATION_ROUNDS = (*policy.LOCATION_SHARES, *policy.ISOLATION_SHARES)


def most_bins(column: Interval) -> list[int]:
    """Return how many counts of a column each round may ask for at most."""
    first = len(first_edges(column))
    n_rounds = len(policy.LOCATION_SHARES) if _few(column) else len(LOCATION_ROUNDS)
    return [first + k * MOST_BINS if k < n_rounds else 0 for k in range(len(LOCATION_ROUNDS))]


def _few(column: Interval) -> bool:
    """Whether a column has few values, which histograms tell apart where there are rows enough to see single ones."""
    return column.discrete and column.n_values <= policy.VALUES[1]


def wants_locating(column: object) -> bool:
    """Whether a column is measured on bins that are to be located."""
    if not isinstance(column, Interval) or (column.discrete and column.n_values <= FEW_VALUES):
        return False
    low, end = ends_of(column)
    # a bin has to end beyond the upper bound, which the largest numbers have no room for
    return float(column.upper) - low > NARROWEST and float(column.upper) < end < np.inf


def ask_location(
    context: PlanContext, first: Request
) -> Generator[list[Request], list[Measurement], tuple[Measurement, tuple[Column, ...], float]]:
    """Ask where the mass of the columns lies."""
    columns = tuple(c.without_grid() if isinstance(c, Interval) else c for c in context.columns)
    wanted = {j: c for j, c in enumerate(columns) if isinstance(c, Interval) and wants_locating(c)}
    spent = n = 0.0
    if not wanted:
        (answer,) = yield [first]
        return answer, columns, spent
    rounds: list[Measurement] = []
    edges = {j: first_edges(c) for j, c in wanted.items()}
    for k, share in enumerate(LOCATION_ROUNDS):
        if k >= len(policy.LOCATION_SHARES):
            edges = _isolating_edges(columns, rounds, n, k)
        elif k:
            edges = _next_edges(columns, rounds, n)
        if not edges:
            continue  # columns that need no finer bins may still have some that hide a single value
        params = {
            "columns": np.array(list(edges)),
            "edges": np.concatenate(list(edges.values())),
            "edge_sizes": np.array([len(e) for e in edges.values()]),
        }
        # the noise stays what it is if some columns are done
        request = Request(f"location{k + 1}", "location", share * len(edges) / len(wanted), params)
        if k:
            rounds += yield [request]
        else:
            answer, *rounds = yield [first, request]
            n = max(float(answer.values.sum()), 1.0)
        spent += request.share
    return answer, with_grids(columns, rounds, n), spent


@dataclass
class Counted:
    """What was counted of a column, round by round: edges of bins, counts, their noise, and bins without a value."""

    edges: list[Array] = field(default_factory=list)
    counts: list[Array] = field(default_factory=list)
    sds: list[float] = field(default_factory=list)
    missing: list[float] = field(default_factory=list)

    @property
    def noise(self) -> Array:
        """Noise of the counts of the last bins: each was a bin of all rounds since it was cut."""
        ends = [np.isin(self.edges[-1], e) for e in self.edges]
        return np.asarray(sum((own[1:] & own[:-1]) / sd**2 for own, sd in zip(ends, self.sds, strict=True)) ** -0.5)

    def total(self, n: float) -> float:
        """Return about how many of n rows have a value."""
        missing = float(np.average(self.missing, weights=np.array(self.sds) ** -2))
        return max(n - max(missing, 0.0), 1.0)


def counted(rounds: Sequence[Measurement]) -> dict[int, Counted]:
    """Return what was counted of each column."""
    out: dict[int, Counted] = {}
    for m in rounds:
        for j, e, h in locations_of(m):
            own = out.setdefault(j, Counted())
            own.edges.append(e)
            own.counts.append(h[:-1])
            own.sds.append(float(np.max(m.sd)))
            own.missing.append(float(h[-1]))
    return out


def _estimates(rounds: Sequence[Measurement], n: float) -> dict[int, tuple[Counted, Estimate]]:
    found = counted(rounds)
    own = list(found.values())
    masses = estimated([c.edges for c in own], [c.counts for c in own], [c.sds for c in own], [c.total(n) for c in own])
    return {j: (c, mass) for (j, c), mass in zip(found.items(), masses, strict=True)}


def _next_edges(columns: Sequence[Column], rounds: Sequence[Measurement], n: float) -> dict[int, Array]:
    """Return the bins of the next round, of the columns of the last one that are not sure to keep their scale."""
    out, last = {}, {int(j) for j in rounds[-1].params["columns"]}
    for j, (own, estimate) in _estimates(rounds, n).items():
        column = columns[j]
        assert isinstance(column, Interval)
        visible = not _few(column) and STANDS_OUT * own.noise.min() < LEAST_ATOM * n  # single values, if there are any
        known = estimate.known > KNOWN and located(column, own.edges[-1], estimate, own.noise) is None
        if j in last and (visible or not known):
            out[j] = refined(own.edges[-1], own.counts[-1], own.sds[-1], column.integer)
    return out


def _isolating_edges(columns: Sequence[Column], rounds: Sequence[Measurement], n: float, k: int) -> dict[int, Array]:
    """Return the bins of round k, of the columns in which some may hide a single value."""
    out, noise = dict[int, Array](), (LOCATION_ROUNDS[0] / LOCATION_ROUNDS[k]) ** 0.5
    for j, own in counted(rounds).items():
        column, edges, sd = columns[j], own.edges[-1], noise * own.sds[0]
        assert isinstance(column, Interval)
        if len(out) < MOST_ISOLATED and not _few(column):
            finer = isolated(edges, own.counts[-1], own.total(n), sd, len(LOCATION_ROUNDS) - k, column.integer)
            if len(finer) > len(edges):
                out[j] = finer
    return out


def with_grids(columns: Sequence[Column], rounds: Sequence[Measurement], n: float) -> tuple[Column, ...]:
    """Return columns with the grids that their counts show."""
    out = list(columns)
    for j, (own, estimate) in _estimates(rounds, n).items():
        column = out[j]
        assert isinstance(column, Interval)
        out[j] = replace(column, grid=located(column, own.edges[-1], estimate, own.noise))
    return tuple(out)


def ends_of(column: Interval) -> tuple[float, float]:
    """Return where a column begins, and where what follows it begins."""
    lower, upper = float(column.lower), float(column.upper)
    return lower, float(after(np.array(upper), column.integer))


def first_edges(column: Interval) -> Array:
    """Return the public grid of a column: a function of what is declared."""
    low, end = ends_of(column)
    upper = float(column.upper)
    width, largest = upper - low, max(abs(low), abs(upper))
    magnitudes = largest * 2.0 ** (-np.arange(0, OCTAVES * PER_OCTAVE + 1) / PER_OCTAVE)
    halves = width * 2.0 ** -np.arange(1.0, OCTAVES)
    linear = low + width * (np.arange(1, LINEAR) / LINEAR)
    edges = np.concatenate([magnitudes, -magnitudes, linear, low + halves, upper - halves])
    atoms = np.array([0.0, low, upper, *USUAL_CODES, *column.special], dtype=np.float64)
    return _inside(edges, atoms, low, end, column.integer)


def _inside(edges: Array, atoms: Array, low: float, end: float, integer: bool) -> Array:
    """Return edges and those of single values, between two ends."""
    edges = np.rint(edges) if integer else edges
    atoms = np.rint(atoms) if integer else atoms
    out = np.concatenate([[low, end], edges, atoms, after(atoms, integer)])
    return np.unique(out[(out >= low) & (out <= end)]) + 0.0


def refined(edges: Array, counts: Array, sd: float, integer: bool) -> Array:
    """Cut what stands out of its noise into parts, the more the larger its count is."""
    wide = edges[1:] > after(edges[:-1], integer)
    order = np.argsort(-counts, kind="stable")
    chosen = order[wide[order] & (counts[order] > STANDS_OUT * sd)]
    parts = 2.0 ** np.floor(np.log2(np.maximum((counts[chosen] / (4.0 * sd)) ** 2, 1.0)))
    parts = np.clip(parts, LEAST_PARTS, MOST_PARTS)
    held = counts[chosen]
    singles = np.where(integer | (held < LEAST_ATOM * counts.sum()), 0, 2 * DECIMALS)
    while (parts + singles).sum() > MOST_BINS and parts.max() > LEAST_PARTS:
        parts[np.argmin(np.where(parts > LEAST_PARTS, held / parts, np.inf))] /= 2.0  # where parts would hold least
    new, left = [edges], MOST_BINS
    for i, n, decimals in zip(chosen, parts.astype(int), singles > 0, strict=True):
        a, b = edges[i], edges[i + 1]
        own = [np.linspace(a, b, n + 1)[1:-1], np.zeros(0)]
        if integer:
            own[0] = np.rint(own[0])
        if decimals:
            short = _short_decimals(a, b)
            own[1] = np.concatenate([short, after(short, False)])
        left -= len(own[0]) + len(own[1])
        if left < 0:
            break
        new += [part[(part > a) & (part < b)] for part in own]
    return np.unique(np.concatenate(new))


def _short_decimals(a: float, b: float) -> Array:
    """Return the shortest decimals between two numbers: candidates that everybody can write down."""
    digit = int(np.floor(np.log10(b - a)))
    if not -300 < digit < 300 or max(abs(a), abs(b)) > 2.0**52 * 10.0**digit:
        return np.zeros(0)
    counts = np.arange(np.ceil(a / 10.0**digit), b / 10.0**digit + 1.0)
    short = counts * 10.0**digit if digit >= 0 else counts / 10.0**-digit  # as the decimal reads
    return np.asarray(short[(short > a) & (short < b)][:DECIMALS])


def isolated(edges: Array, counts: Array, total: float, sd: float, n_rounds: int, integer: bool) -> Array:
    """Cut the bins that may hide a single value, as many as can be one number after this round and the others left.

    Such a bin holds far more than a smooth column that fills its bounds has in one so narrow. Parts have equally many
    numbers of double precision, so a value next to 0 takes no more rounds than another.
    """
    least = total * np.maximum(np.sqrt(np.diff(edges) / (edges[-1] - edges[0])), LEAST_ATOM)
    places = edges.astype(np.int64) if integer else _folded(edges.view(np.int64))
    numbers = np.diff(places)
    chosen = np.flatnonzero((counts > np.maximum(least, max(HIDES * sd, LEAST_ROWS))) & (numbers > 1))
    chosen = chosen[np.argsort(numbers[chosen], kind="stable")]  # those first that are nearly there
    parts = np.ceil(numbers[chosen] ** (1.0 / n_rounds))
    parts = parts[np.cumsum(parts) <= MOST_BINS]
    parts = parts * (MOST_BINS / max(parts.sum(), 1.0))  # what room is left saves rounds
    new = [
        places[i] + np.linspace(0, numbers[i], int(n), endpoint=False).astype(np.int64)
        for i, n in zip(chosen, parts, strict=False)
    ]
    finer = np.unique(np.concatenate([places, *new]))
    return finer.astype(np.float64) if integer else _folded(finer).view(np.float64)


def _folded(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the numbers of double precision in their order, by their bits; the inverse is the same."""
    return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)


def single_values(edges: Array, mass: Array, noise: Array, integer: bool) -> NDArray[np.bool_]:
    """Say which bins are single values that hold more than what lies beside them makes likely."""
    with np.errstate(over="ignore"):
        width = np.minimum(np.diff(edges), np.finfo(np.float64).max)
        # of what the bin before or after holds, the part that one as dense holds; of floats next to each other, all
        before, after_it = np.minimum(width[1:] / width[:-1], 1.0), np.minimum(width[:-1] / width[1:], 1.0)
    beside = 0.5 * (np.append(0.0, before * mass[:-1]) + np.append(after_it * mass[1:], 0.0))
    variance = noise**2 + 0.25 * (
        np.append(0.0, (before * noise[:-1]) ** 2) + np.append((after_it * noise[1:]) ** 2, 0.0)
    )
    least = np.maximum(np.maximum(STANDS_OUT * np.sqrt(variance), beside), max(LEAST_ATOM * mass.sum(), LEAST_ROWS))
    return np.asarray((edges[1:] <= after(edges[:-1], integer)) & (mass - beside > least))


def located(column: Interval, edges: Array, estimate: Estimate, noise: Array) -> Grid | None:
    """Return the grid of a column, or None if its declared scale serves as well."""
    mass = estimate.mass
    total = mass.sum()
    if total <= 0.0 and not column.special:
        return None
    single = edges[1:] <= after(edges[:-1], column.integer)
    special = np.isin(edges[:-1], np.array(column.special, dtype=np.float64))
    atom = single_values(edges, mass, noise, column.integer)
    atom[np.argsort(-np.where(atom, mass, 0.0), kind="stable")[MOST_ATOMS:]] = False
    atom |= single & special
    if not (atom.any() and not _few(column)) and estimate.concentration <= -np.log(WIDE_ENOUGH):
        return None
    keep = np.zeros(len(edges), dtype=np.bool_)
    keep[[0, -1]] = True
    keep[:-1] |= atom
    keep[1:] |= atom
    share, width = mass / max(total, 1e-300), np.diff(edges)
    with np.errstate(divide="ignore"):
        density = np.log(share) - np.log(width)
    steps = np.zeros(len(edges), dtype=np.bool_)
    steps[1:-1] = (share[1:] > 0) != (share[:-1] > 0)
    both = (share[1:] > 0) & (share[:-1] > 0)
    steps[1:-1] |= both & (np.abs(np.where(both, density[1:], 0.0) - np.where(both, density[:-1], 0.0)) > 0.05)
    if not column.integer:  # a single value that is no atom is like its neighbours, where these hold mass
        weak = single & ~atom
        steps[1:-1] &= ~(both & (weak[1:] | weak[:-1]))
    keep |= steps
    final = edges[keep]
    merged = np.add.reduceat(share, np.flatnonzero(keep)[:-1])
    shares = (1.0 - FLOOR) * merged + FLOOR / len(merged)
    return Grid(tuple(final.tolist()), tuple((shares / shares.sum()).tolist()), column.integer)
