"""skdpflow beside other private synthesisers, on real tables.

    python benchmarks/peers.py                        # all methods on the tables that scikit-learn ships
    python benchmarks/peers.py --data FOLDER          # and on those of a folder: see tables.py
    python benchmarks/peers.py --methods skdpflow     # ours only; the recorded rows of the others are kept

requirements-peers.txt says what to install. Methods: skdpflow with its defaults; AIM and MST on mbi (on_mbi.py) and
of dpmm (on_dpmm.py), DP-MERF (dp_merf.py). All get the same training rows, public domain, epsilon and delta, under
add-remove neighbours, and sample as many rows as there are training rows. One thread each, one after the other; times
are seconds of processor time, which other work on the machine changes little.

On mbi, MST and AIM have the iterations of their authors' scripts, and AIM a model of 10 MB instead of 80. Those of
dpmm are given fewer iterations than its defaults (10,000 and 1000) and AIM a model of 1 MB: with the defaults a single
fit can take hours. This makes them faster; some usefulness may be lost. A run that takes longer than --limit (of the
clock) is stopped and has no result. Compiling counts, as it does for whoever fits a table once.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import multiprocessing
import os
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402
from tables import ROOT, all_tables, delta_for, distance, fitted, list_table, scores  # noqa: E402

METHODS = {
    "skdpflow": {},
    "mbi-mst": {"n_bins": 32, "n_iterations": 5000, "max_model_size": None},
    "mbi-aim": {"n_bins": 16, "n_iterations": 1000, "max_model_size": 10.0},
    "dpmm-mst": {"n_bins": 32, "n_iterations": 500, "max_model_size": None},
    "dpmm-aim": {"n_bins": 32, "n_iterations": 100, "max_model_size": 1.0},
    "dp-merf": {},
}
KEY = ("dataset", "method", "epsilon", "seed")


def prepare(method):
    """Import what a method needs, so that this is not timed, and return its fit."""
    if method == "skdpflow":

        def fit(*args):
            flow = fitted(*args)
            return lambda n: flow.sample_labeled(n, random_state=args[-1])

        return fit
    if method == "dp-merf":
        import dp_merf

        return dp_merf.fit
    library, kind = method.split("-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = importlib.import_module(f"on_{library}").fit
    return lambda *args, **settings: fit(kind, *args, **settings)


def work(pipe, method, table, epsilon, seed):
    """In a process of its own, so that it can be stopped and shares no cache."""
    X, X_test, y, y_test = table.split(seed)
    fit = prepare(method)
    start = time.process_time()
    if method == "skdpflow":
        sample = fit(table, X, y, epsilon, seed)
    else:
        sample = fit(table, X, y, epsilon, delta_for(len(X)), seed, **METHODS[method])
    middle = time.process_time()
    X_new, y_new = sample(len(X))
    end = time.process_time()
    each = scores(table, X_new, y_new, X_test, y_test, seed)
    sw2 = distance(table, X_new, y_new, X_test, y_test)
    pipe.send({**each, "util": float(np.mean(list(each.values()))), "sw2": sw2, "fit_s": middle - start,
               "sample_s": end - middle})  # fmt: skip


def run(method, table, epsilon, seed, limit):
    row = {"dataset": table.name, "method": method, "epsilon": epsilon, "seed": seed,
           "n_train": len(table.split(seed)[0]), "n_columns": table.X.shape[1]}  # fmt: skip
    if method == "real":
        X, X_test, y, y_test = table.split(seed)
        each = scores(table, X, y, X_test, y_test, seed)
        sw2 = distance(table, X, y, X_test, y_test)
        return {**row, "status": "ok", **each, "util": float(np.mean(list(each.values()))), "sw2": sw2}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, method, table, epsilon, seed), daemon=True)
    process.start()
    theirs.close()
    try:
        result = {"status": "ok", **ours.recv()} if ours.poll(limit) else {"status": f"over {limit:g} s"}
    except EOFError:
        result = {"status": "failed"}
    process.kill()
    process.join()
    return {**row, **result}


FIELDS = (*KEY, "status", "n_train", "n_columns", "linear", "forest", "boosting", "util", "sw2", "fit_s", "sample_s")


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for row in sorted(
            rows.values(), key=lambda r: (r["dataset"], float(r["epsilon"]), r["method"], int(r["seed"]))
        ):
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


def read(path):
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for field in ("epsilon", "linear", "forest", "boosting", "util", "sw2", "fit_s", "sample_s"):
            row[field] = float(row[field]) if row[field] else float("nan")
        row["seed"] = int(row["seed"])
    return {tuple(row[k] for k in KEY): row for row in rows}


def cell(rows, dataset, method, epsilon, field):
    found = [r for (d, m, e, _), r in rows.items() if (d, m, e) == (dataset, method, epsilon)]
    values = [r[field] for r in found if r["status"] == "ok" and not np.isnan(r[field])]
    if values:
        return float(np.mean(values))
    return next((r["status"] for r in found if r["status"] != "ok"), None)


def tabulate(rows, methods):
    """Usefulness, distance and seconds as RST tables; a mean over the seeds that were run."""
    cases = sorted({(d, e) for d, m, e, _ in rows if m == "skdpflow"})
    out = []
    for field, title, digits in (
        ("util", "Usefulness (higher is better)", 3),
        ("sw2", "Sliced Wasserstein-2 distance to the test rows (lower is better)", 3),
        (
            "seconds",
            "Processor seconds to fit and to sample as many rows, and how much faster than the fastest AIM or MST",
            2,
        ),
    ):
        shown = [m for m in methods if m != "real" or field != "seconds"]
        header = ["Table", "epsilon", *(m.replace("real", "real rows") for m in shown)]
        header += ["ratio"] if field == "seconds" else []
        body = []
        for dataset, epsilon in cases:
            values = []
            for m in shown:
                e = float("inf") if m == "real" else epsilon
                if field == "seconds":
                    parts = [cell(rows, dataset, m, e, f) for f in ("fit_s", "sample_s")]
                    values.append(sum(parts) if isinstance(parts[0], float) else parts[0])
                else:
                    values.append(cell(rows, dataset, m, e, field))
            line = [dataset, f"{epsilon:g}"]
            line += ["" if v is None else v if isinstance(v, str) else f"{v:.{digits}f}" for v in values]
            if field == "seconds":
                rivals = [v for m, v in zip(shown, values, strict=True) if m.endswith(("aim", "mst"))]
                rivals = [v for v in rivals if isinstance(v, float)]
                line.append(f"{min(rivals) / values[shown.index('skdpflow')]:.0f}x" if rivals else "")
            body.append(line)
        out.append(list_table(title, header, body, Path(__file__).name))
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with further tables")
    parser.add_argument("--tables", help="names of tables, with commas; all if left out")
    parser.add_argument("--methods", default=",".join(["real", *METHODS]))
    parser.add_argument("--epsilons", default="1")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which a run is stopped")
    parser.add_argument("--missing", action="store_true", help="only what is not recorded yet")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "peers.csv")
    parser.add_argument("--table", type=Path, default=ROOT / "doc" / "tables" / "peers.rst")
    options = parser.parse_args()
    tables = all_tables(options.data, options.tables and options.tables.split(","))
    for epsilon in map(float, options.epsilons.split(",")):
        for seed in map(int, options.seeds.split(",")):
            for table in sorted(tables, key=lambda t: t.X.size):
                for method in options.methods.split(","):
                    key = (table.name, method, np.inf if method == "real" else epsilon, seed)
                    if options.missing and key in read(options.csv):
                        continue
                    row = run(method, table, key[2], seed, options.limit)
                    # read again: another process may have written
                    write(options.csv, {**read(options.csv), key: row})
                    print(f"{table.name:14s} epsilon {epsilon:<4g} {method:9s} {row['status']:10s} "
                          f"util {row.get('util', np.nan):.3f} sw2 {row.get('sw2', np.nan):.3f} "
                          f"fit {row.get('fit_s', np.nan):.2f} s sample {row.get('sample_s', np.nan):.2f} s",
                          flush=True)  # fmt: skip
    text = tabulate(read(options.csv), ["real", *METHODS])
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
