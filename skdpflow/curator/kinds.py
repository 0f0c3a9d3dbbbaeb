"""Every kind of request that is answered by a sum over rows, or by a line for each row."""

from __future__ import annotations

from typing import Any

from skdpflow.curator.records import Records
from skdpflow.curator.statistics import STATISTICS

__all__ = ["KINDS"]

#: What can be asked for beside ``"select_pairs"``: sums over rows, and one line per row.
KINDS: dict[str, Any] = {**STATISTICS, "records": Records}
