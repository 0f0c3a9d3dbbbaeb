"""What noisy counts in bins say of the mass of columns."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from skdpflow.domain import Interval
from skdpflow.mechanisms.marginals.locate import first_edges
from skdpflow.mechanisms.marginals.mass import PERSISTENCE, SCALES, SPREAD, estimated, first_masses, traces


def test_without_others_the_mass_is_the_exact_posterior_mean():
    counts, sd, total = np.array([30.0, -5.0, 12.0]), 20.0, 60.0
    edges = np.array([0.0, 1.0, 2.0, 4.0])
    n_scales = SCALES[0]  # the fewest: there is much noise
    expected = (np.diff(edges) / 4.0 + 1.0 / 3.0) / 2.0
    on = expected[:, None] * 2.0 ** np.arange(n_scales) / n_scales
    on *= np.minimum(1.0, 0.9 / on.sum(axis=1, keepdims=True))
    chance = np.column_stack([1.0 - on.sum(axis=1), on])
    scale = np.append(0.0, total * 2.0 ** -np.arange(n_scales))
    variance = sd**2 + (SPREAD * scale) ** 2
    likelihood = norm.pdf(counts[:, None], scale, np.sqrt(variance))
    mean = np.maximum(scale + (counts[:, None] - scale) * (SPREAD * scale) ** 2 / variance, 0.0)
    weight, mass = 0.0, np.zeros(3)
    for states in product(range(n_scales + 1), repeat=3):
        p = chance[0, states[0]] * likelihood[0, states[0]]
        for b in (1, 2):
            p *= PERSISTENCE * (states[b] == states[b - 1]) + (1.0 - PERSISTENCE) * chance[b, states[b]]
            p *= likelihood[b, states[b]]
        weight += p
        mass += p * np.array([mean[b, k] if k else 0.0 for b, k in enumerate(states)])
    (found,) = first_masses([edges], [counts], [np.full(3, sd**2)], [total])
    np.testing.assert_allclose(found.mass, total * mass / mass.sum())


@pytest.mark.parametrize("sd", [1e-9, 1.0, 1e6])
@pytest.mark.parametrize("counts", [np.zeros(5), np.full(5, -3.0), np.array([0.0, 0.0, 1e9, 0.0, 0.0])])
def test_mass_is_finite_and_sums_to_the_values_at_any_noise(counts, sd):
    edges = np.arange(6.0)
    for found in estimated([[edges]] * 2, [[counts]] * 2, [[sd]] * 2, [100.0, 1.0]):
        assert (found.mass >= 0.0).all()
        assert 0.0 <= found.known <= 1.0
        assert np.isfinite(found.concentration)
    np.testing.assert_allclose(found.mass.sum(), 1.0)


def test_columns_declared_alike_tell_each_other_where_mass_may_be():
    rng = np.random.default_rng(0)
    intervals = [Interval(0, 1000.0 * 2**k) for k in range(20)]
    edges = [first_edges(c) for c in intervals]
    values = [rng.uniform(0.001, 0.004, 300) * float(c.upper) for c in intervals]
    counts = [np.histogram(x, e)[0] + rng.normal(0, 60, len(e) - 1) for x, e in zip(values, edges, strict=True)]
    variances = [np.full(len(c), 60.0**2) for c in counts]

    def inside(masses):
        return np.mean(
            [
                own.mass[(e[:-1] >= 0.0009 * e[-1]) & (e[1:] <= 0.0041 * e[-1])].sum() / 300.0
                for own, e in zip(masses, edges, strict=True)
            ]
        )

    together = first_masses(edges, counts, variances, [300.0] * 20)
    alone = [first_masses([e], [c], [v], [300.0])[0] for e, c, v in zip(edges, counts, variances, strict=True)]
    assert inside(together) > 1.5 * inside(alone)


def test_noise_far_from_all_values_is_a_trace_and_what_stands_out_is_none():
    counts = np.zeros((1, 32))
    counts[0, :8] = 1000.0
    counts[0, 24:] = 50.0, -30.0, 80.0, 40.0, -20.0, 90.0, 60.0, 30.0
    variances, even = np.full((1, 32), 68.0**2), np.full((1, 32), 1.0 / 32)
    share, beyond = np.maximum(counts, 0.0) / 8350.0, np.arange(32)[None] >= 16
    assert traces(share, counts, variances, even, beyond)[0, 16:].all()
    counts[0, 30] = 500.0
    assert not traces(share, counts, variances, even, beyond)[0, 30]


def test_parts_that_hold_all_are_told_whatever_the_number_of_rows_was_estimated_to_be():
    rng = np.random.default_rng(1)
    coarse, fine = np.array([0.0, 512.0, 1024.0]), np.arange(1025.0)
    parts = rng.normal(0, 20, 1024)
    parts[500] += 10_000
    whole = np.array([10_000.0, 0.0])
    (found,) = estimated([[coarse, fine]], [[whole, parts]], [[20.0, 20.0]], [10_150.0])
    np.testing.assert_allclose(found.mass[498:503].sum(), 10_150.0)


def test_what_stands_out_of_parts_is_kept():
    edges = np.array([0.0, 8.0, 16.0, 128.0])
    finer = np.concatenate([np.linspace(0.0, 16.0, 33), [128.0]])
    real = np.zeros(33)
    real[[3, 20]] = 5_000.0
    noise = np.random.default_rng(2).normal(0.0, 20.0, 36)
    counts = [np.array([5_000.0, 5_000.0, 0.0]) + noise[:3], real + noise[3:]]
    (found,) = estimated([[edges, finer]], [counts], [[20.0, 20.0]], [10_000.0])
    np.testing.assert_allclose(found.mass[[3, 20]], 5_000.0, rtol=0.02)
    assert found.mass.sum() - found.mass[[3, 20]].sum() < 100.0
