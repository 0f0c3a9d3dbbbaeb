"""The statement of a federation: dp-accounting, which knows nothing of sites, comes to the same epsilons."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent
from dp_accounting.pld import PLDAccountant

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.accountants import GaussianEvent
from skdpflow.accountants.calibrate import calibrate
from skdpflow.exceptions import FederationWarning
from skdpflow.federation import Agreement, Federation, Keys, Site

from .test_faults import Post, without

DOMAIN = Domain({"a": Interval(0, 1)})
DOCUMENTATION = Path(__file__).parents[2] / "doc" / "federation.rst"
#: dp-accounting rounds privacy losses up to a grid of 1e-4.
ROUNDED = 3e-4


def epsilon_of(mu, delta, slack=(0.0, 0.0)):
    """Return the epsilon of Gaussian noise, and of what slack leaves of delta, by privacy loss distributions."""
    accountant = PLDAccountant()
    accountant.compose(GaussianDpEvent(1.0 / mu))
    return accountant.get_epsilon((delta - slack[1]) * math.exp(-slack[0])) + slack[0]


def stated(m, tolerates, epsilon, delta, lost=None):
    """Fit to small tables of m sites, and return the statement as JSON has it; one site may be lost in round 2."""
    keys = [Keys.generate(f"s{i}") for i in range(m)]
    agreed = {"epsilon": epsilon, "delta": delta, "tolerates": tolerates}
    agreement = Agreement({k.name: k.public for k in keys}, DOMAIN, **agreed)
    sites = [
        Site(
            np.linspace(0, 1, 20)[:, None], agreement=agreement, keys=k, ledger=PrivacyLedger(epsilon=40.0, delta=1e-3)
        )
        for k in keys
    ]
    flow = DPSlicedWassersteinFlow(epsilon, delta, domain=DOMAIN, n_particles=8, n_steps=1)
    post = Post(sites, without(*([] if lost is None else [lost]), since=2))
    flow.fit(Federation(post, agreement=agreement))
    return json.loads(flow.privacy_statement().to_json())


CASES = [
    (2, 0, 1.0, 1e-6, None),
    (2, 1, 1.0, 1e-6, None),
    (3, 1, 0.3, 1e-5, None),
    (5, 0, 1.0, 1e-6, None),
    (5, 1, 3.0, 1e-8, None),
    pytest.param(5, 2, 8.0, 1e-4, None, marks=pytest.mark.slow),
    (5, 4, 1.0, 1e-6, None),
    (7, 3, 0.1, 1e-9, None),
    (4, 1, 1.0, 1e-6, "s2"),
    (5, 0, 2.0, 1e-5, "s0"),
]


@pytest.mark.parametrize(("m", "tolerates", "epsilon", "delta", "lost"), CASES)
def test_the_epsilon_against_every_reader_is_that_of_an_independent_library(m, tolerates, epsilon, delta, lost):
    if lost is None:
        content = stated(m, tolerates, epsilon, delta)
    else:
        with pytest.warns(FederationWarning, match=lost):
            content = stated(m, tolerates, epsilon, delta, lost)
    (step,) = content["steps"]
    told, cap = step["federation"], content["composition"]["cap"]
    (noise,) = [event for event in cap if event["event"] == "gaussian"]
    slack = [sum(event[name] for event in cap if event["event"] == "slack") for name in ("epsilon", "delta")]
    sizes = [m, *map(len, told["rounds"])]
    assert min(sizes) == m - (lost is not None)
    against = {int(j): value for j, value in told["epsilon_against_sites_that_pool"].items()}
    assert {0, 1 if min(sizes) > 1 else 0, tolerates, min(tolerates + 1, min(sizes) - 1)} == set(against)
    for pooling, claimed in against.items():
        # of all m shares of variance s^2 / (m - t), m - j are unknown to the reader
        mu = max(math.sqrt((n - tolerates) / (n - pooling)) for n in sizes) / noise["noise_multiplier"]
        more = max(1.0, *((n - pooling) / (n - tolerates) for n in sizes))
        theirs = epsilon_of(mu, delta, [more * s for s in slack])
        assert theirs == pytest.approx(claimed, rel=ROUNDED, abs=ROUNDED)
        # by the noise of the measurements alone, each with the sites of its round; what was asked twice is not there
        parts = [(x["noise_scale"]["smallest"] / x["sensitivity"]) ** -2 for x in step["measurements"]]
        measured = math.sqrt(sum(parts) * max(len(sites) / (len(sites) - pooling) for sites in told["rounds"]))
        assert epsilon_of(measured, delta) <= claimed * (1 + ROUNDED) + ROUNDED
    assert against[tolerates] == pytest.approx(epsilon, rel=1e-6)


def test_the_table_of_the_documentation_is_that_of_an_independent_library():
    text = DOCUMENTATION.read_text(encoding="utf-8")
    mu = 1.0 / calibrate(GaussianEvent, 1.0, 1e-6, "gdp")
    readers = {"whoever has the Release, and the coordinator": 0, "one site": 1, "two sites together": 2}
    for reader, pooling in {**readers, "four sites together": 4}.items():
        (row,) = re.findall(rf"   \* - {reader}\n((?:     - [\d.]+\n)+)", text)
        for tolerates, said in zip((0, 1, 2, 4), re.findall(r"[\d.]+", row), strict=True):
            against = epsilon_of(mu * math.sqrt((5 - tolerates) / (5 - pooling)), 1e-6)
            assert against == pytest.approx(float(said), abs=0.006)
