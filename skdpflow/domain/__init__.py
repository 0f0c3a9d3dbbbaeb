"""Public knowledge about a table: its columns, their values, names and dtypes."""

from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.domain import Domain
from skdpflow.domain.grid import FINE_LEVELS
from skdpflow.domain.reading import column_from_dict
from skdpflow.domain.unmeasured import Constant, Key

__all__ = ["FINE_LEVELS", "Categories", "Column", "Constant", "Domain", "Interval", "Key", "column_from_dict"]
