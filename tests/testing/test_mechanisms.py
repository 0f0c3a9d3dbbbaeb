"""Every mechanism, ours or a user's, keeps one contract; one that breaks it is told how."""

import dataclasses
import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skdpflow.domain import Interval
from skdpflow.latent.affine import AffineTransform
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.release.request import Request
from skdpflow.testing import check_mechanism
from skdpflow.transport.flow import FlowComponent
from skdpflow.transport.model import Model
from skdpflow.transport.start import Gaussian


class CountsOnly(BaseEstimator):
    """A user's mechanism: class sizes, and rows spread over the middle of the domain."""

    def __init__(self, spread=0.3):
        self.spread = spread

    def describe(self):
        return {"name": "counts-only", "spread": self.spread}

    def plan(self, public):
        yield [Request("sizes", "counts", 1.0, {"n_components": public.n_classes})]

    def learn(self, release):
        sizes = np.maximum(release["sizes"].values, 1)
        levels = np.array([column.n_levels for column in release.columns])
        d = len(levels)
        component = FlowComponent(Gaussian(np.zeros(d), np.eye(d) * release.mechanism["spread"] ** 2))
        return Model(AffineTransform(levels), sizes / sizes.sum(), (component,) * len(sizes))


class PlainCounts:
    """The same without scikit-learn."""

    describe = CountsOnly.describe
    plan = CountsOnly.plan
    learn = CountsOnly.learn
    spread = 0.2


class NumbersOnly(CountsOnly):
    """Refuses what it cannot do, as it should."""

    refit_params = ("spread",)

    def check(self, target, neighbours):
        if target is not None or neighbours != "add-remove":
            raise ValueError("NumbersOnly has no use for targets.")

    def plan(self, public):
        if not all(isinstance(column, Interval) for column in public.columns):
            raise ValueError("NumbersOnly needs numeric columns.")
        yield from super().plan(public)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mechanism",
    [
        MarginalsMechanism(),
        MarginalsMechanism(n_bins=5, n_slices=3, n_target_bins=2),
        RecordsMechanism(),
        RecordsMechanism(variant="fresh", n_steps=2, public_labels=True),
        RecordsMechanism(diffusion=0.1, n_projections=3, public_labels=True),
        CountsOnly(),
        PlainCounts(),
        NumbersOnly(),
    ],
    ids=lambda mechanism: repr(mechanism) if isinstance(mechanism, BaseEstimator) else "PlainCounts",
)
def test_every_mechanism_passes_the_contract(mechanism):
    check_mechanism(mechanism)


class Improves(CountsOnly):
    """Measures its counts again."""

    def continue_plan(self, public, release):
        yield from self.plan(public)


def test_a_mechanism_that_improves_a_release_keeps_the_contract():
    check_mechanism(Improves())


class RepeatsOtherwise(CountsOnly):
    def continue_plan(self, public, release):
        yield [Request("sizes", "counts", 1.0, {"n_components": public.n_classes + 1})]


class CannotGoOn(CountsOnly):
    def continue_plan(self, public, release):
        raise ValueError("no luck")
        yield


class NumbersItsNames(CountsOnly):
    def plan(self, public):
        yield [Request("sizes#2", "counts", 1.0, {"n_components": public.n_classes})]


calls = itertools.count()


class Overspends(CountsOnly):
    def plan(self, public):
        yield [Request(name, "counts", 0.6, {"n_components": public.n_classes}) for name in ("sizes", "again")]


class RepeatsAName(CountsOnly):
    def plan(self, public):
        yield [Request("sizes", "counts", 0.5, {"n_components": public.n_classes})] * 2


class TakesAReservedName(CountsOnly):
    def plan(self, public):
        yield [Request("labels", "counts", 0.5, {"n_components": public.n_classes})]


class AsksForNothing(CountsOnly):
    def plan(self, public):
        yield []


class AsksForFree(CountsOnly):
    def plan(self, public):
        yield [Request("sizes", "counts", 0.0, {"n_components": public.n_classes})]


class AsksInventions(CountsOnly):
    def plan(self, public):
        yield [Request("sizes", "telepathy", 1.0, {"n_components": public.n_classes})]


class ChangesItsMind(CountsOnly):
    def plan(self, public):
        share = 0.5 if next(calls) % 2 else 0.6
        yield [Request("sizes", "counts", share, {"n_components": public.n_classes})]


class LearnsAtRandom(CountsOnly):
    def learn(self, release):
        model = super().learn(release)
        centre = np.full(len(release.columns), (next(calls) % 7) / 10.0)
        component = FlowComponent(Gaussian(centre, np.eye(len(centre)) * 0.01))
        return dataclasses.replace(model, components=(component,) * len(model.components))


class RemembersItsPlan(CountsOnly):
    def plan(self, public):
        self.n_classes = public.n_classes
        yield from super().plan(public)


class ForgetsClasses(CountsOnly):
    def learn(self, release):
        model = super().learn(release)
        return dataclasses.replace(model, weights=np.ones(1), components=model.components[:1])


class Unweighted(CountsOnly):
    def learn(self, release):
        model = super().learn(release)
        return dataclasses.replace(model, weights=2.0 * model.weights)


@dataclasses.dataclass(frozen=True, eq=False)
class LooseModel(Model):
    def sample(self, component, rng):
        return super().sample(component, rng) - 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class GlobalModel(Model):
    def sample(self, component, rng):
        np.random.standard_normal(3)  # noqa: NPY002 - the fault under test
        return super().sample(component, rng)


class LeavesTheDomain(CountsOnly):
    model = LooseModel

    def learn(self, release):
        model = super().learn(release)
        return self.model(model.latent, model.weights, model.components)


class UsesTheGlobalGenerator(LeavesTheDomain):
    model = GlobalModel


class HasNoName(CountsOnly):
    def describe(self):
        return {"spread": self.spread}


class DescribesObjects(CountsOnly):
    def describe(self):
        return {"name": "objects", "spread": np.float64(self.spread), "itself": self}


class DescribesTuples(CountsOnly):
    def describe(self):
        return {"name": "tuples", "spread": self.spread, "range": (0, 1)}


class RefitsTheUnknown(CountsOnly):
    refit_params = ("colour",)


class FailsLate(CountsOnly):
    def learn(self, release):
        raise ValueError("no luck")


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Overspends, "shares of all requests must sum to one at most. Got 1.2"),
        (RepeatsAName, "names of measurements must be unique"),
        (TakesAReservedName, "must not be called .'labels'.: those names are reserved"),
        (AsksForNothing, "must not yield an empty round"),
        (AsksForFree, "share of a request must be positive"),
        (AsksInventions, "failed after it had asked: There is no statistic 'telepathy'"),
        (ChangesItsMind, "answered the same, it asked for other measurements in round 1"),
        (LearnsAtRandom, "deterministic function of the Release: a second call gave another model"),
        (RemembersItsPlan, "must not change the mechanism"),
        (ForgetsClasses, "one component for each class"),
        (Unweighted, "must be probabilities"),
        (LeavesTheDomain, "must lie in"),
        (UsesTheGlobalGenerator, "not from numpy's global one"),
        (HasNoName, "must hold a 'name'"),
        (DescribesObjects, "what JSON can hold"),
        (DescribesTuples, "must be equal after a round trip through JSON"),
        (RefitsTheUnknown, "refit_params names 'colour'"),
        (RepeatsOtherwise, "must repeat 'sizes' with the parameters it had"),
        (CannotGoOn, r"continue_plan\(\) failed after a fit: no luck"),
        (NumbersItsNames, "must not be called .'sizes#2'."),
        (FailsLate, "failed after it had asked: no luck"),
    ],
)
def test_a_broken_mechanism_is_found(cls, message):
    with pytest.raises(AssertionError, match=message):
        check_mechanism(cls())


class NeverWorks(CountsOnly):
    def check(self, target, neighbours):
        raise ValueError("It is raining.")


def test_a_mechanism_that_refuses_everything_is_named_with_its_reasons():
    with pytest.raises(ValueError, match=r"refuses every setting\. .*It is raining"):
        check_mechanism(NeverWorks())


@pytest.mark.parametrize("what", ["marginals-2", CountsOnly, object(), None])
def test_what_is_no_mechanism_is_refused(what):
    with pytest.raises(ValueError, match=r"'mechanism' parameter of check_mechanism must be one of"):
        check_mechanism(what)
