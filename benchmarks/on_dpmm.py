"""MST and AIM of the package dpmm, for comparison. Neighbours: add-remove."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from discrete import Bins
from dpmm.pipelines import AIMPipeline, MSTPipeline


def fit(kind, table, X, y, epsilon, delta, seed, *, n_bins, n_iterations, max_model_size):
    """Return a function that samples n rows and their y."""
    rng = np.random.default_rng(seed)
    bins = Bins(table, n_bins)
    codes = pd.DataFrame(bins.encode(X, y))
    pipeline = (MSTPipeline if kind == "mst" else AIMPipeline)(
        epsilon=epsilon,
        delta=delta,
        n_jobs=1,
        max_model_size=max_model_size,
        gen_kwargs={"n_iters": n_iterations},
        disable_processing=True,
    )

    def sample(n):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bins.decode(pipeline.generate(n_records=n, random_state=seed), rng)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(codes, domain=dict(zip(bins.names, bins.sizes, strict=True)), random_state=seed)
    return sample
