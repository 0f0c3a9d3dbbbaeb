"""Time and memory of fits and of sampling, against rows, columns and classes.

    python benchmarks/scale.py benchmarks/scale.csv [--quick]
    python benchmarks/scale.py benchmarks/scale.csv --draw doc/_static/scale.png

Each line is measured in a new process on one thread. Times are CPU seconds. Since machines differ, and one machine is
slower at times, each line also has a scan: sorting every column of the same table, in the same process. The ratio of
the two tells more than the seconds. Memory is the most that the process held, less what it held before the fit, in
megabytes of 2**20 bytes; the table itself is not counted.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FIELDS = ["what", "rows", "columns", "classes", "cpu_seconds", "scan_seconds", "ratio", "megabytes", "outcome"]
#: What is measured: rows, columns and classes of a fit to an array; rows of a Parquet file of ten columns and two
#: classes; or rows and columns that the command line writes.
FITS = [
    *((rows, 10, 2) for rows in (10**4, 10**5, 10**6, 10**7)),
    *((20_000, columns, 0) for columns in (10, 50, 200, 784, 2_000, 5_000)),
    *((100_000, 8, classes) for classes in (10, 100, 1_000)),
]
FILES = [500_000, 5 * 10**6, 10**7, 5 * 10**7]
SAMPLES = [(10**5, 12), (10**6, 12)]
CHUNK, GROUP = 10_000, 250_000


def table(rows: int, columns: int, classes: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Normal columns with three common factors, and labels: of two classes, the sign of a noisy first column."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, columns)) / 2.0
    X = np.empty((rows, columns))
    for start in range(0, rows, CHUNK):
        part = X[start : start + CHUNK]
        part[:] = rng.normal(size=(len(part), 3)) @ weights + rng.normal(size=part.shape)
    if classes == 0:
        return X, None
    if classes == 2:
        return X, (X[:, 0] + rng.normal(size=rows) > 0).astype(int)
    return X, rng.integers(0, classes, rows)


def scan(X: np.ndarray) -> float:
    """CPU seconds of sorting every column."""
    start = time.process_time()
    for column in X.T:
        np.sort(column)
    return time.process_time() - start


def peak() -> float:
    """Most megabytes that this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def fit(rows: int, columns: int, classes: int) -> list[object]:
    """Fit to a table in memory."""
    from skdpflow import Categories, DPSlicedWassersteinFlow

    X, y = table(rows, columns, classes)
    scanned, before = scan(X), peak()
    target = Categories(list(range(classes))) if classes else None
    flow = DPSlicedWassersteinFlow(epsilon=1.0, delta=1e-6, domain=(-1000, 1000), target=target, random_state=0)
    start, outcome = time.process_time(), "fits"
    try:
        flow.fit(X, y)
    except ValueError as error:
        outcome = str(error)
    return line("fit", rows, columns, classes, time.process_time() - start, scanned, peak() - before, outcome)


def make_file(path: Path, rows: int) -> None:
    """Write a Parquet file in pieces."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 10)) / 2.0
    schema = pa.schema([*((f"x{j}", pa.float64()) for j in range(10)), ("y", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP):
            n = min(GROUP, rows - start)
            X = rng.normal(size=(n, 3)) @ weights + rng.normal(size=(n, 10))
            writer.write_table(pa.table([*X.T, (X[:, 0] + rng.normal(size=n) > 0).astype(np.int64)], schema=schema))


def fit_file(rows: int) -> list[object]:
    """Fit to a Parquet file, which another process writes, so that its memory does not count."""
    import pyarrow.parquet

    from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
    from skdpflow.files import TableFile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        maker = multiprocessing.get_context("spawn").Process(target=make_file, args=(path, rows))
        maker.start()
        maker.join()
        first = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        X = next(first.iter_batches(CHUNK, columns=[f"x{j}" for j in range(10)]))
        scanned = scan(np.column_stack([column.to_numpy() for column in X])) * rows / CHUNK
        domain = Domain({f"x{j}": Interval(-1000, 1000) for j in range(10)})
        flow = DPSlicedWassersteinFlow(1.0, 1e-9, domain=domain, target=Categories([0, 1]), random_state=0)
        before, start = peak(), time.process_time()
        flow.fit(TableFile(path, target="y"))
        seconds = time.process_time() - start
    return line("fit to Parquet", rows, 10, 2, seconds, scanned, peak() - before, "fits")


def write(rows: int, columns: int) -> list[object]:
    """Write synthetic rows to a Parquet file, as the command line does."""
    from skdpflow import Categories, DPSlicedWassersteinFlow
    from skdpflow.__main__ import main

    X, y = table(50_000, columns - 1, 2)  # and a column of labels
    flow = DPSlicedWassersteinFlow(
        epsilon=1.0, delta=1e-6, domain=(-1000, 1000), target=Categories([0, 1]), random_state=0
    ).fit(X, y)
    scanned = scan(table(rows, columns, 0)[0])
    with tempfile.TemporaryDirectory() as folder:
        kept, out = str(Path(folder) / "flow"), str(Path(folder) / "rows.parquet")
        flow.save(kept)
        before, start = peak(), time.process_time()
        main(["sample", kept, "-o", out, "-n", str(rows), "--seed", "0"])
        seconds = time.process_time() - start
    return line("sample to Parquet", rows, columns, 2, seconds, scanned, peak() - before, "written")


def draw(measured: Path, picture: str) -> None:
    """Draw CPU seconds of fits and scans against rows and against columns."""
    import matplotlib.pyplot as plt

    with open(measured, newline="") as file:
        every = list(csv.DictReader(file))
    lines = [own for own in every if own["what"] == "fit" and own["outcome"] == "fits"]
    files = {int(own["rows"]): float(own["cpu_seconds"]) for own in every if own["what"] == "fit to Parquet"}
    fits = {tuple(int(own[name]) for name in ("rows", "columns", "classes")): own for own in lines}
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), sharey=True, layout="constrained")
    by_rows = {rows: own for (rows, columns, classes), own in fits.items() if (columns, classes) == (10, 2)}
    by_columns = {columns: own for (rows, columns, classes), own in fits.items() if (rows, classes) == (20_000, 0)}
    for axis, sizes, label in zip(
        axes, (by_rows, by_columns), ("rows, of 10 columns and 2 classes", "columns, of 20,000 rows"), strict=True
    ):
        at = sorted(sizes)
        axis.loglog(at, [float(sizes[size]["cpu_seconds"]) for size in at], "o-", label="fit")
        axis.loglog(at, [float(sizes[size]["scan_seconds"]) for size in at], "s--", label="scan: every column sorted")
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].loglog(sorted(files), [files[rows] for rows in sorted(files)], "^:", label="fit to a Parquet file")
    axes[0].set_ylabel("CPU seconds, one thread")
    axes[0].legend()
    figure.savefig(picture, dpi=120)


def line(what: str, rows: int, columns: int, classes: int, cpu: float, scanned: float, mb: float, outcome: str):
    """One line of the csv."""
    return [what, rows, columns, classes, round(cpu, 2), round(scanned, 4), round(cpu / scanned, 1), round(mb), outcome]


def main() -> None:
    """Measure everything, each in a process of its own, and append each line as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="csv file")
    parser.add_argument("--quick", action="store_true", help="leave out what takes longer than about a minute")
    parser.add_argument(
        "--one", type=int, nargs="+", help="rows, columns and classes of one fit; rows; or rows and columns"
    )
    parser.add_argument("--draw", metavar="PNG", help="measure nothing: draw what the csv file has")
    given = parser.parse_args()
    if given.draw:
        draw(Path(given.output), given.draw)
        return
    if given.one:
        measured = {1: fit_file, 2: write, 3: fit}[len(given.one)](*given.one)
        with open(given.output, "a", newline="") as file:
            csv.writer(file).writerow(measured)
        return
    with open(given.output, "w", newline="") as file:
        csv.writer(file).writerow(FIELDS)
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    for size in (*FITS, *((rows,) for rows in FILES), *SAMPLES):
        if given.quick and size[0] * (*size, 10)[1] > 10**7:
            continue
        command = [sys.executable, __file__, given.output, "--one", *map(str, size)]
        if subprocess.run(command, env={**os.environ, **threads}, check=False).returncode:
            print("failed:", *size, file=sys.stderr)


if __name__ == "__main__":
    main()
