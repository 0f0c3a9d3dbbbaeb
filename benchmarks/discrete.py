"""Between the values of a table and the codes that AIM and MST work on.

Numeric columns are cut into equal bins of their public domain, integers of few values get a bin each, and values are
drawn uniformly from their bin.
"""

from __future__ import annotations

import numpy as np

from skdpflow import Categories


class Bins:
    """Between values and codes of a table, target last."""

    def __init__(self, table, n_bins):
        self.columns = [*table.domain.columns, table.target]
        self.names = [f"c{j}" for j in range(len(self.columns))]
        self.edges = []
        for c in self.columns:
            if isinstance(c, Categories):
                self.edges.append(None)
            elif c.integer and c.n_levels <= n_bins:
                self.edges.append(np.arange(c.lower, c.upper + 2) - 0.5)
            else:
                self.edges.append(np.linspace(c.lower, c.upper, n_bins + 1))
        self.sizes = [c.n_levels if e is None else len(e) - 1 for c, e in zip(self.columns, self.edges, strict=True)]

    def encode(self, X, y):
        codes = []
        for x, c, e in zip([*np.asarray(X, dtype=np.float64).T, np.asarray(y)], self.columns, self.edges, strict=True):
            if e is None:
                codes.append(np.searchsorted(np.array(c.values), x))
            else:
                codes.append(np.clip(np.searchsorted(e, x, side="right") - 1, 0, len(e) - 2))
        return dict(zip(self.names, codes, strict=True))

    def decode(self, codes, rng):
        out = []
        for name, c, e in zip(self.names, self.columns, self.edges, strict=True):
            code = np.asarray(codes[name], dtype=int)
            if e is None:
                out.append(np.array(c.values)[code])
                continue
            x = np.clip(rng.uniform(e[code], e[code + 1]), c.lower, c.upper)
            out.append(np.rint(x) if c.integer else x)
        return np.column_stack(out[:-1]), out[-1]
