"""Sampled rows meet the constraints of their domain, whatever the columns, dtypes and containers."""

import io
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow._cli import main
from skdpflow.compose import DPOversampler, GenerativePipeline, TrainOnSynthetic
from skdpflow.domain.schema import Schema
from skdpflow.preprocessing import DPPCA, DPStandardScaler
from skdpflow.sampling import constrained
from skdpflow.sampling.draw import decode_rows, draw_positions

# ---------------------------------------------------------------- random domains, with a model that fits any


class Straight:
    """A latent space that is the lattice itself."""

    def __init__(self, levels):
        self.levels = levels
        self.n_columns = len(levels)

    def to_latent(self, codes, ranks):
        return codes + ranks

    def from_latent(self, z):
        return np.clip(z, 0.0, np.nextafter(self.levels, 0.0))


@dataclass
class Uniform:
    """All cells of the lattice are equally likely, and one in ten is missing where it may be."""

    domain: Domain
    weights: np.ndarray = field(default_factory=lambda: np.array([0.5, 0.5]))
    components: tuple = (None, None)

    @property
    def latent(self):
        return Straight(np.array([c.n_levels for c in self.domain.columns], dtype=float))

    def draw_components(self, n, rng):
        return rng.choice(2, size=n, p=self.weights)

    def sample(self, component, rng):
        places = rng.uniform(size=(len(component), len(self.domain)))
        positions = places * [c.n_values for c in self.domain.columns]
        for j, column in enumerate(self.domain.columns):
            if column.nullable:
                gaps = rng.uniform(size=len(component)) < 0.1
                positions[gaps, j] = column.n_values + 0.5
        return positions


@dataclass
class Of:
    """As much of a Release as is needed to draw from it."""

    domain: Domain
    schema: Schema
    target: None = None
    numeric_target: bool = False

    @property
    def measured(self) -> Domain:
        return self.domain

    @property
    def measured_schema(self) -> Schema:
        return self.schema


REALS = ("float64", "float32", "Float64", "Float32")
WHOLES = ("int64", "int16", "Int64", "float64", "uint8")
DAYS = ("datetime64[ns]", "datetime64[s]", "datetime64[ms, UTC]", "object")


@st.composite
def tables(draw):
    """A domain and a schema of pandas: reals, whole numbers, dates and labels in random dtypes."""
    columns, dtypes = {}, []
    for name in "abc":
        low = draw(st.integers(-50, 50))
        columns[name] = Interval(low, low + draw(st.integers(1, 2000)), nullable=draw(st.booleans()))
        dtypes.append(draw(st.sampled_from(REALS)))
    for name in "ijk":
        high = draw(st.sampled_from([9, 90, 2**21]))
        dtype = draw(st.sampled_from(WHOLES[:1] if high > 255 else WHOLES))
        columns[name] = Interval(0, high, integer=True, nullable=draw(st.booleans()))
        dtypes.append(dtype)
    for name in "uv":
        unit = draw(st.sampled_from(["D", "h", "s"]))
        columns[name] = Interval("1968-06-01", "1972-03-05", unit=unit, nullable=draw(st.booleans()))
        dtypes.append(draw(st.sampled_from(DAYS)))
    columns["p"] = Categories(["x", "y", "z"], ordered=draw(st.booleans()), nullable=draw(st.booleans()))
    dtypes.append(draw(st.sampled_from(["object", "category"])))
    columns["q"] = Categories([False, True], nullable=draw(st.booleans()))
    dtypes.append(draw(st.sampled_from(["bool", "boolean", "object"])))
    return columns, Schema("pandas", tuple(columns), tuple(dtypes))


FACTS = [
    "a <= b", "a < 0.9 * b + 40", "a + b == c", "c == a - 2 * b", "a + b + i == c", "i < j", "i + j == k", "k == i",
    "i - j + k == 3", "u <= v", "u < '1970-01-01'", "not (p == 'x' and q)", "p == 'y' or a > 3", "q or i in (1, 2, 3)",
    "i is not None", "p in ('x', 'y')", "a / (b * b + 1) < 5", "u < v or q",
]  # fmt: skip
#: What the user checks with: pandas, on rows with none of the named cells missing.
ORACLE = {"u < '1970-01-01'": "u < @date", "i is not None": "i == i"}


def as_plain(rows):
    """Return rows in dtypes that pandas can calculate with, and which cells are missing."""
    plain = {}
    for name in rows:
        series = rows[name]
        if name in "uv":
            plain[name] = pd.to_datetime(series, utc=True).dt.tz_localize(None)
        elif name in "abcijk":
            plain[name] = series.astype(object).where(series.notna(), np.nan).astype(float)
        else:
            plain[name] = series.astype(object)
    return pd.DataFrame(plain)


@pytest.mark.slow
@given(tables(), st.lists(st.sampled_from(FACTS), min_size=1, max_size=4, unique=True), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_sampled_row_meets_every_constraint(table, texts, seed):
    columns, schema = table
    domain = Domain(columns, constraints=texts)
    release, model = Of(domain, schema), Uniform(domain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constrained, "COMPONENT_TRIED", 2**13)
        try:
            positions, component = draw_positions(model, release, 200, np.random.default_rng(seed))
        except ValueError as error:
            assert "almost no mass" in str(error)  # noqa: PT017
            assume(False)
    rows, _ = decode_rows(release, positions, component)
    assert len(rows) == 200
    plain = as_plain(rows)
    for name, column in domain.items():
        if isinstance(column, Interval) and column.unit is None:
            assert plain[name].dropna().between(column.lower, column.upper).all()
            assert not column.integer or (plain[name].dropna() % 1 == 0).all()
    for text in texts:
        date = pd.Timestamp("1970-01-01")  # noqa: F841
        checked = plain.dropna(
            subset=[name for name in domain if f" {name} " in f" {text.replace('(', ' ( ').replace(')', ' ) ')} "]
        )
        if "==" in text and "or" not in text and "p ==" not in text:
            left, right = text.split("==")
            single = any("32" in schema.dtypes[j] for j in range(3)) and any(name in text for name in "abc")
            assert np.allclose(
                checked.eval(left), checked.eval(right), rtol=1e-5 if single else 1e-12, atol=2e-3 if single else 1e-9
            )
        else:
            assert checked.eval(ORACLE.get(text, text), engine="python").astype(bool).all()


def drawn(columns, constraints, n=20_000):
    """Draw rows of the uniform model, with their components."""
    domain = Domain(columns, constraints=constraints)
    release = Of(domain, Schema("pandas", tuple(columns), ("float64",) * len(columns)))
    positions, component = draw_positions(Uniform(domain), release, n, np.random.default_rng(0))
    return decode_rows(release, positions, component)[0], component


HOLEY = Interval(0, 9, integer=True, nullable=True)


def test_gaps_keep_their_frequency():
    rows, _ = drawn({"i": HOLEY, "j": HOLEY, "k": HOLEY}, ["i < j", "k == 3 or k == 4"])
    assert rows.isna().mean().to_numpy() == pytest.approx([0.1] * 3, abs=0.01)
    full = rows.dropna()
    assert (full["i"] < full["j"]).all()
    assert set(full["k"]) == {3, 4}
    gaps = rows["i"].isna() & rows["j"].isna() & rows["k"].isna()
    assert gaps.mean() == pytest.approx(0.001, abs=0.001)


def test_labels_keep_their_frequency_as_far_as_they_can():
    columns = {"p": Categories(["x", "y"]), "q": Categories([False, True]), "a": Interval(0, 1)}
    rows, _ = drawn(columns, ["p == 'x' or a < 0.1"])
    assert (rows["a"][rows["p"] == "y"] < 0.1).all()
    assert (rows["p"] == "y").mean() == pytest.approx(0.5, abs=0.02)
    rows, _ = drawn(columns, ["not (p == 'x' and q)"])
    assert rows.groupby("p")["q"].mean().to_dict() == pytest.approx({"x": 0.0, "y": 0.6}, abs=0.03)


def test_gaps_that_are_excluded_are_given_up():
    rows, _ = drawn({"i": HOLEY, "j": HOLEY}, ["i is not None", "j is not None or i > 4"])
    assert rows["i"].notna().all()
    assert (rows["i"][rows["j"].isna()] > 4).all()
    assert rows["j"].isna().mean() == pytest.approx(0.1, abs=0.02)


def test_equalities_leave_rows_with_gaps_alone():
    k = Interval(0, 18, integer=True, nullable=True)
    rows, _ = drawn({"i": HOLEY, "j": HOLEY, "k": k}, ["i + j == k"])
    assert rows.isna().mean().to_numpy() == pytest.approx([0.1] * 3, abs=0.01)
    full = rows.dropna()
    assert (full["i"] + full["j"] == full["k"]).all()
    assert rows[rows["j"].isna()]["k"].nunique() == 19  # the model's own


def test_classes_keep_their_frequency_unless_none_of_their_rows_can_be():
    class Apart(Uniform):
        """FlowComponent 0 has small values of a, component 1 large ones."""

        def sample(self, component, rng):
            positions = super().sample(component, rng)
            positions[:, 0] = positions[:, 0] / 2 + component * 2**19
            return positions

    domain = Domain({"a": Interval(0, 1), "b": Interval(0, 1)}, constraints=["a < b"])
    release = Of(domain, Schema("numpy", None, ("float64", "float64")))
    draw = lambda n, **kw: draw_positions(Apart(domain), release, n, np.random.default_rng(0), **kw)  # noqa: E731
    _, component = draw(10_000)
    assert component.mean() == pytest.approx(0.5, abs=0.02)
    domain = Domain(domain, constraints=["a < 0.25"])
    release = Of(domain, release.schema)
    _, component = draw(500)
    assert (component == 0).all()
    with pytest.raises(ValueError, match=r"almost no mass.*'a < 0.25'"):
        draw(500, component=np.ones(500, dtype=np.int64))


def test_what_effort_does_not_find_is_completed(monkeypatch):
    monkeypatch.setattr(constrained, "MOST_DRAWN", 2**14)
    monkeypatch.setattr(constrained, "MOST_PER_ROW", 1)
    rows, _ = drawn({"a": Interval(0, 1), "b": Interval(0, 1), "c": Interval(0, 1)}, ["a < 0.02 * b"])
    assert (rows["a"] < 0.02 * rows["b"]).all()
    assert rows["a"].nunique() < 1000  # both from one particle
    assert rows["c"].nunique() > 15_000
    assert rows["c"].mean() == pytest.approx(0.5, abs=0.1)


def test_conditioning_is_exact():
    """What is drawn under an inequality is distributed as the model's rows that meet it."""
    rows, _ = drawn({"a": Interval(0, 1), "b": Interval(0, 1)}, ["a <= b"], n=40_000)
    assert rows.mean().to_numpy() == pytest.approx([1 / 3, 2 / 3], abs=0.01)
    assert rows["a"].nunique() > 39_000


# ---------------------------------------------------------------- a fitted flow

DOMAIN = Domain(
    {
        "admission": Interval("2024-01-01", "2024-12-31", unit="D"),
        "discharge": Interval("2024-01-01", "2024-12-31", unit="D", nullable=True),
        "rooms": Interval(0, 12, integer=True),
        "kitchens": Interval(0, 4, integer=True),
        "total": Interval(0, 16, integer=True),
        "net": Interval(0, 1000),
        "tax": Interval(0, 500),
        "gross": Interval(0, 1500),
        "sex": Categories(["m", "f"]),
        "pregnant": Categories([False, True]),
    },
    constraints=[
        "admission <= discharge",
        "rooms + kitchens == total",
        "net + tax == gross",
        "not (sex == 'm' and pregnant)",
    ],
)


def hospital(n=3000):
    rng = np.random.default_rng(0)
    admission = np.datetime64("2024-01-05") + rng.integers(0, 300, n)
    sex = rng.choice(["m", "f"], n)
    rooms, kitchens, net = rng.integers(1, 8, n), rng.integers(0, 3, n), rng.gamma(2, 50, n)
    tax = 0.2 * net
    return pd.DataFrame(
        {
            "admission": admission,
            "discharge": pd.Series(admission + rng.geometric(0.1, n)).where(rng.uniform(size=n) > 0.1),
            "rooms": rooms,
            "kitchens": kitchens,
            "total": rooms + kitchens,
            "net": net,
            "tax": tax,
            "gross": net + tax,
            "sex": sex,
            "pregnant": (sex == "f") & (rng.uniform(size=n) < 0.3),
        }
    ), rng.choice(["a", "b"], n)


def check(rows):
    rows = rows.to_pandas() if isinstance(rows, pl.DataFrame) else rows
    assert (rows["discharge"].isna() | (rows["admission"] <= rows["discharge"])).all()
    assert (rows["rooms"] + rows["kitchens"] == rows["total"]).all()
    assert (rows["net"] + rows["tax"] == rows["gross"]).all()  # to the last bit
    assert not ((rows["sex"] == "m") & rows["pregnant"].astype(bool)).any()
    return rows


@pytest.fixture(scope="module", params=["pandas", "polars"])
def flow(request):
    X, y = hospital()
    X = X if request.param == "pandas" else pl.from_pandas(X)
    return DPSlicedWassersteinFlow(
        epsilon=3.0, domain=DOMAIN, target=Categories(["a", "b"]), random_state=0, n_particles=1024
    ).fit(X, y)


def test_all_ways_to_sample(flow):
    check(flow.sample(2000, random_state=0))
    assert len(check(flow.sample(1))) == 1
    assert len(check(flow.sample(0))) == 0
    rows, y = flow.sample_labeled(500, random_state=0)
    check(rows)
    rows, y = flow.sample_labeled(y=["a", "b", "b"] * 50, random_state=0)
    check(rows)
    assert list(y[:3]) == ["a", "b", "b"]
    rows = check(flow.sample(500, where={"total": (4, 9), "gross": (50.0, 200.0), "sex": "f"}, random_state=0))
    assert rows["total"].between(4, 9).all()
    assert rows["gross"].between(50, 200).all()
    assert set(rows["sex"]) == {"f"}


def test_the_same_rows_from_the_release_and_from_a_file(flow):
    rows = flow.sample(300, random_state=1)
    assert rows.equals(flow.sample(300, random_state=1))
    assert rows.equals(DPSlicedWassersteinFlow.from_release(flow.release_).sample(300, random_state=1))
    file = io.BytesIO()
    flow.save(file)
    again = DPSlicedWassersteinFlow.load(io.BytesIO(file.getvalue()))
    assert again.domain_ == again.domain == flow.domain_
    assert rows.equals(again.sample(300, random_state=1))
    for text in DOMAIN.constraints:
        assert f"In every row, as declared: {text}" in again.privacy_statement().content["assumptions"]


def free(flow, *constraints):
    """The same model under other constraints."""
    domain = Domain(dict(flow.domain_), constraints=constraints)
    return DPSlicedWassersteinFlow.from_release(replace(flow.release_, domain=domain))


def test_constraints_without_mass_are_named(flow, monkeypatch):
    monkeypatch.setattr(constrained, "COMPONENT_TRIED", 2**12)
    with pytest.raises(ValueError, match=r"almost no mass.*'rooms > total \+ 5'"):
        free(flow, "admission <= discharge", "rooms > total + 5").sample(10)


@pytest.mark.slow
def test_density_is_that_of_the_conditional_model(flow):
    X, _ = hospital(200)
    X = X if isinstance(flow.sample(1), pd.DataFrame) else pl.from_pandas(X)
    with pytest.raises(ValueError, match=r"compute the columns \['total', 'gross'\] from others"):
        flow.score_samples(X)
    some = free(flow, "rooms >= 4", "sex == 'f' or not pregnant").score_samples(X)
    meets = np.asarray(X["rooms"]) >= 4
    assert np.array_equal(np.isneginf(some), ~meets)
    assert (some > free(flow).score_samples(X))[meets].all()
    assert np.isfinite(free(flow, "discharge is not None").score_samples(X)).mean() == pytest.approx(0.9, abs=0.06)
    with pytest.raises(ValueError, match=r"None of .* rows of the model"):
        free(flow, "rooms > total + 8").score_samples(X)


def test_density_is_divided_by_the_mass_of_the_constraints():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=4000)
    X = np.sort(rng.beta(2, 2 + 3 * y[:, None], size=(4000, 2)), axis=1)
    domain = Domain({"a": Interval(0, 1), "b": Interval(0, 1)}, constraints=["b - a >= 0"])
    flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=domain, target=Categories([0, 1]), n_particles=1024).fit(X, y)
    grid = np.stack(np.meshgrid(*[(np.arange(100) + 0.5) / 100] * 2), axis=-1).reshape(-1, 2)
    meets = grid[:, 0] <= grid[:, 1]
    density, of_all = np.exp(flow.score_samples(grid)), np.exp(free(flow).score_samples(grid))
    assert (density[~meets] == 0).all()
    rows = free(flow).sample(50_000, random_state=0)
    mass = np.mean(rows[:, 0] <= rows[:, 1])
    assert mass < 0.95
    assert density.sum() == pytest.approx(of_all[meets].sum() / mass, rel=0.02)


@pytest.mark.slow
def test_score_compares_with_rows_that_meet_them(flow):
    X, _ = hospital(2000)
    X = X if isinstance(flow.sample(1), pd.DataFrame) else pl.from_pandas(X)
    assert free(flow, "admission > '2024-08-01'").score(X) < flow.score(X)


# ---------------------------------------------------------------- around a generator


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
def test_estimators_around_a_generator():
    X, y = hospital()
    generator = DPSlicedWassersteinFlow(epsilon=3.0, domain=DOMAIN, target=Categories(["a", "b"]), n_particles=512)
    rows, _ = DPOversampler(generator, {"a": 300}, keep_original=False).fit_resample(X, y)
    check(rows)

    class Checks(BaseEstimator):
        """An estimator that looks at what it is trained on."""

        def fit(self, X, y):
            check(X)
            return self

    assert TrainOnSynthetic(Checks(), generator, n_samples=300).fit(X, y).generator_.domain_ == DOMAIN
    check(GenerativePipeline([("flow", generator)]).fit(X, y).sample(300))


def test_private_transformers_refuse_them_before_anything_is_spent(monkeypatch):
    rng = np.random.default_rng(0)
    X = np.sort(rng.uniform(size=(500, 2)), axis=1)
    domain = Domain({"a": Interval(0, 1), "b": Interval(0, 1)}, constraints=["a <= b"])
    with pytest.raises(ValueError, match="inverse_transform cannot keep constraints"):
        DPStandardScaler(domain=domain).fit(X)
    flow = DPSlicedWassersteinFlow()
    with pytest.raises(ValueError, match="step 'pca' has constraints"):
        GenerativePipeline([("pca", DPPCA(domain=domain)), ("flow", flow)]).fit(X)
    pipe = GenerativePipeline([("pca", DPPCA(domain=(0, 1))), ("flow", DPSlicedWassersteinFlow(domain=domain))])
    with pytest.raises(ValueError, match="step 'flow' has constraints"):
        pipe.fit(X)


def test_the_command_line(tmp_path, capsys):
    X, y = hospital(1500)
    X.assign(y=y).to_csv(tmp_path / "table.csv", index=False)
    Domain({**DOMAIN, "y": Categories(["a", "b"])}, constraints=DOMAIN.constraints).to_json(tmp_path / "domain.json")
    arguments = [
        "synthesize",
        "table.csv",
        "--domain",
        "domain.json",
        "--epsilon",
        "3",
        "--target",
        "y",
        "-o",
        "out.csv",
    ]
    paths = [str(tmp_path / a) if "." in a else a for a in [*arguments, "--release", "r.npz"]]
    assert main(paths) == 0
    assert main(["sample", str(tmp_path / "r.npz"), "-n", "300", "-o", str(tmp_path / "more.csv")]) == 0
    money = ["net", "tax", "gross"]
    for name in ("out.csv", "more.csv"):
        rows = pd.read_csv(tmp_path / name, parse_dates=["admission", "discharge"], dtype=dict.fromkeys(money, str))
        check(rows.assign(**{column: rows[column].map(float) for column in money}))  # to the last bit
    assert main(["inspect", str(tmp_path / "r.npz")]) == 0
    assert "In every row, as declared: rooms + kitchens == total" in capsys.readouterr().out
    Domain({**DOMAIN, "y": Categories(["a", "b"])}, constraints=["y == 'a'"]).to_json(tmp_path / "domain.json")
    assert main(paths) == 1
    assert "names 'y', which is no column of the domain (a target is none)" in capsys.readouterr().err
