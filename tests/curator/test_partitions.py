"""Partitions of frames of clusters that are computed again: the same rows in the same order, or none."""

import numpy as np
import pandas as pd
import pytest

from skdpflow import Domain, Interval
from skdpflow.curator.dtypes import numpy_type
from skdpflow.curator.partitions import Partition, digest, parts_of

FRAME = pd.DataFrame({"x": np.arange(6.0)}, index=range(10, 16))
OTHERS = {
    "another order": FRAME.iloc[::-1],
    "a row twice": FRAME.iloc[[0, 1, 2, 3, 4, 4]],
    "a row less": FRAME.iloc[:5],
}


def read(frame):
    partition = Partition(Domain({"x": Interval(0, 9)}), [numpy_type(np.dtype(float), "x")])
    parts, places = parts_of([(0, 0), (len(FRAME), digest(FRAME))])
    assert places == [1]
    return [block.shape for block in partition.holding(frame).blocks(parts[0], 4)]


def test_the_same_rows_are_read_whatever_their_index():
    assert read(FRAME.reset_index(drop=True)) == [(4, 1), (2, 1)]


@pytest.mark.parametrize("other", OTHERS)
def test_other_rows_stop_the_fit(other):
    with pytest.raises(RuntimeError, match="has changed since the fit began"):
        read(OTHERS[other])
