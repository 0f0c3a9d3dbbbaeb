"""What a coordinator and the sites that pool with it can find out about a row of another site."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import beta

from skdpflow import Categories, Domain, PrivacyLedger
from skdpflow.federation import Agreement, Keys, Site
from skdpflow.federation.masks import mask
from skdpflow.federation.messages import Answer, Question, Wanted, digest

pytestmark = pytest.mark.statistical

MULTIPLIER, STATISTICS = 2.0, 64
DOMAIN = Domain({"ward": Categories(["A", "B"])})


def seen(tolerates, extra):
    """One request for many counts of three sites: what is left of each when the colluders take off what they know."""
    keys = {name: Keys.generate(name) for name in ("honest", "second", "third")}
    agreement = Agreement(
        {k.name: k.public for k in keys.values()}, DOMAIN, epsilon=32.0, delta=1e-4, tolerates=tolerates
    )
    wards = {"honest": ["A"] * 20 + ["A"] * extra, "second": ["A"] * 10, "third": ["B"] * 5}
    params = {"n_components": 1, "columns": np.array([0]), "edges": np.array([0, 1, 2]), "edge_sizes": np.array([3])}
    wanted = tuple(Wanted(f"h{i}", "histograms", MULTIPLIER, params) for i in range(STATISTICS))
    sites = {
        name: Site(
            pd.DataFrame({"ward": own}),
            agreement=agreement,
            keys=keys[name],
            ledger=PrivacyLedger(epsilon=40.0, delta=1e-3),
        )
        for name, own in wards.items()
    }
    about_rows = Question(agreement.digest, "0" * 32, 0, 0, agreement.names).to_bytes()
    epochs = tuple(Answer.from_bytes(sites[name].answer(about_rows)).epoch for name in agreement.names)
    request = Question(agreement.digest, "0" * 32, 1, 0, agreement.names, epochs, wanted).to_bytes()
    left, about = 0, bytes.fromhex(digest(request))
    for name, site in sites.items():
        sums = np.concatenate([values.ravel() for values in Answer.from_bytes(site.answer(request)).sums])
        left = left + sums
        if name in ("second", "third")[:tolerates]:  # it knows its masks, and so its own noisy sums
            secrets = {other: keys[name].agreed(keys[other].public) for other in keys if other != name}
            left = left - (sums - mask(name, secrets, about, sums.size))
    known = 20 + (10 if tolerates == 0 else 0)  # of what is left, all but the row in question
    scale = MULTIPLIER / math.sqrt(3 - tolerates)
    shift = max(0, math.ceil(math.log2(8.0 / scale)))
    return left.view(np.int64)[::2] / 2.0**shift - known


@pytest.mark.parametrize("tolerates", [0, 1, 2])
def test_the_game_of_two_worlds_is_not_won_more_often_than_claimed(tolerates):
    """False-alarm rate: at most 1e-6 for each of the three, by Clopper and Pearson's bounds at 2.5e-7 each.

    Guessing that the row is there where what is left exceeds a threshold is right in both worlds at most as often as
    Gaussian privacy of mu = 1 / multiplier allows; and, so that the test can fail, not much less often. Where sites
    knew masks but added too small shares, mu would be larger by the root of 3 or 3 / 2.
    """
    n_rounds = 40
    absent, present = (np.concatenate([seen(tolerates, extra) for _ in range(n_rounds)]) for extra in (0, 1))
    n, mu, level = n_rounds * STATISTICS, 1.0 / MULTIPLIER, 2.5e-7
    for found, share in [((present > 0.5).sum(), ndtr(mu / 2)), ((absent <= 0.5).sum(), ndtr(mu / 2))]:
        low, high = beta.ppf(level, found, n - found + 1), beta.ppf(1 - level, found + 1, n - found)
        assert low <= share + 1e-3
        assert high >= share - 1e-3
