"""An ugly table through fit, sample, save, load and sample again: what comes out is what went in, but for the rows."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.exceptions import PrivacyLeakWarning

N = 10_000
STREETS = [f"street {i:03d}" for i in range(300)]
PAIN = ["none", "some", "much"]
DOMAIN = Domain(
    {
        "age": Interval(0, 110, integer=True),
        "bmi": Interval(10, 60, nullable=True),
        "children": Interval(0, 15, integer=True, nullable=True),
        "smoker": Categories([False, True], nullable=True),
        "pain": Categories(PAIN, ordered=True),
        "ward": Categories(["A", "B", "C"]),
        "street": Categories(STREETS),
        "admitted": Interval("2020-01-01", "2024-12-31", unit="D"),
        "stay": Interval(0, 365, integer=True, nullable=True),
        "discharged": Interval("2020-01-01", "2025-12-31", unit="D", nullable=True),
        "cost": Interval(0, 20_000),
        "paid": Interval(0, 20_000),
        "due": Interval(0, 20_000),
    },
    constraints=[
        "admitted + stay == discharged",
        "(stay is None) == (discharged is None)",
        "paid + due == cost",
        "ward != 'C' or age < 18",
    ],
)


def table(n=N, seed=0):
    """Patients: what is missing depends on what is not."""
    rng = np.random.default_rng(seed)
    age = np.minimum(rng.gamma(4, 12, n).astype(int), 110)
    ward = np.where(age < 18, "C", rng.choice(["A", "B"], n, p=[0.7, 0.3]))
    old, child = age > 60, age < 18
    admitted = np.datetime64("2020-06-01", "ns") + rng.integers(0, 1500, n).astype("timedelta64[D]")
    stay = rng.geometric(np.where(old, 0.08, 0.2))
    left = rng.uniform(size=n) > np.where(admitted > np.datetime64("2024-01-01"), 0.5, 0.03)
    cost = np.round(np.minimum(rng.lognormal(6.5, 0.8, n) * (1 + stay / 10), 19_999), 2)
    paid = np.round(cost * rng.beta(5, 1, n), 2)
    wealth = 1 / np.arange(1, 301)
    return pd.DataFrame(
        {
            "age": age,
            "bmi": np.where(rng.uniform(size=n) < np.where(old, 0.45, 0.08), np.nan, rng.normal(25 + old, 4, n)).astype(
                np.float32
            ),
            "children": pd.Series(rng.poisson(np.where(child, 0, 1.6)), dtype="Int16").mask(rng.uniform(size=n) < 0.05),
            "smoker": pd.Series(rng.uniform(size=n) < 0.25, dtype="boolean").mask(
                rng.uniform(size=n) < np.where(ward == "B", 0.4, 0.1)
            ),
            "pain": pd.Categorical(rng.choice(PAIN, n, p=[0.6, 0.3, 0.1]), categories=PAIN, ordered=True),
            "ward": pd.Categorical(ward),
            "street": rng.choice(STREETS, n, p=wealth / wealth.sum()),
            "admitted": admitted,
            "stay": pd.Series(stay, dtype="Int64").where(left),
            "discharged": pd.Series(admitted + stay.astype("timedelta64[D]")).where(left),
            "cost": cost,
            "paid": paid,
            "due": cost - paid,
        }
    )


def gaps(rows):
    """Rates at which cells are missing, alone and given what they depend on."""
    old, late = rows["age"] > 60, rows["admitted"] > "2024-01-01"
    rates = {name: rows[name].isna().mean() for name in ("bmi", "children", "smoker", "stay")}
    rates |= {"bmi, old": rows["bmi"].isna()[old].mean(), "bmi, young": rows["bmi"].isna()[~old].mean()}
    rates |= {f"smoker, {w}": rows["smoker"].isna()[rows["ward"] == w].mean() for w in "AB"}
    return rates | {"stay, late": rows["stay"].isna()[late].mean(), "stay, early": rows["stay"].isna()[~late].mean()}


@pytest.fixture(scope="module", params=["pandas", "polars"])
def there(request):
    rows = table()
    rows = rows if request.param == "pandas" else pl.from_pandas(rows)
    flow = DPSlicedWassersteinFlow(epsilon=3.0, domain=DOMAIN, random_state=0, noise_random_state=0)
    with pytest.warns(PrivacyLeakWarning):
        return rows, flow.fit(rows)


@pytest.mark.slow
def test_a_sample_has_the_container_names_and_dtypes_of_the_rows(there):
    rows, flow = there
    sample = flow.sample(N, random_state=0)
    assert type(sample) is type(rows)
    assert list(sample.columns) == list(rows.columns)
    if isinstance(rows, pd.DataFrame):
        assert sample.dtypes.drop(["ward"]).to_dict() == rows.dtypes.drop(["ward"]).to_dict()
        assert list(sample["ward"].cat.categories) == ["A", "B", "C"]
    else:
        assert sample.schema == rows.schema
    file = io.BytesIO()
    flow.save(file)
    again = DPSlicedWassersteinFlow.load(io.BytesIO(file.getvalue()))
    assert again.domain == DOMAIN
    assert sample.equals(again.sample(N, random_state=0))
    assert not sample.equals(flow.sample(N, random_state=1))


@pytest.mark.slow
def test_what_is_true_of_the_table_is_true_of_the_sample(there):
    rows, flow = there
    sample = flow.sample(N, random_state=0)
    if isinstance(rows, pl.DataFrame):
        rows, sample = rows.to_pandas(), sample.to_pandas()
    days = (sample["discharged"] - sample["admitted"]).dt.days
    assert (sample["stay"].isna() == days.isna()).all()
    assert (days.dropna() == sample["stay"].dropna()).all()
    assert (sample["paid"] + sample["due"] == sample["cost"]).all()
    assert ((sample["ward"] != "C") | (sample["age"] < 18)).all()
    assert days.mean() == pytest.approx((rows["discharged"] - rows["admitted"]).dt.days.mean(), rel=0.25)
    assert (sample["ward"] == "C").mean() == pytest.approx((rows["ward"] == "C").mean(), abs=0.03)
    real, synthetic = gaps(rows), gaps(sample)
    for name in ("bmi", "children", "smoker", "stay"):
        assert synthetic[name] == pytest.approx(real[name], abs=0.06), name
    for name, other in (("bmi, old", "bmi, young"), ("smoker, B", "smoker, A"), ("stay, late", "stay, early")):
        assert synthetic[name] - synthetic[other] > 0.25 * (real[name] - real[other]), name
