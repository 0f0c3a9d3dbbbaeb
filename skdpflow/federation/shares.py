r"""Shares of the noise: how much each site adds, and what the sum of all shares guarantees.

A measurement is to carry Gaussian noise of standard deviation :math:`s` that :math:`t` of :math:`m` sites cannot take
off. So each site adds a fresh share :math:`\mathrm{rint}(N(0, \tau^2))` with :math:`\tau = 2^k s / \sqrt{m - t}` to
:math:`2^k` times its sum, where :math:`k` is public and makes :math:`\tau \ge 8`. The sum over the sites is divided by
:math:`2^k` and rounded.

**The guarantee.** Of the :math:`m` shares, :math:`h = m - t` are unknown to a coalition of :math:`t` sites and whoever
reads the sum. We bound what such a reader learns from :math:`2^k c + S` with :math:`S = \sum_{i \le h}
\mathrm{rint}(G_i)`; further shares and the rounding are post-processing. Take one coordinate.

1. *An ideal sum.* Let :math:`U, V_1, \dots` be uniform on :math:`[-1/2, 1/2]`. Since :math:`P(\mathrm{rint}(Z) = n)` is
   the density of :math:`Z + U` at :math:`n`, the law :math:`g(n) = P(\mathrm{rint}(\sum_i G_i + V_1 + \dots +
   V_{h-1}) = n)` is the density :math:`f^{*h}` at :math:`n`, where :math:`f` is that of :math:`G_1 + U`. Adding the
   integer :math:`2^k c` before or after rint is the same. So :math:`2^k c + g` is *exactly* post-processing of the
   Gaussian mechanism :math:`2^k c + N(0, h \tau^2)`, with :math:`h \tau^2 = (2^k s)^2`: noise of :math:`s` beside
   :math:`c`.
2. *The true sum is the ideal one, but for aliasing.* The law of a share is :math:`f` at the integers. By Poisson's
   formula its characteristic function is :math:`\chi(x) = \sum_l \hat f(x + l)`, with
   :math:`|\hat f(x)| = |\mathrm{sinc}(x)| e^{-2 \pi^2 \tau^2 x^2}`. For :math:`|x| \le 1/2` it differs from
   :math:`\hat f(x)` by at most :math:`2.1 e^{-2 \pi^2 \tau^2 (1 - |x|)^2}`, and both are at most :math:`3.1 e^{-2
   \pi^2 \tau^2 x^2}`. So for :math:`h \ge 2` (for one share there is no difference), and all n,

   .. math::
       |P(S = n) - g(n)| \le \int_{-1/2}^{1/2} |\chi^h - \hat f^h| + \int_{|x| > 1/2} |\hat f|^h
       \le 2.1\, h\, 3.1^{h-1} e^{-2 \pi^2 \tau^2 (1 - 1/h)} + e^{-\pi^2 \tau^2 h / 2}
       \le e^{-500}

   for :math:`2 \le h \le 100` and :math:`\tau \ge 8`: the least of :math:`(1 - x)^2 + (h - 1) x^2` is :math:`1 - 1/h`,
   at :math:`x = 1/h`. Fewer than :math:`2^{35}` integers lie within 33 standard deviations, where :math:`\tau \le
   2^{24}`, and both laws have less than :math:`e^{-500}` beyond. So the total variation distance of the two is below
   :math:`e^{-470}`.
3. *Draws in double precision.* By `skdpflow.accountants.slack`, at most :math:`2^{-53} (8 b \varphi(b) + 2 \Phi(-b))`
   moves across a boundary at :math:`b` standard deviations. As :math:`2 \Phi(-b) \le 2.51 \varphi(b)`, the integer
   between boundaries at :math:`b_1 < b_2 \le 12` has at least :math:`\varphi(b_2) / \tau`, and :math:`\varphi(b_1) \le
   e^{(b_1 + b_2) / (2 \tau)} \varphi(b_2) \le e^{1.5} \varphi(b_2)`, its probability changes by a relative
   :math:`2^{-53} \tau \cdot 98.6 (1 + 4.49) < 2^{-43.9} \tau` at most. All draws of :math:`h` sites at the :math:`d`
   coordinates in which neighbours differ (others have one law in both) together: the law of what is drawn, and so that
   of its sum, is within a factor :math:`e^{\pm a}`, :math:`a = h d \tau 2^{-43.9}`, of the exact one, but for draws
   beyond 12 standard deviations, whose probability is below :math:`h d 2^{-104}`. Both neighbours: :math:`2 a \le h d
   \tau 2^{-42}`.
4. *The whole profile.* Let P', Q' be what two neighbours draw, and P, Q the ideal laws. For every set A,
   :math:`P'(A) \le e^a P(A) + \eta` and :math:`Q(A) \le e^a Q'(A) + \eta`, with :math:`\eta \le h d (2^{-104} +
   2^{-600})`. So :math:`P(A) \le e^\epsilon Q(A) + \delta` gives :math:`P'(A) \le e^{\epsilon + 2a} Q'(A) + e^a
   \delta + (1 + e^{\epsilon + a}) \eta`. For all :math:`\epsilon \le 32`, the last term is below :math:`h d
   2^{-56}`.

`Share.slack` states this as a `SlackEvent` of :math:`h d \tau 2^{-42}` and :math:`h d 2^{-56}`. Over adaptive rounds,
factors multiply and distances add, so the slacks add.

**Headroom.** Sums are taken modulo :math:`2^{64}`. With at most :math:`2^{36}` rows at a site, each of which changes an
entry by at most the sensitivity :math:`\Delta`, the sum stays below :math:`2^{62}` if :math:`2^k \Delta m \le 2^{26}`,
and the noise is far below :math:`2^{62}`: nothing wraps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.accountants import SlackEvent
from skdpflow.exceptions import FederationError

#: Least standard deviation of a share, before it is rounded, and the largest that is drawn.
LEAST_SD, MAX_SD = 8.0, 2.0**24
#: Most rows of a site, and what the scaled sensitivities of all sites together must not exceed.
MAX_ROWS, HEADROOM = 2**36, 2.0**26
_NO_ROOM = "The sums of a request could exceed 64 bits: it has too little noise, or too fine a lattice."


@dataclass(frozen=True, eq=False)
class Share:
    """What a site adds to its sum: the sum is shifted by some bits, and noise of a standard deviation comes on top.

    Parameters
    ----------
    shift : int
        The sum is multiplied by ``2**shift``.
    scale : ndarray of float64
        Standard deviation of the share of each coordinate, after the shift.
    honest : int
        How many shares nobody takes off.
    """

    shift: int
    scale: NDArray[np.float64]
    honest: int

    @classmethod
    def of(cls, scale: ArrayLike, sensitivity: float, n_sites: int, tolerates: int) -> Share:
        """Divide noise of standard deviation `scale`, which `tolerates` sites must not be able to remove."""
        honest = n_sites - tolerates
        if honest < 1:
            raise FederationError("A request must go to more sites than the federation tolerates.")
        each = np.asarray(scale, dtype=np.float64) / np.sqrt(honest)
        least, largest = float(each.min()), float(each.max())
        if not (0.0 < least and largest < np.inf):
            raise FederationError("The noise of a request must be positive and finite.")
        shift = max(0, math.ceil(math.log2(LEAST_SD) - math.log2(least)))
        if shift > 62:
            raise FederationError(_NO_ROOM)
        own = each * 2.0**shift
        if float(own.min()) < LEAST_SD:  # where the logarithm was rounded
            shift, own = shift + 1, own * 2.0
        if float(own.max()) > MAX_SD:
            raise FederationError(f"The noise of a request must be at most {MAX_SD:g} lattice units at each site.")
        if not 2.0**shift * sensitivity * n_sites <= HEADROOM:
            raise FederationError(_NO_ROOM)
        return cls(shift, own, honest)

    def slack(self, differing: int) -> SlackEvent:
        """Return what the sum of rounded shares, drawn by a computer, may add to the guarantee."""
        draws = float(self.honest * differing)
        return SlackEvent(draws * float(self.scale.max()) * 2.0**-42, draws * 2.0**-56)

    def back(self, total: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the sum of all answers, modulo 2**64, in the units of the statistic: halves go to the even side."""
        values = total.astype(np.uint64).view(np.int64)
        if not self.shift:
            return values
        whole = values >> self.shift
        rest, half = values - (whole << self.shift), np.int64(1) << np.int64(self.shift - 1)
        return np.asarray(whole + ((rest > half) | ((rest == half) & (whole % 2 == 1))))


def strength(n_sites: int, tolerates: int, pooling: int) -> float:
    r"""Return the mu against `pooling` sites over that against as many as are tolerated.

    Notes
    -----
    Without the shares of :math:`j` sites, noise of variance :math:`s^2 (m - j) / (m - t)` is left. All sites together
    have no noise left.
    """
    if pooling >= n_sites:
        return float("inf")
    return float(np.sqrt((n_sites - tolerates) / (n_sites - pooling)))
