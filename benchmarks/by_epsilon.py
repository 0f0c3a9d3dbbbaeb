"""How useful and how close synthetic rows are, from a small to a very large epsilon, beside real rows.

    python benchmarks/by_epsilon.py --data FOLDER    # tables of a folder: see tables.py

Three measures: usefulness, the sliced Wasserstein-2 distance to other real rows (sw2), and the mean total variation of
single columns (tv1), of columns in 20 bins. The dashed line is that of a bootstrap sample of the real training rows: no
synthetic rows can be expected to be closer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from tables import ROOT, all_tables, distance, fitted, usefulness, write_csv

N_BINS = 20
MEASURES = {"usefulness": "usefulness", "sw2": "sliced Wasserstein-2", "tv1": "total variation, one column"}


def variation(table, X, y, X_test, y_test):
    """Mean total variation of single columns, target included."""
    out = []
    for a, b in zip(np.column_stack([X, y]).T, np.column_stack([X_test, y_test]).T, strict=True):
        values = np.unique(b)
        edges = values if len(values) <= N_BINS else np.unique(np.quantile(b, np.linspace(0, 1, N_BINS + 1)))
        bins = [np.bincount(np.searchsorted(edges, own, side="right"), minlength=len(edges) + 1) for own in (a, b)]
        out.append(0.5 * np.abs(bins[0] / len(a) - bins[1] / len(b)).sum())
    return float(np.mean(out))


def measured(table, rows, test, seed):
    return {
        "usefulness": usefulness(table, *rows, *test, seed),
        "sw2": distance(table, *rows, *test),
        "tv1": variation(table, *rows, *test),
    }


def run(tables, epsilons, seeds):
    for table in tables:
        for seed in seeds:
            X, X_test, y, y_test = table.split(seed)
            test = np.asarray(X_test, dtype=np.float64), np.asarray(y_test, dtype=np.float64)
            again = np.random.default_rng(seed).integers(len(X), size=len(X))
            yield {"dataset": table.name, "epsilon": np.inf, "seed": seed,
                   **measured(table, (X[again], y[again]), test, seed)}  # fmt: skip
            for epsilon in epsilons:
                drawn = fitted(table, X, y, epsilon, seed).sample_labeled(len(X), random_state=seed)
                rows = tuple(np.asarray(own, dtype=np.float64) for own in drawn)
                yield {"dataset": table.name, "epsilon": epsilon, "seed": seed, **measured(table, rows, test, seed)}


def draw(rows, path):
    names = list(dict.fromkeys(r["dataset"] for r in rows))
    size = (2.9 * len(names), 2.2 * len(MEASURES))
    figure, axes = plt.subplots(
        len(MEASURES), len(names), figsize=size, squeeze=False, layout="constrained", sharex=True
    )
    for line, (measure, label) in zip(axes, MEASURES.items(), strict=True):
        for axis, name in zip(line, names, strict=True):
            own = [r for r in rows if r["dataset"] == name]
            at = sorted({r["epsilon"] for r in own if np.isfinite(r["epsilon"])})
            each = [[r[measure] for r in own if r["epsilon"] == epsilon] for epsilon in at]
            mean, sd = np.array([np.mean(v) for v in each]), np.array([np.std(v) for v in each])
            axis.plot(at, mean, "o-", ms=3, color="C0", label="synthetic rows")
            axis.fill_between(at, mean - sd, mean + sd, color="C0", alpha=0.2, lw=0)
            real = np.mean([r[measure] for r in own if np.isinf(r["epsilon"])])
            axis.axhline(real, color="C1", ls="--", label="bootstrap of real rows")
            axis.set_xscale("log")
            if measure == "usefulness":
                axis.set_title(name)
                axis.set_ylim(max(min(mean.min(), real), 0.0) - 0.05, max(mean.max(), real) + 0.03)
            else:
                axis.set_yscale("log")
            axis.set_xlabel("epsilon" if measure == "tv1" else "")
        line[0].set_ylabel(label)
    axes[0, 0].legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", default="adult,california,penbased,support2", help="names of tables, with commas")
    parser.add_argument("--epsilons", default="0.1,0.3,1,3,10,30,100,1000")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "by_epsilon.csv")
    parser.add_argument("--picture", type=Path, default=ROOT / "doc" / "_static" / "by_epsilon.png")
    options = parser.parse_args()
    rows = []
    tables = all_tables(options.data, options.tables.split(","))
    for row in run(tables, [float(e) for e in options.epsilons.split(",")], [int(s) for s in options.seeds.split(",")]):
        rows.append(row)
        print(*row.values(), flush=True)
        write_csv(options.csv, rows)
    draw(rows, options.picture)


if __name__ == "__main__":
    main()
