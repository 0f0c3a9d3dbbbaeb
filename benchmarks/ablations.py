"""What each lever of the default mechanism is worth: it is switched off, and nothing else is changed.

    python benchmarks/ablations.py                  # tables that scikit-learn ships
    python benchmarks/ablations.py --data FOLDER    # and those of a folder: see tables.py
    python benchmarks/ablations.py --data FOLDER --widen 10 --levers "locating columns,single values that hold mass" \
        --tables bikeshare,california,magic,support2 --csv benchmarks/located.csv --table doc/tables/located.rst

The table shows the usefulness with all levers, and the change without each, as a mean over seeds. Levers with a
parameter are switched off by it, the others by replacing a function of the package while a fit runs.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy as np
from tables import ROOT, all_tables, fitted, list_table, usefulness, widened, write_csv

from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.state import learn_components

#: Rows that a policy reckons with that does not look at the number of rows.
FIXED_ROWS = 10_000


def as_measured(coefficients, sd):
    return coefficients


def raw_means(m, counts):
    means = m.values * (m.params["radius"] / m.params["steps"]) / counts[:, None]
    return means, np.zeros_like(means)


def flat(moments, total, pooled, *args):
    return [(np.ones(1), np.ones(1), np.ones(1)) for _ in pooled]


def as_it_is(matrix, sd):
    return matrix


def gaussian_only(moving, blocks, pairs, *args, **kwargs):
    return learn_components(moving, [[] for _ in blocks], [], *args, **kwargs)


def fixed(allocate):
    return lambda n, *args, **kwargs: allocate(FIXED_ROWS, *args, **kwargs)


def nowhere(column):
    return False


#: Name to parameters of the mechanism, and functions to replace.
LEVERS = {
    "denoising": ({}, {f"skdpflow.transport.{m}.shrink": as_measured for m in ("marginals", "flow", "pairs")}),
    "two-way tables": ({"n_pairs": 0}, {}),
    "subcomponents of classes": ({"n_cuts": 0}, {}),
    "partitions": ({"n_partitions": 0}, {}),
    "factorial table": ({"n_factorial_bits": 0}, {}),
    "slices": ({"n_slices": 0}, {}),
    "one second moment for all classes": ({}, {"skdpflow.mechanisms.marginals.allocation.pooled": lambda *args: False}),
    "second moments per class": ({}, {"skdpflow.mechanisms.marginals.allocation.pooled": lambda *args: True}),
    "shrunk class means": ({}, {"skdpflow.mechanisms.marginals.state.component_means": raw_means}),
    "shrunk eigenvalues": ({}, {"skdpflow.transport.moments.above_noise": as_it_is}),
    "beta distributions as first guesses": ({}, {"skdpflow.mechanisms.marginals.histograms.beta_mixtures": flat}),
    "budget by the number of rows": (
        {},
        {"skdpflow.mechanisms.marginals.allocation.allocate": fixed(policy.allocate)},
    ),
    "the flow (Gaussian only)": ({}, {"skdpflow.mechanisms.marginals.state.learn_components": gaussian_only}),
    "bins of the target": ({"n_target_bins": 1}, {}),
    "locating columns": (
        {},
        {f"skdpflow.mechanisms.marginals.{m}.wants_locating": nowhere for m in ("locate", "demands")},
    ),
    "single values that hold mass": (
        {},
        {
            "skdpflow.mechanisms.marginals.locate.MOST_ATOMS": 0,
            "skdpflow.mechanisms.marginals.locate.LOCATION_ROUNDS": policy.LOCATION_SHARES,
        },
    ),
}


def without(lever, table, X, y, epsilon, seed):
    params, replaced = LEVERS[lever] if lever else ({}, {})
    with ExitStack() as stack:
        for name, function in replaced.items():
            stack.enter_context(mock.patch(name, function))
        flow = fitted(table, X, y, epsilon, seed, mechanism=MarginalsMechanism(**params))
    return flow.sample_labeled(len(X), random_state=seed)


def run(tables, epsilons, seeds, levers, factor):
    for table in tables:
        declared = widened(table, factor)
        for seed in seeds:
            X, X_test, y, y_test = table.split(seed)
            for epsilon in epsilons:
                for lever in (None, *levers):
                    if lever == "bins of the target" and table.classes is not None:
                        continue
                    score = usefulness(table, *without(lever, declared, X, y, epsilon, seed), X_test, y_test, seed)
                    yield {"dataset": table.name, "epsilon": epsilon, "seed": seed, "without": lever or "nothing",
                           "usefulness": score}  # fmt: skip


def summary(rows):
    score = {(r["dataset"], r["epsilon"], r["without"], r["seed"]): r["usefulness"] for r in rows}
    names, seeds = (list(dict.fromkeys(r[key] for r in rows)) for key in ("dataset", "seed"))

    def scores(name, epsilon, lever):
        """Of each seed; far below guessing is no worse than guessing."""
        return np.maximum([score.get((name, epsilon, lever, seed), np.nan) for seed in seeds], -0.1)

    out = []
    for epsilon in sorted({r["epsilon"] for r in rows}):
        whole = {name: scores(name, epsilon, "nothing") for name in names}
        body = [["all levers", *(f"{whole[name].mean():.3f}" for name in names), ""]]
        for lever in LEVERS:
            changes = np.array([scores(name, epsilon, lever) - whole[name] for name in names])
            changes, known = changes.mean(axis=1), changes[~np.isnan(changes).any(axis=1)]
            if not len(known):
                continue
            cells = ["" if np.isnan(c) else f"{c:+.3f}" for c in changes]
            mean = f"{known.mean():+.3f}"
            if len(seeds) > 1:
                mean += f" ± {np.sqrt((known.var(axis=1, ddof=1) / len(seeds)).sum()) / len(known):.3f}"
            body.append([f"without {lever}", *cells, mean])
        title = f"Usefulness at epsilon {epsilon:g}, and the change without each lever: means of {len(seeds)} split(s)"
        out.append(list_table(title, ["", *names, "mean and its standard error"], body, Path(__file__).name))
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", help="names of tables, with commas; all if left out")
    parser.add_argument("--epsilons", default="1")
    parser.add_argument("--levers", help="names of levers, with commas; all if left out")
    parser.add_argument("--widen", type=float, default=1.0, help="how many times as wide intervals are declared")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "ablations.csv")
    parser.add_argument("--table", type=Path, default=ROOT / "doc" / "tables" / "ablations.rst")
    options = parser.parse_args()
    tables = all_tables(options.data, options.tables and options.tables.split(","))
    levers = options.levers.split(",") if options.levers else list(LEVERS)
    epsilons, seeds = [float(e) for e in options.epsilons.split(",")], [int(s) for s in options.seeds.split(",")]
    rows = []
    for row in run(tables, epsilons, seeds, levers, options.widen):
        rows.append(row)
        print(*row.values(), flush=True)
    write_csv(options.csv, rows)
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(summary(rows))
    print(summary(rows))


if __name__ == "__main__":
    main()
