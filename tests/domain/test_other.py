"""Categories with a level for all that is not listed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.exceptions import DomainMismatchWarning
from skdpflow.files import TableFile

CITY = Categories(["Oslo", "Bergen"], other="other", nullable=True)
DOMAIN = Domain({"city": CITY, "code": Categories([1, 2], other=-1)})


def _rows(n: int = 2000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    city = rng.choice(["Oslo", "Bergen", "Bodø", "Hamar", None], n, p=[0.4, 0.2, 0.2, 0.1, 0.1])
    return pd.DataFrame({"city": city, "code": rng.choice([1, 2, 77], n, p=[0.5, 0.2, 0.3])})


def _check(rows: Any) -> None:
    city, code = pd.Series(list(rows["city"])), pd.Series(list(rows["code"]))
    assert set(city.dropna()) == {"Oslo", "Bergen", "other"}
    assert abs((city == "other").mean() - 0.3) < 0.05
    assert abs(city.isna().mean() - 0.1) < 0.05
    assert set(code) == {1, 2, -1}
    assert abs((code == -1).mean() - 0.3) < 0.05


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_unlisted_values_come_back_as_other(dtype: str) -> None:
    X = _rows()
    _check(DPSlicedWassersteinFlow(5.0, domain=DOMAIN).fit(X.astype({"city": dtype})).sample(2000))  # warns of nothing


def test_in_polars() -> None:
    pl = pytest.importorskip("polars")
    _check(DPSlicedWassersteinFlow(5.0, domain=DOMAIN).fit(pl.from_pandas(_rows())).sample(2000))


def test_in_a_file(tmp_path: Path) -> None:
    _rows().to_csv(tmp_path / "t.csv", index=False)
    _check(DPSlicedWassersteinFlow(5.0, domain=DOMAIN).fit(TableFile(tmp_path / "t.csv")).sample(2000))


def test_as_a_target() -> None:
    X, y = np.random.default_rng(0).random((600, 1)), np.array(["a", "b", "c"] * 200)
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1), target=Categories(["a"], other="rest")).fit(X, y)
    assert flow.classes_.tolist() == ["a", "rest"]
    assert abs((flow.sample_labeled(600)[1] == "rest").mean() - 2 / 3) < 0.05


def test_where_and_constraints_name_it() -> None:
    domain = Domain({**DOMAIN, "n": Interval(0, 9, integer=True)}, constraints=["city != 'other' or n <= 3"])
    X = _rows()
    X["n"] = np.where(X["city"].isin(["Bodø", "Hamar"]), 2, 8)
    rows = DPSlicedWassersteinFlow(5.0, domain=domain).fit(X).sample(200, where={"city": "other"})
    assert set(rows["city"]) == {"other"}
    assert rows["n"].max() <= 3


def test_a_listed_other_is_one_level() -> None:
    column = Categories(["low", "other", "high"], other="other", ordered=True)
    assert column.values == ("low", "other", "high")
    assert column.without_gaps() == column


def test_json_text_and_check() -> None:
    assert Domain.from_json(DOMAIN.to_json()) == DOMAIN
    assert "(for all others: 'other')" in DOMAIN.describe()
    assert repr(CITY) == "Categories(['Oslo', 'Bergen'], nullable=True, other='other')"
    assert DOMAIN.check(_rows()).fits


def test_what_other_cannot_be() -> None:
    with pytest.raises(ValueError, match="which gives it a place"):
        Categories(other="x", ordered=True)
    with pytest.raises(ValueError, match="need a place"):
        Categories(["low", "high"], other="x", ordered=True)
    with pytest.raises(ValueError, match="'other'"):
        Categories(["low"], other=float("nan"))
    with pytest.raises(ValueError, match="Column 'code'"):
        DPSlicedWassersteinFlow(domain={"code": Categories([1, 2], other="x")}).fit(_rows()[["code"]])


def test_what_is_not_found_has_a_level_where_other_is_given() -> None:
    rng = np.random.default_rng(0)
    ward = rng.choice([*"ABC", *(f"rare {i}" for i in range(200))], 4000, p=[0.4, 0.3, 0.2, *[0.1 / 200] * 200])
    X = pd.DataFrame({"ward": ward})
    flow = DPSlicedWassersteinFlow(1.0, domain={"ward": Categories(other="rest")}, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DomainMismatchWarning)
        flow.fit(X)
    assert flow.domain_["ward"].values == ("A", "B", "C", "rest")
    shares = flow.sample(20_000, random_state=0)["ward"].value_counts(normalize=True)
    assert abs(shares["rest"] - 0.1) < 0.03  # noise of sd .004
    nothing = DPSlicedWassersteinFlow(0.01, domain={"ward": Categories(other="rest")}).fit(X)
    assert nothing.domain_["ward"].values == ("rest",)


def test_a_fit_warns_of_rows_with_levels_that_it_did_not_find() -> None:
    rng = np.random.default_rng(0)
    ward = rng.choice([*"ABC", *(f"rare {i}" for i in range(200))], 4000, p=[0.4, 0.3, 0.2, *[0.1 / 200] * 200])
    flow = DPSlicedWassersteinFlow(1.0, domain={"ward": Categories()}, random_state=0)
    with pytest.warns(DomainMismatchWarning, match="(9|10|11) % of 'ward' .* found privately"):
        flow.fit(pd.DataFrame({"ward": ward}))
