"""New axes of matplotlib, which is optional."""

from __future__ import annotations

from typing import Any

import numpy as np


def pyplot() -> Any:
    """Import matplotlib, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('Pictures need matplotlib. Install it with: pip install "skdpflow[plot]"') from error
    return plt


def new_axes() -> Any:
    """Return the axes of a new figure."""
    return pyplot().subplots()[1]


def grid_of_axes(n: int, width: int) -> Any:
    """Return n axes of a new figure, at most `width` beside each other."""
    columns = max(min(n, width), 1)
    rows = max(-(-n // columns), 1)
    figure, axes = pyplot().subplots(
        rows, columns, figsize=(3.6 * columns + 0.6, 2.7 * rows + 0.4), layout="constrained", squeeze=False
    )
    flat = axes.ravel()
    for unused in flat[n:]:
        figure.delaxes(unused)
    return np.asarray(flat[:n])
