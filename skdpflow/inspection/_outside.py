"""Columns of which rows lie outside: these come out at the bounds, but were counted elsewhere in later rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skdpflow.domain.check import percent
from skdpflow.domain.codes import outside_of
from skdpflow.inspection._compare import Compared
from skdpflow.inspection._names import column_names
from skdpflow.release import Release
from skdpflow.release.mismatch import mismatches
from skdpflow.release.size import Rows
from skdpflow.release.tables import histograms_of

#: Standard deviations from which on a count outside is taken for rows.
_STANDS = 3.0


def outside_shares(release: Release, rows: Rows) -> dict[str, dict[str, float]]:
    """Return, of each column with rows outside, their shares by how they lie outside."""
    names, found = column_names(release), dict[str, dict[str, float]]()
    for m in release.measurements:
        if m.kind != "histograms":
            continue
        sd = float(np.max(m.sd)) * len(m.values) ** 0.5
        for j, edges, counts in histograms_of(m):
            column = release.declared[j]
            for k, how in enumerate(outside_of(column)):
                own = float(counts[:, edges[:-1] == column.n_levels + k].sum())
                if own > _STANDS * sd + 0.5:
                    found.setdefault(names[j], {})[how] = min(own / rows.number, 1.0)
    return found


def outside_content(release: Release, found: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Describe what lies outside of declared columns, and of bounds that were found."""
    out = [mismatch.to_dict() for mismatch in mismatches(release)]
    if "bounds" not in release:
        return out
    for name, shares in found.items():
        for how, share in shares.items():
            text = f"about {percent(share)} of {name!r} lies {how} the bounds that were found, and comes out at them"
            if how in ("below", "above"):
                out.append({"column": name, "outside": how, "share": share, "text": text})
    return out


def comparable(own: Compared, found: Mapping[str, Mapping[str, float]]) -> bool:
    """Say whether the sample should agree with a measurement, though rows lie outside of columns."""
    if own.of in ("column", "target"):
        return True
    if own.of == "location":
        return not found.get(own.names[0])
    beyond = {name for name, shares in found.items() if {"below", "above"} & set(shares)}
    return not (beyond if own.of in ("slice", "moment") else beyond & set(own.names))
