"""Files on filesystems of pyarrow: what they give on this machine, no credential shown, and nothing for what fails."""

import io
import itertools
import logging
import os
import pickle
import traceback
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.curator import files
from skdpflow.curator.stores import ArrowStore, found
from skdpflow.files import TableFile
from skdpflow.mechanisms.marginals import locate
from skdpflow.mechanisms.marginals.allocation import LOCATION_SHARES

pa = pytest.importorskip("pyarrow")
fs = pytest.importorskip("pyarrow.fs")
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")

N = 1500
SECRET = "wJalrXUtnFEMI"
DOMAIN = Domain(
    {"age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0), "ward": Categories(["A", "B", "é"])}
)
KINDS = ["csv", "csv.gz", "parquet"]


class Remote(fs.FileSystemHandler):
    """Files in memory, of a filesystem that may misbehave after some calls."""

    def __init__(self, content, trouble=None, after=0, most=None):
        self.content, self.trouble, self.after, self.most = content, trouble, after, most
        self.token, self.calls, self.mtime = SECRET, 0, 1e9

    def fails(self, trouble):
        self.calls += trouble == self.trouble
        return trouble == self.trouble and self.calls > self.after

    def _info(self, path):
        if self.fails("refuse"):
            raise PermissionError(f"no access with {self.token} to {path}")
        path = path.strip("/")
        if path in self.content:
            size = len(self.content[path]) - self.fails("shrink")
            mtime = None if self.fails("undated") else self.mtime + self.fails("touch")
            return fs.FileInfo(path, fs.FileType.File, size=size, mtime=mtime)
        folder = any(name.startswith(path + "/") for name in self.content)
        return fs.FileInfo(path, fs.FileType.Directory if folder else fs.FileType.NotFound)

    def get_file_info(self, paths):
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector):
        base = selector.base_dir.strip("/")
        steps = len(base.split("/")) if base else 0
        names = {"/".join(name.split("/")[: steps + 1]) for name in self.content if name.startswith(base)}
        return [self._info(name) for name in sorted(names)]

    def open_input_file(self, path):
        if self.fails("close"):
            raise OSError(f"no access with {self.token} to {path}")
        return pa.PythonFile(Slow(self.content[path], self), mode="r")

    def normalize_path(self, path):
        return path

    def get_type_name(self):
        return f"remote {self.token}"

    def _other(self, *args):
        raise NotImplementedError

    copy_file = create_dir = delete_dir = delete_dir_contents = delete_file = delete_root_dir_contents = _other
    move = open_append_stream = open_input_stream = open_output_stream = _other


Remote.__abstractmethods__ = frozenset()


class Slow(io.BytesIO):
    """Gives few bytes at once, or fails."""

    def __init__(self, content, of):
        super().__init__(content)
        self.of = of

    def read(self, size=-1):
        if self.of.fails("read"):
            raise OSError(f"reset by peer, token {self.of.token}")
        if self.of.fails("cut"):
            return b""
        return super().read(size if self.of.most is None or size < 0 else min(size, self.of.most))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N).round(3),
        "ward": rng.choice(["A", "B", "é", "x"], N), "died": rng.integers(0, 2, N),
    })  # fmt: skip


def written(table, folder, kind):
    """Write a table as three files."""
    folder.mkdir(parents=True)
    for i, (start, stop) in enumerate([(0, 700), (700, 701), (701, N)]):
        piece, path = table.iloc[start:stop], folder / f"part-{i}.{kind}"
        piece.to_parquet(path, index=False, row_group_size=400) if kind == "parquet" else piece.to_csv(
            path, index=False
        )
    return folder


def content(table, tmp_path, kind):
    folder = written(table, tmp_path / "rows", kind)
    return {f"bucket/rows/{path.name}": path.read_bytes() for path in folder.iterdir()}


def fit(X, **params):
    flow = DPSlicedWassersteinFlow(
        2.0, domain=DOMAIN, target=Categories([0, 1]), n_particles=50, random_state=0,
        **{"noise_random_state": 0, **params},
    )  # fmt: skip
    return flow.fit(X)


def digest(X, **params):
    return [m.values.tobytes() for m in fit(X, **params).release_.measurements]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    monkeypatch.setattr(files.csv_text, "_CHUNK", 5000)


@pytest.mark.parametrize("kind", KINDS)
def test_other_filesystems_give_the_bits_of_this_machine(kind, table, tmp_path, small):
    folder = written(table, tmp_path / "deep" / "rows", kind)
    expected = digest(TableFile(folder, target="died"))
    tree = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    assert digest(TableFile("deep/rows/part-*", target="died", filesystem=tree), n_jobs=2) == expected
    assert digest(TableFile(f"{folder.as_uri()}/*", target="died")) == expected
    most = None if kind == "parquet" else 100  # pyarrow refuses a Parquet file that gives few bytes at once
    remote = fs.PyFileSystem(Remote({f"b/{p.name}": p.read_bytes() for p in folder.iterdir()}, most=most))
    assert digest(TableFile("b", target="died", filesystem=remote)) == expected


def test_a_filesystem_of_fsspec_is_taken(table, tmp_path, small):
    local = pytest.importorskip("fsspec.implementations.local").LocalFileSystem()
    folder = written(table, tmp_path / "rows", "csv")
    assert digest(TableFile(f"{folder}/*.csv", target="died", filesystem=local)) == digest(TableFile(folder, "died"))


@pytest.mark.parametrize("folder", [False, True])
def test_a_filesystem_that_remembers_files_is_asked_again(table, tmp_path, folder):
    """Otherwise a file that changed would look as it was."""
    local = pytest.importorskip("fsspec.implementations.local")

    known = {}

    class Remembers(local.LocalFileSystem):
        def info(self, path, **kwargs):
            return known.setdefault(path, super().info(path, **kwargs))

        def invalidate_cache(self, path=None):
            known.clear()

    table.to_csv(tmp_path / "t.csv", index=False)
    filesystem, path = fs.PyFileSystem(fs.FSSpecHandler(Remembers(skip_instance_cache=True))), f"{tmp_path}/t.csv"
    if folder:
        filesystem, path = fs.SubTreeFileSystem(str(tmp_path), filesystem), "t.csv"
    source = files.FileTable(TableFile(path, filesystem=filesystem), Domain({**DOMAIN, "died": Categories([0, 1])}))
    source.check_unchanged()
    table[::-1].to_csv(tmp_path / "t.csv", index=False)
    os.utime(tmp_path / "t.csv", (0, 0))
    with pytest.raises(files.FileChangedError):
        source.check_unchanged()


def test_a_file_in_another_encoding_is_read(table, tmp_path, small):
    table.to_csv(tmp_path / "t.csv", index=False, encoding="utf-16")
    own = TableFile(tmp_path / "t.csv", target="died", encoding="utf-16")
    remote = fs.PyFileSystem(Remote({"t.csv": (tmp_path / "t.csv").read_bytes()}, most=1000))
    assert digest(TableFile("t.csv", target="died", encoding="utf-16", filesystem=remote)) == digest(own)


def test_files_are_found_as_on_this_machine(tmp_path):
    names = ["a/1.csv", "a/2.csv", "a/.3.csv", "a/_SUCCESS", "b/1.csv", "b/c/1.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    tree = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    remote = fs.PyFileSystem(Remote(dict.fromkeys(names, b"")))
    for pattern in ("a", "a/", "a/*.csv", "*/1.csv", "?/[12].csv", "b/*/*.csv", "a/1.csv", "[ab]/2.csv"):
        expected = [str(path.relative_to(tmp_path)) for path in found(TableFile(tmp_path / pattern))[1]]
        for filesystem in (tree, remote):
            paths = found(TableFile(pattern, filesystem=filesystem))[1]
            assert [str(path).strip("/") for path in paths] == expected
        assert [path.name for path in found(TableFile(f"{tmp_path.as_uri()}/{pattern}"))[1]] == [
            name.rsplit("/")[-1] for name in expected
        ]
    for pattern in ("c/*.csv", "*/9.csv", "a/[9].csv"):
        with pytest.raises(ValueError, match=r"There are no files.*Nothing was spent"):
            found(TableFile(pattern, filesystem=remote))


def shown(caught):
    """Everything that a log could show of an error."""
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)


def refused(kind, table, tmp_path, handler, spent, caplog):
    """Fit with a ledger, which must end in an error; return what the error shows."""
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(2.0, domain=DOMAIN, target=Categories([0, 1]), n_particles=50, ledger=ledger)
    X = TableFile("bucket/rows", target="died", filesystem=fs.PyFileSystem(handler))
    with caplog.at_level(logging.DEBUG), pytest.raises((ValueError, RuntimeError, OSError)) as caught:
        flow.fit(X)
    assert len(ledger.history()) == spent
    assert not hasattr(flow, "release_")
    assert SECRET not in repr(X) + shown(caught) + caplog.text + repr(flow) + repr(ledger.history())
    return str(caught.value)


def calls(kind, table, tmp_path, trouble):
    """Count calls of a fit that might fail, until the debit, and in all."""
    handler, debit = Remote(content(table, tmp_path, kind), trouble, 10**9), []

    class Ledger(PrivacyLedger):
        def debit(self, *args, **params):
            debit.append(handler.calls)
            return super().debit(*args, **params)

    fit(TableFile("bucket/rows", target="died", filesystem=fs.PyFileSystem(handler)),
        ledger=Ledger(epsilon=9.0, delta=1e-5), noise_random_state=None)  # fmt: skip
    return debit[0], handler.calls


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", ["shrink", "touch", "undated", "refuse", "close", "read", "cut"])
def test_trouble_stops_a_fit_with_one_debit_at_most(trouble, kind, table, tmp_path, small, caplog, monkeypatch):
    # no rounds that only noise asks for: all fits read as often
    monkeypatch.setattr(locate, "LOCATION_ROUNDS", LOCATION_SHARES)
    before, whole = calls(kind, table, tmp_path / "0", trouble)
    # the last reads of a packed file find its end, which nothing can cut
    early = [] if trouble in ("shrink", "touch", "undated") else [0, before // 2]  # it would be as it always was
    for i, after in enumerate([*early, before, (before + whole) // 2, whole - (40 if trouble == "cut" else 1)]):
        folder = tmp_path / f"{i + 1}"
        handler = Remote(content(table, folder, kind), trouble, after)
        message = refused(kind, table, folder, handler, after >= before, caplog)
        assert any(text in message for text in ("has changed since", "cannot be read", "looked up", "had other rows"))


def test_trouble_stops_a_fit(table, tmp_path, small, caplog):
    """One quick instance of the test above."""
    handler = Remote(content(table, tmp_path, "csv"), "read", 0)
    assert "cannot be read" in refused("csv", table, tmp_path, handler, 0, caplog)


def test_a_filesystem_that_does_not_date_files_is_refused(table, tmp_path, caplog):
    message = refused("csv", table, tmp_path, Remote(content(table, tmp_path, "csv"), "undated"), 0, caplog)
    assert "time of the last change of 'part-0.csv'" in message
    assert "Nothing was spent" in message


def test_content_that_changes_between_two_passes_and_keeps_its_date_does_not_cut_a_cell(table, tmp_path):
    """A file that is shorter than it says gives an error, and never a part of a number."""
    text = b"age,bmi,ward,died\n" + b"12,20.5,A,0\n" * 40
    handler = Remote({"t.csv": text})
    source = files.FileTable(
        TableFile("t.csv", filesystem=fs.PyFileSystem(handler)), Domain({**DOMAIN, "died": Categories([0, 1])})
    )

    class Shorter(dict):
        def __getitem__(self, name):
            return text[:-3] if next(opened) else text

    assert len(list(source.blocks(source.parts[0], 100))) == 1
    opened = itertools.repeat(True)
    handler.content = Shorter(handler.content)
    handler._info = lambda path: fs.FileInfo(path, fs.FileType.File, size=len(text), mtime=handler.mtime)
    with pytest.raises(ValueError, match="cannot be read"):
        list(source.blocks(source.parts[0], 100))


@pytest.mark.parametrize(
    "uri",
    [f"s3://AKIA:{SECRET}@bucket/t.csv", f"s3://bucket/*.csv?access_key=A&secret_key={SECRET}",
     f"abfss://c:{SECRET}@account.dfs.core.windows.net/t.csv", f"gs://bucket/t.csv?access_token={SECRET}",
     f"s3://AKIA:a/{SECRET}@bucket/t.csv", f"s3://AKIA%3A{SECRET}@bucket/t.csv",
     Path(f"s3://AKIA:{SECRET}@bucket/t.csv")],
)  # fmt: skip
def test_a_uri_with_credentials_is_refused(uri):
    with pytest.raises(ValueError, match="must hold no key") as caught:
        TableFile(uri)
    assert SECRET not in str(caught.value)
    for plain in ("abfss://container@account.dfs.core.windows.net/t-?.csv", "hdfs://me@name:8020/day=1/a@b:c.csv",
                  "hdfs://[::1]:8020/t.csv", "s3://bucket/t.csv", "file:///C:/t.csv", "C:/a@b:c.csv"):  # fmt: skip
        assert TableFile(plain).path == plain


def test_what_is_no_filesystem_is_refused():
    with pytest.raises(TypeError, match=r"must be a pyarrow.fs.FileSystem.*'str'"):
        found(TableFile("t.csv", filesystem="s3"))
    with pytest.raises(ValueError, match="cannot be looked up: pyarrow must know the filesystem"):
        found(TableFile("nowhere://bucket/t.csv"))


def test_a_filesystem_is_not_shown():
    table = TableFile("t.csv", filesystem=fs.S3FileSystem(access_key="AKIA", secret_key=SECRET, region="eu-west-1"))
    assert SECRET not in repr(table)
    assert SECRET not in repr(ArrowStore(table.filesystem))
    assert hash(table) == hash(TableFile("t.csv"))


def test_a_filesystem_that_cannot_travel_is_refused_before_the_debit(table, tmp_path):
    handler = Remote(content(table, tmp_path, "csv"))
    handler.lock = (own for own in ())  # no generator can be pickled
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
    X = TableFile("bucket/rows", target="died", shared=True, filesystem=fs.PyFileSystem(handler))
    with pytest.raises(TypeError, match=r"can be pickled.*Nothing was spent"):
        fit(X, ledger=ledger, noise_random_state=None)
    assert len(ledger.history()) == 0


@pytest.mark.slow
def test_workers_read_other_filesystems(table, tmp_path, small):
    folder = written(table, tmp_path / "rows", "parquet")
    expected = digest(TableFile(folder, target="died"))
    tree = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    assert pickle.loads(pickle.dumps(tree)) == tree
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert digest(TableFile("rows/*.parquet", target="died", filesystem=tree, shared=True)) == expected
        assert digest(TableFile(f"{folder.as_uri()}/*.parquet", target="died", shared=True)) == expected
