"""Files that are read by the workers of a dask cluster on this machine: the same bits, also when workers die."""

import os
import pickle
import signal

import joblib
import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator import engine, files
from skdpflow.curator.dask_rows import DaskRows
from skdpflow.curator.partitions import Partition
from skdpflow.files import TableFile
from skdpflow.frames import DaskTable

distributed = pytest.importorskip("distributed")
dask_frame = pytest.importorskip("dask.dataframe")
pytest.importorskip("pyarrow")

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
N = 2000
DOMAIN = Domain({"age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0), "ward": Categories(["A", "B"])})
CLASSES = Categories([0, 1])


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def digest(X, y=None):
    flow = DPSlicedWassersteinFlow(
        2.0, domain=DOMAIN, target=CLASSES, n_particles=50, random_state=0, noise_random_state=0
    )
    release = flow.fit(X, y).release_
    return [m.values.tobytes() for m in release.measurements]


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N), "ward": rng.choice(["A", "B"], N),
        "died": rng.integers(0, 2, N),
    })  # fmt: skip


def killing(monkeypatch, client, every):
    """Kill a worker while the first message of every so many rounds is made; return the rounds and the kills."""
    rounds, killed, keys = [], [], engine._keys

    def counted(rank_key, part):
        if part.number == 0 and rank_key not in rounds:
            rounds.append(rank_key)
            if every and len(rounds) % every == 1 % every:
                client.wait_for_workers(2)
                killed.append(min(client.run(os.getpid).values()))
                os.kill(killed[-1], signal.SIGKILL)
        return keys(rank_key, part)

    monkeypatch.setattr(engine, "_keys", counted)
    return rounds, killed


def twice(ask):
    """Ask for every part two times, and compare what comes back."""

    def asked(*args):
        first, second = (sorted(ask(*args), key=lambda answer: answer.part) for _ in range(2))
        assert [pickle.dumps(answer) for answer in first] == [pickle.dumps(answer) for answer in second]
        return second

    return asked


@pytest.mark.parametrize("every", [0, 4])
def test_a_cluster_that_reads_files_gives_the_same_bits(every, client, frame, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    frame.to_parquet(tmp_path / "t.parquet", index=False, row_group_size=500)
    expected = digest(TableFile(tmp_path / "t.parquet", target="died"))
    rounds, killed = killing(monkeypatch, client, every)
    with joblib.parallel_config(backend="dask"):
        assert digest(TableFile(tmp_path / "t.parquet", target="died", shared=True)) == expected
    assert len(rounds) > 5
    assert bool(killed) == bool(every)


@pytest.mark.parametrize("every", [0, 4])
def test_a_frame_of_a_cluster_gives_the_same_bits(every, client, frame, monkeypatch):
    expected = digest(frame.drop(columns="died"), frame["died"])
    rounds, killed = killing(monkeypatch, client, every)
    assert digest(DaskTable(dask_frame.from_pandas(frame, npartitions=5), target="died")) == expected
    assert len(rounds) > 5
    assert bool(killed) == bool(every)


def test_every_task_run_twice_changes_no_bit(client, frame, monkeypatch):
    expected = digest(frame.drop(columns="died"), frame["died"])
    monkeypatch.setattr(DaskRows, "ask", twice(DaskRows.ask))
    assert digest(DaskTable(dask_frame.from_pandas(frame, npartitions=5), target="died")) == expected


def test_a_partition_that_comes_back_with_other_rows_stops_the_fit(client, frame, monkeypatch):
    rows = DaskRows(DaskTable(dask_frame.from_pandas(frame, npartitions=2)), Domain({**DOMAIN, "died": CLASSES}))
    partition = Partition(rows.domain, rows.types, frame.iloc[: N // 2].sample(frac=1.0, replace=True, random_state=0))
    with pytest.raises(RuntimeError, match="has changed since the fit began"):
        list(partition.blocks(rows.parts[0], 100))


def test_a_frame_without_a_client_or_with_other_columns_is_refused(client, frame):
    table = DaskTable(dask_frame.from_pandas(frame, npartitions=2), target="died")
    with pytest.raises(ValueError, match="Not in the domain: the columns"):
        DPSlicedWassersteinFlow(domain={"age": DOMAIN["age"]}, target=CLASSES).fit(table)
    with pytest.raises(ValueError, match="has no columns"):
        DPSlicedWassersteinFlow(domain={**DOMAIN, "height": Interval(0, 1)}, target=CLASSES).fit(table)
    assert "died" in repr(table)
    assert len(repr(table)) < 40


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, (1, [2]), np.array([1.0]), "\ud800"])
def test_no_cell_decides_whether_a_frame_has_a_digest(cell):
    from skdpflow.curator.partitions import digest as digest_of

    frame = pd.DataFrame({"a": pd.Series(["x", cell, "y"], dtype=object), "b": [1, 2, 3]})
    assert digest_of(frame) == digest_of(frame.copy())
    assert digest_of(frame) != digest_of(frame.iloc[[2, 1, 0]])
