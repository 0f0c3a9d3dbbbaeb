"""Columns that are measured as their differences from others: samples, densities, files and reports."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.compose import DPOversampler
from skdpflow.domain.interval import Since
from skdpflow.exceptions import DomainMismatchWarning, ReleaseError

DOMAIN = Domain(
    {
        "start": Interval("2020-01-01", "2022-12-31", unit="D"),
        "end": Interval("2020-01-01", "2023-12-31", unit="D", nullable=True),
        "age": Interval(0, 120, integer=True),
    },
    constraints=["start <= end"],
)
CLASSES = Categories([0, 1])


def stays(n=5000, seed=0):
    """Stays of 7.5 days on average, a tenth of which have not ended."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2020-01-01") + rng.integers(0, 1096, n)
    end = (start + np.rint(rng.exponential(7.5, n)).astype(int)).astype("datetime64[s]")
    end[rng.uniform(size=n) < 0.1] = np.datetime64("NaT")
    age = rng.integers(0, 100, n)
    frame = pd.DataFrame({"start": start.astype("datetime64[s]"), "end": end, "age": age})
    return frame, (age > 60).astype(int)


@pytest.fixture(scope="module")
def flow():
    X, y = stays()
    return DPSlicedWassersteinFlow(1.0, domain=DOMAIN, target=CLASSES, random_state=0).fit(X, y)


def days(frame):
    return (frame["end"] - frame["start"]).dt.days


def test_short_stays_in_a_long_time_come_back(flow):
    X, rows = stays()[0], flow.sample(10_000, random_state=0)
    assert days(rows).mean() == pytest.approx(7.5, rel=0.15)
    for level in (0.25, 0.5, 0.75):
        assert days(rows).quantile(level) == pytest.approx(days(X).quantile(level), abs=1.5)
    assert (days(rows).dropna() >= 0).all()
    assert rows["end"].isna().mean() == pytest.approx(0.1, abs=0.03)
    assert rows.dtypes.equals(X.dtypes)
    assert rows["end"].max() <= pd.Timestamp("2023-12-31")


def test_conditions_are_about_values(flow):
    rows = flow.sample(300, where={"end": ("2021-03-01", "2021-03-31")}, random_state=0)
    assert rows["end"].between("2021-03-01", "2021-03-31").all()
    assert days(rows).mean() < 15
    rows = flow.sample_labeled(y=[0, 1, 1], where={"end": ["2021-03-03", None]}, random_state=0)[0]
    assert (rows["end"].isna() | (rows["end"] == "2021-03-03")).all()
    assert flow.sample(20, where={"end": None}, random_state=0)["end"].isna().all()


def test_files_hold_what_was_measured(flow, tmp_path):
    flow.release_.save(tmp_path / "release.npz")
    again = DPSlicedWassersteinFlow.from_release(Release.load(tmp_path / "release.npz"))
    pd.testing.assert_frame_equal(again.sample(50, random_state=1), flow.sample(50, random_state=1))
    assert again.domain_ == DOMAIN
    assert Domain.from_json(again.domain_.to_json()) == DOMAIN


def test_a_release_may_be_given_other_constraints(flow):
    for constraints in ([], ["age >= 18", "start <= end"], ["end - start <= 10"]):
        released = replace(flow.release_, domain=Domain(dict(flow.domain_), constraints=constraints))
        rows = DPSlicedWassersteinFlow.from_release(released).sample(2000, random_state=0)
        assert 0 <= days(rows).min() <= days(rows).mean() < 10
        assert rows["age"].min() >= 18 or "age >= 18" not in constraints
    other = Domain({"a": Interval(0, 1), "b": Interval(0, 1)})
    free = DPSlicedWassersteinFlow(1.0, domain=other).fit(np.random.default_rng(0).uniform(size=(500, 2)))
    later = replace(free.release_, domain=Domain(dict(free.domain_), constraints=["a <= b"]))
    rows = DPSlicedWassersteinFlow.from_release(later).sample(2000, random_state=0)
    assert (rows[:, 0] <= rows[:, 1]).all()
    assert rows.mean(axis=0) == pytest.approx([1 / 3, 2 / 3], abs=0.1)


def test_a_damaged_release_is_refused(flow, tmp_path):
    columns = {**flow.domain_, "end": replace(flow.domain_["end"], since=Since("age of", 10), grid=None)}
    replace(flow.release_, domain=Domain(columns, constraints=())).save(tmp_path / "wrong.npz")
    with pytest.raises(ReleaseError):
        Release.load(tmp_path / "wrong.npz")


def test_the_statement_the_plan_and_pictures_say_it(flow):
    statement = flow.privacy_statement()
    assert "The column 'end' is measured as its difference from 'start'" in str(statement)
    assert "'end' is measured as its difference from 'start'." in str(flow.plan(n_guess=2000))
    X, y = stays()
    report = flow.quality_report(X, y, random_state=0).content
    assert [own["name"] for own in report["columns"]] == ["start", "end - start", "age"]
    exact = {own["name"]: own for own in report["private_rows"]["columns"]}
    assert exact["end"]["kolmogorov_smirnov"] < 0.1


def test_scores_compare_values(flow):
    X, _ = stays()
    late = X.assign(end=X["end"] + pd.Timedelta("300D"))
    assert flow.score(X) > flow.score(late)


def test_more_budget(flow):
    X, y = stays()
    more = DPSlicedWassersteinFlow.from_release(flow.release_).continue_fit(X, y, extra_epsilon=1.0)
    assert days(more.sample(10_000, random_state=0)).mean() == pytest.approx(days(X).mean(), rel=0.1)


def test_rows_with_a_wanted_label():
    X, y = stays(2000)
    X["end"] = X["end"].fillna(X["start"])
    domain = Domain({**DOMAIN, "end": DOMAIN["end"].without_gaps()}, constraints=DOMAIN.constraints)
    flow = DPSlicedWassersteinFlow(1.0, domain=domain, target=CLASSES)
    new, _ = DPOversampler(flow, sampling_strategy={0: int((y == 0).sum()) + 500}, random_state=0).fit_resample(X, y)
    assert (days(new) >= 0).all()


def test_cells_outside_are_told_of_by_the_name_of_their_column():
    X, _ = stays()
    X["end"] = X["end"] + pd.to_timedelta(np.where(np.arange(len(X)) % 3, 0, 3000), unit="D")
    with pytest.warns(DomainMismatchWarning, match=r"about (29|30|31) % of 'end' .* lies above"):
        flow = DPSlicedWassersteinFlow(1.0, domain=DOMAIN, random_state=0).fit(X)
    assert days(flow.sample(2000, random_state=0)).mean() < 30
    flow.quality_report(random_state=0)


@pytest.mark.parametrize("kind", ["whole", "cents", "real", "single"])
def test_numbers_of_each_grain(kind):
    """Values on their grain, in their bounds and their dtype; equal ones, which are most, come back equal."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 500, 4000)
    high = low + np.where(rng.uniform(size=4000) < 0.7, 0.0, rng.exponential(5.0, 4000))
    grain = {"whole": {"integer": True}, "cents": {"decimals": 2}}.get(kind, {})
    X = {"whole": np.rint, "cents": lambda x: x.round(2)}.get(kind, lambda x: x)(np.column_stack([low, high, low]))
    X = pl.DataFrame(X, schema=["low", "high", "other"])
    X = X.cast(pl.Float32) if kind == "single" else X
    column = Interval(0, 600, **grain)
    domain = Domain({"low": column, "high": column, "other": column}, constraints=["low <= high"])
    rows = DPSlicedWassersteinFlow(1.0, domain=domain, random_state=0).fit(X).sample(4000, random_state=0)
    assert rows.schema == X.schema
    assert (rows["low"] <= rows["high"]).all()
    assert (rows["low"] == rows["high"]).mean() == pytest.approx((X["low"] == X["high"]).mean(), abs=0.05)
    high = rows["high"].to_numpy().astype(float)
    assert column.nearest(high) == pytest.approx(high, abs=1e-4)


def test_densities_of_whole_numbers_sum_to_one():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 41, 4000)
    X = np.column_stack([low, np.minimum(low + rng.geometric(0.2, 4000), 45)])
    domain = Domain(
        {"low": Interval(0, 40, integer=True), "high": Interval(5, 45, integer=True)}, constraints=["low <= high"]
    )
    flow = DPSlicedWassersteinFlow(2.0, domain=domain, random_state=0).fit(X)
    grid = np.stack(np.meshgrid(np.arange(41), np.arange(5, 46), indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(flow.score_samples(grid))
    assert (density[grid[:, 0] > grid[:, 1]] == 0.0).all()
    assert 0.97 < density.sum() < 1.03
    drawn = flow.sample(40_000, random_state=0)
    same = (drawn == [20, 24]).all(axis=1).mean()
    assert same == pytest.approx(density[(grid == [20, 24]).all(axis=1)][0], rel=0.3)


def test_densities_of_numbers_integrate_to_one():
    rng = np.random.default_rng(0)
    low = rng.beta(2, 2, 4000)
    X = np.column_stack([low, low + (1.2 - low) * rng.beta(1, 3, 4000)])
    domain = Domain({"low": Interval(0, 1), "high": Interval(0.1, 1.2)}, constraints=["low < high"])
    flow = DPSlicedWassersteinFlow(2.0, domain=domain, random_state=0).fit(X)
    side = (np.arange(150) + 0.5) / 150
    grid = np.stack(np.meshgrid(side, 0.1 + 1.1 * side), axis=-1).reshape(-1, 2)
    density = np.exp(flow.score_samples(grid))
    assert density.mean() * 1.1 == pytest.approx(1.0, abs=0.03)
