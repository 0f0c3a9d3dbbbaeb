"""How the budget is spent: shares, bins, radii, as functions of what is public or already released."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Share of the first round, which tells how many rows there are.
FIRST_SHARES = {"counts": 0.02, "column_moments": 0.05}
#: Radius of the ball of column moments, times the root of the number of columns, and lattice steps of every radius.
COLUMN_RADIUS = 0.9
LATTICE_STEPS = 64
#: Bins of a numeric target's own histogram.
TARGET_BINS = 64


@dataclass(frozen=True)
class Regime:
    """What to measure, and for which share of mu**2.

    Parameters
    ----------
    n_bins : int
        Bins of a numeric column.
    histograms, mean, second_moment, slices : float
        Shares.
    pooled : bool
        Whether all leaves share one second moment.
    radius : float
        Radius of the ball in latent units.
    lattice_steps : int
        The radius in steps of the lattice.
    n_slices, slice_bins : int
        Directions, and bins of each.
    """

    n_bins: int
    histograms: float
    mean: float
    second_moment: float
    slices: float
    pooled: bool
    radius: float
    lattice_steps: int
    n_slices: int
    slice_bins: int


def n_target_cells(n: float, mu: float, d: int) -> int:
    """Number of cells of a numeric target."""
    return int(np.clip(n * mu / (24.0 * d), 2, 16))


def regime(n: float, mu: float, d: int, n_leaves: int, neighbours: str) -> Regime:
    """Choose the regime."""
    return Regime(
        n_bins=64,
        histograms=0.38,
        mean=0.2,
        second_moment=0.35,
        slices=0.0,
        pooled=False,
        radius=1.1 * float(np.sqrt(d)),
        lattice_steps=LATTICE_STEPS,
        n_slices=0,
        slice_bins=16,
    )
