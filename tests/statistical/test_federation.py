"""What a coordinator and the sites that pool with it can find out about a row of another site.

Each play of the game of two worlds draws what such a reader sees when a row is absent, and when it is present: the sum
of all answers less the shares of the noise that the reader knows. The reader compares the likelihoods of the two
worlds. Sets of what is seen, at several thresholds, have to keep to what the statement claims against this reader, at
several deltas.
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from skdpflow import Categories, Domain, PrivacyLedger
from skdpflow.accountants import GaussianEvent
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.sketch import Sketch
from skdpflow.curator.statistics import STATISTICS
from skdpflow.federation import Agreement, Keys, Site
from skdpflow.federation.masks import mask
from skdpflow.federation.messages import Answer, Question, Wanted, digest
from skdpflow.federation.shares import Share, strength
from skdpflow.release.federated import Federated

pytestmark = pytest.mark.statistical

DELTAS = (0.3, 0.1, 0.03, 0.01, 1e-3)
#: Thresholds, in units of the one that would be best if the claim were exact.
FACTORS = (0.0, 0.6, 0.8, 0.9, 1.0, 1.1)
#: Of each bound of Clopper and Pearson: below 8000 of them are taken in all tests of this file together.
LEVEL = 1e-6 / 8000


def bound(hits, plays, side):
    """Clopper and Pearson's bound of a probability, from below (-1) or above (1)."""
    if side < 0:
        return float(beta.ppf(LEVEL, hits, plays - hits + 1)) if hits else 0.0
    return float(beta.isf(LEVEL, hits + 1, plays - hits)) if hits < plays else 1.0


def refuted(absent, present, multiplier, n_sites, tolerates, pooling, claimed=1.0):
    """Return the claims that plays refute, in units of the sensitivity; the claimed noise may be made larger."""
    names = tuple(f"s{i}" for i in range(n_sites))
    told = Federated("00", "01", names, tolerates, (names,), 0, {})
    found = []
    for delta in DELTAS:
        epsilon = told.epsilon_against(pooling, GaussianEvent(multiplier * claimed), delta)
        if not math.isfinite(epsilon):
            continue
        variance = (multiplier / strength(n_sites, tolerates, pooling)) ** 2
        for likely, unlikely in ((present, absent), (1.0 - absent, 1.0 - present)):
            for factor in FACTORS:
                threshold = 0.5 + factor * epsilon * variance
                often, seldom = (int(np.count_nonzero(seen > threshold)) for seen in (likely, unlikely))
                if bound(often, likely.size, -1) > math.exp(epsilon) * bound(seldom, unlikely.size, 1) + delta:
                    found.append((pooling, delta, factor))
    return found


def drawn(multiplier, n_sites, tolerates, neighbours, n):
    """Return what is seen of n counts by readers with 0, 1, ... sites, in both worlds.

    Noise and sums are made as in `Site` and `skdpflow.curator.shares.noisy_shares`, and masks cancel.
    """
    change = np.array([1] if neighbours == "add-remove" else [1, -1])
    statistic = STATISTICS["counts"]({"n_components": n})
    share, _ = Site._share(Wanted("c", "counts", multiplier, {}), statistic, n_sites, tolerates, neighbours)
    assert statistic.sensitivity(neighbours) == pytest.approx(np.linalg.norm(change))
    worlds = []
    for present in (0, 1):
        sketch, nothing = (Sketch(np.tile(change * factor, n // change.size)) for factor in (present, 0))
        # the last site is never one of those that pool, and has the row in question
        answers = [
            (sketch if i == n_sites - 1 else nothing)
            .release(NoiseSource().rounded_gaussian(share.scale, statistic.shape), share.shift)
            .view(np.uint64)
            for i in range(n_sites)
        ]
        left, seen = sum(answers), []
        for own in answers[:-1]:
            seen.append(left)
            left = left - own
        seen.append(left)
        worlds.append([log_likelihoods(one, share, change) for one in seen])
    return list(zip(*worlds, strict=True))


def log_likelihoods(seen, share, change):
    """Return, but for scale and place, the logarithm of the likelihood ratio: 0 and 1 are the means of the worlds."""
    values = seen.view(np.int64).reshape(-1, change.size) / 2.0**share.shift
    return values @ change / (change @ change)


@pytest.mark.slow
@pytest.mark.parametrize(("n_sites", "neighbours"), [(2, "add-remove"), (3, "replace-one"), (5, "add-remove")])
def test_no_reader_tells_two_worlds_apart_better_than_the_statement_claims(n_sites, neighbours):
    """False-alarm rate: below 1e-6 for all tests of this file together, by the sum over all bounds.

    There are a million counts in each world for each number of sites that are tolerated, from none to all but one, and
    readers with every number of sites. That the game has power is shown, too: claims of 15 % more noise are refuted.
    """
    multiplier, n = 1.5, 1_000_000
    for tolerates in range(n_sites):
        for pooling, (absent, present) in enumerate(drawn(multiplier, n_sites, tolerates, neighbours, n)):
            game = (absent, present, multiplier, n_sites, tolerates, pooling)
            assert refuted(*game) == []
            assert refuted(*game, claimed=1.15)


@pytest.mark.parametrize("tolerates", [1, 2])
def test_the_game_notices_shares_that_are_too_small(monkeypatch, tolerates):
    """Noise of variance s^2 / m in the place of s^2 / (m - t); the rate is that of the test before."""
    right = Share.of
    monkeypatch.setattr(Share, "of", lambda scale, sensitivity, m, t: right(scale, sensitivity, m, 0))
    for pooling, (absent, present) in enumerate(drawn(1.5, 4, tolerates, "add-remove", 100_000)):
        assert refuted(absent, present, 1.5, 4, tolerates, pooling)


N_SITES, N_LEVELS, N_STATISTICS, MULTIPLIER = 3, 64, 32, 1.5
DOMAIN = Domain({"ward": Categories(list(range(N_LEVELS)))})


def answered(tolerates, secret):
    """Ask three real sites once, and return what is left of the counts of each ward for readers with 0, 1 or 2 sites.

    The first site has a row of each ward for which `secret` is 1. Counts of wards are independent, so each is a play.
    """
    names = ("honest", "second", "third")
    keys = {name: Keys.generate(name) for name in names}
    agreement = Agreement(
        {k.name: k.public for k in keys.values()}, DOMAIN, epsilon=32.0, delta=1e-4, tolerates=tolerates
    )
    wards = {"honest": np.flatnonzero(secret), "second": np.arange(0, N_LEVELS, 2), "third": np.arange(N_LEVELS)}
    edges = np.arange(N_LEVELS + 1)
    params = {"n_components": 1, "columns": np.array([0]), "edges": edges, "edge_sizes": np.array([edges.size])}
    wanted = tuple(Wanted(f"h{i}", "histograms", MULTIPLIER, params) for i in range(N_STATISTICS))
    sites = {
        name: Site(
            pd.DataFrame({"ward": wards[name]}),
            agreement=agreement,
            keys=keys[name],
            ledger=PrivacyLedger(epsilon=40.0, delta=1e-3),
        )
        for name in names
    }
    about_rows = Question(agreement.digest, "0" * 32, 0, 0, agreement.names).to_bytes()
    epochs = tuple(Answer.from_bytes(sites[name].answer(about_rows)).epoch for name in agreement.names)
    request = Question(agreement.digest, "0" * 32, 1, 0, agreement.names, epochs, wanted).to_bytes()
    about = bytes.fromhex(digest(request))
    sums = {
        name: np.concatenate([values.ravel() for values in Answer.from_bytes(site.answer(request)).sums])
        for name, site in sites.items()
    }
    left, seen = sum(sums.values()), []
    counts = {name: np.bincount(own, minlength=N_LEVELS) for name, own in wards.items()}
    known, shift = counts["second"] + counts["third"], Share.of(MULTIPLIER, 1.0, N_SITES, tolerates).shift
    for name in ("second", "third", None):
        seen.append(left.view(np.int64).reshape(N_STATISTICS, -1) / 2.0**shift - known)
        if name is not None:  # a site knows its masks, and so its own noisy sums
            secrets = {other: keys[name].agreed(keys[other].public) for other in names if other != name}
            left = left - (sums[name] - mask(name, secrets, about, sums[name].size))
            known = known - counts[name]
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("tolerates", [0, 1, 2])
def test_no_reader_of_real_answers_tells_two_worlds_apart_better_than_claimed(tolerates):
    """False-alarm rate: as above. About 100,000 plays in each world; what is left is the count and the noise alone.

    With a tenth of the plays, a claim of half as much noise again is refuted surely, and one of 15 % more only mostly.
    """
    rng, plays = np.random.default_rng(), [([], []) for _ in range(N_SITES)]
    for _ in range(100):
        secret = rng.integers(2, size=N_LEVELS)
        for (absent, present), seen in zip(plays, answered(tolerates, secret), strict=True):
            absent.append(seen[:, secret == 0].ravel())
            present.append(seen[:, secret == 1].ravel())
    for pooling, worlds in enumerate(plays):
        absent, present = map(np.concatenate, worlds)
        assert min(absent.size, present.size) > 90_000
        game = (absent, present, MULTIPLIER, N_SITES, tolerates, pooling)
        assert refuted(*game) == []
        assert refuted(*game, claimed=1.5)
