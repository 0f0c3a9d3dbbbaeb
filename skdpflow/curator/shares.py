"""One site's part of a round: its sums with a share of the noise, for sums over sites that do not show their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.fits import MAX_INTEGERS
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.sketch import Sums, sketch_rows
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics import STATISTICS, Block, Statistic
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.codes import NO_PLACE, n_codes, outside_of
from skdpflow.latent.rank import DRAWN, RankTransform
from skdpflow.release.implied import SUMMED

__all__ = ["noisy_shares", "sums_of"]

#: Made-up rows on which parameters are tried: more than a column has kinds of codes.
_PROBES = 16


def sums_of(asked: Sequence[tuple[str, Mapping[str, Any]]], domain: Domain, target: Column | None) -> Sums:
    """Return the query for kinds with parameters; refuses kinds that are no sums, and parameters that do not fit."""
    for kind, _ in asked:
        if kind not in SUMMED:
            raise ValueError(f"Sites answer sums of the kinds {SUMMED}, and not {kind!r}.")
    query, problem = Sums([(STATISTICS[kind], params) for kind, params in asked], domain, target), None
    try:
        statistics = query.statistics
    except ValueError as e:
        problem = str(e)
    except Exception as e:  # parameters may be anything
        problem = type(e).__name__
    if problem is not None:
        raise ValueError(f"The parameters of a request do not fit its kind: {problem}")
    if sum(int(np.prod(statistic.shape)) for statistic in statistics) > MAX_INTEGERS:
        raise ValueError(f"A request may ask for at most {MAX_INTEGERS} integers.")
    columns = [*domain.columns, *((target,) if isinstance(target, Interval) else ())]
    if not all(_lies_on(params, columns) for _, params in asked if "latent_levels" in params):
        raise ValueError("The latent space of a request does not fit the columns of the federation.")
    _rehearse(statistics, columns, target)
    return query


def _lies_on(params: Mapping[str, Any], columns: Sequence[Column]) -> bool:
    """Say whether the layouts of a latent space are those of the columns: others treat single codes apart."""
    try:
        transform = RankTransform.from_params(params)
        orders, layouts = transform.orders, transform.layouts
        return len(layouts) == len(columns) and all(
            (layout.n_values, layout.n_levels) == (column.n_values, column.n_levels)
            and len(layout.homes) == len(outside_of(column))
            and all(type(home) is int and DRAWN <= home <= column.n_levels for home in layout.homes)
            and (layout.gap is None or (column.nullable and 0 <= layout.gap < column.n_levels))
            and (order is None or np.array_equal(np.sort(order), np.arange(column.n_levels)))
            for layout, order, column in zip(layouts, orders, columns, strict=True)
        )
    except Exception:  # parameters may be anything
        return False


def _rehearse(statistics: Sequence[Statistic], columns: Sequence[Column], target: Column | None) -> None:
    """Refuse parameters that do not fit the columns, by made-up rows, so that no private row decides an error."""
    which = np.arange(_PROBES)
    codes = np.column_stack([np.roll(_probes(column), j) for j, column in enumerate(columns)])
    classes = np.zeros(_PROBES, dtype=np.int64)
    if isinstance(target, Categories):
        classes = np.where(which < _PROBES - 1, which % target.n_levels, NO_PLACE)

    def ranks() -> NDArray[np.float64]:
        return np.broadcast_to((which / _PROBES)[:, None], codes.shape)

    def raw(wanted: Sequence[int]) -> NDArray[np.float64]:
        return np.zeros((_PROBES, len(wanted)))

    block = Block(codes, classes, ranks, raw, columns)
    for statistic in statistics:
        shape = None
        try:
            shape = statistic.contributions(block).shape
        except Exception:  # of whatever kind: parameters may be anything
            pass
        if shape != statistic.shape:
            raise ValueError("The parameters of a request do not fit the columns or the classes of the federation.")


def _probes(column: Column) -> NDArray[np.int64]:
    """Return codes of a column: some of values, and all others, of what is missing or lies outside."""
    others = np.arange(column.n_values, n_codes(column))
    values = np.linspace(0, column.n_values - 1, _PROBES - len(others))
    return np.concatenate([values.astype(np.int64), others])


def noisy_shares(
    source: RowSource,
    query: Sums,
    shifts: Sequence[int],
    scales: Sequence[NDArray[np.float64]],
    noise: NoiseSource,
    *,
    n_jobs: int | None = None,
) -> list[NDArray[np.uint64]]:
    """Return the sums over all rows, each shifted and with fresh noise, modulo 2**64."""
    sketches = sketch_rows(source, query, noise.rank_key(), n_jobs=n_jobs)
    return [
        sketch.release(noise.rounded_gaussian(scale, statistic.shape), shift).view(np.uint64)
        for sketch, statistic, shift, scale in zip(sketches, query.statistics, shifts, scales, strict=True)
    ]
