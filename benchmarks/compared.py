"""The tables of the page "Compared with other tools" and of the README: several seeds with their errors.

    python benchmarks/compared.py                               # write the tables from compared.csv
    python benchmarks/compared.py --replace skdpflow ours.csv   # first put new rows of one method into compared.csv

compared.csv has one row for each fit: the scores on real test rows of a linear model (lr), a random forest (rf) and
gradient boosting (hgb) that were trained on synthetic rows; the sliced Wasserstein-2 distance to the test rows (sw2);
the mean total variation of single columns (tv1); and the processor time of the fit (fit_s).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from tables import ROOT, list_table

FILE = Path(__file__).with_name("compared.csv")
FIELDS = ("dataset", "method", "eps", "seed", "lr", "rf", "hgb", "sw2", "tv1", "fit_s")
NAMES = {
    "real": "real rows",
    "skdpflow": "skdpflow",
    "mbi-aim-default": "AIM, mbi, its defaults",
    "dpmm-aim-lite": "AIM, dpmm, limited",
    "dpsynth-aim-gdp": "AIM, dpsynth",
    "dpsynth-mst": "MST, dpsynth",
    "dpsynth-swift": "SWIFT, dpsynth",
    "dpmm-mst-lite": "MST, dpmm, limited",
    "privpgd": "PrivPGD",
    "tab-pe": "Tab-PE",
    "dp-merf": "DP-MERF",
    "nb-marg": "noisy histograms by class",
    "sn-dpctgan": "DP-CTGAN, smartnoise",
    "sn-patectgan": "PATE-CTGAN, smartnoise",
    "dpswflow-authors-code": "the paper, its authors' code",
}
MEASURES = {
    "Usefulness (higher is better)": lambda r: np.mean([float(r[k]) for k in ("lr", "rf", "hgb")]),
    "Sliced Wasserstein-2 distance to other real rows (lower is better)": lambda r: float(r["sw2"]),
}


def recorded(path):
    """Return the rows of a file, with the fields that are compared."""
    with open(path, newline="") as opened:
        return [{k: row[k] for k in FIELDS} for row in csv.DictReader(opened) if row.get("status", "ok") == "ok"]


def cell(values):
    """Return the mean of some seeds, its standard error, and how many they are."""
    if not values:
        return ""
    error = f" ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{error} ({len(values)})"


def table(rows, title, measure, eps):
    """Return the table of one measure at one epsilon: methods down, tables across."""
    datasets = sorted({row["dataset"] for row in rows})
    lines = []
    for method, name in NAMES.items():
        own = [r for r in rows if r["method"] == method and (method == "real" or float(r["eps"]) == eps)]
        cells = [cell([measure(r) for r in own if r["dataset"] == dataset]) for dataset in datasets]
        if any(cells):
            lines.append([name, *cells])
    return list_table(f"{title}, epsilon {eps:g}", ["method", *datasets], lines, Path(__file__).name)


def peers(rows, eps=1.0):
    """Return the table of the README: usefulness of real rows, of skdpflow and of the best of the others."""
    measure, lines = MEASURES["Usefulness (higher is better)"], []
    for dataset in sorted({row["dataset"] for row in rows}):
        own = {}
        for row in rows:
            if row["dataset"] == dataset and (row["method"] == "real" or float(row["eps"]) == eps):
                own.setdefault(row["method"], []).append(measure(row))
        others = {method: values for method, values in own.items() if method not in ("real", "skdpflow")}
        best = max(others, key=lambda method: np.mean(others[method]))
        cells = [dataset, cell(own["real"]), cell(own.get("skdpflow", [])), cell(others[best]), NAMES[best]]
        lines.append("| " + " | ".join(cells) + " |")
    head = ["table", "real rows", "skdpflow", "best of the others", "which"]
    return "\n".join(["| " + " | ".join(head) + " |", "|---|---|---|---|---|", *lines])


def between_marks(text, name, new):
    """Put a text between <!-- NAME --> and <!-- /NAME -->."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = text.split(start)
    return f"{before}{start}\n{new}\n{end}{rest.split(end)[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replace", nargs=2, metavar=("METHOD", "CSV"), help="new rows of one method")
    given = parser.parse_args()
    rows = recorded(FILE)
    if given.replace:
        method, path = given.replace
        rows = [r for r in rows if r["method"] != method] + [r for r in recorded(path) if r["method"] == method]
        with FILE.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, FIELDS)
            writer.writeheader()
            writer.writerows(rows)
    parts = [table(rows, title, measure, eps) for title, measure in MEASURES.items() for eps in (1.0, 3.0)]
    (ROOT / "doc" / "tables" / "compared.rst").write_text("\n".join(parts), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(between_marks(readme.read_text(encoding="utf-8"), "peers", peers(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
