"""Every cell has exactly one code: a value, a gap, or one of the ways to lie outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import Categories, Interval
from skdpflow.domain.codes import NO_PLACE, clipped, code_of, n_codes, outside_of

nullable = st.booleans()
columns = (
    st.builds(lambda n, gaps: Interval(0, n, integer=True, nullable=gaps), st.integers(1, 40), nullable)
    | st.builds(lambda gaps: Interval(-1.0, 1.0, nullable=gaps), nullable)
    | st.builds(lambda n, gaps: Categories(list(range(n)), nullable=gaps), st.integers(1, 9), nullable)
)


@given(columns)
def test_codes_are_values_then_a_gap_then_what_lies_outside(column):
    outside = [code_of(column, kind) for kind in outside_of(column)]
    gap = [column.n_values] if column.nullable else []
    assert [*range(column.n_values, column.n_values + len(gap)), *outside] == list(
        range(column.n_values, n_codes(column))
    )


@given(st.lists(columns, min_size=1, max_size=4), st.data())
def test_clipping_brings_codes_to_the_nearest_value(given_columns, data):
    codes = np.array([[data.draw(st.integers(0, n_codes(c) - 1)) for c in given_columns] for _ in range(3)])
    before = codes.copy()
    near = clipped(codes, given_columns)
    assert (codes == before).all()
    for j, column in enumerate(given_columns):
        inside = codes[:, j] < column.n_levels
        assert (near[inside, j] == codes[inside, j]).all()
        for code, own in zip(codes[~inside, j], near[~inside, j], strict=True):
            kind = outside_of(column)[code - column.n_levels]
            assert own == {"below": 0, "above": column.n_values - 1}.get(kind, NO_PLACE)
    assert (clipped(codes[:1], given_columns) == near[:1]).all()


def test_what_a_column_cannot_have_has_no_code():
    with pytest.raises(ValueError, match="not in tuple"):
        code_of(Interval(0, 1), "unlisted")
    assert outside_of(Categories(["a"])) == ("unlisted",)
