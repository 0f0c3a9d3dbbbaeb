"""The contract of mechanisms."""

from __future__ import annotations

import copy
import io
import itertools
import json
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.accountants import GaussianDPAccountant
from skdpflow.domain import Column
from skdpflow.mechanisms import Mechanism, check_setting, resolve_mechanism
from skdpflow.mechanisms.recorder import Recorder
from skdpflow.release.dialogue import Dialogue
from skdpflow.release.pooling import REPEAT, pooled
from skdpflow.release.request import Request
from skdpflow.transport.model import Model

_DELTA = 1e-6
_ROUNDING = 1e-9
_NARROW = Domain({"height": Interval(-2.0, 3.0)})
_MIXED = Domain(
    {
        "height": Interval(-2.0, 3.0),
        "rooms": Interval(0, 9, integer=True),
        "ward": Categories(["a", "b", "c"]),
    }
)
_TARGETS: tuple[Column | None, ...] = (None, Categories(["no", "yes"]), Interval(0.0, 10.0))


@dataclass(frozen=True)
class _Setting:
    """A table of toy rows, and what is asked for."""

    domain: Domain
    target: Column | None
    neighbours: str
    n_rows: int
    epsilon: float

    def rows(self) -> tuple[NDArray[Any], NDArray[Any] | None]:
        rng = np.random.default_rng(self.n_rows)
        columns = [_values(column, self.n_rows, rng) for column in self.domain.columns]
        X = np.empty((self.n_rows, len(columns)), dtype=object)
        for j, column in enumerate(columns):
            X[:, j] = column
        return X, None if self.target is None else _values(self.target, self.n_rows, rng)

    def __str__(self) -> str:
        return (
            f"{len(self.domain)} column(s), target={self.target!r}, neighbours={self.neighbours!r}, "
            f"{self.n_rows} rows, epsilon={self.epsilon:g}"
        )


def _values(column: Column, n: int, rng: np.random.Generator) -> NDArray[Any]:
    if isinstance(column, Categories):
        return rng.choice(np.array(column.values), size=n)
    if column.integer:
        return rng.integers(int(column.lower), int(column.upper), size=n, endpoint=True)
    return rng.uniform(column.lower, column.upper, size=n)


def _settings() -> Iterator[_Setting]:
    for neighbours, target in itertools.product(("add-remove", "replace-one"), _TARGETS):
        yield _Setting(_MIXED, target, neighbours, 200, 3.0)
        yield _Setting(_NARROW, target, neighbours, 3, 0.1)


def check_mechanism(mechanism: Mechanism) -> None:
    """Check that a mechanism keeps the contract the package relies on.

    Parameters
    ----------
    mechanism : Mechanism
        An instance, of this package or your own. It is left as it was.

    Raises
    ------
    AssertionError
        If the mechanism breaks the contract; the message says which part of it, and in which setting.
    ValueError
        If a method is missing, or the mechanism works in no setting at all.

    See Also
    --------
    skdpflow.mechanisms.Mechanism : The interface.

    Notes
    -----
    The mechanism is fitted to toy rows: few and many, of one column and of mixed ones, without a target and
    with either kind, under both neighbouring relations. A setting may be refused by a ValueError of its
    ``check`` or its ``plan``, before anything is asked. In the others it must: describe itself as JSON; ask
    for uniquely named measurements whose shares sum to one at most; ask for the same when it is answered the
    same; learn the same model from the same Release, also when that was saved, by a clone, a copy and an
    unpickled copy; return a model whose components are the classes of a categorical target, whose points lie on
    the lattice of the columns and depend on the given generator alone, and whose log-density is a number or
    -inf, or refused by a ValueError; stay unchanged; and, if it has a ``continue_plan``, repeat earlier
    measurements with the parameters they had. What a mechanism measures is bounded by the curator,
    so there is nothing about sensitivity to check.

    Examples
    --------
    >>> from skdpflow.mechanisms import MarginalsMechanism
    >>> from skdpflow.testing import check_mechanism
    >>> check_mechanism(MarginalsMechanism())
    """
    mechanism = resolve_mechanism(mechanism, "check_mechanism")
    before = pickle.dumps(mechanism)
    _check_description(mechanism)
    worked, refusals = 0, []
    for setting in _settings():
        recorder = Recorder(mechanism, _check_requests)
        try:
            check_setting(mechanism, setting.target, setting.neighbours)
            flow = _fit(recorder, setting)
        except ValueError as refusal:
            if recorder.asked:
                late = f"With {setting}, the mechanism failed after it had asked: {refusal}"
                raise AssertionError(late) from refusal
            refusals.append(f"{setting}: {refusal}")
            continue
        worked += 1
        try:
            _check_fit(mechanism, recorder, flow, setting)
        except AssertionError as failure:
            raise AssertionError(f"With {setting}: {failure}") from failure
        if callable(getattr(mechanism, "continue_plan", None)):
            _check_continued(mechanism, flow, setting)
    if not worked:
        raise ValueError("The mechanism refuses every setting. " + " ".join(refusals))
    assert pickle.dumps(mechanism) == before, "Planning and learning must not change the mechanism."


def _fit(mechanism: Any, setting: _Setting) -> DPSlicedWassersteinFlow:
    X, y = setting.rows()
    flow = DPSlicedWassersteinFlow(
        setting.epsilon,
        _DELTA,
        domain=setting.domain,
        target=setting.target,
        mechanism=mechanism,
        neighbours=setting.neighbours,
        n_particles=256,
        random_state=0,
    )
    return flow.fit(X, y)


def _check_description(mechanism: Mechanism) -> None:
    description = mechanism.describe()
    assert isinstance(description, dict), f"describe() must return a dict. Got {type(description).__name__}."
    assert isinstance(description.get("name"), str), "describe() must hold a 'name' that is a str."
    try:
        again = json.loads(json.dumps(description, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"describe() must return what JSON can hold: {error}") from None
    assert again == description, "describe() must be equal after a round trip through JSON: use str keys, and lists."
    assert clone(mechanism, safe=False).describe() == description, "A clone must describe itself equally."
    for name in getattr(mechanism, "refit_params", ()):
        assert name in description, f"refit_params names {name!r}, which describe() does not hold."


def _check_requests(asked: list[list[Request]]) -> None:
    for requests in asked:
        assert isinstance(requests, list), "plan() must yield lists of Request."
        assert requests, "plan() must not yield an empty round: stop instead."
        assert all(isinstance(r, Request) for r in requests), "plan() must yield lists of Request."
    requests = list(itertools.chain(*asked))
    names = [r.name for r in requests]
    assert len(set(names)) == len(names), f"The names of measurements must be unique. Got {names}."
    reserved = {name for name in names if name in ("bounds", "labels", "levels") or REPEAT in name}
    assert not reserved, f"Measurements must not be called {sorted(reserved)}: those names are reserved."
    assert all(r.share > 0.0 for r in requests), "The share of a request must be positive."
    total = math.fsum(r.share for r in requests)
    assert total <= 1.0 + _ROUNDING, f"The shares of all requests must sum to one at most. Got {total:g}."


def _check_fit(mechanism: Mechanism, recorder: Recorder, flow: DPSlicedWassersteinFlow, setting: _Setting) -> None:
    release = flow.release_
    spent = GaussianDPAccountant().epsilon(release.event, _DELTA)
    assert spent <= setting.epsilon, f"The measurements cost epsilon={spent:g}."
    _check_replay(mechanism, recorder)
    buffer = io.BytesIO()
    release.save(buffer)
    loaded = Release.load(io.BytesIO(buffer.getvalue()))
    model = mechanism.learn(release)
    expected = _points(model)
    sources = {
        "a second call": (mechanism, release),
        "the saved and loaded Release": (mechanism, loaded),
        "a clone": (clone(mechanism, safe=False), release),
        "a deep copy": (copy.deepcopy(mechanism), release),
        "an unpickled copy": (pickle.loads(pickle.dumps(mechanism)), release),
    }
    for what, (learner, learnt_from) in sources.items():
        assert np.array_equal(_points(learner.learn(learnt_from)), expected), (
            f"learn() must be a deterministic function of the Release: {what} gave another model."
        )
    _check_model(model, release)
    try:
        density = flow.score_samples(setting.rows()[0])
    except ValueError:  # some models have none
        return
    assert not (np.isnan(density) | (density == np.inf)).any(), "A log-density must be a number or -inf."


def _check_continued(mechanism: Mechanism, flow: DPSlicedWassersteinFlow, setting: _Setting) -> None:
    first = flow.release_
    try:
        release = flow.continue_fit(*setting.rows(), extra_epsilon=setting.epsilon).release_
    except ValueError as failure:
        raise AssertionError(f"With {setting}, continue_plan() failed after a fit: {failure}") from failure
    spent = GaussianDPAccountant().epsilon(release.event, _DELTA)
    assert spent <= 2.0 * setting.epsilon, f"The measurements of both fits cost epsilon={spent:g}."
    for m in release.measurements[len(first.measurements) :]:
        if REPEAT in m.name:
            before = first[m.name.partition(REPEAT)[0]]
            same = [_key(Request("", each.kind, 0.0, each.params)) for each in (before, m)]
            assert same[0] == same[1], (
                f"continue_plan() must repeat {before.name!r} with the parameters it had, or give it another name."
            )
    assert np.array_equal(_points(mechanism.learn(pooled(release))), _points(flow._model)), (
        "learn() must be a deterministic function of the continued Release."
    )


def _check_replay(mechanism: Mechanism, recorder: Recorder) -> None:
    assert recorder.context is not None
    dialogue = Dialogue(mechanism.plan(recorder.context))
    rounds = iter(dialogue)
    recorded = zip([*recorder.asked, []], [*recorder.answered, []], strict=True)
    for i, (asked, answers) in enumerate(recorded, start=1):
        again = next(rounds, [])
        assert [_key(r) for r in again] == [_key(r) for r in asked], (
            "plan() must be a function of what is public and of the answers: answered the same, it asked for "
            f"other measurements in round {i}."
        )
        dialogue.answer(answers)


def _key(request: Request) -> tuple[Any, ...]:
    params = {
        k: (v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for k, v in request.params.items()
    }
    return request.name, request.kind, request.share, params


def _global_state() -> bytes:
    return pickle.dumps(np.random.get_state())  # noqa: NPY002 - to see that nobody else uses it


def _points(model: Model) -> NDArray[np.float64]:
    component = np.arange(8 * len(model.weights), dtype=np.int64) % len(model.weights)
    return np.asarray(model.sample(component, np.random.default_rng(0)))


def _check_model(model: Model, release: Release) -> None:
    weights = np.asarray(model.weights)
    assert weights.ndim == 1, "The weights of a model must be one-dimensional."
    probabilities = weights.min(initial=0.0) >= 0.0 and math.isclose(weights.sum(), 1.0)
    assert probabilities, "The weights of a model must be probabilities."
    if release.classes is not None:
        assert len(weights) == len(release.classes), "A model must have one component for each class of the target."
    levels = np.array([column.n_levels for column in release.columns])
    state = _global_state()
    points = _points(model)
    assert points.shape == (8 * len(weights), len(levels)), (
        f"A model must sample one point for each wanted component, of {len(levels)} columns. Got {points.shape}."
    )
    assert ((points >= 0) & (points < levels)).all(), "Points must lie in [0, n_levels) of their columns."
    assert np.array_equal(points, _points(model)), "Samples must depend on the given generator alone."
    message = "Samples must come from the given generator, not from numpy's global one."
    assert _global_state() == state, message
    none = np.asarray(model.sample(np.zeros(0, dtype=np.int64), np.random.default_rng(0)))
    assert none.shape == (0, len(levels)), "A model must be able to sample no points."
    component = model.draw_components(50, np.random.default_rng(0))
    drawn = component.shape == (50,) and bool(((component >= 0) & (component < len(weights))).all())
    assert drawn, "draw_components(n, rng) must return n components."
