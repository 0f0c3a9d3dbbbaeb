"""Rows in a Spark frame on this machine: the same bits as those of an array, also when workers die."""

import os
import pickle
import signal
import sys

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.curator import spark_rows
from skdpflow.frames import SparkTable

pytest.importorskip("pyarrow")
sql = pytest.importorskip("pyspark.sql")

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
N = 2000
DOMAIN = Domain({"age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0), "ward": Categories(["A", "B"])})
CLASSES = Categories([0, 1])


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = sql.SparkSession.builder.master("local[2, 4]").config(map=settings).getOrCreate()  # four attempts
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N), "ward": rng.choice(["A", "B"], N),
        "died": rng.integers(0, 2, N),
    })  # fmt: skip


@pytest.fixture
def written(session, frame, tmp_path):
    """The rows in files."""
    for i in range(5):
        part = frame.iloc[i * N // 5 : (i + 1) * N // 5]
        part.to_parquet(tmp_path / f"{i}.parquet", index=False)
    session.conf.set("spark.sql.files.openCostInBytes", 2**27)  # a partition for each file
    return session.read.parquet(*(str(tmp_path / f"{i}.parquet") for i in range(5)))


def flow(**parameters):
    return DPSlicedWassersteinFlow(
        2.0, domain=DOMAIN, target=CLASSES, n_particles=50, random_state=0, noise_random_state=0, **parameters
    )


def digest(X, y=None):
    return [m.values.tobytes() for m in flow().fit(X, y).release_.measurements]


def dying(marks, every):
    """Return a step of a lineage that kills its worker in every so many tasks, which are a few in each round."""

    def step(batches):
        (marks / f"{os.getpid()}_{os.urandom(4).hex()}").touch()
        if every and len(list(marks.iterdir())) % every == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from batches

    return step


def shuffled(frame):
    """Return a frame whose rows are in another order whenever it is computed."""

    def step(batches):  # not a function of this module, which workers could not import
        for batch in batches:
            yield batch.take(np.random.default_rng().permutation(len(batch)))

    return frame.mapInArrow(step, frame.schema)


@pytest.mark.parametrize("every", [0, 5])
def test_a_frame_of_a_cluster_gives_the_bits_of_an_array(every, written, tmp_path_factory):
    rows = written.toPandas()  # Spark reads large files first
    expected = digest(rows.drop(columns="died"), rows["died"])
    marks = tmp_path_factory.mktemp("marks")
    table = SparkTable(written.mapInArrow(dying(marks, every), written.schema), target="died")
    assert digest(table) == expected
    assert len(list(marks.iterdir())) > 40


def test_every_task_run_twice_changes_no_bit(written, monkeypatch):
    ask = spark_rows.SparkRows.ask

    def twice(*args):
        first, second = (sorted(ask(*args), key=lambda answer: answer.part) for _ in range(2))
        assert [pickle.dumps(answer) for answer in first] == [pickle.dumps(answer) for answer in second]
        return second

    expected = digest(SparkTable(written, target="died"))
    monkeypatch.setattr(spark_rows.SparkRows, "ask", twice)
    assert digest(SparkTable(written, target="died")) == expected


def test_kept_rows_may_be_of_a_lineage_that_gives_others(session, written):
    kept = shuffled(written).persist()
    rows = kept.toPandas()
    assert digest(SparkTable(kept, target="died")) == digest(rows.drop(columns="died"), rows["died"])


def test_rows_that_are_others_each_time_are_refused(session, written, tmp_path):
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
    with pytest.raises(ValueError, match=r"could count a row twice.*Nothing was spent"):
        DPSlicedWassersteinFlow(2.0, domain=DOMAIN, target=CLASSES, ledger=ledger).fit(
            SparkTable(shuffled(written), target="died")
        )
    assert ledger.events == ()


def test_a_partition_that_comes_back_with_other_rows_stops_the_fit(session, written, monkeypatch):
    kept = shuffled(written).persist()
    table = SparkTable(kept, target="died")
    ask = spark_rows.SparkRows.ask
    monkeypatch.setattr(spark_rows.SparkRows, "ask", lambda *args: (kept.unpersist(blocking=True), ask(*args))[1])
    with pytest.raises(RuntimeError, match="has changed since the fit began"):
        digest(table)


def test_other_columns_are_refused(session, written):
    table = SparkTable(written, target="died")
    with pytest.raises(ValueError, match="Not in the domain: the columns"):
        DPSlicedWassersteinFlow(domain={"age": DOMAIN["age"]}, target=CLASSES).fit(table)
    with pytest.raises(ValueError, match="has no columns"):
        DPSlicedWassersteinFlow(domain={**DOMAIN, "height": Interval(0, 1)}, target=CLASSES).fit(table)
    assert "died" in repr(table)
    assert len(repr(table)) < 40


def test_executors_that_compute_otherwise_are_refused(session, written, monkeypatch):
    monkeypatch.setattr(spark_rows, "fingerprint", lambda: "of the driver")
    with pytest.raises(RuntimeError, match="another version of skdpflow"):
        flow().fit(SparkTable(written, target="died"))
