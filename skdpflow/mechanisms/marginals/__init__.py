"""The default mechanism: histograms, moments, slices, tables and partitions, measured centrally."""

from skdpflow.mechanisms.marginals.mechanism import MarginalsMechanism

__all__ = ["MarginalsMechanism"]
