"""Files that are read by the workers of a dask cluster on this machine: the same bits, also when workers die."""

import os
import signal

import joblib
import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator import engine, files
from skdpflow.files import TableFile

distributed = pytest.importorskip("distributed")
pytest.importorskip("pyarrow")

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
N = 2000


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def digest(path, **how):
    domain = Domain({"age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0), "ward": Categories(["A", "B"])})
    flow = DPSlicedWassersteinFlow(
        2.0, domain=domain, target=Categories([0, 1]), n_particles=50, random_state=0, noise_random_state=0
    )
    release = flow.fit(TableFile(path, target="died", **how)).release_
    return [m.values.tobytes() for m in release.measurements]


@pytest.mark.parametrize("killed_at", [None, 2, 20])
def test_a_cluster_gives_the_same_bits(killed_at, client, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N), "ward": rng.choice(["A", "B"], N),
        "died": rng.integers(0, 2, N),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet", index=False, row_group_size=500)
    expected = digest(tmp_path / "t.parquet")
    victim = min(client.run(os.getpid).values())
    made, keys = [0], engine._keys

    def counted(rank_key, part):
        made[0] += 1
        if made[0] == killed_at:
            os.kill(victim, signal.SIGKILL)
        return keys(rank_key, part)

    monkeypatch.setattr(engine, "_keys", counted)
    with joblib.parallel_config(backend="dask"):
        assert digest(tmp_path / "t.parquet", shared=True) == expected
    assert made[0] > 20
