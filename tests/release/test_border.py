"""Everything that leaves a fit is a function of its Release."""

import gc
import io
import pickle
import re
from types import FunctionType, ModuleType

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import FunctionTransformer

import skdpflow
import skdpflow._flow.rows
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.compose import GenerativePipeline
from skdpflow.curator import measure as measuring
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler
from skdpflow.preprocessing import _base as preprocessing

SHAPES = {
    "array": {"domain": (0.0, 1.0)},
    "bounds": {},
    "labels": {"domain": (0.0, 1.0), "target": Categories([0, 1])},
    "found labels": {"target": Categories()},
    "numeric": {"domain": (0.0, 1.0), "target": Interval(0, 1, integer=True)},
    "pandas": {
        "domain": {"a": Interval(0, 1), "b": Interval(0, 9, integer=True), "c": Categories(["x", "y"])},
        "target": Categories([0, 1]),
    },
    "polars": {"domain": {"a": Interval(0, 1), "b": Interval(0, 9, integer=True), "c": Categories(["x", "y"])}},
    "records": {"domain": (0.0, 1.0), "mechanism": "records", "neighbours": "replace-one"},
}

QUICK = "found labels", "records"
SLOWER = [*QUICK, *(pytest.param(s, marks=pytest.mark.slow) for s in SHAPES if s not in QUICK)]


def data_for(shape, seed, n):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    if shape not in ("pandas", "polars"):
        return rng.beta(*rng.uniform(0.5, 4, 2), size=(n, 3)), y
    columns = {"a": rng.uniform(size=n), "b": rng.integers(0, 10, n), "c": rng.choice(["x", "y"], n)}
    if shape == "polars":
        return pl.DataFrame(columns), pl.Series("y", y)
    return pd.DataFrame(columns), pd.Series(y, name="y")


def flow_for(shape, **params):
    defaults = {"epsilon": 5.0, "n_particles": 300, "random_state": 0}
    return DPSlicedWassersteinFlow(**{**defaults, **SHAPES[shape], **params})


def html(flow):
    return re.sub(r"(sk-[a-z]+-id-|sk-estimator-id-)\d+", "id", flow._repr_html_())


def as_bytes(value):
    """Everything in a value, to the bit, whatever objects hold it."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return repr((value.dtype, value.shape)).encode() + value.tobytes()
    if isinstance(value, np.ndarray | list | tuple):
        return type(value).__name__.encode() + b"".join(map(as_bytes, value))
    if isinstance(value, pd.DataFrame | pd.Series | pl.DataFrame | pl.Series):
        return pickle.dumps(value.to_numpy()) + str(getattr(value, "columns", "")).encode()
    if isinstance(value, dict):
        return b"".join(as_bytes(k) + as_bytes(v) for k, v in value.items())
    if hasattr(value, "__dict__"):
        return type(value).__name__.encode() + as_bytes(
            {k: v for k, v in vars(value).items() if k not in ("sd",)}  # cached on first use
        )
    return repr(value).encode()


def fingerprint(flow, X):
    flow.sample(3)
    parts = {
        "attributes": sorted(vars(flow)),
        "values": as_bytes({k: v for k, v in sorted(vars(flow).items()) if k.endswith("_") or k.startswith("_")}),
        "sample": as_bytes(flow.sample(40, random_state=1)),
        "repr": repr(flow),
        "html": html(flow),
        "score": flow.score_samples(X),
        "pickle": pickle.dumps(flow),
    }
    if flow.release_.target is not None:
        parts["labelled"] = as_bytes(flow.sample_labeled(40, random_state=2))
    return parts


def assert_same(one, two):
    assert one.keys() == two.keys()
    for key in one:
        assert np.array_equal(one[key], two[key], equal_nan=True) if key == "score" else one[key] == two[key], key


@pytest.mark.parametrize("shape", SLOWER)
def test_with_one_release_unrelated_rows_give_one_model(monkeypatch, shape):
    """fit learns from the rows nothing but what measure() returned: same Release, same everything."""
    X, y = data_for(shape, 0, 150)
    release = flow_for(shape).fit(X, y).release_
    calls = []
    monkeypatch.setattr(skdpflow._flow.rows, "measure", lambda *args, **kwargs: calls.append(1) or release)
    prints = []
    for seed, n in ((1, 40), (2, 400)):
        flow = flow_for(shape)
        assert flow.fit(*data_for(shape, seed, n)) is flow
        prints.append(fingerprint(flow, X))
    assert len(calls) == 2
    assert_same(*prints)


@pytest.mark.slow
def test_with_one_release_unrelated_rows_give_one_continued_model(monkeypatch):
    X, y = data_for("labels", 0, 150)
    first = flow_for("labels").fit(X, y)
    release, more = first.release_, first.continue_fit(X, y, extra_epsilon=1.0).release_
    monkeypatch.setattr(skdpflow._flow.rows, "measure", lambda *args, **kwargs: release)
    monkeypatch.setattr(skdpflow._flow.rows, "measure_more", lambda *args, **kwargs: more)
    prints = []
    for seed, n in ((1, 40), (2, 400)):
        rows = data_for("labels", seed, n)
        flow = flow_for("labels").fit(*rows).continue_fit(*rows, extra_epsilon=1.0)
        assert flow.release_ is more
        prints.append(fingerprint(flow, X))
    assert_same(*prints)


def logarithm():
    return FunctionTransformer(np.log1p, inverse_func=np.expm1)


MODELS = {
    "scaler": lambda: DPStandardScaler(domain=(0.0, 1.0)),
    "pca": lambda: DPPCA(n_components=2, domain=(0.0, 1.0)),
    "quantiles": lambda: DPQuantileTransformer(domain=(0.0, 1.0)),
    "pipeline": lambda: GenerativePipeline(
        [("t", logarithm()), ("s", DPStandardScaler()), ("flow", flow_for("bounds"))]
    ),
    "behind a step": lambda: GenerativePipeline([("t", logarithm()), ("flow", flow_for("array"))]),
}


@pytest.mark.parametrize("name", MODELS)
def test_with_the_same_releases_unrelated_rows_give_one_transformer_or_pipeline(monkeypatch, name):
    """What was measured in one fit is handed to two others, in the same order."""
    made, owners = [], (skdpflow._flow.rows, preprocessing)
    with monkeypatch.context() as patch:
        for owner in owners:
            patch.setattr(owner, "measure", lambda *a, **k: made.append(measuring.measure(*a, **k)) or made[-1])
        MODELS[name]().fit(data_for("array", 0, 150)[0])
    assert made
    prints = []
    for seed, n in ((1, 40), (2, 400)):
        handed = iter(made)
        for owner in owners:
            monkeypatch.setattr(owner, "measure", lambda *a, _handed=handed, **k: next(_handed))
        model = MODELS[name]().fit(data_for("array", seed, n)[0])
        assert next(handed, None) is None
        values = {k: v for k, v in sorted(vars(model).items()) if k.endswith("_") or k.startswith("_")}
        out = (
            model.sample(40, random_state=1)
            if hasattr(model, "sample")
            else model.transform(data_for("array", 0, 9)[0])
        )
        prints.append((as_bytes(values), as_bytes(out), repr(model)))
    assert prints[0] == prints[1]


@pytest.mark.parametrize("shape", SLOWER)
def test_fit_is_from_release(shape):
    X, y = data_for(shape, 0, 200)
    flow = flow_for(shape).fit(X, y)
    buffer = io.BytesIO()
    flow.release_.save(buffer)
    for release in (flow.release_, Release.load(io.BytesIO(buffer.getvalue()))):
        again = DPSlicedWassersteinFlow.from_release(release)
        fitted = {k for k in vars(flow) if k.endswith("_")}
        assert fitted == {k for k in vars(again) if k.endswith("_")}
        for name in fitted:
            assert as_bytes(getattr(flow, name)) == as_bytes(getattr(again, name)), name
        assert as_bytes(flow.sample(30, random_state=1)) == as_bytes(again.sample(30, random_state=1))
        if flow.release_.target is not None:
            one, two = (f.sample_labeled(30, random_state=1) for f in (flow, again))
            assert as_bytes(one) == as_bytes(two)
        assert np.array_equal(flow.score_samples(X), again.score_samples(X))
        assert flow.score(X) == again.score(X)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_attribute_holds_a_row_or_their_number(shape):
    """Walks through all that hangs on a fitted estimator."""
    n = 211
    X, y = data_for(shape, 3, n)
    flow = flow_for(shape).fit(X, y)
    values = np.asarray(X)[:, 0].astype(float)
    packed = {v.tobytes() for v in values}
    seen, stack, arrays = set(), [flow], 0
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        assert not isinstance(item, RowSource | pd.DataFrame | pl.DataFrame)
        if isinstance(item, np.ndarray):
            arrays += 1
            if shape != "records":  # one line per row: their number is public there
                assert n not in item.shape
            if item.dtype == np.float64:
                assert packed.isdisjoint(v.tobytes() for v in item.ravel())
        elif isinstance(item, int):
            assert item != n
        elif not isinstance(item, type | ModuleType | FunctionType):
            stack += gc.get_referents(item)  # what it holds in its dict, its slots, or as a container
        if isinstance(item, np.ndarray):
            stack += [item.base] if item.dtype != object else [item.base, *item.ravel().tolist()]
    assert arrays > 10


def test_the_walk_finds_what_is_in_slots():
    domain = Domain({"a": Interval(0, 1)})
    assert any("a" in item for item in gc.get_referents(domain) if isinstance(item, dict))


@pytest.mark.parametrize("shape", SHAPES)
def test_debits_come_before_rows_are_read_and_noise_is_drawn(monkeypatch, shape):
    log = []

    def spy(owner, name, word):
        original = getattr(owner, name)

        def wrapped(self, *args, **kwargs):
            log.append(word)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, wrapped)

    spy(PrivacyFilter, "debit", "debit")
    for name in ("block", "numbers", "cells", "target_cells"):
        spy(RowSource, name, "read")
    spy(NoiseSource, "rounded_gaussian", "draw")
    spy(Curator, "__init__", "start")
    X, y = data_for(shape, 0, 100)
    release = flow_for(shape).fit(X, y).release_
    log = log[log.index("start") :]  # the gate comes before
    # rounds: some debits, then reads, then draws; never a draw or a read that was not paid for
    debits = draws = 0
    for word, previous in zip(log[1:], log, strict=False):
        debits += word == "debit"
        draws += word == "draw" and (shape != "records" or previous != "draw")
        assert word != "read" or previous != "start"
        assert draws <= debits
        if word == "draw":
            assert previous in ("read", "draw")
    assert debits == len(release.measurements)
    assert log[1] == "debit"
