"""A budget spent in two steps beside the same budget spent at once: fit and continue_fit.

    python benchmarks/continued.py --data FOLDER --names adult,bikeshare,magic,support2    # see tables.py

Rows are split 60/40. tables.py says what usefulness is; the distance is that of the synthetic rows to the test rows.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from pathlib import Path

import numpy as np
from tables import ROOT, all_tables, distance, fitted, list_table, usefulness, write_csv

from skdpflow import PrivacyLeakWarning

HALF, WHOLE, STEPS = "0.5", "1", "0.5 + 0.5"


def run(tables, seeds):
    for table in tables:
        for seed in seeds:
            X, X_test, y, y_test = table.split(seed)
            half = fitted(table, X, y, 0.5, seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PrivacyLeakWarning)
                steps = copy.deepcopy(half).continue_fit(X, y, extra_epsilon=0.5)
            for epsilon, flow in ((HALF, half), (STEPS, steps), (WHOLE, fitted(table, X, y, 1.0, seed))):
                rows = flow.sample_labeled(len(X), random_state=seed)
                yield {
                    "dataset": table.name,
                    "seed": seed,
                    "epsilon": epsilon,
                    "usefulness": usefulness(table, *rows, X_test, y_test, seed),
                    "distance": distance(table, *rows, X_test, y_test),
                }


def summary(rows, seeds):
    body = []
    for name in dict.fromkeys(r["dataset"] for r in rows):
        cells = [name]
        for field, digits in (("usefulness", 3), ("distance", 4)):
            for epsilon in (HALF, STEPS, WHOLE):
                of = [r[field] for r in rows if r["dataset"] == name and r["epsilon"] == epsilon]
                cells.append(f"{np.mean(of):.{digits}f}")
        body.append(cells)
    header = ["Table", *(f"{what}, {e}" for what in ("Usefulness", "Distance") for e in (HALF, STEPS, WHOLE))]
    title = f"Epsilon 1 at once and in two steps, mean of {len(seeds)} splits"
    return list_table(title, header, body, Path(__file__).name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--names", default="", help="names of tables; all if left out")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "continued.csv")
    parser.add_argument("--table", type=Path, default=ROOT / "doc" / "tables" / "continued.rst")
    options = parser.parse_args()
    seeds = [int(s) for s in options.seeds.split(",")]
    rows = []
    for row in run(all_tables(options.data, options.names.split(",") if options.names else None), seeds):
        rows.append(row)
        print(*row.values(), flush=True)
    write_csv(options.csv, rows)
    options.table.write_text(summary(rows, seeds))
    print(summary(rows, seeds))


if __name__ == "__main__":
    main()
