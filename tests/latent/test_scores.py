"""Scores on the lattice: the nearest ones, from thresholds that are right to the last bit."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from skdpflow.latent.scores import LATENT_LIMIT, LATENT_STEPS, lattice_scores, thresholds


def test_thresholds_are_right_to_the_last_bit():
    with mpmath.workdps(40):
        expected = [float(mpmath.ncdf((mpmath.mpf(k) - 0.5) / LATENT_STEPS)) for k in range(-4095, 4097, 13)]
    assert thresholds()[::13].tolist() == expected
    assert (np.diff(thresholds()) > 0).all()
    assert len(thresholds()) == 2 * LATENT_LIMIT * LATENT_STEPS


def test_a_threshold_begins_a_score():
    own = thresholds()
    whole = np.arange(-4095, 4097)
    assert np.array_equal(lattice_scores(own), whole)
    assert np.array_equal(lattice_scores(np.nextafter(own, 0.0)), whole - 1)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50))
def test_scores_are_the_nearest_whole_numbers(u):
    u = np.array(u)
    z = np.clip(ndtri(u), -LATENT_LIMIT, LATENT_LIMIT) * LATENT_STEPS
    assert (np.abs(lattice_scores(u) - z) <= 0.5 + 1e-6).all()
    assert [int(lattice_scores(u[[i]])[0]) for i in range(len(u))] == lattice_scores(u).tolist()


@pytest.mark.parametrize(("u", "score"), [(0.0, -4096), (1.0, 4096), (np.nan, 0), (-np.inf, -4096), (np.inf, 4096)])
def test_every_level_has_a_score(u, score):
    assert lattice_scores(np.array([u])).tolist() == [score]
