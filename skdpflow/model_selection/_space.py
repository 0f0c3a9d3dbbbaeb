"""The public set that candidates are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from skdpflow._validation import invalid
from skdpflow.model_selection._trial import check_candidate, paying_steps

#: What a search decides for the generator of every candidate.
_DECIDED = ("epsilon", "delta", "ledger", "noise_random_state", "neighbours", "target")


def check_space(owner: str, given: Any) -> list[dict[str, Any]]:
    """Check distributions of parameters; returns a list of dicts."""
    spaces = [given] if isinstance(given, Mapping) else given
    expected = "a dict, or a list of dicts, from parameters to lists of values or distributions with a method 'rvs'"
    if isinstance(spaces, str) or not isinstance(spaces, Sequence) or not spaces:
        raise invalid(owner, "param_distributions", expected, given)
    for space in spaces:
        if not isinstance(space, Mapping):
            raise invalid(owner, "param_distributions", expected, given)
        for key, values in space.items():
            if key.partition("__")[0] == "generator" and key.rpartition("__")[2] in _DECIDED:
                raise ValueError(f"{key!r} cannot be searched: it has to be the same in all trials.")
            several = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) and len(values) > 0
            if not (several or callable(getattr(values, "rvs", None))):
                raise invalid(owner, f"param_distributions[{key!r}]", "a list of values or have a method 'rvs'", values)
    return [dict(space) for space in spaces]


def draw_candidate(
    owner: str, estimator: Any, spaces: list[dict[str, Any]], rng: np.random.RandomState
) -> tuple[dict[str, Any], Any]:
    """Draw the parameters of one trial, and return them with an estimator that has them."""
    space = spaces[rng.randint(len(spaces))]
    params = {
        key: values.rvs(random_state=rng) if hasattr(values, "rvs") else values[rng.randint(len(values))]
        for key, values in space.items()
    }
    candidate = clone(estimator).set_params(**{key: clone(value, safe=False) for key, value in params.items()})
    check_candidate(owner, candidate)
    own, common = paying_steps(candidate.generator)[-1], paying_steps(estimator.generator)[-1]
    if own.neighbours != common.neighbours or own.target != common.target:
        raise ValueError("All candidates of a search must have the same 'neighbours' and 'target'.")
    return params, candidate
