"""Outputs: tried before anything is spent, complete or not there at all, and what was paid for is kept."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow import files as table_files
from skdpflow._cli import main
from skdpflow._outputs import check_writable, place, replacing

DOMAIN = Domain({"a": Interval(0, 1), "b": Interval(0, 1)})
FRAME = pd.DataFrame(np.random.default_rng(0).uniform(size=(200, 2)), columns=["a", "b"])
COMMAND = ["synthesize", "t.csv", "--domain", "d.json", "--epsilon", "1"]


@pytest.fixture(scope="module")
def flow():
    return DPSlicedWassersteinFlow(domain=DOMAIN).fit(FRAME)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("t.csv", index=False)
    DOMAIN.to_json("d.json")
    return tmp_path


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "f"

    def fail():
        with replacing(path) as file:
            file.write(b"half")
            raise RuntimeError

    for old in (None, b"old"):
        with pytest.raises(RuntimeError):
            fail()
        assert (path.read_bytes() if path.exists() else None) == old
        path.write_bytes(b"old")
    assert os.listdir(tmp_path) == ["f"]


def test_links_are_followed_and_modes_are_kept(tmp_path):
    path, link = tmp_path / "f", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "to be made")
    with replacing(dangling) as file:
        file.write(b"new")
    assert (tmp_path / "to be made").read_bytes() == b"new"


def test_a_device_stays_a_device(flow):
    check_writable(os.devnull)
    flow.save(os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_names_of_one_file_are_told_to_be_one(tmp_path):
    (tmp_path / "f").touch()
    os.link(tmp_path / "f", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("f")
    assert place(tmp_path / "f") == place(tmp_path / "hard") == place(tmp_path / "soft")
    (tmp_path / "new").symlink_to("not yet")
    assert place(tmp_path / "not yet") == place(tmp_path / "new") != place(tmp_path / "other")


KILLED = """
import os, signal, sys
from skdpflow._outputs import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"x" * 2**20)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("save", ["release", "flow", "domain", "table"])
def test_nothing_is_saved_half(tmp_path, monkeypatch, flow, save):
    """The disk is full when the file is flushed."""
    path = tmp_path / "f.csv"
    path.write_bytes(b"old")
    saving = {
        "release": flow.release_.save,
        "flow": flow.save,
        "domain": DOMAIN.to_json,
        "table": lambda p: table_files.write_table([FRAME], p),
    }[save]

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            saving(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f.csv"]
    saving(path)
    assert path.read_bytes() != b"old"


def no_pyarrow(name, *args):
    return None if name == "pyarrow" else object()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "folder.csv"], "Is a directory: folder.csv"),
        (["-o", "o.csv", "--release", "folder.csv"], "Is a directory: folder.csv"),
        (["-o", "dangling.csv"], "No such file or directory"),
        (["-o", "t.csv/o.csv"], "No such file or directory"),
        (["-o", "o.csv", "--release", "o.csv"], "cannot hold both"),
        (["-o", "o.csv", "--release", "soft.csv"], "cannot hold both"),
        (["-o", "hard.csv"], "'hard.csv' is an input"),
        (["-o", "o.csv", "--release", "domain link"], "'domain link' is an input"),
        (["-o", "o.parquet"], "needs the package pyarrow|need the package pyarrow"),
        (["-o", "kept.csv"], "'kept.csv.release' may hold the release of an earlier run"),
        (["-o", "read only.csv"], "Permission denied: read only.csv"),
        (["-o", "o.csv", "--release", "closed/r"], "Permission denied: closed"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_spent(here, monkeypatch, capsys, options, message):
    monkeypatch.setattr(DPSlicedWassersteinFlow, "fit", lambda *_: pytest.fail("a budget was spent"))
    if "o.parquet" in options:
        monkeypatch.setattr(table_files, "find_spec", no_pyarrow)
    os.mkdir("folder.csv")
    os.mkdir("closed", 0o555)
    os.symlink("nowhere/x.csv", "dangling.csv")
    os.symlink("o.csv", "soft.csv")
    os.symlink("d.json", "domain link")
    os.link("t.csv", "hard.csv")
    (here / "kept.csv.release").touch()
    (here / "read only.csv").touch(0o444)
    if "Permission" in message and os.access("read only.csv", os.W_OK):
        pytest.skip("the superuser may write anywhere")
    before = sorted(os.listdir())
    assert main([*COMMAND, *options]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert sorted(os.listdir()) == before


FULL = """
import resource, signal, sys
from skdpflow._cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # enough for the release, too little for the rows
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
def test_rows_that_find_no_room_leave_the_release_and_say_where(here, named):
    (here / "o.csv").write_text("old")
    options = ["-n", "100000", "-o", "o.csv", *(["--release", "r"] if named else [])]
    done = subprocess.run([sys.executable, "-c", FULL, *COMMAND, *options], capture_output=True, text=True, check=False)
    kept = "r" if named else "o.csv.release"
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert f"The release that was paid for is in {kept!r}" in done.stderr
    assert (here / "o.csv").read_text() == "old"
    assert sorted(os.listdir()) == sorted(["d.json", "t.csv", "o.csv", kept])
    assert main(["sample", kept, "-n", "5", "-o", "again.csv"]) == 0
    assert len(pd.read_csv("again.csv")) == 5


def test_a_release_that_finds_no_room_goes_to_the_folder_of_temporary_files(
    here, monkeypatch, capsys, tmp_path_factory
):
    other = tmp_path_factory.mktemp("other")
    monkeypatch.setattr("tempfile.tempdir", str(other))
    save = DPSlicedWassersteinFlow.save

    def full_here(flow, file):
        if not str(file).startswith(str(other)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(flow, file)

    monkeypatch.setattr(DPSlicedWassersteinFlow, "save", full_here)
    assert main([*COMMAND, "--release", "r", "-o", "o.csv"]) == 0
    (kept,) = other.iterdir()
    assert str(kept) in capsys.readouterr().err
    assert main(["inspect", str(kept)]) == 0


def test_the_release_is_kept_if_asked_for_only(here, capsys):
    for options, files in [([], ["o.csv"]), (["--release", "r"], ["o.csv", "r"])]:
        assert main([*COMMAND, *options, "-o", "o.csv"]) == 0
        assert sorted(os.listdir()) == sorted(["d.json", "t.csv", *files])
    assert main([*COMMAND, "-n", "3", "-o", "-"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert sorted(os.listdir()) == ["d.json", "o.csv", "r", "t.csv"]


def test_inspect_needs_the_release_alone(here, flow, monkeypatch, capsys):
    flow.save("flow")
    flow.release_.save("release")
    monkeypatch.setattr(DPSlicedWassersteinFlow, "_learn", lambda *_: pytest.fail("a model was learnt"))
    for name in ("flow", "release"):
        assert main(["inspect", name]) == 0
        assert "(epsilon, delta) = (1, 1e-06)" in capsys.readouterr().out
    assert Release.load("release").epsilon == 1.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"])
def test_domain_files_of_windows(tmp_path, encoding):
    domain, path = Domain({"größe": Interval(0, 9)}), tmp_path / "d.json"
    path.write_text(domain.to_json(), encoding=encoding)
    if encoding in ("utf-16-le", "cp1252", "latin-1"):  # without a byte order mark
        with pytest.raises(ValueError, match="encoding UTF-8"):
            Domain.from_json(path)
    else:
        assert Domain.from_json(path) == domain
    assert Domain.from_json("\ufeff" + domain.to_json()) == domain
