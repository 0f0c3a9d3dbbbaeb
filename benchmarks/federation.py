"""How useful one model of several sites is, beside a pooled table and beside each site alone.

    python benchmarks/federation.py                  # tables that scikit-learn ships
    python benchmarks/federation.py --data FOLDER    # and those of a folder: see tables.py

The training rows are cut into five sites of 36, 26, 18, 12 and 8 % by the order of their first column, so that no site
has what the others have. The model of the federation tolerates 0, 1 or 4 sites that pool what they know.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from tables import ROOT, all_tables, delta_for, fitted, list_table, usefulness, write_csv
from threadpoolctl import threadpool_limits

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.federation import Agreement, Federation, Keys, Site

SHARES = (0.36, 0.26, 0.18, 0.12, 0.08)
TOLERATED = (0, 1, 4)


def sites_of(X):
    """Cut rows by the order of the first column."""
    order = np.argsort(X[:, 0], kind="stable")
    return np.split(order, np.rint(np.cumsum(SHARES[:-1]) * len(X)).astype(int))


@threadpool_limits.wrap(limits=1)
def federated(table, X, y, epsilon, tolerates, seed):
    """Fit a flow to five sites; the seeds of the noise make a benchmark repeatable."""
    delta = delta_for(len(X))
    keys = [Keys.generate(f"site{i}") for i in range(len(SHARES))]
    agreement = Agreement(
        {k.name: k.public for k in keys}, table.domain, table.target, epsilon=epsilon, delta=delta, tolerates=tolerates
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        sites = [
            Site(X[rows], y[rows], agreement=agreement, keys=k, noise_random_state=100 * seed + i)
            for i, (k, rows) in enumerate(zip(keys, sites_of(X), strict=True))
        ]
    flow = DPSlicedWassersteinFlow(epsilon, delta, domain=table.domain, target=table.target, random_state=seed)
    return flow.fit(Federation(sites))


def run(tables, epsilons, seeds):
    for table in tables:
        for seed in seeds:
            X, X_test, y, y_test = table.split(seed)

            def score(flow, n, table=table, seed=seed, X_test=X_test, y_test=y_test):
                return usefulness(table, *flow.sample_labeled(n, random_state=seed), X_test, y_test, seed)

            row = {"dataset": table.name, "score": "R2" if table.classes is None else "ROC-AUC", "seed": seed}
            real = usefulness(table, X, y, X_test, y_test, seed)
            yield {**row, "epsilon": np.inf, "who": "pooled", "usefulness": real}
            for epsilon in epsilons:
                found = {"pooled": score(fitted(table, X, y, epsilon, seed), len(X))}
                for tolerates in TOLERATED:
                    found[f"t={tolerates}"] = score(federated(table, X, y, epsilon, tolerates, seed), len(X))
                alone = [score(fitted(table, X[r], y[r], epsilon, seed), len(X)) for r in sites_of(X)]
                found |= {"best alone": max(alone), "mean alone": float(np.mean(alone))}
                for who, value in found.items():
                    yield {**row, "epsilon": epsilon, "who": who, "usefulness": value}


WHO = ("pooled", *(f"t={t}" for t in TOLERATED), "best alone", "mean alone")


def means(rows):
    """Mean over the seeds by table, epsilon and who."""
    groups = {}
    for r in rows:
        groups.setdefault((r["dataset"], float(r["epsilon"]), r["who"]), []).append(float(r["usefulness"]))
    return {key: float(np.mean(values)) for key, values in groups.items()}


def write_table(rows, path):
    mean, score = means(rows), {r["dataset"]: r["score"] for r in rows}
    lines = []
    for name in score:
        for epsilon in sorted({e for d, e, _ in mean if d == name and np.isfinite(e)}):
            cells = [f"{mean[name, epsilon, who]:.3f}" for who in WHO]
            lines.append([name, score[name], f"{epsilon:g}", f"{mean[name, np.inf, 'pooled']:.3f}", *cells])
    header = ["table", "score", "epsilon", "real rows", *WHO]
    path.write_text(list_table("Usefulness of synthetic rows of five sites", header, lines, "federation.py"))


def draw(rows, path):
    mean, names = means(rows), list(dict.fromkeys(r["dataset"] for r in rows))
    epsilons = sorted({e for _, e, _ in mean if np.isfinite(e)})
    figure, axes = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3.0), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], names, strict=True):
        for i, epsilon in enumerate(epsilons):
            values = [max(mean[name, epsilon, who], 0.0) for who in WHO]
            axis.plot(values, range(len(WHO)), "o", color=f"C{i}", label=f"epsilon {epsilon:g}")
        axis.axvline(mean[name, np.inf, "pooled"], color="grey", ls="--", label="real rows")
        score = next(r["score"] for r in rows if r["dataset"] == name)
        axis.set(title=name, xlabel=score, yticks=range(len(WHO)), yticklabels=WHO if axis is axes[0][0] else [])
        axis.invert_yaxis()
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", help="names of tables, with commas; all if left out")
    parser.add_argument("--epsilons", default="1,3")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "federation.csv")
    parser.add_argument("--table", type=Path, default=ROOT / "doc" / "tables" / "federation.rst")
    parser.add_argument("--picture", type=Path, default=ROOT / "doc" / "_static" / "federation.png")
    options = parser.parse_args()
    tables = all_tables(options.data, options.tables and options.tables.split(","))
    epsilons, seeds = (
        [kind(v) for v in text.split(",")] for kind, text in ((float, options.epsilons), (int, options.seeds))
    )
    rows = []
    for row in run(tables, epsilons, seeds):
        rows.append(row)
        print(*row.values(), flush=True)
        write_csv(options.csv, rows)
    write_table(rows, options.table)
    draw(rows, options.picture)


if __name__ == "__main__":
    main()
