"""A federation from the command line."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from skdpflow import Domain
from skdpflow._cli import main

from .conftest import DOMAIN, TARGET, rows


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box").mkdir()
    Domain({**DOMAIN, "target": TARGET}).to_json("domain.json")
    for i, name in enumerate("abc"):
        X, y = rows(150, i)
        X.assign(target=y).to_csv(f"{name}.csv", index=False)
    return tmp_path


def agree(capsys, *words):
    sites = []
    for name in "abc":
        assert main(["keys", name, "-o", f"{name}.keys"]) == 0
        sites += ["--site", capsys.readouterr().out.strip()]
    given = ["--domain", "domain.json", "--target", "target", "--epsilon", "1", "-o", "agreement.json"]
    assert main(["agree", *sites, *given, *words]) == 0
    return capsys.readouterr().out.strip()


@pytest.mark.slow
def test_three_sites_and_a_coordinator(folder, capsys):
    digest = agree(capsys)

    def site(name):
        own = ["--keys", f"{name}.keys", "--ledger", f"{name}.ledger", "--folder", f"{name}.private"]
        common = ["--agreement", "agreement.json", "--digest", digest, "--target", "target", "--timeout", "120"]
        words = ["site", f"{name}.csv", "box", *common, *own, "--ledger-budget", "2", "1e-5"]
        return subprocess.Popen([sys.executable, "-m", "skdpflow", *words], env={**os.environ, "OMP_NUM_THREADS": "1"})

    sites = [site(name) for name in "abc"]
    common = ["--agreement", "agreement.json", "--digest", digest, "--timeout", "120"]
    assert main(["federate", "box", *common, "-o", "out.csv", "--release", "out.release", "-n", "40"]) == 0
    assert [own.wait(60.0) for own in sites] == [0, 0, 0]
    out = pd.read_csv("out.csv")
    assert list(out.columns) == ["a", "b", "c", "target"]
    assert len(out) == 40
    capsys.readouterr()
    assert main(["inspect", "out.release"]) == 0
    assert "which did not show them to each other: a, b, c." in " ".join(capsys.readouterr().out.split())


def test_another_agreement_is_refused(folder, capsys):
    agree(capsys)
    common = ["--agreement", "agreement.json", "--digest", "0" * 64]
    assert main(["federate", "box", *common, "-o", "out.csv"]) == 1
    assert "not the file on which the sites agreed" in capsys.readouterr().err
    own = ["--keys", "a.keys", "--ledger", "a.ledger", "--folder", "a.private", "--target", "target"]
    assert main(["site", "a.csv", "box", *common, *own]) == 1
    assert "not the file on which the sites agreed" in capsys.readouterr().err
    assert not (folder / "a.ledger").exists()


def test_a_coordinator_that_nobody_answers_says_so(folder, capsys):
    agree(capsys)
    assert main(["federate", "box", "--agreement", "agreement.json", "--timeout", "0.1", "-o", "out.csv"]) == 1
    assert "These sites did not answer in time: ['a', 'b', 'c']" in capsys.readouterr().err
    assert not (folder / "out.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "weight"], "does not describe the target 'weight'"),
        (["--site", "a=" + "0" * 64], "named twice"),
        (["--tolerates", "3"], "tolerates"),
    ],
)
def test_agreements_that_cannot_hold_are_refused(folder, capsys, words, message):
    agree(capsys)
    sites = [word for name in "abc" for word in ("--site", f"{name}={'01234567'[ord(name) - 97] * 64}")]
    given = ["--domain", "domain.json", "--target", "target", "--epsilon", "1", "-o", "other.json"]
    assert main(["agree", *sites, *given, *words]) == 1
    assert message in capsys.readouterr().err
