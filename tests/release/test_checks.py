"""A Release whose noise differs from that of its events is refused."""

from dataclasses import replace

import numpy as np
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, PrivacyLeakWarning
from skdpflow.accountants import (
    ComposedEvent,
    SelectionEvent,
    ThresholdEvent,
    flatten_event,
)
from skdpflow.exceptions import ReleaseError
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.release.checks import check_consistency


@pytest.fixture(scope="module")
def release():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(2000, 5))
    X[:, 1] = X[:, 0]
    mechanism = MarginalsMechanism(n_pairs=3)
    flow = DPSlicedWassersteinFlow(2.0, domain=(0, 1), n_particles=8, n_steps=1, mechanism=mechanism)
    with pytest.warns(PrivacyLeakWarning):
        return flow.set_params(noise_random_state=0).fit(X).release_


def altered(release, name, **changes):
    """Change a measurement, and let the Release list its event as a forger would."""
    measurements = tuple(replace(m, **changes) if m.name == name else m for m in release.measurements)
    return replace(release, measurements=measurements, event=ComposedEvent(tuple(m.event for m in measurements)))


def test_every_coordinate_has_the_noise_of_its_event(release):
    check_consistency(release)
    assert {"select_pairs", "second_moment", "histograms"} <= {m.kind for m in release.measurements}
    for m in release.measurements:
        for position in {0, m.values.size - 1}:
            scale = np.broadcast_to(m.noise_scale, m.values.shape).copy()
            check_consistency(altered(release, m.name, noise_scale=scale))
            scale.flat[position] *= 0.99
            with pytest.raises(ReleaseError, match="less noise than its event"):
                check_consistency(altered(release, m.name, noise_scale=scale))


def test_only_entries_off_the_diagonal_have_less_noise(release):
    m = next(m for m in release.measurements if m.kind == "second_moment")
    with pytest.raises(ReleaseError, match="less noise"):
        check_consistency(altered(release, m.name, noise_scale=np.full(1, m.noise_scale.min())))
    with pytest.raises(ReleaseError, match="less noise"):
        check_consistency(altered(release, m.name, noise_scale=np.roll(m.noise_scale, 1)))


def test_every_choice_has_the_noise_of_its_event(release):
    m = next(m for m in release.measurements if m.kind == "select_pairs")
    each, k = next(flatten_event(m.event)).epsilon, len(m.values)
    assert k == 3
    dear = SelectionEvent(each * np.sqrt(k) * 0.99)
    for selections, needed in [((dear, *[SelectionEvent(1e-6)] * (k - 1)), dear), ((dear,), dear), ((), dear)]:
        forged = {"event": ComposedEvent(selections), "noise_scale": np.array([2.0 * m.sensitivity / needed.epsilon])}
        with pytest.raises(ReleaseError, match="less noise"):
            check_consistency(altered(release, m.name, **forged))
    gaussian = next(m for m in release.measurements if m.kind == "histograms")
    with pytest.raises(ReleaseError, match="less noise"):
        check_consistency(altered(release, gaussian.name, event=SelectionEvent(1e-6)))


@pytest.fixture(scope="module")
def with_levels():
    X = np.array([["u"], ["v"]] * 1000, dtype=object)
    return DPSlicedWassersteinFlow(2.0, domain={"c": Categories()}, n_particles=64).fit(X).release_


@pytest.mark.parametrize("delta", [None, 1e-30])
def test_levels_at_a_threshold_that_was_not_paid_for_are_refused(with_levels, delta):
    check_consistency(with_levels)
    (found,) = (m for m in with_levels.measurements if m.kind == "levels")
    gaussian = found.event.events[0]
    event = ComposedEvent((gaussian, *([] if delta is None else [ThresholdEvent(delta)])))
    for other in (replace(found, params={**found.params, "threshold": 1}), replace(found, event=event)):
        measurements = tuple(other if m is found else m for m in with_levels.measurements)
        with pytest.raises(ReleaseError, match="lower threshold"):
            check_consistency(replace(with_levels, measurements=measurements))
