"""The report on the quality of synthetic rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skdpflow._html import fragment, page
from skdpflow._validation import check_choice
from skdpflow.inspection._shown import html_of, lines_of
from skdpflow.inspection._tabular import PARTS, records

__all__ = ["QualityReport"]


@dataclass(frozen=True, repr=False)
class QualityReport:
    """How close synthetic rows are to what was measured, and how close they could be seen to be.

    Made by :meth:`skdpflow.DPSlicedWassersteinFlow.quality_report`; ``print`` it.

    Parameters
    ----------
    content : mapping
        What `to_json` writes.

    Attributes
    ----------
    private_rows : bool
        Whether the report was made with rows in hand. It is a look at private rows then, outside the guarantee, and
        each export says so. Otherwise it is a function of the Release, and as public.

    See Also
    --------
    MarginalsDisplay : Columns as they were measured, beside synthetic ones.

    Notes
    -----
    Each measured number is compared with the one that the synthetic rows give. The noise of the Release is known, so
    the difference is told in its standard deviations (z). A number stands out if its z is larger than chance gives
    anywhere in one report of 200. A table of numbers also stands out if a chi-squared test of all of its numbers has a
    p-value below 0.005, divided by the number of tables. So if the rows were distributed exactly like the sample, one
    report in 100 would mark anything.

    The model was fitted to these measurements. That they agree is no proof that the rows are right. That they differ
    means that the model did not learn what was measured.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> X = np.random.default_rng(0).uniform(size=(2000, 2))
    >>> report = DPSlicedWassersteinFlow(domain=(0, 1), random_state=0).fit(X).quality_report(random_state=0)
    >>> report.private_rows
    False
    >>> report.to_frame("columns")["name"].tolist()
    ['x0', 'x1']
    """

    content: Mapping[str, Any]

    @property
    def private_rows(self) -> bool:
        """Whether it is a look at private rows, outside the guarantee."""
        return self.content["private_rows"] is not None

    def to_json(self, indent: int | None = 2) -> str:
        """Return the report as JSON.

        Parameters
        ----------
        indent : int or None, default=2
            Spaces of indentation; None writes one line.

        Returns
        -------
        text : str
            The JSON. Of a report with rows in hand, its ``"notice"`` says that it is not to be shared.
        """
        return json.dumps(self.content, indent=indent, allow_nan=False)

    def to_frame(self, part: str = "measured") -> Any:
        """Return one table of the report.

        Parameters
        ----------
        part : {"measured", "columns", "row_columns", "row_pairs"}, default="measured"
            Which table: everything that was measured, beside the sample; how finely each column was measured; and, if
            the report was made with rows in hand, the exact comparison of columns or of pairs of columns.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each comparison. Of a report with rows in hand, its column ``"notice"`` says that it is not to
            be shared.

        Raises
        ------
        ValueError
            If there is no such table, or it needs rows.
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError('Tables need pandas. Install it with: pip install "skdpflow[frames]"') from error
        part = check_choice(type(self).__name__, "part", part, PARTS)
        return pd.DataFrame(records(self.content, part))

    def to_html(self) -> str:
        """Return the report as a page of one file, without scripts and without anything from elsewhere.

        Returns
        -------
        text : str
            The page; write it to a file with the encoding UTF-8.
        """
        return page("Quality of synthetic rows", html_of(self.content))

    def _repr_html_(self) -> str:
        return fragment(html_of(self.content))

    def __str__(self) -> str:
        return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines_of(self.content))

    def __repr__(self) -> str:
        notice = self.content["notice"]
        marked = sum(own["stands_out"] for own in self.content["measured"])
        text = f"<QualityReport of {len(self.content['measured'])} comparisons, {marked} stand out>"
        return text if notice is None else f"{text} {notice}"
