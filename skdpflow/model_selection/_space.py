"""The public set that candidates are drawn from."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from skdpflow._validation import invalid
from skdpflow.domain.resolve import resolve_domain
from skdpflow.model_selection._trial import check_candidate, declarations, paying_steps

#: What a search decides for the generator of every candidate.
_DECIDED = ("epsilon", "delta", "ledger", "noise_random_state", "neighbours", "domain", "target", "public_labels")


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


def draw_candidate(owner: str, estimator: Any, spaces: list[dict[str, Any]], key: int) -> tuple[dict[str, Any], Any]:
    """Draw the parameters of one trial by a fresh secret key, and return them with an estimator that has them."""
    rng = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(key)))
    space = spaces[rng.randint(len(spaces))]
    params = {
        # a copy: an object could count its calls, or have random numbers of its own
        name: copy.deepcopy(values).rvs(random_state=rng)
        if hasattr(values, "rvs")
        else values[rng.randint(len(values))]
        for name, values in space.items()
    }
    candidate = clone(estimator).set_params(**{name: clone(value, safe=False) for name, value in params.items()})
    _take_off_callbacks(candidate)
    check_candidate(owner, candidate)
    own, common = declarations(candidate.generator), declarations(estimator.generator)
    if own[:2] != common[:2]:
        raise ValueError("All candidates of a search must have the same 'neighbours' and 'target'.")
    if own != common:
        raise ValueError(
            "All candidates of a search must have the same 'public_labels': one that uses the class of every row as "
            "public may decide what wins, and the winner could not say so. Search among each kind by itself."
        )
    return params, candidate


def _take_off_callbacks(candidate: Any) -> None:
    """Have a trial call no callback of scikit-learn: the number of trials is secret, and so are their models."""
    for part in (candidate, *candidate.get_params().values()):
        if hasattr(part, "set_callbacks") and not isinstance(part, type):
            part.set_callbacks()


def check_domain(owner: str, estimator: Any, source: Any) -> None:
    """Refuse a candidate with another domain: whether it takes the rows must not decide how many trials there are."""
    steps, schema = paying_steps(estimator.generator), source.table_schema
    y = {"target": steps[-1].target, "target_name": schema.target_name}
    if resolve_domain(steps[0].domain, schema.names, schema.n_features, owner=owner, **y) != source.declared:
        raise ValueError("All candidates of a search must have the same 'domain' of the rows.")
