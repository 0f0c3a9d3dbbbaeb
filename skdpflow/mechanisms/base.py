"""What a mechanism is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from skdpflow._validation import invalid
from skdpflow.domain import Column
from skdpflow.release import Release
from skdpflow.release.request import PlanContext, Rounds
from skdpflow.transport.model import Model


class Mechanism(Protocol):
    """Chooses what to measure, and learns a model from the measurements. It never sees a row.

    See Also
    --------
    skdpflow.mechanisms.MarginalsMechanism : The default.
    skdpflow.mechanisms.RecordsMechanism : The mechanism of the paper.

    Notes
    -----
    Seven more members are optional. ``check(target, neighbours)`` raises a ValueError for what the mechanism cannot
    do, before any row is read; ``offers``, a tuple of str, names what projection samplers may be computed from
    besides the dimension, ``("moments",)`` if it is missing: see `check_setting`. ``refit_params``, a tuple of str,
    names the parameters that ``learn`` alone uses, which `refit` may change. ``continue_plan(context, release)`` is
    the plan of a further fit that improves a Release, for `continue_fit`: a request with the name of an earlier
    measurement repeats it with the same parameters, and ``learn`` is given the mean of the two.
    ``demands(context)`` returns a list of `skdpflow.release.request.Demand`, the most that any round may ask for:
    what would not fit the floating-point slack or the memory is then refused before anything is spent. So is a
    model that is too large: ``most_components(context)`` is the most parts of the rows that have a model of their
    own, the number of classes if it is missing. ``learn`` should hold the particles of one part at a time.
    ``continue_demands(context, release)`` is what ``demands`` is, for the rounds of ``continue_plan`` after the
    first. Without them the first round alone can be looked at. The model is a function of the Release, so ``learn``
    should read parameters from ``release.mechanism``, what ``describe`` gave, and not from itself.
    """

    def plan(self, context: PlanContext) -> Rounds:
        """Ask for measurements, round by round.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand.

        Yields
        ------
        requests : list of Request
            A round; its measurements are sent back. The shares of all rounds sum to at most one.
        """
        ...

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
        ...

    def describe(self) -> dict[str, Any]:
        """Return name and parameters, as JSON can hold them.

        Returns
        -------
        description : dict
            With the key ``"name"`` and the constructor's parameters.
        """
        ...


def check_setting(mechanism: Mechanism, target: Column | None, neighbours: str) -> tuple[str, ...]:
    """Ask a mechanism whether it can work in a setting, before any row is read or anything is spent.

    Parameters
    ----------
    mechanism : Mechanism
        The mechanism; it may have a method ``check(target, neighbours)`` that raises.
    target : Interval, Categories or None
        What y is.
    neighbours : {"add-remove", "replace-one"}
        The neighbouring relation.

    Returns
    -------
    offers : tuple of str
        What the mechanism can offer to a projection sampler.

    Raises
    ------
    ValueError
        If the mechanism cannot work like that.
    """
    check = getattr(mechanism, "check", None)
    if check is not None:
        check(target, neighbours)
    return tuple(getattr(mechanism, "offers", ("moments",)))


def resolve_mechanism(mechanism: Any, owner: str = "DPSlicedWassersteinFlow") -> Mechanism:
    """Turn the value of a ``mechanism`` parameter into a mechanism.

    Parameters
    ----------
    mechanism : {"marginals", "records"}, mapping or object
        A name, what ``describe`` of a mechanism returned, or an object with ``plan``, ``learn`` and ``describe``.
    owner : str, default="DPSlicedWassersteinFlow"
        Who asks, for messages.

    Returns
    -------
    mechanism : Mechanism
        A new one for a name or a mapping, the object itself otherwise.

    Raises
    ------
    ValueError
        If the name is not known, or the object lacks a method.
    """
    from skdpflow.mechanisms.marginals.mechanism import MarginalsMechanism
    from skdpflow.mechanisms.records import RecordsMechanism

    named: dict[str, Any] = {"marginals": MarginalsMechanism, "records": RecordsMechanism}
    if isinstance(mechanism, Mapping):
        params = dict(mechanism)
        name = params.pop("name", None)
        if name not in named:
            raise ValueError(f"This release was made by the mechanism {name!r}; pass that object as `mechanism`.")
        return cast(Mechanism, named[name](**params))
    if isinstance(mechanism, str) and mechanism in named:
        return cast(Mechanism, named[mechanism]())
    missing = [m for m in ("plan", "learn", "describe") if not callable(getattr(mechanism, m, None))]
    if isinstance(mechanism, str | type) or missing:
        raise invalid(
            owner,
            "mechanism",
            f"one of {sorted(named)} or an instance with the methods plan(context), learn(release) and describe()",
            mechanism,
        )
    return cast(Mechanism, mechanism)
