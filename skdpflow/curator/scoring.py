"""A model's score on private rows: a mean of terms of single rows, from noisy integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from skdpflow._isolation import Replica, sealed
from skdpflow.curator.cells import numbers_of, quiet
from skdpflow.curator.curator import Curator
from skdpflow.curator.dtypes import check_declared, numpy_type
from skdpflow.curator.gate import as_table, as_target
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.read import read_column
from skdpflow.curator.source import RowSource
from skdpflow.domain import Categories, Interval
from skdpflow.domain.codes import NO_PLACE
from skdpflow.domain.schema import schema_of
from skdpflow.release.request import Demand

#: Terms in [0, 1] are rounded to multiples of one over this.
LEVELS = 2**10
#: Part for the number of all rows in the budget of row counts; the rest is for the number of rows that are used.
ALL_ROWS_SHARE = 0.1

Term = Callable[[Any, Any], float]


def _accuracy(estimator: Any, target: Categories) -> Term:
    index = {label: code for code, label in enumerate(target.values)}

    def term(predicted: Any, y: int) -> float:
        label = predicted.item() if isinstance(predicted, np.generic) else predicted
        return float(index.get(label, NO_PLACE) == y)

    return term


def _brier(estimator: Any, target: Categories) -> Term:
    index = {label: code for code, label in enumerate(target.values)}
    codes = np.array([index.get(label, NO_PLACE) for label in np.asarray(estimator.classes_).tolist()])

    def term(predicted: Any, y: int) -> float:
        return 1.0 - 0.5 * float(np.sum((predicted - (codes == y)) ** 2))

    return term


def _absolute_error(estimator: Any, target: Interval) -> Term:
    lower, upper = float(target.lower), float(target.upper)

    def term(predicted: Any, y: float) -> float:
        number = _prediction(predicted, target)
        return 1.0 - abs(min(max(number, lower), upper) - y) / (upper - lower)

    return term


def _prediction(predicted: Any, target: Interval) -> float:
    """Return a predicted number, or date as a number in the unit of the target; NaN if it is none."""
    cells = np.asarray([predicted])
    found = numpy_type(cells.dtype, "A prediction")
    if target.unit is not None and found.kind in ("float", "whole"):
        return float(predicted)
    return float(numbers_of(read_column(cells, "numpy", found, False), target)[0][0])


#: The method that is called for a row, the term of its result, and the offset from the mean of the terms to the score.
SCORINGS: dict[str, tuple[str, Callable[[Any, Any], Term], float]] = {
    "accuracy": ("predict", _accuracy, 0.0),
    "neg_brier_score": ("predict_proba", _brier, -1.0),
    "neg_mean_absolute_error": ("predict", _absolute_error, -1.0),
}


class RowScorer:
    r"""Scores models on private rows, with noise.

    Parameters
    ----------
    owner : str
        Who asks, for messages.
    X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
        Private rows.
    y : array-like of shape (n_samples,)
        Their targets.
    target : Categories or Interval
        What y is; public.
    scoring : {"accuracy", "neg_brier_score", "neg_mean_absolute_error"}
        What is computed for a row.
    neighbours : {"add-remove", "replace-one"}
        The neighbouring relation.
    noise : NoiseSource
        Decides which rows are used.

    Raises
    ------
    ValueError, TypeError
        If the rows cannot be used. No message shows a cell.

    Notes
    -----
    *A row's term depends on that row alone.* An estimator may compute with whole columns, and even a product of
    matrices gives a row other last bits beside other rows, which decide a class at a tie. So each row is predicted
    alone, in memory of its own, by a copy of the model. So no estimator can write to the table, or sees where in it a
    row was, and what it keeps of a row is not in the model that is released. Random generators inside the copy, and the
    global ones, are set back before each row: given their secret state, what is drawn for a row does not depend on the
    rows before it. A row that cannot be predicted has the term 0, and raises nothing. What cannot be seen from outside
    is taken on trust: an estimator of one's own that changes its other attributes while it predicts, so that its next
    prediction depends on the rows before, has no such score.

    *Sensitivity.* A term is rounded to an integer t in [0, L] and enters the sum as :math:`2t - L`, which is at most L
    in magnitude. Adding or removing a row changes the sum by at most L and the number of rows by 1; replacing a row
    changes the sum by at most 2 L.

    *Many rows.* From the noisy number of rows follows the public probability with which each row is used. Whether it
    is, is decided by a secret random number of its own. For neighbours, those of the rows that they share can be taken
    to be the same, so the sensitivity remains that of one row, also of how many rows are used; a replaced row keeps
    its number, and that does not change. All models of one scorer are scored on the same rows: given the secret
    numbers each guarantee holds, and so it does for their mixture.
    """

    def __init__(
        self, owner: str, X: Any, y: Any, target: Any, scoring: str, neighbours: str, noise: NoiseSource
    ) -> None:
        self._table = as_table(X, owner)
        labels = as_target(y, owner)
        if labels.shape[0] != self._table.shape[0]:
            raise ValueError("Found input variables with inconsistent numbers of samples: y needs one entry per row.")
        self.source = RowSource(self._table, labels, schema_of(self._table, labels), None)
        self._method, self._make_term, self._offset = SCORINGS[scoring]
        self._target, self._add_remove = target, neighbours == "add-remove"
        check_declared(self.source.target_type, target, "y", self.source.schema.target_dtype)
        n = self.source.n_rows
        with quiet():
            if isinstance(target, Interval):
                numbers, _ = numbers_of(self.source.target_cells(0, n, target), target)
                self._y: NDArray[Any] = np.clip(numbers, target.lower, target.upper)  # NaN scores 0
            else:
                self._y = self.source.target_codes(0, n, target)
        self._noise, self._keys = noise, noise.uniform(self.source.n_rows)
        self._used = np.arange(self.source.n_rows)
        self._n_used = 1.0

    def count(self, curator: Curator, share: float, max_rows: int) -> None:
        """Decide which rows are used, and release their number."""
        n = self._counted(self.source.n_rows, curator, share * ALL_ROWS_SHARE)
        probability = min(1.0, max_rows / max(n, 1))
        self._used = np.flatnonzero(self._keys < probability)
        used: float = self._counted(len(self._used), curator, share * (1.0 - ALL_ROWS_SHARE))
        if probability == 1.0:  # the same number twice
            used = ALL_ROWS_SHARE * n + (1.0 - ALL_ROWS_SHARE) * used
        self._n_used = max(used, 1.0)

    def demands(self, count_share: float, score_share: float) -> list[Demand]:
        """Return what `count` and `score` draw, in shares of one curator's budget or of two."""
        counts = (count_share * part for part in (ALL_ROWS_SHARE, 1.0 - ALL_ROWS_SHARE)) if self._add_remove else ()
        return [*(Demand(share, 1.0, 1, 1) for share in counts), Demand(score_share, self._sensitivity, 1, 1)]

    @property
    def _sensitivity(self) -> float:
        return LEVELS * (1.0 if self._add_remove else 2.0)

    def _counted(self, n: int, curator: Curator, share: float) -> int:
        """Return a number of rows, with noise where neighbours have different ones."""
        if not self._add_remove:
            return n
        event = curator.event(share)
        curator.filter.debit(event, "number of rows")
        return n + int(curator.draw(event.noise_multiplier, (1,), differing=1)[0])

    def score(self, replica: Replica, curator: Curator, share: float) -> float:
        """Release the score of a model."""
        event = curator.event(share)
        curator.filter.debit(event, "score")
        scale = self._sensitivity * event.noise_multiplier
        total = self._total(replica) + int(curator.draw(scale, (1,), differing=1)[0])
        return float(np.clip(0.5 + 0.5 * total / (LEVELS * self._n_used), 0.0, 1.0)) + self._offset

    def _total(self, replica: Replica) -> int:
        with sealed(self._noise.rank_key()):  # a warning may depend on the row
            term, rewind = self._make_term(replica.model, self._target), replica.rewinder()
            predict, total = getattr(replica.model, self._method), 0
            for i in self._used.tolist():
                rewind()
                total += 2 * self._level(predict, term, i) - LEVELS
            return total

    def _level(self, predict: Callable[[Any], Any], term: Term, i: int) -> int:
        """Return the term of a row as an integer in [0, LEVELS]."""
        try:
            value = term(np.asarray(predict(self._row(i)))[0], self._y[i])
            return int(np.rint(min(max(value, 0.0), 1.0) * LEVELS))  # NaN raises
        except Exception:  # it would depend on the row
            return 0

    def _row(self, i: int) -> Any:
        """Return a row as a table of its own, which shows nothing of the others and shares no memory with them."""
        if self.source.schema.container == "polars":
            return self._table[i : i + 1]  # cannot be written to
        if self.source.schema.container == "numpy":
            return _aligned(self._table[i : i + 1])
        row = self._table.iloc[i : i + 1].reset_index(drop=True).copy()
        for name in row.columns[row.dtypes == "category"]:  # those of the column came from all rows
            row[name] = row[name].cat.remove_unused_categories()
        return row

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A RowScorer holds private rows and cannot be pickled or copied.")


def _aligned(row: NDArray[Any]) -> NDArray[Any]:
    """Return a copy at a fixed alignment, on which the last bits of sums may depend."""
    if row.dtype.hasobject:
        return np.array(row, order="C")
    buffer = np.empty(row.nbytes + 64, dtype=np.uint8)
    start = -buffer.ctypes.data % 64
    out = buffer[start : start + row.nbytes].view(row.dtype).reshape(row.shape)
    out[...] = row
    return out
