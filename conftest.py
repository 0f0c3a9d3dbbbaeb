"""Settings of all tests: a run repeats itself.

Noise comes from the operating system, so a test of a noisy number could fail by chance. Here each test finds known
bytes in the place of the operating system's. They follow from its name, so they are the same in every run, order and
selection of tests. The tests marked `statistical` draw fresh bytes and state how often they fail by chance.
"""

import os
import random
import zlib

import numpy as np
import pytest
from hypothesis import Phase, settings

#: A program of its own: it plants mistakes in a copy of the package and takes minutes.
collect_ignore = ["tests/mutants"]

#: Examples of docstrings cannot be marked where they stand.
SLOW_EXAMPLES = {"skdpflow.testing._mechanisms.check_mechanism", "skdpflow.model_selection._search.DPSearchCV"}

# The same examples in every run, and no shrinking, which makes a failing run take minutes.
settings.register_profile(
    "skdpflow", deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("skdpflow")


class Entropy:
    """Stands in for the entropy of the operating system."""

    def __init__(self):
        self._fresh, self._stream = os.urandom, None
        self._new_generator = np.random.default_rng
        self.start("")
        os.urandom = self.urandom
        np.random.default_rng = self.default_rng

    def start(self, name, *, fresh=False):
        """Begin the bytes that belong to a name, or fresh ones."""
        self.state = name, fresh
        seed = int.from_bytes(self._fresh(4)) if fresh else zlib.crc32(name.encode())
        self._stream = None if fresh else np.random.Generator(np.random.PCG64(seed))
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)

    def urandom(self, n):
        return self._fresh(n) if self._stream is None else self._stream.bytes(n)

    def default_rng(self, seed=None):
        """NumPy reads the entropy by itself where no seed is given."""
        return self._new_generator(int.from_bytes(self.urandom(16)) if seed is None else seed)


ENTROPY = Entropy()


def pytest_itemcollected(item):
    if item.name in SLOW_EXAMPLES:
        item.add_marker(pytest.mark.slow)


def pytest_collectstart(collector):
    ENTROPY.start(collector.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    ENTROPY.start(item.nodeid, fresh=item.get_closest_marker("statistical") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """A fixture that several tests share is the same whichever of them comes first."""
    if fixturedef.scope == "function":
        return (yield)
    name, fresh = ENTROPY.state
    ENTROPY.start(f"{request.node.nodeid}::{fixturedef.argname}{getattr(request, 'param_index', '')}")
    try:
        return (yield)
    finally:
        ENTROPY.start(name, fresh=fresh)


@pytest.fixture
def entropy(monkeypatch):
    """The bytes that were given in the place of the operating system's, as a list that grows."""
    given = []

    def urandom(n):
        given.append(ENTROPY.urandom(n))
        return given[-1]

    monkeypatch.setattr(os, "urandom", urandom)
    return given
