"""One step of the flow against a torch transcription of the paper's step, on one thread.

    python benchmarks/step_speed.py

Both get the same particles, directions and target quantiles, and move every particle by the mean over directions of the
way to its target. torch (float32, its default, and once float64 to compare the results) is no dependency of the
package: pip install torch. Sizes are those of the paper's experiments: n particles in d dimensions, k directions, and
quantile functions with a knot at every particle; lines with 100 knots show what coarser ones would change.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

from skdpflow.projections import OrthogonalProjections
from skdpflow.transport.records import quantile_step, quantiles_at

SIZES = [(10_000, 8, 25), (30_000, 8, 25), (30_000, 8, 70), (10_000, 48, 220), (30_000, 48, 220)]
REPEATS = 7
TOLERANCE = 1e-6


def torch_step(torch, x, directions, targets, levels, step_size):
    """Project, take quantiles, interpolate between them, and average over directions."""
    p = x @ directions
    quantiles = torch.quantile(p, levels, dim=0).T.contiguous()
    p = p.T.contiguous()
    right = torch.searchsorted(quantiles, p).clamp(1, quantiles.shape[1] - 1)
    x0, x1 = quantiles.gather(1, right - 1), quantiles.gather(1, right)
    y0, y1 = targets.gather(1, right - 1), targets.gather(1, right)
    slope = (y1 - y0) / (x1 - x0).clamp_min(torch.finfo(x.dtype).tiny)
    transported = y0 + slope * (p - x0)
    return x - step_size * (p - transported).T @ directions.T / directions.shape[1]


def best(*functions):
    """Best time of each function, called in turn so that they share whatever else the machine does."""
    times = [[] for _ in functions]
    for _ in range(REPEATS):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def main():
    try:
        import torch
    except ImportError:
        print("This comparison needs torch, which is no dependency of the package: pip install torch")
        return 0
    torch.set_num_threads(1)
    print(f"numpy {np.__version__}, torch {torch.__version__}, one thread, best of {REPEATS}")
    print(f"{'n':>7s}{'d':>4s}{'k':>5s}{'knots':>11s}{'ours ms':>10s}{'torch ms':>10s}{'ratio':>7s}{'difference':>12s}")
    ratios, agree = [], True
    for n, d, k in SIZES:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((n, d))
        directions = OrthogonalProjections().sample(d, n_projections=k, seed=0)
        sample = np.abs(rng.standard_normal((n, d))) @ directions
        for ranks in (np.arange(n), np.unique(np.rint(np.linspace(0, n - 1, 100)).astype(np.int64))):
            levels = ranks / (n - 1)
            targets = quantiles_at(ranks, n, sample.T)
            particles = np.ascontiguousarray(x.T)

            def ours(particles=particles, directions=directions, targets=targets, ranks=ranks):
                return quantile_step(
                    particles, directions, directions / directions.shape[1], targets, ranks, 1.0, invertible=False
                )[0]

            def theirs(dtype, x=x, directions=directions, targets=targets, levels=levels):
                arrays = [torch.tensor(a, dtype=dtype) for a in (x, directions, targets, levels)]
                return lambda: torch_step(torch, *arrays, 1.0)

            ours_s, theirs_s = best(ours, theirs(torch.float32))
            difference = np.abs(ours().T - theirs(torch.float64)().numpy()).max()
            agree &= bool(difference < TOLERANCE)
            ratios.append(theirs_s / ours_s)
            print(
                f"{n:7d}{d:4d}{k:5d}{len(ranks):8d}{1e3 * ours_s:10.1f}{1e3 * theirs_s:10.1f}{ratios[-1]:7.1f}"
                f"{difference:12.1e}"
            )
    print(f"smallest ratio {min(ratios):.1f}; results {'agree' if agree else 'DIFFER'} to {TOLERANCE:g}")
    return 0 if agree else 1


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
