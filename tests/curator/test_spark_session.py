"""Clusters that would write or send rows in the clear; needs no Spark."""

from types import SimpleNamespace

import pytest

from skdpflow.curator.spark_rows import SparkRows
from skdpflow.frames import SparkTable

DISK, NETWORK, TLS = "spark.io.encryption.enabled", "spark.network.crypto.enabled", "spark.ssl.rpc.enabled"


def refused(session):
    with pytest.raises(ValueError, match=r".") as caught:
        SparkRows(SparkTable(SimpleNamespace(sparkSession=session, columns=["other"])), {"age": None})
    return str(caught.value)


def session(master, **settings):
    return SimpleNamespace(sparkContext=SimpleNamespace(master=master, getConf=lambda: settings))


@pytest.mark.parametrize("settings", [{}, {DISK: "true"}, {NETWORK: "true"}, {DISK: "false", TLS: "true"}])
@pytest.mark.parametrize("master", ["yarn", "spark://one:7077", "k8s://https://one"])
def test_a_cluster_without_encryption_is_refused(master, settings):
    assert "must encrypt what it writes and sends" in refused(session(master, **settings))


@pytest.mark.parametrize("settings", [{DISK: "true", NETWORK: "true"}, {DISK: "True", TLS: "TRUE"}])
def test_a_cluster_with_encryption_is_not(settings):
    assert "has no columns" in refused(session("yarn", **settings))


def test_one_machine_needs_no_encryption():
    assert "has no columns" in refused(session("local[2]"))


def test_a_session_that_is_not_the_drivers_is_refused():
    assert "Spark Connect" in refused(SimpleNamespace())
