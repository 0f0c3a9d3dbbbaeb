"""What finding bounds costs, by its share of the budget: usefulness with domain=None against declared bounds.

    python benchmarks/found_bounds.py --data FOLDER --tables magic,penbased,california --epsilons 1,0.3

Tables of numbers only: categories have to be declared. The share is replaced while a fit runs.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from unittest import mock

import numpy as np
from tables import all_tables, fitted, usefulness

#: Modules that use the share.
WHERE = ("skdpflow.curator.fits.BOUNDS_SHARE", "skdpflow.curator.measure.BOUNDS_SHARE")


def mean(table, epsilon, share, seeds):
    """Mean usefulness, with declared bounds if the share is None."""
    out = []
    for seed in range(seeds):
        X, X_test, y, y_test = table.split(seed)
        with ExitStack() as stack:
            for where in WHERE if share else ():
                stack.enter_context(mock.patch(where, share))
            flow = fitted(replace(table, domain=None) if share else table, X, y, epsilon, seed)
        out.append(usefulness(table, *flow.sample_labeled(len(X), random_state=seed), X_test, y_test, seed))
    return float(np.mean(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", default="breast_cancer,digits")
    parser.add_argument("--epsilons", default="1,0.3")
    parser.add_argument("--shares", default="0.1,0.04,0.02")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    shares = [None, *map(float, options.shares.split(","))]
    print("dataset epsilon", *(share or "declared" for share in shares))
    for table in all_tables(options.data, options.tables.split(",")):
        for epsilon in map(float, options.epsilons.split(",")):
            print(table.name, epsilon, end=" ")
            for share in shares:
                print(f"{mean(table, epsilon, share, options.seeds):.3f}", end=" ", flush=True)
            print(flush=True)


if __name__ == "__main__":
    main()
