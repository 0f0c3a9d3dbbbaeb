"""What is computed from a Release and a synthetic sample: post-processing, which spends nothing."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from skdpflow.domain import Categories, Interval
from skdpflow.inspection._compare import FALSE_ALARMS, Compared, Limits, compare_counts, compare_moment
from skdpflow.inspection._moments import moments
from skdpflow.inspection._names import codes_name, column_names
from skdpflow.inspection._outside import comparable, outside_content, outside_shares
from skdpflow.inspection._sample import FEWEST, MOST, Sample
from skdpflow.inspection._tables import counted
from skdpflow.release import Release
from skdpflow.release.pooling import pooled
from skdpflow.release.size import Rows
from skdpflow.release.tables import histograms_of

REPORT_VERSION = 1
#: Never measured pairs and rare levels that are listed by name.
_LISTED = 1000
#: Why a measurement is not compared.
NO_WAY = "there is no comparison of this kind"
OUTSIDE = "rows lie outside of columns; synthetic ones lie at the bounds, and agreement is not to be expected"


def sample_size(release: Release) -> int:
    """Return as many rows as the Release estimates, within limits."""
    return int(np.clip(Rows.of(pooled(release).measurements).number, FEWEST, MOST))


def released_content(sample: Sample) -> dict[str, Any]:
    """Compare a sample with the Release that its model was learnt from."""
    release, n = pooled(sample.release), len(sample)
    rows = Rows.of(release.measurements)
    compared = [compare_counts(own, rows, n) for own in counted(sample, release.measurements)]
    compared += [compare_moment(own, rows, n) for own in moments(sample, release.measurements)]
    beyond = outside_shares(release, rows)
    left_out = [own for own in compared if not comparable(own, beyond)]
    compared = [own for own in compared if comparable(own, beyond)]
    limits = Limits.of(compared)
    compared.sort(key=lambda own: (own.p_value, -own.z))
    seen = {own.measurement for own in (*compared, *left_out)} | {"counts"}  # of all rows, if not of classes
    return {
        "format": "skdpflow-quality-report",
        "format_version": REPORT_VERSION,
        "notice": None,
        "guarantee": {
            "private": release.private,
            "epsilon": release.epsilon if release.private else None,
            "delta": release.delta if release.private else 1.0,
            "neighbours": release.neighbours,
        },
        "rows": {"estimated": rows.number, "standard_deviation": rows.sd},
        "n_samples": n,
        "z_limit": limits.z,
        "p_value_limit": limits.p_value,
        "false_alarms": FALSE_ALARMS,
        "measured": [own.to_dict(limits) for own in compared],
        "columns": _columns(release, rows, limits.z),
        "outside": outside_content(sample.release, beyond),
        "not_compared": [
            *({"name": m.name, "names": [], "why": NO_WAY} for m in release.measurements if m.name not in seen),
            *({"name": own.measurement, "names": list(own.names), "why": OUTSIDE} for own in left_out),
        ],
        "never_measured": _never(release, [*compared, *left_out]),
        "private_rows": None,
    }


def _columns(release: Release, rows: Rows, limit: float) -> list[dict[str, Any]]:
    """Describe how finely each column was measured, and which levels cannot be told from none."""
    names, out = column_names(release), {}
    for m in release.measurements:
        if m.kind != "histograms":
            continue
        sd = float(np.max(m.sd)) * len(m.values) ** 0.5
        for j, edges, counts in histograms_of(m):
            column, pooled_counts = release.declared[j], counts.sum(axis=0)
            within = edges[:-1] < column.n_values
            values = pooled_counts[within]
            held = np.maximum(values, 0.0)
            k = int(np.argmax(held))
            own: dict[str, Any] = {
                "name": names[j],
                "type": "categories" if isinstance(column, Categories) else "interval",
                "measurement": m.name,
                "n_bins": int(within.sum()),
                "smallest_visible_share": min(limit * sd / rows.number, 1.0),
                "largest_bin": float(held.max() / max(held.sum(), 1.0)),
                "largest_bin_is": codes_name(int(edges[k]), int(edges[k + 1]), column),
            }
            if isinstance(column, Interval):
                own["typical_width"] = _typical_width(column, edges[: int(within.sum()) + 1], held)
            own["too_rare"] = _too_rare(column, edges, values, limit * sd)
            own["missing"] = _missing(column, edges, pooled_counts, rows)
            out[names[j]] = own  # the last is that of all columns together
    return list(out.values())


def _typical_width(column: Interval, edges: Any, held: Any) -> str:
    """Return the width of the bin of a typical row."""
    ends = column.numbers(np.minimum(edges, np.nextafter(column.n_values, 0.0)).astype(np.float64))
    widths = np.diff(ends) + (column.integer and np.arange(len(held)) == len(held) - 1)
    order = np.argsort(widths)
    k = min(int(np.searchsorted(np.cumsum(held[order]), held.sum() / 2.0)), len(order) - 1)
    if not widths[order[k]] > 1e-12 * (column.upper - column.lower):
        return "a single value"
    unit = "" if column.unit is None else f" {column.unit}"
    return f"{widths[order[k]]:.3g}{unit}"


def _too_rare(column: Any, edges: Any, values: Any, least: float) -> list[str]:
    """Return levels, each counted by itself, whose count does not stand out of its noise."""
    if not isinstance(column, Categories):
        return []
    rare = [k for k in np.flatnonzero(values <= least).tolist() if edges[k + 1] - edges[k] == 1]
    return [codes_name(int(edges[k]), int(edges[k]) + 1, column) for k in rare[:_LISTED]]


def _missing(column: Any, edges: Any, counts: Any, rows: Rows) -> float | None:
    """Return the measured share of missing cells; None if the column has none."""
    if not column.nullable:
        return None
    own = counts[edges[:-1] == column.n_values]
    return float(np.clip(own.sum() / rows.number, 0.0, 1.0)) if own.size else None


def _never(release: Release, compared: list[Compared]) -> dict[str, Any]:
    """List what the Release holds no measurement of."""
    names = column_names(release)
    tables = {frozenset(own.names) for own in compared if own.of == "pair"}
    triples = {frozenset(own.names) for own in compared if own.of == "region" and len(own.names) == 3}
    inside = tables | {frozenset(pair) for own in triples for pair in combinations(own, 2)}
    pairs = [pair for pair in combinations(names, 2) if frozenset(pair) not in inside]
    linear = any(own.of == "moment" and len(own.names) == 2 for own in compared)
    d = len(names)
    return {
        "pairs": [list(pair) for pair in pairs[:_LISTED]],
        "n_pairs": len(pairs),
        "pairs_have_correlations": linear,
        "n_triples": d * (d - 1) * (d - 2) // 6 - len(triples),
        "n_all_pairs": d * (d - 1) // 2,
    }
