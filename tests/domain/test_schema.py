"""The schema sees containers, names and dtypes, and nothing that was read off the rows."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow.domain.schema import Schema, container_of, schema_of

FRAME = pd.DataFrame(
    {
        "a": np.array([1, 2], dtype=np.int32),
        "b": [0.5, 1.5],
        "c": pd.Categorical(["SECRET", "x"]),
        "d": pd.array([True, False], dtype="boolean"),
    }
)


def test_the_schema_of_an_array_has_dtypes_and_no_names():
    schema = schema_of(np.zeros((3, 2), dtype=np.float32))
    assert schema == Schema("numpy", None, ("float32", "float32"))
    assert schema.n_features == 2
    assert schema.feature_names is None


def test_the_length_of_the_longest_string_is_not_recorded():
    assert schema_of(np.array([["a"], ["a long secret"]])).dtypes == ("str",)
    assert schema_of(np.array([[b"a"], [b"a long secret"]])).dtypes == ("bytes",)


def test_byte_order_is_not_recorded():
    assert schema_of(np.zeros((1, 1), dtype=">f8")).dtypes == ("float64",)


def test_the_schema_of_a_pandas_frame_has_names_dtypes_and_target():
    schema = schema_of(FRAME, FRAME["c"])
    assert schema.container == "pandas"
    assert schema.names == ("a", "b", "c", "d")
    assert schema.dtypes == ("int32", "float64", "category", "boolean")
    assert (schema.target_container, schema.target_name, schema.target_dtype) == ("pandas", "c", "category")
    assert "SECRET" not in repr(schema)


def test_the_schema_of_a_polars_frame_has_names_dtypes_and_target():
    frame = pl.DataFrame({"a": [1], "b": ["x"]}).with_columns(c=pl.col("b").cast(pl.Enum(["x", "other"])))
    schema = schema_of(frame, frame["a"])
    dtypes = ("Int64", "String", 'Enum["x", "other"]')  # the values of an Enum are declared, and part of its dtype
    assert schema == Schema("polars", ("a", "b", "c"), dtypes, "polars", "a", "Int64")
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_names_that_are_integers_are_kept_but_are_no_feature_names():
    schema = schema_of(pd.DataFrame(np.zeros((1, 2))), pd.Series([1]))
    assert schema.names == (0, 1)
    assert schema.feature_names is None
    assert schema.target_name is None


def test_containers():
    assert container_of([[1]]) == "numpy"
    assert container_of(FRAME) == container_of(FRAME["a"]) == "pandas"
    assert container_of(pl.DataFrame()) == container_of(pl.Series()) == "polars"


@pytest.mark.parametrize("schema", [schema_of(FRAME, [0, 1]), schema_of([[0.5]]), schema_of([["a"]], ["b"])])
def test_the_description_survives_json(schema):
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "table"},
        {"container": "spark"},
        {"container": "numpy"},
        {"container": ["pandas"]},
        {"names": None},
        {"names": ["a"]},
        {"names": ["a", "a", "b", "c"]},
        {"names": ["a", "b", "c", True]},
        {"names": ["a", "b", "c", ["d"]]},
        {"names": "abcd"},
        {"dtypes": "int64"},
        {"dtypes": [1, 2, 3, 4]},
        {"target_container": "spark"},
        {"target_container": None},
        {"target_name": 0.5},
        {"target_dtype": 3},
        {"target_dtype": {"a": 1}},
        {"extra": 1},
    ],
)
def test_damaged_descriptions_are_refused(damage):
    with pytest.raises(ValueError, match=r"schema|target"):
        Schema.from_dict({**schema_of(FRAME, [0, 1]).to_dict(), **damage})


@pytest.mark.parametrize("names", [[("a", 1), ("b", 2)], [0.5, 1.5]])
def test_names_of_other_types_are_refused(names):
    with pytest.raises(ValueError, match="must be str or int"):
        schema_of(pd.DataFrame(np.zeros((1, 2)), columns=pd.Index(names, tupleize_cols=False)))
