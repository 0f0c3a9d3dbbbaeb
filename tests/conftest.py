"""Settings of all tests."""

import os

import numpy as np
import pytest
from hypothesis import Phase, settings

#: `mutants` is a program of its own: it plants mistakes in a copy of the package and takes minutes.
collect_ignore = ["mutants"]

# The same examples in every run, and no shrinking, which makes a failing run take minutes.
settings.register_profile(
    "skdpflow",
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("skdpflow")


@pytest.fixture
def entropy(monkeypatch):
    """Let the operating system give known bytes, the same in every run; returns what it gave."""
    stream, given = np.random.default_rng(20_250_101), []

    def urandom(n):
        given.append(stream.bytes(n))
        return given[-1]

    monkeypatch.setattr(os, "urandom", urandom)
    return given
