"""The report on the quality of synthetic rows: what of it needs no rows, and what does."""

from __future__ import annotations

import json
from typing import Any

from skdpflow._flow.rows import comparison_of_rows
from skdpflow._validation import check_generator, check_int
from skdpflow.domain.check import LOOK
from skdpflow.inspection import QualityReport
from skdpflow.inspection._released import released_content, sample_size
from skdpflow.inspection._sample import Sample
from skdpflow.transport.model import Model


def report_of(estimator: Any, model: Model, X: Any, y: Any, n_samples: Any, random_state: Any) -> QualityReport:
    """Compare a synthetic sample with the Release, and with rows if there are any."""
    owner, release = type(estimator).__name__, estimator.release_
    n = sample_size(release) if n_samples is None else check_int(owner, "n_samples", n_samples, 100)
    rng = check_generator(owner, "random_state", random_state)
    sample = Sample.draw(model, release, n, rng)
    content = released_content(sample)
    if X is not None:
        content |= {"notice": LOOK, "private_rows": comparison_of_rows(estimator, X, y, sample, rng)}
    return QualityReport(json.loads(json.dumps(content, allow_nan=False)))
