"""Tuning of what is made of a Release, against noisy slices that were released for it: no row is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from skdpflow._parameters import TRANSPORT, check_transport, same_mechanism
from skdpflow._pooling import pooled
from skdpflow.mechanisms import resolve_mechanism
from skdpflow.plan import Request
from skdpflow.release import Measurement, Release
from skdpflow.transport.latent import DIRECTION_STEPS, LATENT_STEPS, RankTransform
from skdpflow.transport.model import Model

Array = NDArray[np.float64]

#: Name of the measurement that is held back.
VALIDATION = "validation"
#: Directions, columns that each of them combines, and bins along it, of equal mass under the model.
N_DIRECTIONS, WIDTH, N_BINS = 64, 3, 16
#: Rows of a model that are compared.
N_ROWS = 2**16
#: Standard deviations by which a candidate must be better than the present parameters to take their place.
STANDS_OUT = 2.0


def public_transform(release: Release, model: Model) -> RankTransform:
    """Return the space in which slices are compared: that of the model, or of the domain alone."""
    if isinstance(model.latent, RankTransform):
        return model.latent
    levels = [float(c.n_levels) for c in release.columns]
    none = np.zeros((0, 2))
    return RankTransform(
        [np.array([0.0, n]) for n in levels],
        [np.array([0.0, 1.0])] * len(levels),
        [None] * len(levels),
        [none] * len(levels),
    )


def latent_rows(model: Model, transform: RankTransform, n_leaves: int, seed: int) -> list[Array]:
    """Draw rows of each class from a model, and map them as the curator maps real ones.

    Parameters
    ----------
    model : Model
        Where rows come from.
    transform : RankTransform
        What maps them.
    n_leaves : int
        Number of classes, or 1.
    seed : int
        Public seed: models are compared on the same random numbers.

    Returns
    -------
    rows : list of ndarray of shape (n, d)
        On the lattice of latent scores.
    """
    rng = np.random.default_rng([seed, 5])
    leaf = model.draw_leaves(N_ROWS, rng)
    positions = model.sample(leaf, rng)
    z = np.rint(transform.to_latent(np.floor(positions).astype(np.int64), rng.random(positions.shape)) * LATENT_STEPS)
    return [z[leaf == c] for c in range(n_leaves)] if n_leaves > 1 else [z]


def validation_request(release: Release, model: Model, share: float) -> Request:
    """Ask for histograms along fresh random directions, which no model is learnt from.

    Parameters
    ----------
    release : Release
        What was measured so far.
    model : Model
        What was learnt from it; its quantiles are the bins.
    share : float
        Share of mu**2.

    Returns
    -------
    request : Request
    """
    seed, n_leaves = int(release.transport["seed"]), len(release.classes or (None,))
    transform = public_transform(release, model)
    rng, d = np.random.default_rng([seed, 6]), transform.n_columns
    directions = np.zeros((d, N_DIRECTIONS))
    for k in range(N_DIRECTIONS):
        own = rng.choice(d, size=min(WIDTH, d), replace=False)
        directions[own, k] = rng.standard_normal(len(own))
    directions = np.rint(directions / np.abs(directions).max(axis=0) * DIRECTION_STEPS).astype(np.int64)
    levels = np.arange(1, N_BINS) / N_BINS
    edges = []
    for z in latent_rows(model, transform, n_leaves, seed):
        along = z @ directions if len(z) else np.zeros((1, N_DIRECTIONS))
        edges.append(np.quantile(along, levels, axis=0).T)
    params = {
        "n_leaves": n_leaves,
        **transform.to_params(),
        "directions": directions[None],
        "slice_edges": np.rint(edges).astype(np.int64),
    }
    return Request(VALIDATION, "slices", share, params)


def distribution_functions(model: Model, m: Measurement, seed: int) -> Array:
    """Distribution functions of a model at the edges of held-back slices.

    Parameters
    ----------
    model : Model
        The model.
    m : Measurement
        The slices.
    seed : int
        Public seed.

    Returns
    -------
    cdf : ndarray of shape (n_leaves, n_directions, n_bins - 1)
    """
    directions, edges = np.asarray(m.params["directions"][0], dtype=np.float64), m.params["slice_edges"]
    out = np.empty(edges.shape)
    rows = latent_rows(model, RankTransform.from_params(m.params), len(edges), seed)
    for c, z in enumerate(rows):
        along = np.sort(z @ directions, axis=0)
        for k in range(out.shape[1]):
            out[c, k] = np.searchsorted(along[:, k], edges[c, k], side="left") / max(len(along), 1)
    return out


def validation_score(cdf: Array, m: Measurement) -> float:
    r"""Minus the mean squared difference of distribution functions, corrected for the noise in the measured ones.

    Parameters
    ----------
    cdf : ndarray of shape (n_leaves, n_directions, n_bins - 1)
        Of a model.
    m : Measurement
        The slices.

    Returns
    -------
    score : float
        Higher is better; in expectation, at most 0.

    Notes
    -----
    With cumulated noisy counts :math:`C_j` and the distribution function :math:`F_j` of the model, the difference is
    :math:`(C_j - F_j C_B) / T`, where T is the mean of :math:`C_B` over all directions. Its noise has the variance
    :math:`s^2 ((1 - F_j)^2 j + F_j^2 (B - j)) / T^2`. Classes are weighted by their rows.
    """
    totals = np.maximum(m.values.sum(axis=2).mean(axis=1), 1.0)
    cumulated, j = np.cumsum(m.values, axis=2), np.arange(1, m.values.shape[2])
    difference = cumulated[:, :, :-1] - cdf * cumulated[:, :, -1:]
    noise = np.max(m.sd) ** 2 * ((1.0 - cdf) ** 2 * j + cdf**2 * (m.values.shape[2] - j))
    each = ((difference**2 - noise) / totals[:, None, None] ** 2).mean(axis=(1, 2))
    return -float(totals @ each / totals.sum())


def difference_noise(a: Array, b: Array, m: Measurement) -> float:
    """Standard deviation that the noise of the slices gives to the difference of two scores.

    Parameters
    ----------
    a, b : ndarray of shape (n_leaves, n_directions, n_bins - 1)
        Distribution functions of two models.
    m : Measurement
        The slices.

    Returns
    -------
    sd : float
    """
    totals = np.maximum(m.values.sum(axis=2).mean(axis=1), 1.0)
    gap, middle = a - b, (a + b) / 2.0
    # the derivative by a count: it is in all cumulated counts from its own bin on, and in the total
    later = np.cumsum(gap[:, :, ::-1], axis=2)[:, :, ::-1]
    slope = np.concatenate([later, np.zeros_like(later[:, :, :1])], axis=2) - (gap * middle).sum(axis=2, keepdims=True)
    weights = 2.0 / totals.sum() / gap[0].size
    return float(np.max(m.sd) * weights * np.sqrt((slope**2).sum()))


def tune_results(estimator: Any, param_grid: Any) -> dict[str, Any]:
    """Learn a model for every candidate, and compare each with the slices that were held back.

    Parameters
    ----------
    estimator : DPSlicedWassersteinFlow
        Fitted; it is left as it is.
    param_grid : dict of str to sequence, or list of such dicts
        Candidates, as for `GridSearchCV`.

    Returns
    -------
    results : dict
        ``params`` (list of dict), ``param_<name>``, ``score``, ``rank``, ``gain`` over the present model and ``noise``,
        the standard deviation of the gain; one entry for each candidate.

    Raises
    ------
    ValueError
        If the Release has no such slices, or a parameter needs the rows or is not valid.
    """
    name, release = type(estimator).__name__, estimator.release_
    if VALIDATION not in release:
        raise ValueError(
            "This release holds nothing to tune against. Set tuning_share=0.05, for instance, before fit: that share "
            "of the budget is then spent on slices that the model does not learn from."
        )
    base = clone(estimator)
    base.mechanism = resolve_mechanism(base.mechanism, name)
    own = [f"mechanism__{p}" for p in getattr(base.mechanism, "refit_params", ())]
    candidates = list(ParameterGrid(param_grid))
    needs_rows = sorted({key for params in candidates for key in params} - {*TRANSPORT, *own})
    if needs_rows:
        raise ValueError(
            f"{name}.tune changes what needs no rows: {', '.join([*TRANSPORT, *own])}. Got {needs_rows}; set these and "
            "call fit, which spends a budget."
        )
    slices, seed = pooled(release)[VALIDATION], int(release.transport["seed"])
    functions = []
    for params in candidates:
        candidate = clone(base).set_params(**params)  # so that no parameter stays for the next one
        mechanism, changed = same_mechanism(candidate, release)
        model = mechanism.learn(pooled(release.with_transport(check_transport(candidate), changed)))
        functions.append(distribution_functions(model, slices, seed))
    now = distribution_functions(estimator._model, slices, seed)
    scores = np.array([validation_score(cdf, slices) for cdf in functions])
    columns = sorted({key for params in candidates for key in params})
    return {
        "params": candidates,
        **{f"param_{key}": [params.get(key) for params in candidates] for key in columns},
        "score": scores,
        "rank": (-scores).argsort(kind="stable").argsort(kind="stable") + 1,
        "gain": scores - validation_score(now, slices),
        "noise": np.array([difference_noise(cdf, now, slices) for cdf in functions]),
    }


def better_params(results: dict[str, Any]) -> dict[str, Any]:
    """Return the best candidate if it stands out of the noise.

    Parameters
    ----------
    results : dict
        From `tune_results`.

    Returns
    -------
    params : dict
        Empty if no gain is `STANDS_OUT` times its noise: then the parameters stay as they are.
    """
    best = int(np.argmax(results["score"]))
    stands_out = results["gain"][best] > STANDS_OUT * results["noise"][best]
    return dict(results["params"][best]) if stands_out else {}
