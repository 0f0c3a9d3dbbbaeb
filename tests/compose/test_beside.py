"""Synthetic rows beside real ones: the dtypes of X and y are those that were given."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.compose import DPOversampler

N = 100
TEXT = np.random.default_rng(0).choice(["lo", "hi"], N).tolist()
NUMBERS = np.random.default_rng(0).integers(0, 3, N)
Y = np.repeat([0, 1], [90, 10])
arrow = pd.ArrowDtype


def resampled(X, column, **given):
    flow = DPSlicedWassersteinFlow(9.0, domain={"c": column}, target=Categories([0, 1]))
    return DPOversampler(flow, random_state=0, **given).fit_resample(X, Y)


def series(values, dtype):
    return pd.Series(values, dtype=dtype).to_frame("c")


lists = {
    "ordered": (series(TEXT, pd.CategoricalDtype(["lo", "hi"], ordered=True)), Categories(["lo", "hi"])),
    "another order": (series(TEXT, pd.CategoricalDtype(["hi", "lo"], ordered=True)), Categories(["lo", "hi"])),
    "a value more": (series(TEXT, pd.CategoricalDtype(["lo", "hi", "other"])), Categories(["hi", "lo"])),
    "of objects": (series(TEXT, pd.CategoricalDtype(pd.Index(["lo", "hi"], dtype=object))), Categories(["lo", "hi"])),
    "of small numbers": (
        series(NUMBERS, pd.CategoricalDtype(pd.Index([0, 1, 2], dtype="int8"))),
        Categories([2, 1, 0]),
    ),
    "of numbers": (series(NUMBERS, pd.CategoricalDtype([0, 1, 2])), Interval(0, 2, integer=True)),
    "with gaps": (
        series([None, *TEXT[1:]], pd.CategoricalDtype(["lo", "hi"])),
        Categories(["lo", "hi"], nullable=True),
    ),
}


@pytest.mark.parametrize("name", lists)
def test_columns_of_categories_keep_their_list(name):
    X, column = lists[name]
    rows, _ = resampled(X, column)
    assert len(rows) == 180
    assert rows["c"].dtype == X["c"].dtype
    assert rows["c"].iloc[:N].equals(X["c"])
    assert column.nullable or not rows["c"].isna().any()


def test_a_list_that_lacks_a_declared_value_gets_it():
    X = series(TEXT, "category")
    rows, _ = resampled(X, Categories(["lo", "mid", "hi"]))
    assert rows["c"].cat.categories.tolist() == ["hi", "lo", "mid"]
    assert not rows["c"].isna().any()
    X = series(TEXT, pd.CategoricalDtype(["lo", "hi"], ordered=True))
    rows, _ = resampled(X, Categories(["lo", "mid", "hi"]))
    assert rows["c"].cat.ordered
    assert rows["c"].cat.categories.tolist() == ["lo", "mid", "hi"]


def test_orders_that_do_not_go_together_are_refused_before_anything_is_spent():
    ledger = PrivacyLedger(epsilon=10.0, delta=1e-3)
    X = series(TEXT, pd.CategoricalDtype(["lo", "hi"], ordered=True))
    column = Categories(["hi", "mid", "lo"])
    flow = DPSlicedWassersteinFlow(1.0, domain={"c": column}, target=Categories([0, 1]), ledger=ledger)
    with pytest.raises(ValueError, match="in no common order"):
        DPOversampler(flow).fit_resample(X, Y)
    assert ledger.spent() == 0
    rows, _ = DPOversampler(flow, {1: 5}, keep_original=False).fit_resample(X, Y)
    assert set(rows["c"]) <= {"lo", "mid", "hi"}


frames = {
    "decimal": (series([Decimal(i) / 100 for i in range(N)], arrow(pa.decimal128(10, 2))), Interval(0, 1)),
    "dictionary": (
        pd.DataFrame({"c": pd.Series(pd.arrays.ArrowExtensionArray(pa.array(TEXT).dictionary_encode()))}),
        Categories(["hi", "lo"]),
    ),
    "half": (series(np.linspace(0, 1, N), "float16"), Interval(0, 1)),
    "zone": (
        pd.DataFrame({"c": pd.date_range("2024-01-01", periods=N, tz="Europe/Berlin")}),
        Interval("2024-01-01", "2024-12-31", unit="D"),
    ),
    "Enum": (pl.DataFrame({"c": pl.Series(TEXT, dtype=pl.Enum(["lo", "hi", "other"]))}), Categories(["hi", "lo"])),
    "Categorical": (pl.DataFrame({"c": pl.Series(TEXT, dtype=pl.Categorical)}), Categories(["hi", "mid", "lo"])),
    "Decimal": (pl.DataFrame({"c": pl.Series(np.linspace(0, 1, N)).cast(pl.Decimal(10, 2))}), Interval(0, 1)),
    "Float16": (pl.DataFrame({"c": pl.Series(np.linspace(0, 1, N)).cast(pl.Float16)}), Interval(0, 1)),
    "gaps": (
        pl.DataFrame({"c": pl.Series([None, *NUMBERS[1:].tolist()], dtype=pl.Int16)}),
        Interval(0, 2, integer=True, nullable=True),
    ),
}


@pytest.mark.parametrize("name", frames)
def test_every_dtype_is_kept(name):
    X, column = frames[name]
    rows, _ = resampled(X, column)
    assert len(rows) == 180
    assert rows["c"].dtype == X["c"].dtype
    rows, _ = resampled(X, column, sampling_strategy={1: 7}, keep_original=False)
    assert rows["c"].dtype == X["c"].dtype
    release = DPSlicedWassersteinFlow(9.0, domain={"c": column}, target=Categories([0, 1])).fit(X, Y).release_
    rows, _ = DPOversampler(release).fit_resample(X, Y)
    assert rows["c"].dtype == X["c"].dtype


LABELS = np.where(Y == 1, "p", "q").tolist()


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(LABELS, dtype=arrow(pa.string()), name="y"),
        pd.Series(LABELS, dtype=pd.StringDtype("python"), name="y"),
        pd.Series(LABELS, dtype=pd.CategoricalDtype(["p", "q", "r"]), name="y"),
        pd.Series(LABELS, dtype=pd.CategoricalDtype(["q", "p"], ordered=True), name="y"),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array(LABELS).dictionary_encode()), name="y"),
        pl.Series("y", LABELS, dtype=pl.Enum(["q", "p", "r"])),
        pl.Series("y", LABELS, dtype=pl.Categorical),
    ],
    ids=lambda y: str(y.dtype),
)
def test_labels_keep_their_dtype(y):
    flow = DPSlicedWassersteinFlow(9.0, domain=(0, 1), target=Categories(["p", "q"]))
    _, labels = DPOversampler(flow).fit_resample(np.linspace(0, 1, N)[:, None], y)
    assert labels.dtype == y.dtype
    assert labels.name == y.name
    assert labels.to_list()[:N] == y.to_list()
    assert labels.to_list()[N:] == ["p"] * 80
