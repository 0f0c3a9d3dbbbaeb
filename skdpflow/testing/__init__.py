"""Contracts of plug-ins: run them on your own accountants, projection samplers and mechanisms."""

from skdpflow.testing._accountants import check_accountant
from skdpflow.testing._mechanisms import check_mechanism
from skdpflow.testing._projections import check_projection_sampler

__all__ = ["check_accountant", "check_mechanism", "check_projection_sampler"]
