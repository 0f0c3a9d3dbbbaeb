"""How many rows a rare single value (2 %) and a rare category (0.2 %) need at epsilon 1.

    python benchmarks/rare.py

Ten columns; the share that comes back, by the number of rows, as a mean over seeds and the lowest of them.
"""

from __future__ import annotations

import argparse

import numpy as np

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

ATOM, LEVEL = 0.02, 0.002


def table(n, rng):
    cost = np.where(rng.random(n) < ATOM, 0.0, np.exp(rng.normal(8.0, 1.0, n)))
    kind = np.where(rng.random(n) < LEVEL, 0, rng.integers(1, 6, n))
    others = rng.normal(0.0, 1.0, (n, 8))
    return np.column_stack([cost, kind, others])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000,2000,5000,10000,20000,50000")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    domain = Domain(
        {
            "cost": Interval(0, 1e7),
            "kind": Categories(list(range(6))),
            **{f"x{j}": Interval(-100, 100) for j in range(8)},
        }
    )
    for n in map(int, options.rows.split(",")):
        found = []
        for seed in range(options.seeds):
            X = table(n, np.random.default_rng(seed))
            flow = DPSlicedWassersteinFlow(1.0, 1e-6, domain=domain, random_state=seed).fit(X)
            rows = flow.sample(50_000, random_state=seed)
            found.append([np.mean(rows[:, 0] == 0.0), np.mean(rows[:, 1] == 0)])
        mean, least = np.mean(found, axis=0), np.min(found, axis=0)
        print(f"{n} rows: atom {mean[0]:.4f} ({least[0]:.4f}), level {mean[1]:.4f} ({least[1]:.4f})", flush=True)


if __name__ == "__main__":
    main()
