"""One noisy line per row: exact, row-local, bounded as stated, in an order that says nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skdpflow.curator.records as records_module
from skdpflow.accountants import resolve_accountant
from skdpflow.accountants.budget import Budget
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.records import Records, check_size, release_records
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics.moments import clip_to_ball
from skdpflow.domain import Categories, Domain, Interval
from skdpflow.domain.schema import schema_of
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.projections import OrthogonalProjections
from skdpflow.release.request import Request

# numbers of levels: two categories, an integer column, a continuous one
LEVELS = (2, 10, 2**20)


def codes_of(n_levels):
    return st.integers(-1, n_levels - 1) | st.sampled_from([0, n_levels - 1])


row = st.tuples(*map(codes_of, LEVELS))


@st.composite
def statistics(draw):
    k = draw(st.integers(1, 5))
    entries = draw(st.lists(st.integers(-500, 500), min_size=3 * k, max_size=3 * k))
    return Records(
        {
            "n_components": 1,
            "levels": np.array(LEVELS),
            "radius": draw(st.floats(0.01, 2.0)),
            "steps": draw(st.integers(1, 5000)),
            "directions": np.array(entries, dtype=np.int64).reshape(3, k),
        }
    )


def no_noise(scale, shape, *, differing):
    return np.zeros(shape, dtype=np.int64)


def source_of(X, y=None, domain=None):
    return RowSource(X, y, schema_of(X, y), domain)


class TestSensitivity:
    @given(statistics(), st.lists(row, min_size=1, max_size=5), row, st.data())
    @settings(max_examples=200, deadline=None)
    def test_replacing_a_row_anywhere_moves_the_lines_within_the_bound(self, records, rows, other, data):
        position = data.draw(st.integers(0, len(rows) - 1))
        replaced = [*rows]
        replaced[position] = other
        difference = (records.lines(np.array(rows)) - records.lines(np.array(replaced))).astype(float)
        assert not np.delete(difference, position, axis=0).any()
        assert np.linalg.norm(difference) <= records.sensitivity("replace-one")

    @given(statistics())
    @settings(max_examples=50, deadline=None)
    def test_it_is_the_largest_stretch_of_the_ball(self, records):
        expected = 2 * records._steps * np.linalg.svd(records._directions, compute_uv=False)[0]
        assert records.sensitivity("replace-one") == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert records.sensitivity("replace-one") >= expected * (1 - 1e-15)

    def test_opposite_corners_attain_it(self):
        directions = np.rint(1000 * OrthogonalProjections().sample(2, n_projections=4, seed=0)).astype(np.int64)
        params = {"n_components": 1, "levels": [2**20] * 2, "radius": 1.0, "steps": 1000, "directions": directions}
        records = Records(params)
        top = 2**20 - 1
        a, b = records.lines(np.array([[0, 0], [top, top]]))
        assert np.linalg.norm(a - b) >= 0.99 * records.sensitivity("replace-one")

    def test_there_is_none_for_added_rows(self):
        with pytest.raises(ValueError, match=r"one line per row.*replace-one"):
            Records(PARAMS).sensitivity("add-remove")


PARAMS = {
    "n_components": 2,
    "levels": np.array([2**20, 2**20]),
    "radius": 1.0,
    "steps": 500,
    "directions": np.array([[700, -300, 12], [40, 90, -900]]),
}
DOMAIN = Domain({"x0": Interval(0.0, 1.0), "x1": Interval(0.0, 1.0)})
LABELS = Categories(["no", "yes"])


class TestLines:
    @given(statistics(), st.lists(row, min_size=1, max_size=6))
    @settings(max_examples=100, deadline=None)
    def test_they_are_exact_and_depend_on_their_own_row_alone(self, records, rows):
        codes = np.array(rows)
        lines = records.lines(codes)
        scores = np.where(codes < 0, 0.0, (2 * codes + 1) / np.array(LEVELS) - 1.0)
        q = clip_to_ball(np.rint(scores * LATENT_STEPS).astype(np.int64), records._radius, records._steps)
        by_integers = [
            [sum(int(a) * int(b) for a, b in zip(r, c, strict=True)) for c in records._directions.T] for r in q
        ]
        assert lines.tolist() == by_integers
        for i in range(len(rows)):
            np.testing.assert_array_equal(records.lines(codes[i : i + 1])[0], lines[i])

    @pytest.mark.parametrize("fine", [{"steps": 2**30}, {"directions": np.array([[2**30], [0]])}])
    def test_a_lattice_that_float64_cannot_hold_is_refused(self, fine):
        with pytest.raises(ValueError, match=r"within|from 1 to"):
            Records({**PARAMS, **fine})


class TestRelease:
    @pytest.fixture
    def table(self):
        rng = np.random.default_rng(0)
        return rng.uniform(size=(50, 2)), rng.choice(np.array(["no", "yes", "perhaps"]), size=50)

    def test_lines_are_grouped_by_class_and_rows_of_undeclared_classes_have_none(self, table):
        X, y = table
        records = Records(PARAMS)
        values, sizes = release_records(source_of(X, y), records, np.ones(1), no_noise, 7, DOMAIN, LABELS)
        assert sizes.tolist() == [(y == "no").sum(), (y == "yes").sum()]
        lines = records.lines(source_of(X).block(0, 50, DOMAIN)[0])
        for label, part in zip(LABELS.values, np.split(values, [sizes[0]]), strict=True):
            assert sorted(part.tolist()) == sorted(lines[y == label].tolist())

    def test_their_order_depends_on_the_key_alone(self, table):
        X, _ = table
        orders = []
        for rows, key in ((X, 1), (X, 2), (X[::-1], 1)):
            values, _ = release_records(source_of(rows), Records(PARAMS), np.ones(1), no_noise, key, DOMAIN, None)
            lines = Records(PARAMS).lines(source_of(rows).block(0, 50, DOMAIN)[0]).tolist()
            orders.append([lines.index(line) for line in values.tolist()])
        assert orders[0] == orders[2] != orders[1]
        assert orders[0] != list(range(50))

    def test_it_does_not_depend_on_how_the_rows_are_cut(self, table, monkeypatch):
        X, y = table
        whole = release_records(source_of(X, y), Records(PARAMS), np.ones(1), no_noise, 3, DOMAIN, LABELS)
        monkeypatch.setattr(records_module, "_BLOCK_INTEGERS", 21)
        cut = release_records(source_of(X, y), Records(PARAMS), np.ones(1), no_noise, 3, DOMAIN, LABELS)
        np.testing.assert_array_equal(whole[0], cut[0])
        np.testing.assert_array_equal(whole[1], cut[1])

    def test_every_integer_gets_its_own_noise_and_the_slack_is_charged_for_one_line(self, table, monkeypatch):
        monkeypatch.setattr(records_module, "_BLOCK_INTEGERS", 30)
        charged, shapes = [], []

        def draw(scale, shape, *, differing):
            charged.append(differing)
            shapes.append(shape)
            return np.zeros(shape, dtype=np.int64)

        release_records(source_of(table[0]), Records(PARAMS), np.ones(1), draw, 3, DOMAIN, None)
        assert sum(charged) == 3
        assert len(shapes) > 1
        assert sum(math.prod(shape) for shape in shapes) == 50 * 3

    def test_a_numeric_target_is_the_last_column(self, table):
        X, _ = table
        y = X[:, 0] * 2
        params = {**PARAMS, "levels": np.array([2**20] * 3), "directions": np.array([[0], [0], [1000]]), "radius": 2.0}
        values, sizes = release_records(
            source_of(X, y), Records(params), np.ones(1), no_noise, 3, DOMAIN, Interval(0.0, 2.0)
        )
        assert sizes.tolist() == [50, 0]
        np.testing.assert_allclose(np.sort(values[:, 0]) / 1000 * 2.0 / 500, np.sort(y) - 1.0, atol=0.01)

    def test_too_many_integers_are_refused_before_anything_is_spent(self, table, monkeypatch):
        monkeypatch.setattr(records_module, "MAX_INTEGERS", 149)
        source = source_of(table[0])
        with pytest.raises(ValueError, match=r"3 directions in all are 3 integers per row, more than 149"):
            check_size(source, [Records(PARAMS)])
        budget = Budget(1.0, 1e-6, "replace-one", resolve_accountant("gdp"), "gdp")
        curator = Curator(source, budget, NoiseSource(0))
        with pytest.raises(ValueError, match="more than 149"):
            curator.answer([Request("records", "records", 1.0, {**PARAMS, "n_components": 1})], DOMAIN, None)
        assert curator.filter.entries == ()

    def test_the_curator_refuses_added_rows_too(self, table):
        budget = Budget(1.0, 1e-6, "add-remove", resolve_accountant("gdp"), "gdp")
        curator = Curator(source_of(table[0]), budget, NoiseSource(0))
        with pytest.raises(ValueError, match="one line per row"):
            curator.answer([Request("records", "records", 1.0, {**PARAMS, "n_components": 1})], DOMAIN, None)
        assert curator.filter.entries == ()
