"""The mechanism of the paper beside the default one: how useful their rows are, and how long they take.

    python benchmarks/records_vs_marginals.py                  # tables that scikit-learn ships
    python benchmarks/records_vs_marginals.py --data FOLDER    # and those of a folder: see tables.py

Rows are split 60/40. Both mechanisms get the same rows, public domain, epsilon and delta, and the relation replace-one,
which records need; labels are public for records and protected by marginals. tables.py says what usefulness is. Times
are of fit and sample.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from tables import ROOT, all_tables, fitted, list_table, usefulness, write_csv

from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism


def run(tables, epsilons, seeds):
    for table in tables:
        for seed in seeds:
            X_train, X_test, y_train, y_test = table.split(seed)
            common = {"dataset": table.name, "n_train": len(X_train), "n_columns": table.X.shape[1], "seed": seed}
            real = usefulness(table, X_train, y_train, X_test, y_test, seed)
            yield {**common, "mechanism": "real", "epsilon": np.inf, "usefulness": real, "fit_s": 0.0, "sample_s": 0.0}
            for epsilon in epsilons:
                for mechanism in (MarginalsMechanism(), RecordsMechanism(public_labels=True)):
                    start = time.perf_counter()
                    settings = {"mechanism": mechanism, "neighbours": "replace-one"}
                    flow = fitted(table, X_train, y_train, epsilon, seed, **settings)
                    middle = time.perf_counter()
                    X_new, y_new = flow.sample_labeled(len(X_train), random_state=seed)
                    end = time.perf_counter()
                    yield {
                        **common,
                        "mechanism": flow.release_.mechanism["name"],
                        "epsilon": epsilon,
                        "usefulness": usefulness(table, X_new, y_new, X_test, y_test, seed),
                        "fit_s": middle - start,
                        "sample_s": end - middle,
                    }


def summary(rows, seeds):
    def mean(field, **where):
        return np.mean([r[field] for r in rows if all(r[k] == v for k, v in where.items())])

    header = ["Table", "Rows x columns", "epsilon", "Real rows", "Marginals", "Records", "Marginals, s", "Records, s"]
    body = []
    for name in dict.fromkeys(r["dataset"] for r in rows):
        first = next(r for r in rows if r["dataset"] == name)
        for epsilon in sorted({r["epsilon"] for r in rows if np.isfinite(r["epsilon"])}):
            cells = [name, f"{first['n_train']} x {first['n_columns']}", f"{epsilon:g}"]
            cells.append(f"{mean('usefulness', dataset=name, mechanism='real'):.3f}")
            each = [{"dataset": name, "mechanism": m, "epsilon": epsilon} for m in ("marginals", "records")]
            cells += [f"{mean('usefulness', **where):.3f}" for where in each]
            cells += [f"{mean('fit_s', **where) + mean('sample_s', **where):.2f}" for where in each]
            body.append(cells)
    title = f"Usefulness and time (fit and sample) of both mechanisms, mean of {len(seeds)} split(s)"
    return list_table(title, header, body, Path(__file__).name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--epsilons", default="1,3,10")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "records_vs_marginals.csv")
    parser.add_argument("--table", type=Path, default=ROOT / "doc" / "tables" / "records_vs_marginals.rst")
    options = parser.parse_args()
    epsilons = [float(e) for e in options.epsilons.split(",")]
    seeds = [int(s) for s in options.seeds.split(",")]
    tables = all_tables(options.data)
    rows = []
    for row in run(tables, epsilons, seeds):
        rows.append(row)
        print(
            f"{row['dataset']:15s}{row['mechanism']:10s} epsilon {row['epsilon']:<5g} "
            f"usefulness {row['usefulness']:7.3f}  fit {row['fit_s']:.2f} s  sample {row['sample_s']:.2f} s",
            flush=True,
        )
    write_csv(options.csv, rows)
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(summary(rows, seeds))
    print(summary(rows, seeds))


if __name__ == "__main__":
    main()
