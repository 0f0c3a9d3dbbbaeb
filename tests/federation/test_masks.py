"""Masks cancel in the sum, and hide everything else."""

import numpy as np
import pytest
from scipy.stats import chi2

from skdpflow.federation import Keys
from skdpflow.federation.masks import mask, pad


def secrets_of(keys):
    return {k.name: {o.name: k.agreed(o.public) for o in keys if o is not k} for k in keys}


def masks(keys, about, n):
    return {name: mask(name, secrets, about, n) for name, secrets in secrets_of(keys).items()}


@pytest.mark.parametrize("m", [2, 3, 5])
def test_masks_cancel_in_the_sum_of_all_and_only_there(m):
    found = masks([Keys.generate(f"s{i}") for i in range(m)], b"request", 50)
    assert not sum(found.values()).any()
    for name in found:
        assert sum(values for other, values in found.items() if other != name).all()


def test_two_sites_compute_the_same_pad_and_nobody_else_does():
    a, b, c = (Keys.generate(name) for name in "abc")
    assert a.agreed(b.public) == b.agreed(a.public)
    assert a.agreed(b.public) != a.agreed(c.public)


def test_no_pad_is_used_twice():
    """Any other request, pair or secret gives another pad."""
    used = [
        pad(secret, about, first, second, 4).tobytes()
        for secret in (b"1" * 32, b"2" * 32)
        for about in (b"x", b"y", b"xa")
        for first, second in [("a", "b"), ("a", "c"), ("ab", "c")]
    ]
    assert len(set(used)) == len(used)


@pytest.mark.statistical
def test_any_but_one_of_the_masked_answers_are_uniform():
    """False-alarm rate: below 3e-7, the chi-squared tests of 3 subsets at 1e-7 each."""
    n, keys = 40_000, [Keys.generate(name) for name in "abc"]
    values = {k.name: np.arange(n, dtype=np.uint64) % np.uint64(7) for k in keys}
    answers = {name: values[name] + own for name, own in masks(keys, b"request", n).items()}
    for left_out in answers:
        first, second = (answer for name, answer in answers.items() if name != left_out)
        # the bits of both, of their sum and of their difference, in 8 x 8 cells
        for one, other in [(first, second), (first + second, second), (first - second, first)]:
            cells = np.bincount(
                (one >> np.uint64(61)).astype(int) * 8 + (other & np.uint64(7)).astype(int), minlength=64
            )
            statistic = ((cells - n / 64) ** 2 / (n / 64)).sum()
            assert chi2.sf(statistic, 63) > 1e-7 / 3
