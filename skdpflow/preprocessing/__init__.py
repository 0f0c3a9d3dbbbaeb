"""Transformers that are fitted privately and can be inverted."""

from skdpflow.preprocessing._pca import DPPCA
from skdpflow.preprocessing._quantiles import DPQuantileTransformer
from skdpflow.preprocessing._scaler import DPStandardScaler

__all__ = ["DPPCA", "DPQuantileTransformer", "DPStandardScaler"]
