"""Everything that a flow does with rows; it keeps a Release of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skdpflow._flow.parameters import Parameters
from skdpflow._flow.plan import FitPlan
from skdpflow._flow.rehearsal import made_up_rows, planned_columns
from skdpflow._flow.tasks import Tasks
from skdpflow._validation import check_int
from skdpflow.accountants import ComposedEvent, Event
from skdpflow.curator.cells import quiet
from skdpflow.curator.continued import measure_more
from skdpflow.curator.gate import admit
from skdpflow.curator.measure import measure, prepare
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.progress import Progress
from skdpflow.curator.source import RowSource
from skdpflow.domain import Column, Interval
from skdpflow.domain.differences import by_themselves
from skdpflow.domain.measured import measured_domain
from skdpflow.frames import ELSEWHERE
from skdpflow.inspection._rows import Table, compare_rows
from skdpflow.inspection._sample import Sample
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.lineage import Payer, checked_ledger, note_more, payer_of, terms_of
from skdpflow.mechanisms.recorder import Recorder
from skdpflow.metrics import sliced_wasserstein_distance
from skdpflow.release import Release
from skdpflow.release.pooling import n_fits
from skdpflow.sampling.constrained import ConditionalDensity
from skdpflow.sampling.constraints import Constraints
from skdpflow.sampling.draw import draw_positions, in_own_values
from skdpflow.sampling.scale import inside, numeric_indices, on_common_scale
from skdpflow.sampling.writable import check_writable, made_up
from skdpflow.transport.density import log_density
from skdpflow.transport.model import Model

#: Rows of the synthetic sample that `score` compares with, and number of its directions.
SCORE_SAMPLES, SCORE_DIRECTIONS = 10_000, 256
#: What a ledger says of an exact comparison with rows.
LOOKED = "quality_report: a look at private rows, outside the guarantee"


def first_release(estimator: Any, X: Any, y: Any, given: Parameters, tasks: Tasks) -> Release:
    """Measure rows for the first time."""
    noise = NoiseSource(given.noise_seed)
    payer = payer_of(estimator, seeded=not noise.private)
    release = _measured(
        estimator, X, y, given, given.mechanism, estimator.domain, estimator.target, noise, payer, tasks
    )
    return terms_of(payer).state(release)


def _measured(
    estimator: Any,
    X: Any,
    y: Any,
    given: Parameters,
    mechanism: Any,
    domain: Any,
    target: Column | None,
    noise: NoiseSource,
    payer: Payer | None = None,
    tasks: Tasks | None = None,
) -> Release:
    """Check the rows and carry out the plan of a mechanism on them."""
    source = _admitted(estimator, X, y, domain, target)
    source.progress = Progress(given.verbose > 1, tasks)
    return measure(
        source,
        source.domain,
        target,
        mechanism,
        given.projections,
        given.budget,
        noise,
        payer=payer,
        seed=given.seed,
        transport=given.transport,
        n_jobs=given.n_jobs,
    )


def _admitted(estimator: Any, X: Any, y: Any, domain: Any, target: Column | None) -> RowSource:
    """Check the rows, and that synthetic rows can be written in their dtypes."""
    # on a copy, so that input that is refused leaves an earlier fit as it was
    source = admit(copy.copy(estimator), X, y, domain=domain, target=target)
    check_writable(source.table_schema, source.declared, target)
    return source


def check_fit(estimator: Any, X: Any, y: Any) -> Event:
    """Refuse what `fit` of a flow would refuse; spends nothing, and returns what the fit would be allowed."""
    given = Parameters.of(clone(estimator))  # a random_state must not move on
    source = _admitted(estimator, X, y, estimator.domain, estimator.target)
    ready = prepare(
        source,
        source.domain,
        estimator.target,
        given.mechanism,
        given.projections,
        given.budget,
        NoiseSource(given.noise_seed),
        seed=given.seed,
        transport=given.transport,
    )
    return ready.curator.whole_event


def rows_like(estimator: Any, X: Any, y: Any, n: int) -> tuple[Any, Any]:
    """Make rows up from public knowledge alone, in the container and dtypes of X and y; refuse what `fit` would."""
    source = _admitted(estimator, X, y, estimator.domain, estimator.target)
    return made_up(source.table_schema, source.declared, estimator.target, n)


def continued_release(
    estimator: Any, X: Any, y: Any, given: Parameters, mechanism: Any, extra: float, tasks: Tasks
) -> Release:
    """Measure rows again with a further epsilon."""
    release, ledger = estimator.release_, cast(PrivacyLedger | None, checked_ledger(estimator))
    if release.ledger is not None and ledger is None:
        raise ValueError(
            "The release was debited from a ledger: set the 'ledger' parameter to it, so that this is too."
        )
    whole = {"epsilon": release.epsilon + extra, "delta": release.delta, "neighbours": release.neighbours}
    source = admit(estimator, X, y, domain=release.domain, target=release.target, reset=False)
    source.progress = Progress(given.verbose > 1, tasks)
    better = measure_more(
        source,
        release,
        mechanism,
        given.projections,
        replace(given.budget, **whole),
        NoiseSource(given.noise_seed, stream=n_fits(release)),
        ledger=ledger,
        n_jobs=given.n_jobs,
    )
    if ledger is None and given.noise_seed is None:
        note_more(estimator, release, better)
    return better


def rehearsed(estimator: Any, n_guess: int, n_features: int | None, n_classes: int | None) -> FitPlan:
    """Carry out a fit on made-up rows."""
    name = type(estimator).__name__
    n = check_int(name, "n_guess", n_guess, 1)
    width, domain, target = planned_columns(name, estimator.domain, estimator.target, n_features, n_classes)
    given = Parameters.of(clone(estimator))  # a random_state must not move on
    if domain is not None:
        domain = measured_domain(domain)
        width = len(domain)
    recorder = Recorder(given.mechanism)
    X, y = made_up_rows(n, width, domain, target, n_classes)
    release = _measured(estimator, X, y, given, recorder, domain, target, NoiseSource(0))
    return FitPlan.of(release, [[r.name for r in requests] for requests in recorder.asked], n)


def distance_of_rows(estimator: Any, X: Any, model: Model) -> float:
    """Sliced Wasserstein-2 distance of rows to a synthetic sample."""
    release = estimator.release_
    domain = by_themselves(release.measured)
    source = admit(estimator, X, domain=release.domain, reset=False)
    seed = int(release.transport["seed"])
    positions, _ = draw_positions(model, release, SCORE_SAMPLES, np.random.default_rng(seed))
    positions = in_own_values(release, positions)
    numeric = numeric_indices(domain)
    with quiet():
        numbers = np.concatenate([rows.numbers(start, stop, numeric) for rows, start, stop, _ in source.read()])
    real, synthetic = on_common_scale(
        numbers,
        np.concatenate([codes for _, codes, _ in source.blocks(domain)]),
        positions,
        domain,
        clip="bounds" not in release,
    )
    return sliced_wasserstein_distance(real, synthetic, n_projections=SCORE_DIRECTIONS, seed=seed)


def comparison_of_rows(estimator: Any, X: Any, y: Any, sample: Sample, rng: np.random.Generator) -> dict[str, Any]:
    """Compare rows with a synthetic sample, exactly."""
    release = estimator.release_
    domain = by_themselves(release.measured)
    target = release.target if y is not None or isinstance(X, ELSEWHERE) else None
    source = admit(estimator, X, y, domain=release.domain, target=target, reset=False)
    if isinstance(estimator.ledger, PrivacyLedger):  # an entry of nothing, which spends nothing
        estimator.ledger.debit(ComposedEvent(()), LOOKED, neighbours=estimator.ledger.neighbours)
    numeric, numbers, codes, targets = numeric_indices(domain), [], [], []
    with quiet():
        for rows, start, stop, _ in source.read():
            own, classes = rows.block(start, stop, domain, target)
            codes.append(own)
            numbers.append(rows.numbers(start, stop, numeric))
            targets.append(rows.target_numbers(start, stop, target) if isinstance(target, Interval) else classes)
    known = None if target is None else np.concatenate(targets)
    real = Table.of_rows(release, np.concatenate(numbers), np.concatenate(codes), known)
    return compare_rows(real, Table.of_sample(sample), rng)


def density_of_rows(estimator: Any, X: Any, model: Model) -> NDArray[np.float64]:
    """Log-density of rows."""
    release = estimator.release_
    domain = release.measured
    constraints = Constraints.of(domain, release.measured_schema)
    conditional = None if constraints is None else ConditionalDensity(model, constraints)
    source = admit(estimator, X, domain=release.domain, reset=False)
    out = []
    for rows, start, stop, _ in source.read():
        with quiet():
            codes, _ = rows.block(start, stop, domain)
            x = rows.numbers(start, stop, numeric_indices(domain))
        if conditional is None:
            density = log_density(model, codes, domain)
        else:
            density = conditional.log_density(codes, x, domain)
        density[~inside(x, domain)] = -np.inf
        out.append(density)
    return np.concatenate(out)
