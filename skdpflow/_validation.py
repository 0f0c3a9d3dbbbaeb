"""Checks of parameters, with messages in the form that scikit-learn uses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

Closed = Literal["neither", "left", "right", "both"]

_MAX_SEED = 2**32 - 1
_LONGEST_REPR = 80


class InvalidParameterError(ValueError, TypeError):
    """A parameter has a wrong type or a wrong value."""


def describe(value: object) -> str:
    """Show a parameter in a message: scalars as they are, anything larger by its type only.

    The rows of a table that was passed by mistake must not be printed.
    """
    if value is None or isinstance(value, str | bytes | Real):
        text = repr(value.item()) if isinstance(value, np.generic) else repr(value)
        return text if len(text) <= _LONGEST_REPR else f"a long {type(value).__name__}"
    return f"an instance of {type(value).__name__!r}"


def invalid(owner: str, name: str, expected: str, value: object) -> InvalidParameterError:
    """Build the error for a parameter `name` of the class `owner`; `expected` ends "must be ..."."""
    return InvalidParameterError(
        f"The {name!r} parameter of {owner} must be {expected}. Got {describe(value)} instead."
    )


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _range(low: float, high: float, closed: Closed) -> str:
    left = "[" if closed in ("left", "both") and math.isfinite(low) else "("
    right = "]" if closed in ("right", "both") and math.isfinite(high) else ")"
    return f"{left}{low}, {high}{right}"


def _within(value: Any, low: float, high: float, closed: Closed) -> bool:
    above = value >= low if closed in ("left", "both") else value > low
    below = value <= high if closed in ("right", "both") else value < high
    return bool(above and below)  # false for NaN


def check_real(
    owner: str,
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    closed: Closed = "neither",
) -> float:
    """Return a parameter as a float if it is a real number in a range; booleans are not.

    `closed` says which ends belong to the range.

    Examples
    --------
    >>> from skdpflow._validation import check_real
    >>> check_real("DPSlicedWassersteinFlow", "epsilon", 1, 0.0)
    1.0
    """
    if not (_is_real(value) and _within(value, low, high, closed)):
        raise invalid(owner, name, f"a float in the range {_range(low, high, closed)}", value)
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        expected = "a float that double precision can hold"
    raise invalid(owner, name, expected, value)


def check_int(
    owner: str,
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    closed: Closed = "both",
) -> int:
    """Return a parameter as an int if it is an integer in a range; booleans are not.

    `closed` says which ends belong to the range; an infinite end never does.
    """
    if not (_is_integer(value) and _within(value, low, high, closed)):
        raise invalid(owner, name, f"an int in the range {_range(low, high, closed)}", value)
    return int(value)  # type: ignore[call-overload]


def check_bool(owner: str, name: str, value: object) -> bool:
    """Return a parameter as a bool if it is one."""
    if not isinstance(value, bool | np.bool_):
        raise invalid(owner, name, "an instance of 'bool'", value)
    return bool(value)


def check_choice(owner: str, name: str, value: object, choices: Iterable[str], *, otherwise: str = "") -> str:
    """Return a parameter if it is one of a few names.

    `otherwise` says what else the caller accepts, for the message: "a projection sampler".
    """
    names = sorted(choices)
    if not (isinstance(value, str) and value in names):
        expected = "a str among {" + ", ".join(map(repr, names)) + "}"
        raise invalid(owner, name, f"{expected} or {otherwise}" if otherwise else expected, value)
    return value


def check_shares(owner: str, name: str, value: object, classes: Sequence[Any]) -> np.ndarray:
    """Return the shares of all classes, from a mapping that may name only some of them."""
    expected = f"a mapping of classes, among {list(classes)}, to non-negative shares that sum to one"
    if not isinstance(value, Mapping) or not set(value) <= set(classes):
        raise invalid(owner, name, expected, value)
    shares = [value.get(c, 0.0) for c in classes]
    if not all(_is_real(p) and _within(p, 0.0, 1.0, "both") for p in shares) or not math.isclose(
        math.fsum(shares), 1.0, abs_tol=1e-8
    ):
        raise invalid(owner, name, expected, value)
    return np.asarray(shares, dtype=np.float64) / math.fsum(shares)


def class_codes(owner: str, name: str, value: object, classes: Sequence[Any]) -> np.ndarray:
    """Return the position among the classes of each label; no label is shown if one is unknown."""
    codes = {label: code for code, label in enumerate(classes)}
    expected = "one-dimensional, with one label of `classes_` for each row"
    if isinstance(value, str | bytes | Mapping | Set) or not isinstance(value, Iterable):
        raise invalid(owner, name, expected, value)
    try:
        return np.array([codes[label] for label in value], dtype=np.int64)
    except (KeyError, TypeError):  # unknown, or not hashable
        pass
    raise invalid(owner, name, expected, value)


def check_seed(owner: str, name: str, value: object) -> int | np.random.RandomState | None:
    """Return a parameter if it is a seed that scikit-learn's ``check_random_state`` takes."""
    if value is None or isinstance(value, np.random.RandomState):
        return value
    if _is_integer(value) and _within(value, 0, _MAX_SEED, "both"):
        return int(value)  # type: ignore[call-overload]
    expected = f"an int in the range [0, {_MAX_SEED}], a numpy.random.RandomState or None"
    raise invalid(owner, name, expected, value)


def check_generator(owner: str, name: str, value: object) -> np.random.Generator:
    """Return a generator of public randomness from a seed of scikit-learn, or a Generator as it is.

    None takes fresh entropy: numpy's global generator is neither read nor advanced.
    """
    if isinstance(value, np.random.Generator):
        return value
    seed: Any = check_seed(owner, name, value)
    if isinstance(seed, np.random.RandomState):
        seed = seed.randint(2**31, size=4)
    return np.random.default_rng(seed)


def check_noise_seed(owner: str, value: object) -> int | None:
    """Return the seed of the noise, None for noise from the operating system."""
    return None if value is None else check_int(owner, "noise_random_state", value, 0)


def check_n_jobs(owner: str, value: object) -> int | None:
    """Return a number of threads as joblib takes it."""
    if value is None:
        return None
    n_jobs = check_int(owner, "n_jobs", value)
    if n_jobs == 0:
        raise invalid(owner, "n_jobs", "None or an int other than 0", value)
    return n_jobs
