"""Public maps of private rows, applied to each row by itself."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from skdpflow.curator.cells import to_float
from skdpflow.curator.gate import as_table
from skdpflow.schema import container_of


def map_rows(step: Any, X: Any, name: str) -> Any:
    """Transform each row by itself, so that no row has a part in what another becomes.

    What is measured afterwards has the sensitivity that is stated only if a transformed row is a function of that row,
    to the bit. A step may compute with whole columns, and even a product of matrices gives a row other bits beside
    other rows; so each row is passed alone.

    Parameters
    ----------
    step : transformer
        Its parameters must not depend on private rows.
    X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
        Private rows.
    name : str
        What messages call the step.

    Returns
    -------
    Z : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features_out)
        Private rows; numbers in an array are float64.

    Raises
    ------
    ValueError
        If the step fails on a row, or returns something else than one row of numbers. The message shows no cell.
    """
    rows = as_table(X, name)
    kind, problem, out = container_of(rows), "", list[Any]()
    for i in range(len(rows)):
        row: Any = None
        try:
            row = step.transform(rows.iloc[i : i + 1] if kind == "pandas" else rows[i : i + 1])
        except Exception as e:  # its message may show a cell
            problem = f"failed on a row ({type(e).__name__})"
        if not problem and container_of(row) == "numpy":
            cells = np.asarray(row)
            row = to_float(cells.ravel(), f"What the step {name!r} makes of X").reshape(cells.shape)
        if not problem and (row.shape[0] != 1 or (out and row.shape != out[0].shape)):
            problem = "must give one row for one row, always of the same width"
        if problem:
            raise ValueError(f"The step {name!r} {problem}.")
        out.append(row)
    made = container_of(out[0])
    return np.concatenate(out) if made == "numpy" else importlib.import_module(made).concat(out)


def fit_without_rows(step: Any, X: Any) -> Any:
    """Show a step that learns nothing the width and the names of a table, which are public, and no row of it.

    Parameters
    ----------
    step : transformer
        One that scikit-learn's tags call stateless.
    X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
        Private rows.

    Returns
    -------
    step : transformer
        Fitted to one row of zeros.
    """
    kind, table = container_of(X), as_table(X, type(step).__name__)
    zeros, names = np.zeros((1, table.shape[1])), None if kind == "numpy" else list(X.columns)
    row: Any = zeros
    if kind != "numpy":
        frame = importlib.import_module(kind).DataFrame
        row = frame(zeros, columns=names) if kind == "pandas" else frame(zeros, names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zeros may lie outside of the domain of its function
        try:
            step.fit(row)
        except Exception:  # what learns nothing can do without
            pass
    return step
