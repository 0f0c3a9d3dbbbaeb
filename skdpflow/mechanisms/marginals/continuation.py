"""How a Release of marginals is improved by a further budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.adaptive import ask_cells, ask_pairs, ask_partitions
from skdpflow.mechanisms.marginals.demands import of_cells, of_pairs, of_partitions, of_slices
from skdpflow.mechanisms.marginals.slices import slice_params
from skdpflow.mechanisms.marginals.state import CELLS, Learned, of_kind
from skdpflow.release import Release
from skdpflow.release.pooling import groups, n_fits, pool, pooled
from skdpflow.release.request import Demand, Public, Request, Rounds

#: Less than this share of what may be spent is not worth a measurement.
LEAST_SHARE = 0.01
#: Measurements that are no part of the mechanism's own budget.
NOT_OWN = ("bounds", "labels", "validation")


def more(public: Public, release: Release, regime_of: Callable[..., policy.Regime]) -> Rounds:
    """Ask for what the budget of all fits together would have measured, less what was paid for already.

    Parameters
    ----------
    public : Public
        What is known beforehand; `mu` is what may be spent now.
    release : Release
        What was measured before.
    regime_of : callable
        From the number of rows, that of leaves and mu to a `Regime`.

    Yields
    ------
    requests : list of Request
        First everything that the model uses again, with the parameters it had, so that repetitions can be averaged;
        then, on the better model, cells, slices and tables that only the larger budget pays for, and new partitions.

    Notes
    -----
    Bins and the latent space stay those of the first fit, so that the counts match. What led to them, moments of
    columns and the histogram of a numeric target, has done its work and is not measured again. Partitions are
    grown anew on the better model, for the share that the whole budget would give them: those of the worse one are
    kept, but worth less.
    """
    shares, regime, n_new = _shares(public, release, regime_of)
    earlier, again = pooled(release), groups(release)
    learned = Learned.of(earlier)
    repeated = [Request(m.name, m.kind, shares[m.name], m.params) for m in earlier.measurements if m.name in shares]
    if repeated:
        answers = yield repeated
        better = {m.name: pool([*again[m.name], m]) for m in answers}
        earlier = replace(earlier, measurements=tuple(better.get(m.name, m) for m in earlier.measurements))
        learned = Learned.of(earlier)
    leaf = {key: learned.mean.params[key] for key in ("n_leaves", "leaf_edges") if key in learned.mean.params}
    latent, suffix = {**leaf, **learned.transform.to_params()}, f"+{n_fits(release) + 1}"

    if CELLS[-1] in shares and not learned.cells:
        ball = {**latent, "radius": learned.mean.params["radius"], "steps": learned.mean.params["steps"]}
        cells = yield from ask_cells(learned, ball, regime.n_cuts, sum(shares.get(name, 0.0) for name in CELLS))
        learned = replace(learned, cells=cells)
    if "slices" in shares and learned.slices is None:
        params = {**latent, **slice_params(public, learned.mean, learned.second, learned.sizes, regime.n_slices)}
        (slices,) = yield [Request("slices", "slices", shares["slices"], params)]
        learned = replace(learned, slices=slices)
    if n_new and "new pairs" in shares:
        choice = regime.selection / (regime.selection + regime.pairs)
        share = shares["new pairs"]
        new = yield from ask_pairs(
            public, learned, latent, n_new, share * choice, share * (1.0 - choice), suffix=suffix
        )
        learned = replace(learned, pairs=(*learned.pairs, new))
    if "new partitions" in shares:
        partitions = of_kind(earlier, "partitions")
        if partitions:  # counts of all partitions are of the same groups
            regime = replace(regime, n_groups=int(partitions[0].params["groups"][-1]) + 1)
        yield from ask_partitions(public, learned, latent, regime, shares["new partitions"], suffix=suffix)


def later_demands(public: Public, release: Release, regime_of: Callable[..., policy.Regime]) -> list[Demand]:
    """Return the most that the rounds of `more` after the first may ask for.

    Parameters
    ----------
    public : Public
        What is known beforehand.
    release : Release
        What was measured before.
    regime_of : callable
        As for `more`.

    Returns
    -------
    demands : list of Demand
        Of what an earlier fit did not measure.
    """
    shares, regime, n_new = _shares(public, release, regime_of)
    earlier, neighbours = Learned.of(pooled(release)), public.neighbours
    d, n_leaves, out = len(public.columns), len(earlier.sizes), []
    if CELLS[-1] in shares and not earlier.cells:
        share = sum(shares.get(name, 0.0) for name in CELLS)
        out += of_cells(share, regime.n_cuts, d, n_leaves, int(earlier.mean.params["steps"]), neighbours)
    if "slices" in shares and earlier.slices is None:
        out.append(of_slices(shares["slices"], regime.n_slices, n_leaves, neighbours))
    if n_new and "new pairs" in shares:
        choice = regime.selection / (regime.selection + regime.pairs) * shares["new pairs"]
        out += of_pairs(choice, shares["new pairs"] - choice, n_new, len(public.domain), n_leaves, neighbours)
    if "new partitions" in shares:
        n_cells = n_leaves * regime.n_cells
        out.append(
            of_partitions(shares["new partitions"], regime.n_partitions, len(public.domain), n_cells, neighbours)
        )
    return out


def _shares(
    public: Public, release: Release, regime_of: Callable[..., policy.Regime]
) -> tuple[dict[str, float], policy.Regime, int]:
    """Divide what may be spent now; also return the regime of the whole budget, and how many new tables it pays for."""
    earlier, again = pooled(release), groups(release)
    spent = {name: sum(total_mu(tally(m.event)) ** 2 for m in same) for name, same in again.items()}
    mu = float(np.sqrt(public.mu**2 + sum(cost for name, cost in spent.items() if name not in NOT_OWN)))
    learned, d = Learned.of(earlier), len(public.domain)
    locating = sum(cost for name, cost in spent.items() if name.startswith("location")) / mu**2
    regime = regime_of(float(learned.sizes.sum()), n_leaves=len(learned.sizes), mu=mu, locating=locating)

    # what each statistic lacks of what the whole budget would have given it
    tables = {m.name: len(m.params["pairs"]) for m in learned.pairs}
    known = sum(tables.values())
    n_new = max(min(regime.n_pairs, d * (d - 1) // 2) - known, 0)
    wanted = {
        "counts": policy.FIRST_SHARES["counts"],
        "histograms": regime.histograms,
        "mean": regime.mean,
        "second_moment": regime.second_moment,
        **dict(zip(CELLS, (share * regime.cells for share in policy.CELL_SHARES.values()), strict=True)),
        "slices": regime.slices,
        **{name: regime.pairs * k / (known + n_new) for name, k in tables.items()},
        "new pairs": (regime.pairs + regime.selection) * n_new / max(known + n_new, 1),
        "new partitions": regime.partitions,
    }
    lacks = {name: share * mu**2 - spent.get(name, 0.0) for name, share in wanted.items()}
    lacks = {name: lack for name, lack in lacks.items() if lack > LEAST_SHARE * public.mu**2}
    return {name: lack / sum(lacks.values()) for name, lack in lacks.items()}, regime, n_new
