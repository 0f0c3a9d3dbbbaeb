"""Public knowledge about a table: its columns, their values, names and dtypes."""

from skdpflow.domain.columns import FINE_LEVELS, Categories, Column, Interval, column_from_dict
from skdpflow.domain.domain import Domain

__all__ = ["FINE_LEVELS", "Categories", "Column", "Domain", "Interval", "column_from_dict"]
