"""No message, attribute, file or pickle shows a cell or the number of rows."""

import io
import pickle
import re
import struct
import traceback
import warnings
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator.noise import NoiseSource
from skdpflow.exceptions import DomainMismatchWarning, PrivacyLeakWarning

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
