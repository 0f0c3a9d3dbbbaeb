"""One site's part of a round: its sums with a share of the noise, for sums over sites that do not show their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.encode import RowSource
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.sketch import sketch_rows
from skdpflow.curator.statistics import STATISTICS, Block, Statistic
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.codes import NO_PLACE, n_codes
from skdpflow.release.implied import SUMMED

__all__ = ["noisy_shares", "rehearse", "statistic_of"]

#: Made-up rows on which parameters are tried.
_PROBES = 16


def statistic_of(kind: str, params: Mapping[str, Any]) -> Statistic:
    """Return the statistic that a request asks for; refuses others, and parameters that are not its own."""
    if kind not in SUMMED:
        raise ValueError(f"Sites answer sums of the kinds {SUMMED}, and not {kind!r}.")
    problem, statistic = "", None
    try:
        statistic = STATISTICS[kind](params)
    except ValueError as e:
        problem = str(e)
    except Exception as e:  # parameters may be anything
        problem = type(e).__name__
    if statistic is None:
        raise ValueError(f"The parameters of a request of the kind {kind!r} do not fit: {problem}")
    return statistic


def rehearse(statistics: Sequence[Statistic], domain: Domain, target: Column | None) -> None:
    """Refuse parameters that do not fit the columns, by made-up rows, so that no private row decides an error."""
    columns = [*domain.columns, *((target,) if isinstance(target, Interval) else ())]
    which = np.arange(_PROBES)
    codes = np.column_stack([which * (n_codes(column) - 1) // (_PROBES - 1) for column in columns]).astype(np.int64)
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


def noisy_shares(
    source: RowSource,
    statistics: Sequence[Statistic],
    shifts: Sequence[int],
    scales: Sequence[NDArray[np.float64]],
    domain: Domain,
    target: Column | None,
    rank_key: int,
    noise: NoiseSource,
    *,
    n_jobs: int | None = None,
) -> list[NDArray[np.uint64]]:
    """Return the sums over all rows, each shifted and with fresh noise, modulo 2**64."""
    sketches = sketch_rows(source, statistics, domain, target, rank_key, n_jobs=n_jobs)
    return [
        sketch.release(noise.rounded_gaussian(scale, statistic.shape), shift).view(np.uint64)
        for sketch, statistic, shift, scale in zip(sketches, statistics, shifts, scales, strict=True)
    ]
