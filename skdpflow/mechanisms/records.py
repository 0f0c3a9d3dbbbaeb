"""The mechanism of the paper: noisy projections of every record."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skdpflow._validation import check_bool, check_choice, check_int, check_real
from skdpflow.domain import Categories, Column
from skdpflow.latent.affine import AffineTransform
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.projections import draw_directions, spectral_norm
from skdpflow.release import Release
from skdpflow.release.request import PlanContext, Request, Rounds
from skdpflow.transport.flow import FlowComponent, normal_particles
from skdpflow.transport.model import Model
from skdpflow.transport.records import DiffusedComponent, knot_ranks, learn_layers, quantiles_at
from skdpflow.transport.start import Gaussian

Array = NDArray[np.float64]

#: Blocks of d directions: with one alone, particles along its axes would be independent of each other.
N_BLOCKS = 2
#: Most numbers in all directions of a fit.
MAX_DIRECTIONS = 2**24
#: Largest wanted noise in lattice units, and the part of the floating-point slack that may be used, per unit of mu.
_MAX_NOISE, _SLACK = 2.0**22, 2.0**34
#: Range of steps of a direction; those of the ball are 16 sqrt(d) to `_MAX_STEPS`.
_MIN_DIRECTION_STEPS, _DIRECTION_STEPS, _MAX_STEPS = 64, 1024, 4096


def default_radius(d: int) -> float:
    r"""Radius of the ball to which rows are clipped, in half-ranges of a column.

    Notes
    -----
    A row whose values lie half-way between the midpoints and the ends of their columns has the norm
    :math:`\sqrt d / 2`. Columns mostly are narrower than declared, and noise is proportional to the radius; longer rows
    keep their direction. A single column is not cut: no radius below 1.
    """
    return float(max(1.0, np.sqrt(d) / 2.0))


def lattice(d: int, sensitivity: float, mu: float, n_integers: int) -> tuple[int, int]:
    """Steps of the ball and of the directions: finer than the noise, and no finer than needed."""
    product = min(_MAX_NOISE, mu * _SLACK / n_integers) * mu / sensitivity
    least = 16.0 * np.sqrt(d)
    direction_steps = np.clip(product / least, _MIN_DIRECTION_STEPS, _DIRECTION_STEPS)
    return int(np.clip(product / direction_steps, least, _MAX_STEPS)), int(direction_steps)


class RecordsMechanism(BaseEstimator):
    r"""Noisy projections of every record: the mechanism of the paper [1]_.

    Each row, scaled by the domain and clipped to a ball, is projected along directions, and each projection gets its
    own Gaussian noise. Since the noise is per row, no amount of data averages it out of the projections'
    distributions: the default mechanism is far more useful. This one is here to compare with.

    Parameters
    ----------
    variant : {"fixed", "fresh"}, default="fixed"
        ``"fixed"`` releases projections along one set of directions, which every step of the flow reuses. ``"fresh"``
        releases new ones for each step, which share the budget.
    n_projections : int or None, default=None
        Directions of a release; None takes twice the number of columns, and one if there is one column. Whole
        multiples of that number cost least per direction.
    n_steps : int, default=8
        Releases, and steps of the flow, of the variant ``"fresh"``; the flow's own `n_steps` is for ``"fixed"``.
    diffusion : float, default=0.0
        Weight of the entropy, lambda of the paper: after each step particles get Gaussian noise, in half-ranges of a
        column. The paper's experiments have 0. `score_samples` needs 0.
    radius : float or None, default=None
        Radius of the ball to which rows are clipped, in half-ranges of a column; None takes
        :math:`\max(1, \sqrt d / 2)`: values half-way between the midpoint and the ends of their columns. Noise is
        proportional to it.
    public_labels : bool, default=False
        Declares that the class of each row is public and not to be protected. Categorical targets need it.

    See Also
    --------
    skdpflow.mechanisms.MarginalsMechanism : The default.

    Notes
    -----
    Guarantee: one line is released per row, so the number of rows is public, and only the content of a row can be
    protected: the relation is ``"replace-one"``. With `public_labels` the number of rows of each class is public too,
    and two neighbours differ in one row of the same class. Lines come in a secret random order.

    With integer rows in a ball of :math:`K` steps and integer directions :math:`\Theta`, the sensitivity is
    :math:`\Delta = 2 K \sigma_{\max}(\Theta)`, for the matrix really used. A release with noise :math:`s` is
    :math:`\Delta/s`-GDP, and :math:`T` fresh ones together :math:`\mu`-GDP with
    :math:`\mu^2 = \sum_t (2 K_t \sigma_{\max}(\Theta_t) / s_t)^2`; each gets :math:`\mu^2 / T`. For unit directions
    :math:`\sigma_{\max}^2 \ge k / d`, with equality for whole orthonormal blocks.

    There is no ``continue_plan``: lines come in a secret order, a new one in each release, so those of two releases
    cannot be averaged row by row.

    The flow starts at a Gaussian as wide as the ball, follows orthonormal blocks of directions in turn, and is
    invertible. Following a block of :math:`d` directions with the flow's `step_size` :math:`h` is a step of the paper
    along these directions with its step :math:`d h`. The targets are the quantile functions of the noisy lines, noise
    included, as in the paper.

    References
    ----------
    .. [1] Sebag, I., Pydi, M. S., Franceschi, J.-Y., Rakotomamonjy, A., Gartrell, M., Atif, J., Allauzen, A. (2023).
       Differentially private gradient flow based on the sliced Wasserstein distance. arXiv:2312.08227.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> X = np.random.default_rng(0).uniform(size=(500, 2))
    >>> flow = DPSlicedWassersteinFlow(
    ...     epsilon=10.0, domain=(0, 1), mechanism="records", neighbours="replace-one", random_state=0
    ... )
    >>> flow.fit(X).sample(3, random_state=0).shape
    (3, 2)
    """

    #: What a projection sampler may be computed from besides the dimension.
    offers = ()
    #: Parameters that `learn` alone uses, through the Release.
    refit_params = ("diffusion",)

    def __init__(
        self,
        variant: str = "fixed",
        n_projections: int | None = None,
        n_steps: int = 8,
        diffusion: float = 0.0,
        radius: float | None = None,
        public_labels: bool = False,
    ) -> None:
        self.variant = variant
        self.n_projections = n_projections
        self.n_steps = n_steps
        self.diffusion = diffusion
        self.radius = radius
        self.public_labels = public_labels

    def describe(self) -> dict[str, Any]:
        """Return name and parameters, as JSON can hold them.

        Returns
        -------
        description : dict
            With the key ``"name"`` and the constructor's parameters.
        """
        return {"name": "records", **self.get_params(deep=False)}

    # ------------------------------------------------------------------ what is measured

    def check(self, target: Column | None, neighbours: str) -> None:
        """Refuse settings in which the mechanism cannot work, before any row is read.

        Parameters
        ----------
        target : Interval, Categories or None
            What y is.
        neighbours : {"add-remove", "replace-one"}
            The neighbouring relation.

        Raises
        ------
        ValueError
            If a parameter is not valid, the relation is not ``"replace-one"``, or labels are not public.
        """
        name = type(self).__name__
        check_choice(name, "variant", self.variant, ("fixed", "fresh"))
        if self.n_projections is not None:
            check_int(name, "n_projections", self.n_projections, 1)
        check_int(name, "n_steps", self.n_steps, 1)
        check_real(name, "diffusion", self.diffusion, 0.0, closed="left")
        if self.radius is not None:
            check_real(name, "radius", self.radius, 1.0 / LATENT_STEPS, closed="left")
        public_labels = check_bool(name, "public_labels", self.public_labels)
        if neighbours != "replace-one":
            raise ValueError(
                f"{name} releases one line per row, so the number of rows is public: it cannot hide whether a row "
                "was added or removed. Use neighbours='replace-one', which protects the content of a row. "
                f"Got {neighbours!r} instead."
            )
        if isinstance(target, Categories):
            if not public_labels:
                raise ValueError(
                    f"{name} releases the rows of each class apart, which shows the class of every line. Use the "
                    f"marginals mechanism, which protects labels, or declare them public: {name}(public_labels=True)."
                )
            if not target.declared:
                raise ValueError("Labels that are declared public have to be listed: target=Categories([...]).")

    def plan(self, context: PlanContext) -> Rounds:
        """Ask for the projected records.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand.

        Yields
        ------
        requests : list of Request
            One, or one per step of the fresh variant.
        """
        self.check(context.target, context.neighbours)
        columns = context.columns
        if any(c.nullable for c in columns):
            raise ValueError(
                "The mechanism 'records' cannot hold missing values: use 'marginals' for nullable columns."
            )
        d = len(columns)
        wanted = self.n_projections or (N_BLOCKS * d if d > 1 else 1)
        n_releases = self.n_steps if self.variant == "fresh" else 1
        if d * wanted * n_releases > MAX_DIRECTIONS:
            raise ValueError(
                f"{n_releases} time(s) {wanted} directions of {d} columns are more numbers than the {MAX_DIRECTIONS} "
                "that are drawn. Use fewer directions (n_projections, n_steps) or columns. Nothing was spent."
            )
        rng = np.random.default_rng(context.seed)
        drawn = [draw_directions(context.projections, d, n_projections=wanted, seed=rng) for _ in range(n_releases)]
        n_integers = sum(u.shape[1] for u in drawn)
        radius = default_radius(d) if self.radius is None else float(min(self.radius, np.sqrt(d)))
        requests = []
        for t, u in enumerate(drawn):
            mu = context.mu / float(np.sqrt(n_releases))
            steps, direction_steps = lattice(d, 2.0 * spectral_norm(u), mu, n_integers)
            params = {
                "n_components": context.n_classes,
                "levels": np.array([c.n_levels for c in columns], dtype=np.int64),
                "radius": radius,
                "steps": steps,
                "directions": np.rint(u * direction_steps).astype(np.int64),
                "public_labels": bool(self.public_labels),
            }
            name = "records" if self.variant == "fixed" else f"records_{t}"
            requests.append(Request(name, "records", 1.0 / n_releases, params))
        yield requests

    # ------------------------------------------------------------------ what is made of it

    def learn(self, release: Release) -> Model:
        """Learn the model: a deterministic function of the Release.

        Parameters
        ----------
        release : Release
            What was measured, and the parameters of the transport.

        Returns
        -------
        model : Model
            What `sample` and `score_samples` use.
        """
        records = [m for m in release.measurements if m.kind == "records"]
        first, transport = records[0].params, release.transport
        levels, radius, sizes = first["levels"], float(first["radius"]), np.asarray(first["sizes"])
        d, diffusion = len(levels), float(release.mechanism["diffusion"])
        lengths = [np.sqrt((m.params["directions"] ** 2).sum(axis=0)) for m in records]
        directions = np.hstack([m.params["directions"] / length for m, length in zip(records, lengths, strict=True)])
        # integers to half-ranges of a column
        units = [radius / m.params["steps"] / length for m, length in zip(records, lengths, strict=True)]
        normal = normal_particles(int(transport["n_particles"]), d, int(transport["seed"]))
        ranks = knot_ranks(len(normal))
        start = Gaussian(np.zeros(d), np.eye(d) * radius**2 / d)
        components: list[FlowComponent | DiffusedComponent] = []
        for c, (begin, size) in enumerate(zip(np.cumsum(sizes) - sizes, sizes, strict=True)):
            if size == 0:
                components.append(FlowComponent(start))
                continue
            lines = [(m.values[begin : begin + size] * unit).T for m, unit in zip(records, units, strict=True)]
            layers, scales = learn_layers(
                start.push(normal),
                directions,
                np.vstack([quantiles_at(ranks, len(normal), line) for line in lines]),
                n_passes=int(transport["n_steps"]) if release.mechanism["variant"] == "fixed" else 1,
                step_size=float(transport["step_size"]),
                diffusion=diffusion,
                rng=np.random.default_rng([int(transport["seed"]), c]),
            )
            component = FlowComponent(start, layers)
            components.append(DiffusedComponent(component, scales) if diffusion > 0 else component)
        weights = sizes / sizes.sum() if sizes.sum() else np.full(len(sizes), 1.0 / len(sizes))
        return Model(AffineTransform(levels), weights, tuple(components))
