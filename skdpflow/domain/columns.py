"""What a measured column can be."""

from skdpflow.domain.categories import Categories
from skdpflow.domain.interval import Interval

__all__ = ["Categories", "Column", "Interval"]

Column = Interval | Categories
