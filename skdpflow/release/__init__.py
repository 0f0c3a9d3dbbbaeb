"""What crosses the border between raw rows and everything else, and what it states."""

from skdpflow.release.measurement import Measurement, rounded_normal_pmf, rounded_normal_sd
from skdpflow.release.release import Release

__all__ = ["Measurement", "Release", "rounded_normal_pmf", "rounded_normal_sd"]
