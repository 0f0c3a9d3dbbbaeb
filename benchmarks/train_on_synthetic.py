"""TrainOnSynthetic beside the same model trained on the real rows.

    python benchmarks/train_on_synthetic.py                  # tables that scikit-learn ships
    python benchmarks/train_on_synthetic.py --data FOLDER    # and those of a folder: see tables.py

For tables with class labels, and a linear and a boosted model as a user would set them up. Each seed is another split,
another noise and other synthetic rows; the score is the area under the ROC curve on the real test rows (one against
the rest), given as its mean and standard error over the seeds.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tables import ROOT, all_tables, delta_for, encode, list_table, write_csv
from threadpoolctl import threadpool_limits

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.compose import TrainOnSynthetic
from skdpflow.exceptions import PrivacyLeakWarning


def models(table):
    public = FunctionTransformer(encode, kw_args={"domain": table.domain})
    return {
        "logistic regression": make_pipeline(public, StandardScaler(), LogisticRegression(max_iter=1000)),
        "boosting": make_pipeline(public, HistGradientBoostingClassifier(max_iter=60, random_state=0)),
    }


def private(model, table, n, epsilon, seed):
    """Train with the defaults of the package; the seed of the noise makes a benchmark repeatable."""
    flow = DPSlicedWassersteinFlow(
        epsilon, delta_for(n), domain=table.domain, target=table.target, random_state=seed, noise_random_state=seed
    )
    return TrainOnSynthetic(model, flow, random_state=seed)


def auc(model, table, X, y):
    p = np.zeros((len(y), len(table.classes)))  # a class that was never drawn has no column
    p[:, np.searchsorted(table.classes, model.classes_)] = model.predict_proba(X)
    each = [roc_auc_score(y == c, p[:, i]) for i, c in enumerate(table.classes)]
    return float(each[1] if len(each) == 2 else np.mean(each))


@threadpool_limits.wrap(limits=1)
def run(tables, epsilons, seeds):
    for table in tables:
        for seed in seeds:
            X, X_test, y, y_test = table.split(seed)
            for name, model in models(table).items():
                for epsilon in (*epsilons, np.inf):
                    chosen = model if np.isinf(epsilon) else private(model, table, len(X), epsilon, seed)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", PrivacyLeakWarning)
                        chosen.fit(X, y)
                    yield {"dataset": table.name, "n": len(X), "model": name, "epsilon": epsilon, "seed": seed,
                           "auc": auc(chosen, table, X_test, y_test)}  # fmt: skip


def cell(rows, **key):
    values = [r["auc"] for r in rows if all(r[k] == v for k, v in key.items())]
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


def tabulate(rows, epsilons):
    columns = [*epsilons, np.inf]
    header = ["Table", "rows", "model", *(f"epsilon {e:g}" for e in epsilons), "real rows"]
    body = [
        [name, n, model, *(cell(rows, dataset=name, model=model, epsilon=e) for e in columns)]
        for name, n, model in dict.fromkeys((r["dataset"], r["n"], r["model"]) for r in rows)
    ]
    title = f"ROC-AUC on real test rows, mean and standard error of {len({r['seed'] for r in rows})} splits"
    return list_table(title, header, body, Path(__file__).name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", help="names of tables, with commas; all if left out")
    parser.add_argument("--epsilons", default="0.3,1,3")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "train_on_synthetic.csv")
    parser.add_argument("--table", type=Path, default=ROOT / "doc" / "tables" / "train_on_synthetic.rst")
    options = parser.parse_args()
    tables = all_tables(options.data, options.tables and options.tables.split(","))
    tables = sorted((t for t in tables if t.classes is not None), key=lambda t: t.X.size)
    epsilons, seeds = (
        [kind(v) for v in text.split(",")] for kind, text in ((float, options.epsilons), (int, options.seeds))
    )
    rows = []
    for row in run(tables, epsilons, seeds):
        rows.append(row)
        print(*row.values(), flush=True)
    write_csv(options.csv, rows)
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(tabulate(rows, epsilons))


if __name__ == "__main__":
    main()
