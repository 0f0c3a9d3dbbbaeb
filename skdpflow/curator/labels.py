"""Class labels found privately: noisy counts of the labels present, published above a threshold."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from skdpflow.accountants import ComposedEvent, ThresholdEvent
from skdpflow.curator.cells import quiet
from skdpflow.curator.encode import RowSource
from skdpflow.release import Measurement

if TYPE_CHECKING:
    from skdpflow.curator.curator import Curator

#: Most distinct labels that count as classes. Of more labels, only the most frequent could pass the threshold.
MAX_LABELS = 1000


def find_labels(
    source: RowSource, curator: Curator, neighbours: str, share: float, delta: float, most: int = MAX_LABELS
) -> tuple[list[Any], Measurement]:
    r"""Find the class labels that occur often enough.

    Notes
    -----
    Counts of labels that both neighbours have change by at most 1 in one place (add-remove) or two (replace-one): L2
    sensitivity 1 or :math:`\sqrt 2`. A label that only one of them has counts 1 there, and is published if
    :math:`1 + \mathrm{rint}(N(0, s^2)) \ge T`. With :math:`T = 1 + \lceil s\,\Phi^{-1}(1 - \delta') + 1/2\rceil` that
    has probability at most :math:`\delta'`. Under replace-one both neighbours may have a label of their own, so each
    gets half of `delta`; noise is drawn for labels that are present only, which is what the threshold pays for.
    """
    sensitivity = 1.0 if neighbours == "add-remove" else float(np.sqrt(2.0))
    each = delta if neighbours == "add-remove" else delta / 2
    gaussian = curator.event(share)
    event = ComposedEvent((gaussian, ThresholdEvent(delta)))
    curator.ledger.debit(event, "labels")
    scale = sensitivity * gaussian.noise_multiplier
    threshold = 1 + int(np.ceil(-scale * ndtri(each) + 0.5))

    counts: Counter[Any] = Counter()
    with quiet():
        for _, labels in source.label_blocks():
            counts.update(label for label in labels if label is not None)
    # an order that does not depend on the rows
    present = sorted(counts, key=lambda label: (type(label).__name__, label))
    noisy = np.array([counts[label] for label in present], dtype=np.int64)
    noisy = noisy + curator.draw(scale, noisy.shape, differing=2)
    passed = np.flatnonzero(noisy >= threshold)
    if passed.size > most:
        passed = np.sort(passed[np.argsort(-noisy[passed], kind="stable")[:most]])
    found = [present[i] for i in passed]
    params = {"labels": found, "threshold": threshold}
    return found, Measurement("labels", "labels", params, noisy[passed], np.array([scale]), sensitivity, event)
