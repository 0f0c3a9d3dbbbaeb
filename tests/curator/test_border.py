"""The border: what leaves the curator is a Release, and everything else is a function of it."""

import gc
import importlib
import io
import pickle
import re
import struct
import tomllib
import traceback
import warnings
import zipfile
from decimal import Decimal
from pathlib import Path
from types import FunctionType, ModuleType

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.preprocessing import FunctionTransformer

import skdpflow
import skdpflow._flow.rows
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.accountants import GaussianDPAccountant
from skdpflow.compose import GenerativePipeline
from skdpflow.curator import curator as curators
from skdpflow.curator import measure as measuring
from skdpflow.curator.curator import Budget, Curator
from skdpflow.curator.encode import RowSource
from skdpflow.curator.noise import NoiseSource
from skdpflow.domain.schema import schema_of
from skdpflow.exceptions import BudgetExceededError, DomainMismatchWarning, PrivacyLeakWarning
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler
from skdpflow.preprocessing import _base as preprocessing
from skdpflow.release.request import Request

PACKAGE = Path(skdpflow.__file__).parent
#: The modules that may hand rows to the curator, as the import contracts of pyproject.toml say.
DOORS = {
    "_flow/rows.py",
    "compose/_steps.py",
    "domain/domain.py",
    "model_selection/_score.py",
    "model_selection/_search.py",
    "preprocessing/_base.py",
}


# ---------------------------------------------------------------- who may import the curator


def modules():
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_the_doors_are_those_of_the_import_contracts():
    with (PACKAGE.parent / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (allowed,) = (c["allowed_importers"] for c in contracts if c["id"] == "rows")
    assert {"skdpflow/" + door for door in DOORS} == {name.replace(".", "/") + ".py" for name in allowed}


def test_no_other_module_holds_anything_of_the_curator():
    """However it came there: what modules hold when all of them are imported."""
    held = []
    for path in modules():
        name = ".".join(["skdpflow", *path.removesuffix(".py").split("/")]).removesuffix(".__init__")
        if path.startswith("curator/") or path in DOORS or path.endswith("__main__.py"):
            continue
        for key, value in vars(importlib.import_module(name)).items():
            origin = getattr(value, "__name__" if isinstance(value, ModuleType) else "__module__", None)
            if str(origin).startswith("skdpflow.curator") and (name, key) != ("skdpflow", "curator"):
                held.append((name, key))
    assert held == []


def test_the_curator_is_not_public():
    assert "curator" not in skdpflow.__all__


# ---------------------------------------------------------------- everything is a function of the Release

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


@pytest.mark.parametrize("shape", SHAPES)
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


@pytest.mark.parametrize("shape", SHAPES)
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


# ---------------------------------------------------------------- markers

WORD, NUMBER, INTEGER, N = "SECRETMARKER", 987654.321, 765432109876, 1009
# seven digits: released numbers with noise look like that about once in a million printed ones
TRACES = re.compile(r"SECRET|MARKER|987654\.3|98765432|9\.876543|76543210|7\.654321")


def traces_in(text):
    """Marked cells, and the number of rows."""
    return TRACES.findall(text) + re.findall(rf"\b{N}\b", text)


def whole_story(error):
    """All text of an exception: its own, of what it came from, and what a log would print."""
    story, pending, seen = [], [error], set()
    while pending:
        e = pending.pop()
        if e is None or id(e) in seen:
            continue
        seen.add(id(e))
        story += [str(e), repr(e), repr(e.args), *getattr(e, "__notes__", [])]
        pending += [e.__cause__, e.__context__]
    story += traceback.format_exception_only(error)
    return "\n".join(story)


def poisoned(n=N):
    """Numbers with marked cells, and with the number of rows as a mark of its own."""
    X = np.random.default_rng(0).uniform(size=(n, 2))
    X[5] = NUMBER
    X[7, 1] = float(INTEGER)
    return X


def objects(*cells):
    X = poisoned().astype(object)
    for i, cell in enumerate(cells):
        X[20 + i, 0] = cell
    return X


class Loud:
    """Talks about the row in every method that a library may call."""

    def _talk(self, *args, **kwargs):
        raise ValueError(f"{WORD} {NUMBER}")

    __float__ = __int__ = __index__ = __array__ = __len__ = __iter__ = __hash__ = __eq__ = __str__ = _talk
    __bool__ = __lt__ = __getitem__ = __repr__ = __format__ = _talk


def loud_column():
    column = np.empty(N, dtype=object)
    column.fill(Loud())
    return column


class LoudString(str):
    """Text that is no key."""

    __hash__ = None


def frame(**columns):
    X = poisoned()
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], **columns})


def with_cell(value):
    X = poisoned()
    X[11, 1] = value
    return X


Y = np.random.default_rng(1).integers(0, 2, N)
BOX = {"domain": (0.0, 1.0)}
LABELS = {**BOX, "target": Categories([0, 1])}
NUMERIC = {**BOX, "target": Interval(0.0, 1.0)}
UNBOXED = {"target": Interval(0.0, 1.0)}
words = np.array([WORD] * N, dtype=object)

BAD = {
    "text": (lambda: objects(WORD), Y, {}),
    "text in a box": (lambda: objects(WORD), Y, {}),
    "text array": (lambda: poisoned().astype(str), Y, BOX),
    "bytes": (lambda: poisoned().astype("S20"), Y, BOX),
    "text list": (lambda: [[WORD, NUMBER]] * N, Y, {}),
    "text frame": (lambda: frame(c=words), Y, {}),
    "text polars": (lambda: pl.from_pandas(frame(c=words)), Y, {}),
    "category frame": (lambda: frame(c=pd.Categorical([WORD] * N)), Y, {}),
    "nan": (lambda: with_cell(np.nan), Y, {}),
    "inf": (lambda: with_cell(np.inf), Y, {}),
    "nan frame": (lambda: frame(c=np.full(N, np.nan)), Y, {}),
    "none": (lambda: objects(None), Y, {}),
    "pandas na": (lambda: frame(c=pd.array([None] * N, dtype="Int64")), Y, {}),
    "polars null": (lambda: pl.from_pandas(frame()).with_columns(c=None), Y, {}),
    "huge integer": (lambda: objects(10**400), Y, {}),
    "complex": (lambda: poisoned() * (1 + 1j), Y, BOX),
    "complex cell": (lambda: objects(complex(NUMBER, 1)), Y, {}),
    "dates": (lambda: frame(c=np.datetime64("2020-01-01")), Y, {}),
    "time differences": (lambda: frame(c=np.timedelta64(765432, "s")), Y, {}),
    "nested": (lambda: objects([NUMBER], {WORD: 1}), Y, {}),
    "nested polars": (lambda: pl.from_pandas(frame()).with_columns(c=[NUMBER, 1.0]), Y, {}),
    "loud": (lambda: objects(Loud()), Y, {}),
    "loud table": (lambda: Loud(), Y, BOX),
    "loud list": (lambda: [[Loud(), 1.0]] * 3, Y, {}),
    "signalling nan": (lambda: objects(Decimal("sNaN")), Y, {}),
    "decimal nan": (lambda: objects(Decimal("NaN")), Y, {}),
    "ragged": (lambda: [[NUMBER], [NUMBER, 1.0]], None, BOX),
    "sparse": (lambda: sparse.csr_matrix(poisoned()), Y, BOX),
    "one dimension": (lambda: poisoned()[:, 0], Y, BOX),
    "three dimensions": (lambda: poisoned()[..., None], Y, BOX),
    "scalar": (lambda: NUMBER, None, BOX),
    "word": (lambda: WORD, None, BOX),
    "dict": (lambda: {"a": [NUMBER]}, None, BOX),
    "no columns": (lambda: poisoned()[:, :0], Y, BOX),
    "same name twice": (lambda: pd.DataFrame(poisoned(), columns=["a", "a"]), Y, {}),
    "names not in the domain": (frame, Y, {"domain": {"a": Interval(0, 1), "z": Interval(0, 1)}}),
    "too few columns": (poisoned, Y, {"domain": (0.0, [1.0, 2.0, 3.0])}),
    "y short": (poisoned, Y[:-1], LABELS),
    "y missing": (poisoned, None, LABELS),
    "y nan": (poisoned, np.where(Y, NUMBER, np.nan), UNBOXED),
    "y text": (poisoned, words.astype(str), NUMERIC),
    "y text with numbers": (poisoned, np.array([NUMBER, WORD] + [INTEGER] * (N - 2), dtype=object), UNBOXED),
    "y inf": (poisoned, np.where(Y, NUMBER, np.inf), UNBOXED),
    "y wide": (poisoned, np.full((N, 2), NUMBER), LABELS),
    "y loud": (poisoned, loud_column(), UNBOXED),
    "y none": (poisoned, np.array([WORD, None] + [1] * (N - 2), dtype=object), {"target": Categories([0, 1])}),
    "y sparse": (poisoned, sparse.csr_matrix(np.full((N, 1), NUMBER)), LABELS),
    "y complex": (poisoned, np.full(N, NUMBER * 1j), LABELS),
    "labels as target": (poisoned, Y, {**BOX, "target": words}),
    "rows as domain": (poisoned, Y, {"domain": poisoned()}),
    "frame as domain": (frame, Y, {"domain": frame()}),
    "rows as epsilon": (poisoned, Y, {**BOX, "epsilon": poisoned()}),
    "rows as mechanism": (poisoned, Y, {**BOX, "mechanism": poisoned()}),
    "rows as sampler": (poisoned, Y, {**BOX, "projections": poisoned()}),
    "rows as accountant": (poisoned, Y, {**BOX, "accountant": frame()}),
    "rows as seed": (poisoned, Y, {**BOX, "random_state": poisoned()}),
    "rows as noise seed": (poisoned, Y, {**BOX, "noise_random_state": poisoned()}),
    "rows as steps": (poisoned, Y, {**BOX, "n_steps": poisoned()}),
    "rows as workers": (poisoned, Y, {**BOX, "n_jobs": poisoned()}),
    "rows as relation": (poisoned, Y, {**BOX, "neighbours": poisoned()}),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_never_show_a_cell(name, capsys, caplog):
    make, y, params = BAD[name]
    X = make()
    flow = DPSlicedWassersteinFlow(verbose=2, n_particles=100, **params)
    drawn = []
    with warnings.catch_warnings(record=True) as caught, pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr(NoiseSource, "rounded_gaussian", lambda *args: drawn.append(1))
        with pytest.raises((ValueError, TypeError)) as error:
            flow.fit(X, y)
    assert not drawn  # nothing was spent
    assert not hasattr(flow, "release_")
    assert len(str(error.value)) > 20
    assert traces_in(whole_story(error.value)) == []
    for text in (*(str(w.message) for w in caught), *capsys.readouterr(), caplog.text):
        assert traces_in(text) == []


def strange_cells():
    """Unknown categories of every kind beside known ones."""
    cells = [
        "x",
        "y",
        WORD,
        NUMBER,
        INTEGER,
        Loud(),
        LoudString(WORD),
        [WORD],
        {WORD: NUMBER},
        b"SECRET",
        True,
    ]
    column = np.empty(N, dtype=object)
    for i in range(N):
        column[i] = cells[i % len(cells)]
    return column


GOOD = {
    "outside the domain": (poisoned, Y, BOX),
    "labels": (poisoned, np.where(np.arange(N) == 3, INTEGER, Y), LABELS),
    "word labels": (poisoned, np.where(Y, WORD, "x"), {**BOX, "target": Categories(["x", "y"])}),
    "numeric target": (poisoned, np.where(np.arange(N) == 3, NUMBER, Y), NUMERIC),
    "found labels": (poisoned, np.array([WORD, NUMBER, INTEGER] + ["x"] * (N - 3), dtype=object),
                     {**BOX, "target": Categories()}),
    "found bounds": (poisoned, Y, {}),
    "strange cells": (lambda: frame(c=strange_cells()), Y,
                      {"domain": {"a": Interval(0, 1), "b": Interval(0, 1), "c": Categories(["x", "y"])}}),
    "strange labels": (poisoned, strange_cells(), {**BOX, "target": Categories(["x", "y"])}),
    "ignored y": (poisoned, words, BOX),
    "ignored loud y": (poisoned, Loud(), BOX),
    "records": (poisoned, Y, {**BOX, "mechanism": "records", "neighbours": "replace-one"}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("seeded", [False, True])
def test_what_fit_leaves_behind_has_no_trace_of_a_cell(name, seeded, capsys, caplog):
    make, y, params = GOOD[name]
    X = make()
    flow = DPSlicedWassersteinFlow(
        verbose=2, n_particles=100, random_state=0, noise_random_state=3 if seeded else None, **params
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flow.fit(X, y)
        samples = flow.sample(200, random_state=0)
    # whether rows fit what is declared is told by the Release
    told = [w for w in caught if w.category is not DomainMismatchWarning]
    assert [w.category for w in told] == ([PrivacyLeakWarning] if seeded else [])
    buffer = io.BytesIO()
    flow.release_.save(buffer)
    with zipfile.ZipFile(buffer) as z:
        contents = b"".join(z.read(i) for i in z.infolist())
    texts = [repr(flow), str(flow), flow._repr_html_(), repr(flow.release_), str(flow.release_)]
    texts += [
        str(flow.privacy_statement()),
        repr(flow.domain_),
        repr(vars(flow)),
        np.array2string(np.asarray(samples)),
    ]
    texts += [*capsys.readouterr(), caplog.text, *(str(w.message) for w in caught)]
    for text in texts:
        assert TRACES.findall(text) == []
    marks = [WORD.encode(), struct.pack("<d", NUMBER), struct.pack(">d", NUMBER), struct.pack("<q", INTEGER)]
    marks += [repr(NUMBER).encode(), repr(INTEGER).encode(), struct.pack("<d", float(INTEGER)), b"SECRET"]
    for stored in (contents, pickle.dumps(flow), pickle.dumps(flow.release_)):
        assert not any(mark in stored for mark in marks)


def test_later_errors_show_no_cell():
    flow = DPSlicedWassersteinFlow(n_particles=100, **LABELS).fit(poisoned(), Y)
    numeric = DPSlicedWassersteinFlow(n_particles=100, **BOX).fit(poisoned())
    bad = [
        lambda: flow.score(poisoned().astype(str)),
        lambda: flow.score_samples(poisoned()[:, :1]),
        lambda: flow.score_samples(frame(c=words)),
        lambda: flow.sample(poisoned()),
        lambda: flow.sample(3, random_state=poisoned()),
        lambda: numeric.sample_labeled(3),
        lambda: DPSlicedWassersteinFlow.from_release(poisoned()),
        lambda: DPSlicedWassersteinFlow().sample(),
        lambda: flow.set_params(n_particles=frame()).refit(),
    ]
    for call in bad:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with pytest.raises((ValueError, TypeError, AttributeError)) as error:
                call()
        for text in (whole_story(error.value), *(str(w.message) for w in caught)):
            assert traces_in(text) == []


@pytest.mark.slow
def test_with_a_domain_no_value_raises():
    """An error that depends on one cell tells about it: with a declared domain there is none."""
    domain = Domain({"a": Interval(0, 1), "b": Interval(0, 1), "c": Categories(["x", "y"])})
    for a in (-1e308, 1e308, 5e-324, 2.0, -0.0):
        for c in ("x", WORD, "", 0, 1.5, True, b"x", (1, 2), frozenset(), Loud()):
            y = np.array(["x"] * N, dtype=object)
            y[4] = c
            X = frame(c=pd.Series(y, dtype=object))
            X.loc[3, "a"] = a
            DPSlicedWassersteinFlow(domain=domain, target=Categories(["x"]), n_particles=50).fit(X, y)


# ---------------------------------------------------------------- the ledger comes first


def source_of(X=None, y=None):
    X = np.random.default_rng(0).uniform(size=(50, 2)) if X is None else X
    return RowSource(X, y, schema_of(X, y), None)


BUDGET = Budget(1.0, 1e-6, "add-remove", GaussianDPAccountant(), "gdp")
UNIT = Domain({"a": Interval(0, 1), "b": Interval(0, 1)})


def counts(share, name="counts"):
    return Request(name, "counts", share, {"n_components": 1})


class BrokenNoise(NoiseSource):
    """Fails where noise should come out."""

    def rounded_gaussian(self, scale, shape):
        raise OSError("no entropy")


def test_a_spend_survives_the_failure_of_the_noise():
    curator = Curator(source_of(), BUDGET, BrokenNoise())
    before = curator.ledger.remaining
    with pytest.raises(OSError, match="no entropy"):
        curator.answer([counts(0.25)], UNIT, None)
    (entry,) = curator.ledger.entries
    assert entry.what == "counts"
    assert curator.ledger.remaining == pytest.approx(0.75 * before)


def test_a_spend_survives_the_failure_of_the_sketch(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("disk")

    monkeypatch.setattr(curators, "sketch_rows", broken)
    curator = Curator(source_of(), BUDGET, NoiseSource())
    with pytest.raises(RuntimeError, match="disk"):
        curator.answer([counts(0.25), counts(0.25, "more")], UNIT, None)
    assert [entry.what for entry in curator.ledger.entries] == ["counts", "more"]


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


# ---------------------------------------------------------------- the filter holds against any mechanism


class Greedy:
    """Asks for the shares it is told to ask for, whatever they sum to."""

    def __init__(self, *rounds, params=None):
        self.rounds = rounds
        self.params = params or {"n_components": 1}
        self.answers = []

    def plan(self, public):
        for i, shares in enumerate(self.rounds):
            requests = [Request(f"r{i}.{j}", "counts", s, self.params) for j, s in enumerate(shares)]
            self.answers.append((yield requests))

    def learn(self, release):
        raise AssertionError("learnt from an overspent budget")

    def describe(self):
        return {"name": "greedy"}


@pytest.mark.parametrize(
    "rounds",
    [
        [[1.01]],
        [[0.6, 0.6]],
        [[0.6], [0.6]],
        [[1.0], [1e-3]],
        [[0.25], [0.25], [0.25], [0.25], [0.01]],
        [[1e6]],
    ],
)
def test_a_mechanism_cannot_overspend(monkeypatch, rounds):
    drawn = []
    original = NoiseSource.rounded_gaussian
    monkeypatch.setattr(NoiseSource, "rounded_gaussian", lambda *args: drawn.append(1) or original(*args))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=Greedy(*rounds))
    with pytest.raises(BudgetExceededError, match="left"):
        flow.fit(poisoned())
    assert not hasattr(flow, "release_")
    # the round that would overspend is refused as a whole, before any of its noise
    assert len(drawn) == sum(len(shares) for shares in rounds[:-1])


@pytest.mark.parametrize("share", [0.0, -0.1, np.nan, np.inf, -np.inf])
def test_shares_that_are_none_are_refused(share):
    flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=Greedy([0.5, share]))
    with np.errstate(all="ignore"), pytest.raises((ValueError, BudgetExceededError)):
        flow.fit(poisoned())
    assert not hasattr(flow, "release_")


class Revealing(Greedy):
    """Asks for a line per row, with labels that nobody declared public."""

    def plan(self, public):
        params = {"n_components": 2, "levels": np.full(2, 2**20), "radius": 1.0, "steps": 64, **self.params}
        yield [Request("lines", "records", 1.0, {**params, "directions": np.eye(2, dtype=np.int64)})]


@pytest.mark.parametrize(
    ("params", "neighbours", "match"),
    [
        ({"public_labels": False}, "replace-one", "declared public"),
        ({"public_labels": 1}, "replace-one", "declared public"),
        ({"public_labels": True}, "add-remove", "replace-one"),
    ],
)
def test_a_mechanism_cannot_show_private_labels_or_the_number_of_rows(params, neighbours, match):
    flow = DPSlicedWassersteinFlow(mechanism=Revealing(params=params), neighbours=neighbours, **LABELS)
    with pytest.raises(ValueError, match=match):
        flow.fit(poisoned(), Y)
    assert not hasattr(flow, "release_")


@pytest.mark.parametrize("params", [{}, {"domain": None}, {"domain": None, "target": Categories()}])
def test_all_rounds_together_cost_what_was_asked(params):
    """Also with what is found privately before the plan begins: shares of a mechanism are of the rest."""
    flow = flow_for("labels", **{"target": None, **params, "epsilon": 1.0}).fit(*data_for("labels", 0, 300))
    release = flow.release_
    for accountant in (release.accountant, "zcdp", "rdp"):
        spent = skdpflow.accountants.resolve_accountant(accountant).epsilon(release.event, release.delta)
        if accountant == "gdp":
            assert spent <= release.epsilon
            assert spent >= 0.9 * release.epsilon
        else:
            assert spent >= 0.9 * release.epsilon  # looser accountants, same events
    assert flow.privacy_spent_ == (1.0, 1e-6)


@pytest.mark.parametrize("accountant", ["gdp", "zcdp", "rdp", "pld"])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_the_exact_cost_is_never_above_the_guarantee(accountant, epsilon):
    flow = flow_for("labels", accountant=accountant, epsilon=epsilon).fit(*data_for("labels", 0, 100))
    exact = GaussianDPAccountant().epsilon(flow.release_.event, flow.release_.delta)
    assert exact <= epsilon
    assert flow.release_.accountant == accountant


def test_unknown_statistics_are_refused_before_anything_is_spent():
    curator = Curator(source_of(), BUDGET, BrokenNoise())
    with pytest.raises(ValueError, match="no statistic 'rows'"):
        curator.answer([counts(0.1), Request("rows", "rows", 0.1, {})], UNIT, None)
    assert curator.ledger.entries == ()


def test_a_wrong_number_of_leaves_shares_no_noise():
    """One count for three classes: it must not come out as three counts with the same noise."""
    curator = Curator(source_of(y=np.arange(50) % 3), BUDGET, NoiseSource())
    (m,) = curator.answer([counts(0.5)], UNIT, Categories([0, 1, 2]))
    assert m.values.shape == (1,)


def test_noise_beyond_the_floating_point_slack_is_refused_without_a_private_number():
    tiny = Budget(1e-9, 1e-6, "add-remove", GaussianDPAccountant(), "gdp")
    curator = Curator(source_of(), tiny, BrokenNoise())
    with pytest.raises(ValueError, match="floating-point slack") as caught:
        curator.answer([counts(0.001)], UNIT, None)
    assert "50" not in str(caught.value)
    assert len(curator.ledger.entries) == 1
