"""The noise that every guarantee rests on: the stated distribution, from the stated source."""

import copy
import pickle
from itertools import pairwise
from unittest import mock

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, ndtr

from skdpflow.accountants.slack import draw_slack
from skdpflow.curator.noise import MAX_SCALE, NoiseSource, RankKeys, half_normal
from skdpflow.release import rounded_normal_pmf

N_DRAWS = 200_000
FALSE_ALARM = 1e-9
SCALES = [0.3, 1.0, 7.3, 1000.0]


def pmf_chi_square(draws, scale):
    """p-value of the draws under the exact pmf, in cells of integers with 25 expected draws or more."""
    reach = int(np.ceil(9 * scale)) + 1
    integers = np.arange(-reach, reach + 1)
    pmf = rounded_normal_pmf(integers, scale)
    assert pmf.sum() == pytest.approx(1, abs=1e-12)
    fine = max(25 / len(draws), 1 / 64)
    cell, mass = np.zeros(len(integers), dtype=int), 0.0
    below = np.cumsum(pmf)
    for i, p in enumerate(pmf[:-1]):  # narrow cells in the tails, 64 or so in all
        mass += p
        wanted = fine if 0.01 < below[i] < 0.99 else 25 / len(draws)
        full = mass >= wanted and 1 - below[i] >= 25 / len(draws)
        cell[i + 1] = cell[i] + full
        mass = 0.0 if full else mass
    assert np.abs(draws).max() <= reach
    observed = np.bincount(cell[draws + reach], minlength=cell[-1] + 1)
    expected = np.bincount(cell, weights=pmf) * len(draws)
    assert len(expected) >= 3
    assert expected.min() >= 24
    return stats.chisquare(observed, expected * len(draws) / expected.sum()).pvalue


@pytest.mark.parametrize("scale", SCALES)
def test_seeded_draws_have_the_exact_distribution(scale):
    draws = NoiseSource(seed=20_240_501).rounded_gaussian(scale, (N_DRAWS,))
    assert draws.dtype == np.int64
    # the seed is fixed, so this cannot fail by chance; a correct sampler fails for one seed in a thousand
    assert pmf_chi_square(draws, scale) > 1e-3


@pytest.mark.statistical
@pytest.mark.parametrize("scale", SCALES)
def test_operating_system_draws_have_the_exact_distribution(scale):
    source = NoiseSource()
    assert source.private
    assert pmf_chi_square(source.rounded_gaussian(scale, (N_DRAWS,)), scale) > FALSE_ALARM


@pytest.mark.parametrize("wrong", [0.9, 0.97, 1.03, 1.1])
def test_the_chi_square_sees_a_wrong_scale(wrong):
    draws = NoiseSource(seed=1).rounded_gaussian(7.3 * wrong, (N_DRAWS,))
    assert pmf_chi_square(draws, 7.3) < FALSE_ALARM


def test_half_the_noise_is_positive_and_draws_are_uncorrelated():
    draws = NoiseSource(seed=2).rounded_gaussian(50.0, (N_DRAWS,)).astype(float)
    positive = (draws > 0).sum() / (draws != 0).sum()
    assert abs(positive - 0.5) < 4 * 0.5 / np.sqrt(N_DRAWS)
    for lag in (1, 2, 3):
        assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) < 4 / np.sqrt(N_DRAWS)
    signs, magnitudes = np.sign(draws), np.abs(draws)
    assert abs(np.corrcoef(signs, magnitudes)[0, 1]) < 4 / np.sqrt(N_DRAWS)


def test_each_coordinate_has_its_own_scale():
    scales = np.array([[1.0, 10.0, 100.0]])
    draws = NoiseSource(seed=3).rounded_gaussian(scales, (N_DRAWS // 4, 3))
    sd = np.sqrt(scales[0] ** 2 + 1 / 12)
    assert draws.std(axis=0) == pytest.approx(sd, rel=4 / np.sqrt(N_DRAWS / 2))
    assert abs(np.corrcoef(draws.T) - np.eye(3)).max() < 4 / np.sqrt(N_DRAWS / 4)


class Words(NoiseSource):
    """A source whose random words are given."""

    def __init__(self, *calls):
        super().__init__(seed=0)
        self._calls = list(calls)

    def _words(self, n):
        words = np.array(self._calls.pop(0), dtype=np.uint64)
        assert len(words) == n
        return words


POSITIVE = 1 << 63


@pytest.mark.parametrize("zeros", [0, 1, 10, 63, 64, 65, 127, 130])
def test_the_tail_goes_as_far_as_the_exponent(zeros):
    """Uniforms of every binade are reached: the exponent counts zero bits over as many words as it takes."""
    exponent_words = [[0]] * (zeros // 64) + [[1 << (zeros % 64)]]
    drawn = Words([POSITIVE], *exponent_words).rounded_gaussian(MAX_SCALE, (1,))
    expected = -stats.norm.ppf(2.0 ** (-2 - zeros)) * MAX_SCALE
    assert abs(drawn[0] - expected) <= 0.5 + 1e-6
    mirrored = Words([0], *exponent_words).rounded_gaussian(MAX_SCALE, (1,))
    assert mirrored[0] == -drawn[0]


def test_the_smallest_draw_is_next_to_zero():
    largest_uniform = POSITIVE | (2**52 - 1)
    assert Words([largest_uniform], [1]).rounded_gaussian(MAX_SCALE, (1,))[0] == 0


def test_a_draw_beyond_double_precision_stops_the_release():
    words = [[POSITIVE], *([[0]] * 17), [1]]  # an exponent below the smallest double
    with pytest.raises(FloatingPointError, match="nothing was released"):
        Words(*words).rounded_gaussian(1.0, (1,))


def units_off(u):
    """Relative error of the sampler's inverse normal in units of 2**-53, against 50 digits."""
    with mpmath.workprec(170):
        p, drawn = mpmath.mpf(float(u)) / 2, mpmath.mpf(float(half_normal(u)))
        # a step of Halley's method triples the digits of a start that has 15
        step = (mpmath.erfc(drawn / mpmath.sqrt(2)) / 2 - p) * mpmath.sqrt(2 * mpmath.pi) * mpmath.exp(drawn**2 / 2)
        exact = drawn + step / (1 - drawn * step / 2)
        return float(abs(drawn - exact) / exact) * 2**53


def test_the_inverse_normal_is_as_accurate_as_the_slack_assumes():
    """The slack allows a draw s z to be off by 8 units of 2**-53: 1 for the product, so 7 for z.

    The worst of a million levels had 5.6. SciPy's `ndtri` alone is off by 9.3 at u = 0.2726.
    """
    rng = np.random.default_rng(0)
    used = [
        NoiseSource(seed=0).uniform(1000),
        *(np.ldexp(1.0 + rng.random(10), -1 - e) for e in range(70)),  # every binade, far into the tail
        1.0 - np.ldexp(1.0 + rng.random(400), -rng.integers(2, 53, 400)),  # next to zero
        rng.uniform(0.08, 0.30, 2000),  # where two approximations meet, and where `ndtri` is worst
        [0.27259437802268354, np.nextafter(0.1, 0), 0.1, 2.0**-53, 1 - 2.0**-53],
    ]
    levels = np.concatenate(used)
    assert len(levels) > 4000
    assert max(map(units_off, levels)) <= 7.0


def test_every_integer_in_reach_can_be_drawn():
    """At the largest scale consecutive uniforms are less than one integer apart."""
    mantissas = np.array([0, 1, 2**51, 2**52 - 2, 2**52 - 1], dtype=np.uint64)
    for zeros in (0, 20, 60):
        half = np.ldexp(1.0 + mantissas * 2.0**-52, -2 - zeros)
        density = stats.norm.pdf(stats.norm.ppf(half))
        assert (2.0 ** (-54 - zeros) / density * MAX_SCALE < 2.0**-20).all()


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, MAX_SCALE * (1 + 1e-15), [1.0, 0.0], [[1.0, np.nan]]])
def test_scales_out_of_range_are_refused_before_drawing(scale):
    source = NoiseSource()
    with (
        mock.patch.object(source, "_words", side_effect=AssertionError("drawn")),
        pytest.raises(ValueError, match="noise scale must be in"),
    ):
        source.rounded_gaussian(scale, (3, 2))


@pytest.mark.parametrize("scale", [1e-300, 1e-3, MAX_SCALE])
def test_extreme_scales(scale):
    draws = NoiseSource(seed=5).rounded_gaussian(scale, (2000,))
    if scale < 0.05:
        assert not draws.any()
    else:
        assert draws.std() == pytest.approx(scale, rel=0.1)
        assert np.abs(draws).max() < 40 * scale


@pytest.mark.parametrize("shape", [(0,), (0, 3), (), (2, 0)])
def test_empty_and_scalar_shapes(shape):
    assert NoiseSource().rounded_gaussian(2.0, shape).shape == shape


def test_seeds_repeat_and_the_operating_system_does_not():
    draw = lambda source: source.rounded_gaussian(1e6, (8,)).tolist()  # noqa: E731
    assert draw(NoiseSource(seed=7)) == draw(NoiseSource(seed=7)) != draw(NoiseSource(seed=8))
    assert draw(NoiseSource()) != draw(NoiseSource())
    assert not NoiseSource(seed=7).private
    source = NoiseSource(seed=7)
    assert draw(source) != draw(source)


def test_keys_are_fresh_and_long():
    keys = {NoiseSource().rank_key() for _ in range(50)}
    assert len(keys) == 50
    assert max(keys).bit_length() > 120
    source = NoiseSource(seed=1)
    assert source.rank_key() != source.rank_key()


def words_of(given):
    return np.frombuffer(b"".join(given), dtype=np.uint64).tolist()


def test_noise_is_made_of_the_bytes_of_the_operating_system_and_of_nothing_else(entropy):
    """Computed again in another way: a sign, 52 bits of a mantissa, and zero bits of a second word as the exponent."""
    drawn = NoiseSource().rounded_gaussian(1000.0, (40, 5)).ravel()
    words, exponents = np.split(np.array(words_of(entropy), dtype=object), 2)
    assert len(words) == 200
    for noise, word, bits in zip(drawn.tolist(), words, exponents, strict=True):
        zeros = f"{bits:064b}"[::-1].index("1")
        half = (2**52 + word % 2**52) / 2**53 / 2**zeros / 2
        magnitude = round(-1000.0 * stats.norm.ppf(half))
        assert noise == (magnitude if word >> 63 else -magnitude)


def test_uniforms_and_keys_are_made_of_the_bytes_of_the_operating_system(entropy):
    source = NoiseSource()
    assert source.rank_key() == int.from_bytes(entropy[0], "little")
    u = source.uniform(50)
    words, exponents = np.split(np.array(words_of(entropy[1:]), dtype=object), 2)
    zeros = [f"{bits:064b}"[::-1].index("1") for bits in exponents]
    assert u.tolist() == [(2**52 + w % 2**52) / 2**53 / 2**z for w, z in zip(words, zeros, strict=True)]


def test_numpy_generators_are_left_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    source = NoiseSource()
    source.rounded_gaussian(3.0, (100,))
    random_ranks(source.rank_key(), 0, 10, 2)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("seed", [None, 0])
def test_a_source_cannot_be_pickled_or_copied(leave, seed):
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        leave(NoiseSource(seed))


# ---------------------------------------------------------------- ranks


def random_ranks(key, start, n_rows, n_columns):
    return RankKeys.of(key, start, start + n_rows).ranks(start, n_rows, n_columns)


KEY = 0x0123456789ABCDEF_FEDCBA9876543210


@pytest.mark.parametrize("n_columns", [1, 3, 4, 21])
def test_ranks_do_not_depend_on_how_rows_are_cut(n_columns):
    whole = random_ranks(KEY, 0, 1500, n_columns)
    assert whole.shape == (1500, n_columns)
    for cuts in ([0, 1, 2, 255, 256, 257, 600, 1500], list(range(0, 1501, 100))):
        parts = [random_ranks(KEY, a, b - a, n_columns) for a, b in pairwise(cuts)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_ranks_are_uniform_and_independent():
    """Fixed key, so no failure by chance; each bound is met by all but one key in a thousand."""
    ranks = random_ranks(KEY, 0, 40_000, 5)
    assert ((ranks >= 0) & (ranks < 1)).all()
    for column in ranks.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    correlation = np.corrcoef(np.hstack([ranks[:-1], ranks[1:]]).T) - np.eye(10)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(ranks))
    assert len(np.unique(ranks)) > 0.999 * ranks.size


def test_other_keys_and_rows_give_other_ranks():
    base = random_ranks(KEY, 0, 300, 2)
    assert not (base == random_ranks(KEY ^ 1, 0, 300, 2)).any()
    assert not (base == random_ranks(KEY ^ (1 << 127), 0, 300, 2)).any()
    assert not (base[1:] == base[:-1]).any()
    assert not (base[256:] == base[:44]).any()


def cells_and_shifts(scale, reach=14.0):
    """Probabilities of the cells of integers of one sign, and how much of each may move, in relative 2**-53."""
    k = np.arange(int(reach * scale) + 2)
    low, high = np.maximum(k - 0.5, 0.0) / scale, (k + 0.5) / scale
    p = 2.0 * (ndtr(-low) - ndtr(-high))

    def moved(b):
        return np.where(b > 0.0, 8.0 * b * np.exp(-b * b / 2.0) / np.sqrt(2.0 * np.pi) + 2.0 * ndtr(-b), 0.0)

    kept = p > 1e-200
    return p[kept], (2.0 * (moved(low) + moved(high)))[kept] / p[kept]


@pytest.mark.parametrize(
    "scale", [0.05, 0.2, 0.5, 1.0, 1.5, 3.0, 10.0, 100.0, pytest.param(1e4, marks=pytest.mark.slow)]
)
def test_rounding_exceeds_its_slack_by_less_than_the_delta_that_is_held_back(scale):
    """E[(sum of r - slack)+] <= exp(-t slack) E[exp(t r)]**m / t for every t > 0."""
    p, r = cells_and_shifts(scale)
    r = r / max(scale, 1.0)
    assert p @ r < 17.0
    t = np.geomspace(1e-4, 2.0, 100)
    x = t[:, None] * r
    log_mean = logsumexp(x, b=p, axis=1)
    for m in (1, 2, 5, 10, 100, 10**5):
        slack = 2.0**53 * draw_slack(m, 1.0) / 2.0  # in each of two neighbours
        excess = np.min(m * log_mean - t * slack - np.log(t)) / np.log(2.0) - 53.0 + np.log2(max(scale, 1.0))
        assert excess < np.log2(m) - 60.0 - 10.0
