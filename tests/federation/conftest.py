"""Small federations in one process."""

import warnings

import numpy as np
import pytest

from skdpflow import Categories, Domain, Interval, PrivacyLedger
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.federation import Agreement, Keys, Site

DOMAIN = Domain({"a": Interval(0, 1), "b": Interval(0, 9, integer=True), "c": Categories(["x", "y", "z"])})
TARGET = Categories(["no", "yes"])
NAMES = ("east", "north", "south", "west")


def rows(n, seed):
    import pandas as pd

    rng = np.random.default_rng(seed)
    a = rng.uniform(size=n)
    frame = pd.DataFrame({"a": a, "b": np.minimum(rng.poisson(9 * a / 2), 9), "c": rng.choice(["x", "y", "z"], n)})
    return frame, pd.Series(np.where(rng.uniform(size=n) < a, "yes", "no"), name="target")


class Parties:
    """Keys, an agreement and ways to make sites."""

    def __init__(self, names=NAMES[:3], **agreed):
        self.keys = {name: Keys.generate(name) for name in names}
        given = {"domain": DOMAIN, "target": TARGET, **agreed}
        self.agreement = Agreement({name: k.public for name, k in self.keys.items()}, **given)

    def site(self, name, n=200, **given):
        """A site with its own rows."""
        given.setdefault("ledger", PrivacyLedger(epsilon=2.0, delta=1e-5, neighbours=self.agreement.neighbours))
        X, y = rows(n, sorted(self.keys).index(name))
        return Site(X, y, agreement=self.agreement, keys=self.keys[name], **given)

    def sites(self, n=200, **given):
        return [self.site(name, n, **given) for name in self.keys]

    def seeded(self, n=200):
        """Sites with noise of known seeds."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrivacyLeakWarning)
            return [self.site(name, n, ledger=None, noise_random_state=i) for i, name in enumerate(self.keys)]


@pytest.fixture
def parties():
    return Parties()
