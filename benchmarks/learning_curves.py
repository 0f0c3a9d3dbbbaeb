"""How useful synthetic rows are, by epsilon and by the number of rows.

    python benchmarks/learning_curves.py                  # tables that scikit-learn ships
    python benchmarks/learning_curves.py --data FOLDER    # and those of a folder: see tables.py

By epsilon: all training rows. By rows: parts of the training rows of the larger tables, at one epsilon; the models
trained on real rows get the same parts. Every point is a mean over the seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from tables import ROOT, all_tables, fitted, usefulness, write_csv

LEAST_ROWS = 4000  # of a table whose parts are looked at


def score(table, X, y, X_test, y_test, epsilon, seed):
    if np.isinf(epsilon):
        return usefulness(table, X, y, X_test, y_test, seed)
    flow = fitted(table, X, y, epsilon, seed)
    return usefulness(table, *flow.sample_labeled(len(X), random_state=seed), X_test, y_test, seed)


def parts_of(n):
    return [m for m in (250, 500, 1000, 2000, 4000, 8000, 16000) if m < n] + [n]


def run(tables, epsilons, epsilon_of_rows, seeds):
    for table in tables:
        for seed in seeds:
            X, X_test, y, y_test = table.split(seed)
            wanted = [("epsilon", len(X), e) for e in (*epsilons, np.inf)]
            if len(X) >= LEAST_ROWS:
                wanted += [("rows", n, e) for n in parts_of(len(X)) for e in (epsilon_of_rows, np.inf)]
            rows = np.random.default_rng(seed).permutation(len(X))
            known = {}
            for curve, n, epsilon in wanted:
                if (n, epsilon) not in known:
                    part = rows[:n]
                    known[n, epsilon] = score(table, X[part], y[part], X_test, y_test, epsilon, seed)
                yield {"curve": curve, "dataset": table.name, "n": n, "epsilon": epsilon, "seed": seed,
                       "usefulness": known[n, epsilon]}  # fmt: skip


def panels(names):
    n_columns = 3 if len(names) in (3, 6, 9) else min(4, len(names))
    n_rows = -(-len(names) // n_columns)
    size = (2.9 * n_columns, 2.3 * n_rows)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    return figure, axes.flat


def mean_and_spread(rows, x):
    at = sorted({r[x] for r in rows})
    each = [[r["usefulness"] for r in rows if r[x] == v] for v in at]
    return np.array(at), np.array([np.mean(v) for v in each]), np.array([np.std(v) for v in each])


def draw(rows, curve, path, label):
    rows = [r for r in rows if r["curve"] == curve]
    names = list(dict.fromkeys(r["dataset"] for r in rows))
    if not names:
        return
    figure, axes = panels(names)
    for axis, name in zip(axes, names, strict=False):
        own = [r for r in rows if r["dataset"] == name]
        private = [r for r in own if np.isfinite(r["epsilon"])]
        real = [r for r in own if np.isinf(r["epsilon"])]
        x, mean, sd = mean_and_spread(private, curve if curve == "epsilon" else "n")
        axis.plot(x, mean, "o-", ms=3, color="C0", label="synthetic rows")
        axis.fill_between(x, mean - sd, mean + sd, color="C0", alpha=0.2, lw=0)
        if curve == "epsilon":
            axis.axhline(np.mean([r["usefulness"] for r in real]), color="C1", ls="--", label="real rows")
        else:
            axis.plot(*mean_and_spread(real, "n")[:2], "s--", ms=3, color="C1", label="real rows")
        guess = 0.0 if any(r["score"] == "R2" for r in own) else 0.5
        axis.axhline(guess, color="grey", ls=":", label="guessing")
        axis.set(xscale="log", title=name, xlabel=label, ylabel=own[0]["score"])
        axis.xaxis.set_major_locator(FixedLocator([0.1, 1, 10] if curve == "epsilon" else [250, 1000, 4000, 16000]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        # scores far below guessing are as good as guessing
        axis.set_ylim(guess - 0.1, max(r["usefulness"] for r in own) + 0.05)
    axes[0].legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", help="names of tables, with commas; all if left out")
    parser.add_argument("--epsilons", default="0.1,0.3,1,3,10,30")
    parser.add_argument("--epsilon-of-rows", type=float, default=1.0)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "learning_curves.csv")
    parser.add_argument("--pictures", type=Path, default=ROOT / "doc" / "_static")
    options = parser.parse_args()
    tables = all_tables(options.data, options.tables and options.tables.split(","))
    epsilons, seeds = (
        [kind(v) for v in text.split(",")] for kind, text in ((float, options.epsilons), (int, options.seeds))
    )
    rows = []
    for row in run(tables, epsilons, options.epsilon_of_rows, seeds):
        classes = next(t for t in tables if t.name == row["dataset"]).classes
        rows.append({**row, "score": "R2" if classes is None else "ROC-AUC"})
        print(*rows[-1].values(), flush=True)
    write_csv(options.csv, rows)
    draw(rows, "epsilon", options.pictures / "usefulness_by_epsilon.png", "epsilon")
    draw(rows, "rows", options.pictures / "usefulness_by_rows.png", f"rows (epsilon {options.epsilon_of_rows:g})")


if __name__ == "__main__":
    main()
