"""The seam: exactly one answer per part, and secrets that stay where they are."""

import copy
import pickle

import numpy as np
import pytest

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.curator import engine
from skdpflow.curator.noise import RankKeys
from skdpflow.curator.parts import Answer, Part, spans_of
from skdpflow.curator.progress import Progress

PARTS = spans_of(25, 10)


def total(parts, found, progress=None):
    return engine.total(parts, found, progress or Progress())


def answers(*numbers):
    return [Answer(i, PARTS[i].stop - PARTS[i].start, [np.array([i, 1])]) for i in numbers]


def test_one_answer_per_part_in_any_order():
    assert total(PARTS, answers(0, 1, 2))[0].tolist() == total(PARTS, answers(2, 0, 1))[0].tolist() == [3, 3]


@pytest.mark.parametrize("numbers", [(0, 1), (), (2,)])
def test_a_missing_part_is_an_error_that_tells_nothing_of_the_rows(numbers):
    with pytest.raises(RuntimeError, match="Some parts of the rows were not answered") as caught:
        total(PARTS, answers(*numbers))
    assert not any(c.isdigit() for c in str(caught.value))


def test_a_part_is_not_counted_twice():
    with pytest.raises(RuntimeError, match="answered twice"):
        total(PARTS, answers(0, 1, 1, 2))


def test_a_part_with_other_rows_than_at_the_start_is_refused():
    with pytest.raises(RuntimeError, match="other rows"):
        total(PARTS, [*answers(0, 1), Answer(2, 6, [np.array([2, 1])])])


def test_keys_of_a_part_give_ranks_of_that_part_only():
    whole, own = RankKeys.of(7, 0, 200_000), RankKeys.of(7, 70_000, 131_072)
    np.testing.assert_array_equal(own.ranks(70_000, 500, 3), whole.ranks(70_000, 500, 3))
    for start in (0, 131_072):
        with pytest.raises(KeyError):
            own.ranks(start, 1, 3)


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_keys_do_not_leave(leave):
    keys = RankKeys.of(7, 0, 10)
    assert repr(keys) == "RankKeys(<secret>)"
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        leave(keys)


def test_what_is_private_about_a_part_is_not_shown():
    n_rows = 123_456_789
    assert str(n_rows) not in repr(Part(0, 0, n_rows)) + repr(Answer(0, n_rows, [n_rows]))


def test_progress_is_told_in_the_same_lines_for_any_rows(capsys, monkeypatch):
    monkeypatch.setattr("skdpflow.curator.source._BLOCK_ROWS", 100)
    told = []
    for n_rows in (90, 110, 1000):
        X = np.random.default_rng(0).uniform(size=(n_rows, 2))
        flow = DPSlicedWassersteinFlow(1.0, domain=(0.0, 1.0), n_particles=50, random_state=0, verbose=2).fit(X)
        told.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("round")])
        rounds = [line for line in told[-1] if "%" not in line]
        assert told[-1].count("round 1: 50 % of the rows read") == 1
        assert len(told[-1]) == 5 * len(rounds)
        assert {m.name for m in flow.release_.measurements} <= set(", ".join(rounds).replace(": ", ", ").split(", "))
    assert told[0][:5] == told[1][:5] == told[2][:5]
