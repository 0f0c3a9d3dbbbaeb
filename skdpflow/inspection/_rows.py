"""What is computed from rows in hand: an exact comparison with a synthetic sample, outside the guarantee."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import cross_val_predict

from skdpflow.domain import Categories, Column, Interval
from skdpflow.inspection._names import own_names
from skdpflow.inspection._sample import Sample
from skdpflow.release import Release

Array = NDArray[np.float64]

#: Bins of a numeric column in total variations: of columns, and of each of a pair.
_BINS, _PAIR_BINS = 32, 8
#: Rows that a model is trained on, and pairs of columns that are compared.
_TRAINED, _PAIRS = 5000, 1000
#: Fewest rows of which a model is trained, and most categories that its trees take apart.
_FEWEST, _MOST_CATEGORIES = 20, 200


@dataclass(frozen=True, eq=False)
class Table:
    """Rows, real or synthetic, as numbers and codes.

    Parameters
    ----------
    release : Release
        Says what the columns are.
    numbers : ndarray of shape (n, d)
        Numbers of intervals, NaN where a cell is missing or no number; codes of categories. Of all columns, and last of
        a numeric target.
    classes : ndarray of shape (n,) or None
        Class codes, if there are classes and they are known.
    """

    release: Release
    numbers: Array
    classes: NDArray[np.int64] | None

    @classmethod
    def of_sample(cls, sample: Sample) -> Self:
        """Take the rows of a sample."""
        numbers = sample.codes.astype(np.float64)
        for j, column in enumerate(sample.release.declared):
            if isinstance(column, Interval):
                numbers[:, j] = sample.numbers(j)
        return cls(sample.release, numbers, None if sample.release.classes is None else sample.classes)

    @classmethod
    def of_rows(cls, release: Release, numbers: Array, codes: NDArray[np.int64], target: NDArray[Any] | None) -> Self:
        """Take rows that were read: numbers of the intervals, codes of all columns, and the target."""
        own = codes.astype(np.float64)
        intervals = [j for j, column in enumerate(release.measured.columns) if isinstance(column, Interval)]
        own[:, intervals] = numbers
        if "bounds" not in release:  # synthetic rows hold declared values only
            for j in intervals:
                column = release.measured.columns[j]
                assert isinstance(column, Interval)
                own[:, j] = np.clip(own[:, j], column.lower, column.upper)
        if release.numeric_target:
            own = np.column_stack([own, np.full(len(own), np.nan) if target is None else target])
        known = target is not None and release.classes is not None
        return cls(release, own, np.asarray(target, dtype=np.int64) if known else None)

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def features(self) -> Array:
        """Columns of X."""
        return self.numbers[:, : len(self.release.measured)]

    def some(self, rows: NDArray[np.int64]) -> Table:
        """Return some rows."""
        return Table(self.release, self.numbers[rows], None if self.classes is None else self.classes[rows])


def compare_rows(real: Table, synthetic: Table, rng: np.random.Generator) -> dict[str, Any]:
    """Compare two tables exactly."""
    names, columns = own_names(real.release), real.release.declared
    known = [j for j in range(len(columns)) if not np.isnan(real.numbers[:, j]).all()]
    return {
        "columns": _sorted([_column(names[j], columns[j], real.numbers[:, j], synthetic.numbers[:, j]) for j in known]),
        "pairs": _pairs(real, synthetic, known),
        "classes": _classes(real, synthetic),
        "two_sample_roc_auc": _two_sample(real, synthetic, rng),
        "usefulness": _usefulness(real, synthetic, rng),
    }


def _sorted(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda line: -line["total_variation"])


def total_variation(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Return the total variation distance of two samples of levels, from 0."""
    size = int(max(a.max(initial=0), b.max(initial=0))) + 1
    p, q = (np.bincount(x, minlength=size) / max(len(x), 1) for x in (a, b))
    return float(np.abs(p - q).sum() / 2.0)


def _levels(column: Column, real: Array, synthetic: Array, n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut both samples of a column into the same levels; the last one is that of missing cells."""
    if isinstance(column, Categories):
        return real.astype(np.int64), synthetic.astype(np.int64)
    held = real[~np.isnan(real)]
    edges = np.unique(np.quantile(held, np.arange(1, n_bins) / n_bins, method="lower")) if held.size else np.zeros(0)
    # a value that many rows share is a level of its own
    edges = np.unique(np.concatenate([edges, np.nextafter(edges, np.inf)]))
    a, b = (np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x, side="right")) for x in (real, synthetic))
    return a.astype(np.int64), b.astype(np.int64)


def _missing(column: Column, x: Array) -> float:
    return float(
        np.isnan(x).mean() if isinstance(column, Interval) else (column.nullable & (x == column.n_values)).mean()
    )


def _column(name: str, column: Column, real: Array, synthetic: Array) -> dict[str, Any]:
    numeric = isinstance(column, Interval)
    a, b = real[np.isfinite(real)], synthetic[np.isfinite(synthetic)]
    both = numeric and min(len(a), len(b)) > 0
    if both:  # no square overflows then
        peak = max(float(np.abs(a).max()), float(np.abs(b).max()), np.finfo(np.float64).tiny)
        a, b = a / peak, b / peak
    sd = float(a.std()) if both else 0.0
    return {
        "name": name,
        "total_variation": total_variation(*_levels(column, real, synthetic, _BINS)),
        "kolmogorov_smirnov": float(ks_2samp(a, b, method="asymp").statistic) if both else None,
        "wasserstein": float(wasserstein_distance(a / sd, b / sd)) if both and sd > 0.0 else None,
        "missing": _missing(column, real),
        "missing_synthetic": _missing(column, synthetic),
    }


def _pairs(real: Table, synthetic: Table, known: list[int]) -> list[dict[str, Any]]:
    names, columns = own_names(real.release), real.release.declared
    levels = {j: _levels(columns[j], real.numbers[:, j], synthetic.numbers[:, j], _PAIR_BINS) for j in known}
    out = []
    for i, j in list(combinations(known, 2))[:_PAIRS]:
        width = int(max(x.max(initial=0) for x in levels[j])) + 1
        a, b = (x * width + y for x, y in zip(levels[i], levels[j], strict=True))
        numeric = isinstance(columns[i], Interval) and isinstance(columns[j], Interval)
        out.append(
            {
                "names": [names[i], names[j]],
                "total_variation": total_variation(a, b),
                "correlation": _correlation(real.numbers[:, [i, j]]) if numeric else None,
                "correlation_synthetic": _correlation(synthetic.numbers[:, [i, j]]) if numeric else None,
            }
        )
    return _sorted(out)


def _correlation(x: Array) -> float | None:
    """Return Pearson's correlation; None where a column is constant."""
    x = x[np.isfinite(x).all(axis=1)]
    if len(x) < 2 or (np.ptp(x, axis=0) == 0.0).any():
        return None
    x = x / np.abs(x).max(axis=0)  # no square overflows
    x = x - x.mean(axis=0)
    sd = x.std(axis=0)
    return float((x[:, 0] * x[:, 1]).mean() / (sd[0] * sd[1])) if (sd > 0.0).all() else None


def _classes(real: Table, synthetic: Table) -> dict[str, Any] | None:
    if real.classes is None or synthetic.classes is None:
        return None
    own = real.classes[real.classes < len(real.release.classes or ())]
    return {"name": real.release.target_name, "total_variation": total_variation(own, synthetic.classes)}


def _drawn(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.permutation(n)[:most]


def _trees(release: Release, classifier: bool) -> Any:
    """Return a model of trees, which takes missing cells and categories as they are."""
    wide = [isinstance(c, Categories) and 2 < c.n_levels <= _MOST_CATEGORIES for c in release.measured.columns]
    kind = HistGradientBoostingClassifier if classifier else HistGradientBoostingRegressor
    return kind(max_iter=60, categorical_features=np.array(wide), early_stopping=False, random_state=0)


def _two_sample(real: Table, synthetic: Table, rng: np.random.Generator) -> float | None:
    """Return the ROC-AUC with which a classifier tells real from synthetic rows."""
    n = min(len(real), len(synthetic), _TRAINED)
    if n < _FEWEST:
        return None
    parts = [table.features[_drawn(len(table), n, rng)] for table in (real, synthetic)]
    is_real = np.repeat([1, 0], n)
    scores = cross_val_predict(_trees(real.release, True), np.vstack(parts), is_real, cv=3, method="predict_proba")
    return float(roc_auc_score(is_real, scores[:, 1]))


def _target_of(table: Table) -> NDArray[Any] | None:
    return table.numbers[:, -1] if table.release.numeric_target else table.classes


def _usefulness(real: Table, synthetic: Table, rng: np.random.Generator) -> dict[str, Any] | None:
    """Train on synthetic and on real rows, and test both models on other real rows."""
    target = _target_of(real)
    if target is None:
        return None
    most = len(real.release.classes) - 1 if real.release.classes is not None else np.inf
    usable = np.flatnonzero(np.isfinite(target) & (target <= most))
    if len(usable) < 2 * _FEWEST:
        return None
    shuffled = rng.permutation(usable)
    test, train = np.split(shuffled, [len(shuffled) // 3])
    train = train[:_TRAINED]
    held = real.some(test)
    scores = [
        _score(real.some(train), held),
        _score(synthetic.some(_drawn(len(synthetic), len(train), rng)), held),
    ]
    if scores[0] is None or scores[1] is None:
        return None
    return {
        "metric": "ROC-AUC" if real.release.classes is not None else "R2",
        "real": scores[0],
        "synthetic": scores[1],
    }


def _score(train: Table, test: Table) -> float | None:
    """Return how well a model that was trained on one table does on another; None if there is nothing to learn."""
    y, truth = _target_of(train), _target_of(test)
    assert y is not None
    assert truth is not None
    classes = train.release.classes
    model = _trees(train.release, classes is not None)
    if classes is None:
        return float(r2_score(truth, model.fit(train.features, y).predict(test.features)))
    if len(np.unique(y)) < 2 or len(np.unique(truth)) < 2:
        return None
    found = model.fit(train.features, y)
    shares = np.zeros((len(truth), len(classes)))
    shares[:, found.classes_] = found.predict_proba(test.features)
    if len(classes) == 2:
        return float(roc_auc_score(truth, shares[:, 1]))
    present = np.unique(truth)
    own = [roc_auc_score(truth == k, shares[:, k]) for k in present]  # one against the rest
    return float(np.mean(own))
