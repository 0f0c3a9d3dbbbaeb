"""The selection is the exponential mechanism, costs what it says and never more than its share."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skdpflow import Categories, Domain
from skdpflow.accountants import GaussianDPAccountant, SelectionEvent
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.gaussian import selection_mu
from skdpflow.curator import curator as curators
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.selection import (
    gumbel,
    rounding_epsilon,
    select_top,
    selection_epsilon,
    selection_event,
)
from skdpflow.curator.source import RowSource
from skdpflow.domain.schema import schema_of
from skdpflow.latent.rank import RankTransform
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.release.request import Request

FALSE_ALARM = 1e-9

# ---------------------------------------------------------------- the cost


@given(st.floats(-12.0, 2.5).map(lambda e: 10.0**e), st.integers(1, 1000), st.floats(1e-6, 1.0))
@settings(max_examples=300, deadline=None)
def test_choices_cost_at_most_their_share_and_hardly_less(mu, k, share):
    epsilon = selection_epsilon(mu * float(np.sqrt(share / k)))
    cost = k * selection_mu(SelectionEvent(epsilon)) ** 2
    assert cost <= share * mu**2
    assert cost >= share * mu**2 * (1 - 1e-8)


@given(st.floats(-6.0, 1.5).map(lambda e: 10.0**e), st.lists(st.integers(1, 40), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_the_ledger_takes_all_rounds_of_a_plan_that_spends_everything(mu, ks):
    ledger = PrivacyFilter(mu**2)
    for k in ks:
        ledger.debit(selection_event(selection_epsilon(mu * float(np.sqrt(1 / len(ks) / k))), k), "selection")
    assert ledger.remaining <= 1e-8 * mu**2


def test_small_and_large_budgets_agree_where_the_formulas_meet():
    assert selection_epsilon(1 - 1e-12) == pytest.approx(selection_epsilon(1 + 1e-12), rel=1e-10)
    assert np.isfinite(selection_epsilon(1e-300))
    assert selection_epsilon(1e-300) > 0


@given(st.integers(2, 6), st.floats(0.01, 6.0), st.sampled_from([1.0, 2.0]), st.data())
@settings(max_examples=200, deadline=None)
def test_the_exponential_mechanism_has_bounded_range(n, epsilon, sensitivity, data):
    """What the event states, for the exact probabilities of all scores that one row can lead to."""
    scores = np.array(data.draw(st.lists(st.integers(-50, 50), min_size=n, max_size=n)))
    change = np.array(data.draw(st.lists(st.floats(-sensitivity, sensitivity), min_size=n, max_size=n)))
    ratio = np.log(exact(scores, epsilon, sensitivity) / exact(scores + change, epsilon, sensitivity))
    assert ratio.max() - ratio.min() <= epsilon * (1 + 1e-9)


def exact(scores, epsilon, sensitivity):
    """Probabilities of the exponential mechanism."""
    u = np.asarray(scores) * epsilon / (2.0 * sensitivity)
    p = np.exp(u - u.max())
    return p / p.sum()


# ---------------------------------------------------------------- the draw


@pytest.mark.statistical
def test_gumbel_noise_in_its_middle_and_its_tails():
    """False alarms: 1e-9 for each of three checks."""
    n = 200_000
    g = gumbel(n, NoiseSource())
    assert stats.kstest(g, stats.gumbel_r.cdf).pvalue > FALSE_ALARM
    for mass in ((g > 6.0).sum(), stats.gumbel_r.sf(6.0)), ((g < -2.0).sum(), stats.gumbel_r.cdf(-2.0)):
        assert stats.binomtest(int(mass[0]), n, float(mass[1])).pvalue > FALSE_ALARM


class Uniforms:
    """Uniforms that were chosen beforehand."""

    def __init__(self, values):
        self.values = np.array(values)

    def uniform(self, n):
        assert n == len(self.values)
        return self.values


def test_gumbel_tails_keep_their_digits():
    tiny, near_one = 2.0**-200 * (1 + 2.0**-52), 1 - 2.0**-53
    g = gumbel(4, Uniforms([tiny, tiny, near_one, near_one, 0.75, 0.25, 0.75, 0.25]))
    # v = 1 - u / 2 and v = u / 2 in turn
    expected = [201 * np.log(2), -np.log(201 * np.log(2)), -np.log(np.log(2)), -np.log(np.log(2))]
    assert g == pytest.approx(expected, rel=1e-12)
    with pytest.raises(FloatingPointError, match="nothing was released"), np.errstate(divide="ignore"):
        gumbel(1, Uniforms([0.0, 0.75]))


@pytest.mark.parametrize(("epsilon", "sensitivity"), [(0.7, 1.0), (2.0, 2.0), (0.01, 1.0)])
def test_the_order_is_that_of_scaled_scores_with_whole_gumbel_noise(epsilon, sensitivity):
    """Computed again from the same uniforms: epsilon u / (2 Delta) - ln(-ln v)."""
    scores = np.array([40, 0, -3, 1, 2, 25, -60])
    for seed in range(100):
        u = NoiseSource(seed).uniform(2 * len(scores))
        v = np.where(u[7:] < 0.5, u[:7] / 2, 1 - u[:7] / 2)
        noisy = scores * epsilon / (2 * sensitivity) - np.log(-np.log(v))
        expected = np.argsort(-noisy)[:3]
        assert select_top(scores, 3, epsilon, sensitivity, NoiseSource(seed)).tolist() == expected.tolist()


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("scores", "epsilon", "sensitivity"),
    [
        ([3, 0, -2, 1, 1], 1.0, 1.0),
        ([3, 0, -2, 1, 1], 1.0, 2.0),
        ([10**12 + 4, 10**12, 10**12 + 7], 0.5, 1.0),
        ([0, 1, 900], 8.0, 2.0),
    ],
)
def test_one_choice_has_the_probabilities_of_the_exponential_mechanism(scores, epsilon, sensitivity):
    """Chi-square; false alarms: 1e-9 for each case."""
    n, noise, scores = 20_000, NoiseSource(), np.array(scores)
    counts = np.zeros(len(scores))
    for _ in range(n):
        counts[select_top(scores, 1, epsilon, sensitivity, noise)[0]] += 1
    assert_counts(counts, exact(scores, epsilon, sensitivity) * n)


@pytest.mark.statistical
def test_the_top_k_are_choices_one_after_the_other():
    """All ordered triples of five candidates, chi-square; false alarms: 1e-9."""
    n, noise, scores, epsilon = 40_000, NoiseSource(), np.array([4, 0, -3, 1, 2]), 0.7
    seen = dict.fromkeys(itertools.permutations(range(5), 3), 0)
    for _ in range(n):
        seen[tuple(select_top(scores, 3, epsilon, 1.0, noise).tolist())] += 1
    expected = []
    for order in seen:
        p, left = 1.0, list(range(5))
        for i in order:
            p *= exact(scores[left], epsilon, 1.0)[left.index(i)]
            left.remove(i)
        expected.append(p * n)
    assert_counts(np.array(list(seen.values())), np.array(expected))


def assert_counts(counts, expected):
    """Rare outcomes are counted together, so that the chi-square distribution holds."""
    rare = expected < 25
    if rare.any():
        assert stats.binomtest(
            int(counts[rare].sum()), int(counts.sum()), expected[rare].sum() / counts.sum()
        ).pvalue > (FALSE_ALARM)
    if (~rare).sum() > 1:
        counts, expected = counts[~rare], expected[~rare]
        assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > FALSE_ALARM


@given(st.lists(st.integers(-(2**61), 2**61), min_size=1, max_size=9), st.data())
@settings(max_examples=100, deadline=None)
def test_clear_winners_win_whatever_the_size_of_the_scores(scores, data):
    """Scores of any size: those that are far apart are chosen in truth, and arithmetic never fails."""
    scores = np.array(scores)
    k = data.draw(st.integers(1, len(scores)))
    chosen = select_top(scores, k, 1.0, 1.0, NoiseSource(0))
    assert len(set(chosen.tolist())) == k
    left_out = np.delete(scores, chosen)
    # a chance of about 1e-20 each, and a fixed seed
    if left_out.size:
        assert scores[chosen].min() >= left_out.max() - 100


def test_scores_beyond_the_reach_count_as_the_reach():
    """So the arithmetic has a bounded error; which of them comes first is left to the noise."""
    scores = np.array([10**9, 10**12, 0, -5])
    firsts = {tuple(select_top(scores, 3, 1.0, 1.0, NoiseSource(seed))[:2].tolist()) for seed in range(30)}
    assert firsts == {(0, 1), (1, 0)}


def test_many_scores_far_apart_are_all_told_from_each_other():
    """The last to be chosen, and not the first, is where scores are told apart."""
    scores = np.array([10**9, 10**6, 10**4, 5000, 0])
    assert set(select_top(scores, 4, 1.0, 1.0, NoiseSource()).tolist()) == {0, 1, 2, 3}
    assert set(select_top(scores, 2, 1.0, 1.0, NoiseSource()).tolist()) == {0, 1}


@pytest.mark.parametrize("epsilon", [1e-300, 1e-6, 1.0, 1e6])
def test_tiny_and_huge_epsilons(epsilon):
    assert sorted(select_top(np.array([5, 2**60, -3]), 3, epsilon, 2.0, NoiseSource()).tolist()) == [0, 1, 2]
    assert 0 < rounding_epsilon(3, epsilon, 2.0) < 1e-4


@pytest.mark.parametrize("k", [1, 2, 10, 300])
def test_each_place_in_the_order_adds_its_own_rounding(k):
    """The j-th of k is moved by 2 (k - j + 1) times the error of a noisy score, in each of two neighbours."""
    error = (1024.0 + 64.0) * 2.0**-50  # draws below 1024, scaled scores within 64
    moved = sum(2 * (k - j + 1) * error for j in range(1, k + 1))
    assert 2 * moved <= rounding_epsilon(k, 1.0, 1.0) <= 2 * moved * 1.001


# ---------------------------------------------------------------- the curator

DOMAIN = Domain({name: Categories(["low", "high"]) for name in "abc"})
LATENT = RankTransform(
    [np.arange(3)] * 3, [np.array([0.0, 0.5, 1.0])] * 3, [None] * 3, [np.zeros((0, 2))] * 3
).to_params()
BINS = {
    "n_components": 1,
    **LATENT,
    "pair_columns": np.arange(3),
    "pair_edges": np.ones(3),
    "pair_edge_sizes": np.ones(3, dtype=np.int64),
}


def curator_of(rows, *, epsilon=3.0, delta=1e-5, neighbours="add-remove"):
    X = np.array(rows, dtype=object)
    source = RowSource(X, None, schema_of(X, None), DOMAIN)
    return Curator(source, Budget(epsilon, delta, neighbours, GaussianDPAccountant(), "gdp"), NoiseSource())


def request(share=1.0, **params):
    return Request("selected", "select_pairs", share, {**BINS, **params})


# a row of lows alone comes on top of what was predicted for (a, b), but fills a gap of (a, c); highs do the opposite
PREDICTED = np.zeros(12)  # two rows of (a, b) beside (a, c), and then (b, c)
PREDICTED[1] = PREDICTED[2] = 100.0
BASELINE = np.array([0.0, 0.0, 2.0**30])  # the last is no candidate
CHOICE = {"predicted": PREDICTED[None], "baseline": BASELINE, "k": 1}


def test_the_measurement_says_what_was_done():
    curator = curator_of([["low", "low", "high"]] * 5, neighbours="replace-one")
    (m,) = curator.answer([request(0.5, **{**CHOICE, "k": 2})], DOMAIN, None)
    assert m.kind == "select_pairs"
    assert m.values.shape == (2, 2)
    assert (m.values[:, 0] < m.values[:, 1]).all()
    assert m.event == selection_event(m.params["epsilon_each"], 2)
    assert m.sensitivity == 2.0
    assert m.noise_scale == pytest.approx(4.0 / m.params["epsilon_each"])
    assert set(m.params) == {"k", "epsilon_each"}
    (entry,) = curator.filter.entries
    assert entry.mu_squared <= 0.5 * curator.mu**2


def test_a_selection_comes_alone():
    curator = curator_of([["low", "low", "high"]] * 5)
    counts = Request("counts", "counts", 0.1, {"n_components": 1})
    for requests, domain in [([request(0.5, **CHOICE), counts], DOMAIN), ([request(0.5, **CHOICE)], None)]:
        with pytest.raises(ValueError, match="a round of its own"):
            curator.answer(requests, domain, None)
    assert curator.filter.entries == ()


def test_a_selection_that_is_refused_spends_nothing():
    curator = curator_of([["low", "low", "high"]] * 5)
    for params in ({**CHOICE, "k": 0}, {**CHOICE, "k": 4}, {**CHOICE, "pair_edges": np.array([1.0, np.nan, 1.0])}):
        with pytest.raises(ValueError, match="statistic"):
            curator.answer([request(0.5, **params)], DOMAIN, None)
    with pytest.raises(ValueError, match="floating-point slack"):
        curator_of([["low"] * 3] * 5, epsilon=1e-11, delta=1e-3).answer([request(0.5, **CHOICE)], DOMAIN, None)
    assert curator.filter.entries == ()


GAMES = 1500
REST = [["low", "low", "low"]] * 2 + [["low", "high", "high"]] * 2


def bound(hits, confidence, *, above):
    """Clopper-Pearson bound on a chance."""
    if above:
        return stats.beta.isf(confidence, hits + 1, GAMES - hits)
    return stats.beta.ppf(confidence, hits, GAMES - hits + 1)


def play(neighbours, other):
    """Whole selections in two worlds: how often (a, b) and (a, c) are chosen, and the stated epsilon.

    One row in the middle is there or not, or another one is there: the score of one candidate rises by the
    sensitivity and that of the other falls by it.
    """
    counts = np.zeros((2, 2))
    for w, middle in enumerate(([["low", "low", "low"]], [] if other is None else [other])):
        curator = curator_of([*REST[:2], *middle, *REST[2:]], epsilon=8.0, neighbours=neighbours)
        slack = curator._slack_left
        for _ in range(GAMES):
            curator.filter, curator._slack_left = PrivacyFilter(curator.mu**2), slack
            (m,) = curator.answer([request(**CHOICE)], DOMAIN, None)
            counts[w, int(m.values[0, 1]) - 1] += 1
    return counts, m.params["epsilon_each"]


def shown(counts, confidence):
    """Range of the log-ratios of the two outcomes that the counts prove."""
    chance = confidence / 8  # four bounds, in either direction

    def ratio(w, i):
        return np.log(bound(counts[w, i], chance, above=False) / bound(counts[1 - w, i], chance, above=True))

    return max(ratio(0, i) + ratio(1, 1 - i) for i in (0, 1))


@pytest.mark.statistical
@pytest.mark.parametrize(("neighbours", "other"), [("add-remove", None), ("replace-one", ["low", "high", "high"])])
def test_two_worlds_are_no_easier_to_tell_apart_than_stated(neighbours, other):
    """False alarms: 1e-6. Half of the range is shown to be reached, which is missed less than once in 10^6 runs."""
    counts, epsilon = play(neighbours, other)
    assert shown(counts, 1e-6) <= epsilon
    assert shown(counts, 0.05) >= 0.5 * epsilon


@pytest.mark.statistical
def test_the_game_finds_a_forgotten_factor_of_two(monkeypatch):
    """The scores weighted with epsilon / Delta: the claim is beaten."""
    monkeypatch.setattr(curators, "select_top", lambda s, k, eps, *rest: select_top(s, k, 2 * eps, *rest))
    counts, epsilon = play("add-remove", None)
    assert shown(counts, 1e-6) > epsilon
