"""L2 sensitivities as functions of public numbers, for whoever measures and whoever reads what was measured.

The proofs are beside the statistics, in `skdpflow.curator.statistics`. ``"replace-one"`` is a removal and an addition.
"""

from __future__ import annotations

import math


def of_ones(n: int, neighbours: str) -> float:
    """Return that of a row that adds one to at most `n` counts."""
    return math.sqrt(n if neighbours == "add-remove" else 2 * n)


def of_ball(steps: int, neighbours: str) -> float:
    """Return that of a row that adds a vector of norm at most `steps`."""
    return float(steps if neighbours == "add-remove" else 2 * steps)


def of_squares(steps: int, neighbours: str) -> float:
    """Return that of a row that adds the products of such a vector's entries, those off the diagonal weighted twice."""
    return steps**2 * (1.0 if neighbours == "add-remove" else math.sqrt(2.0))


def of_score(neighbours: str) -> float:
    """Return the largest change of a sum of absolute differences of counts, of which a row changes one."""
    return 1.0 if neighbours == "add-remove" else 2.0
