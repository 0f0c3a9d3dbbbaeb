"""What lies outside: how it is told from noise, and that no row is lost or made up on the way to the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Interval
from skdpflow.accountants import GaussianEvent
from skdpflow.domain.codes import code_of, n_codes
from skdpflow.latent.rank import DRAWN, Layout
from skdpflow.mechanisms.marginals.histograms import bin_edges, rank_transform
from skdpflow.mechanisms.marginals.outside import AxisHistograms, standing_out
from skdpflow.release import Measurement

COLUMNS = (
    Interval(0, 9, integer=True, nullable=True),
    Interval(0.0, 1.0),
    Categories(["a", "b", "c"], nullable=True),
    Interval(0, 2, integer=True),
)
EDGES = [bin_edges(c, 4, 8) for c in COLUMNS]


def measured(codes, sd=1.0, components=None, n_components=1):
    """The histograms of rows, without noise."""
    components = np.zeros(len(codes), dtype=int) if components is None else components
    counts = []
    for j, edges in enumerate(EDGES):
        bins = np.searchsorted(edges, codes[:, j], side="right") - 1
        counts.append(
            np.array([np.bincount(bins[components == c], minlength=len(edges) - 1) for c in range(n_components)])
        )
    params = {
        "columns": np.arange(len(COLUMNS)),
        "edges": np.concatenate(EDGES),
        "edge_sizes": np.array([len(e) for e in EDGES]),
    }
    return Measurement("histograms", "histograms", params, np.hstack(counts), np.array([sd]), 1.0, GaussianEvent(1.0))


def random_codes(seed):
    """Half of the cells lie outside."""
    rng = np.random.default_rng(seed)
    inside = np.column_stack([rng.integers(0, c.n_levels, 400) for c in COLUMNS])
    outside = np.column_stack([rng.integers(c.n_levels, n_codes(c), 400) for c in COLUMNS])
    return np.where(rng.random(inside.shape) < 0.5, inside, outside)


codes_of = st.integers(0, 2**32 - 1).map(random_codes)


@pytest.mark.parametrize("column", COLUMNS)
def test_bins_cover_each_code_once(column):
    edges = bin_edges(column, 4, 8)
    assert edges[0] == 0
    assert edges[-1] == n_codes(column)
    assert (np.diff(edges[edges >= column.n_values]) == 1).all()


@given(codes_of)
@settings(max_examples=20, deadline=None)
def test_no_row_is_lost(codes):
    for axes in (AxisHistograms.of(measured(codes), COLUMNS), AxisHistograms.clipped(measured(codes), COLUMNS)):
        assert [counts.sum() for counts in axes.counts] == pytest.approx([len(codes)] * 4)
        for counts, edges, layout in zip(axes.counts, axes.edges, axes.layouts, strict=True):
            assert counts.shape == (1, len(edges) - 1)
            assert (edges[0], edges[-1]) == layout.ends


def test_what_is_below_has_a_place_of_its_own_and_what_is_no_number_is_spread():
    codes = np.tile([3, 2**19, 1, 1], (400, 1))
    codes[:100, 0] = code_of(COLUMNS[0], "below")
    codes[:40, 1] = code_of(COLUMNS[1], "unreadable")
    codes[:80, 2] = code_of(COLUMNS[2], "unlisted")
    codes[:80, 3] = code_of(COLUMNS[3], "above")
    axes = AxisHistograms.of(measured(codes), COLUMNS)
    assert [layout.homes for layout in axes.layouts] == [
        (-1, 10, DRAWN),
        (0, 2**20 - 1, DRAWN),
        (DRAWN,),
        (0, 3, DRAWN),
    ]
    assert axes.counts[0][0, 0] == 100
    assert axes.counts[2][0].round().tolist() == [0, 400, 0, 0]
    assert axes.counts[3][0].tolist() == [0, 320, 0, 80]
    assert axes.drawn == [0, 40, 80, 0]
    transform = rank_transform(measured(codes), None, COLUMNS, 400.0)
    assert transform.cdf[0][1] == pytest.approx(0.25, abs=0.02)
    assert 1.0 - transform.cdf[3][-2] == pytest.approx(0.2, abs=0.02)
    assert rank_transform(measured(codes), None, COLUMNS, 400.0, clip=True).edges[0][0] == 0


def test_what_is_clipped_is_counted_among_the_outer_values_and_not_among_gaps():
    codes = np.tile([3, 2**19, 1, 1], (400, 1))
    codes[:100, 0] = code_of(COLUMNS[0], "above")
    axes = AxisHistograms.clipped(measured(codes), COLUMNS)
    assert axes.counts[0][0, -2:].tolist() == [100, 0]
    assert axes.edges[0][-1] == 11


def test_what_does_not_stand_out_is_left_out():
    assert (standing_out(np.array([[3.0, -2.0, 1.0]]), sd=1.0, n_bins=12) == 0).all()
    # one component is enough, and so is the sum of all
    assert standing_out(np.array([[9.0], [-1.0], [0.0]]), 1.0, 12).ravel().tolist() == [9, 0, 0]
    assert standing_out(np.full((9, 1), 2.0), 1.0, 12).sum() == 18


def test_noise_alone_is_rarely_taken_for_something():
    """False alarms of 1 in 100 fits are allowed; more than 30 in 1,000 have a probability below 1e-7."""
    rng = np.random.default_rng(0)
    alarms = sum(standing_out(np.rint(rng.normal(0.0, 5.0, (3, 30))), 5.0, 30).any() for _ in range(1000))
    assert alarms <= 30


@given(codes_of, st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_places_lie_on_the_axes_and_positions_inside_the_columns(codes, seed):
    transform = rank_transform(measured(codes), None, COLUMNS, 400.0)
    ranks = np.random.default_rng(seed).random(codes.shape)
    places, _ = transform.placed(codes, ranks)
    ends = np.array([layout.ends for layout in transform.layouts])
    assert ((places >= ends[:, 0]) & (places < ends[:, 1])).all()
    positions = transform.from_latent(transform.to_latent(codes, ranks))
    levels = np.array([c.n_levels for c in COLUMNS])
    assert ((positions >= 0) & (positions < levels)).all()
    for j, column in enumerate(COLUMNS):
        inside = codes[:, j] < column.n_levels
        outside_is_no_gap = np.floor(positions[~inside, j]) < column.n_values
        assert outside_is_no_gap.mean() > 0.99  # but for the limit of four standard deviations
    # row by row, to the bit
    alone = np.vstack([transform.to_latent(codes[i : i + 1], ranks[i : i + 1]) for i in range(0, len(codes), 40)])
    assert (alone == transform.to_latent(codes, ranks)[::40]).all()


def test_cells_without_a_place_are_drawn_from_the_released_shares():
    """30,000 draws: each share is within .02 of its own, which is six standard deviations."""
    codes = np.tile([3, 2**19, 1, 1], (1000, 1))
    codes[:100, 2], codes[100:400, 2] = 0, 3  # of category "a", and gaps
    transform = rank_transform(measured(codes), None, COLUMNS, 1000.0)
    n = 30_000
    drawn = np.tile([3, 2**19, code_of(COLUMNS[2], "unlisted"), 1], (n, 1))
    z = transform.to_latent(drawn, np.random.default_rng(0).random(drawn.shape))
    found = np.bincount(np.floor(transform.from_latent(z)[:, 2]).astype(int), minlength=4) / n
    assert found == pytest.approx([1 / 7, 6 / 7, 0, 0], abs=0.02)


def test_a_layout_has_a_place_for_what_lies_outside():
    assert Layout.of(Interval(0, 4, integer=True, nullable=True), below=True, above=True).ends == (-1, 7)
    assert Layout.of(Categories(["a"])).ends == (0, 1)
