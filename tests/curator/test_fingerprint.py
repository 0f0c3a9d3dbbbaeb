"""Workers on other processors: what their libraries compute otherwise plays no part, or is noticed."""

import numpy as np
import pandas as pd
import pytest
import scipy.special

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator import engine, fingerprint
from skdpflow.latent import rank

N = 2000
DOMAIN = Domain({
    "age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0, nullable=True),
    "ward": Categories(["A", "B"], nullable=True), "cost": Interval(0.0, 1e6, decimals=2),
})  # fmt: skip
FUNCTIONS = ["exp", "log", "log2", "log1p", "expm1", "power", "interp", "sin", "cos", "tanh"]
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N), "ward": rng.choice(["A", "B", "x", None], N),
        "cost": rng.lognormal(5, 2, N).round(2),
    })  # fmt: skip


def digest(table):
    flow = DPSlicedWassersteinFlow(8.0, domain=DOMAIN, n_particles=50, random_state=0, noise_random_state=0)
    return [m.values.tobytes() for m in flow.fit(table).release_.measurements]


def otherwise(function, by=0.0):
    """Return a function whose results differ in the last bits, or by more."""
    return lambda *args, **params: np.nextafter(function(*args, **params) + by, np.inf)


def test_functions_that_differ_between_processors_play_no_part_where_rows_are(table, monkeypatch):
    expected, answer = digest(table), engine.answer_part

    def elsewhere(*args):
        with monkeypatch.context() as patch:
            for name in FUNCTIONS:
                patch.setattr(np, name, otherwise(getattr(np, name), 0.01))
            for name in ("ndtri", "ndtr"):
                patch.setattr(rank, name, otherwise(getattr(rank, name), 0.01))
                patch.setattr(scipy.special, name, otherwise(getattr(scipy.special, name), 0.01))
            return answer(*args)

    monkeypatch.setattr(engine, "answer_part", elsewhere)
    assert digest(table) == expected


def found(monkeypatch, name, value):
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, name, value)
        return fingerprint.fingerprint.__wrapped__()


def test_an_arithmetic_of_its_own_is_noticed(monkeypatch):
    own, product, bent = fingerprint.fingerprint(), fingerprint.product, fingerprint.PiecewiseLinear
    assert found(monkeypatch, "product", lambda rows: product(rows[::-1])) == own  # another order of the terms
    assert found(monkeypatch, "product", lambda rows: product(rows.astype(np.float32)).astype(rows.dtype)) != own
    assert found(monkeypatch, "PiecewiseLinear", lambda *knots: otherwise(bent(*knots))) != own

    def fused(x, y):
        """Add a product without rounding it first."""
        (x,), (y,) = x, y
        slopes = np.diff(y) / np.diff(x)

        def at(p):
            k = np.clip(np.searchsorted(x, p, side="right") - 1, 0, len(slopes) - 1)
            return ((p - x[k]).astype(np.longdouble) * slopes[k] + y[k]).astype(np.float64)

        return at

    assert found(monkeypatch, "PiecewiseLinear", fused) != own


@pytest.mark.parametrize("name", ["sqrt", "rint", "floor"])
def test_other_roundings_are_noticed(name, monkeypatch):
    own = fingerprint.fingerprint()
    with monkeypatch.context() as patch:
        patch.setattr(np, name, otherwise(getattr(np, name)))
        assert fingerprint.fingerprint.__wrapped__() != own
