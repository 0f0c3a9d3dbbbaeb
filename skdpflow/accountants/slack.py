r"""What floating-point arithmetic may change of a guarantee, and what is held back for it.

Noise is drawn in double precision. Where the interval of an integer begins, at :math:`b` standard deviations, the
computed draw is off by at most :math:`8 b` units of :math:`2^{-53}`: one for the product, seven for :math:`z` (see
`skdpflow.curator.noise.half_normal`); and the uniform has 53 digits, which is two units of the probability beyond. So
probability of at most :math:`2^{-53} (8 b \varphi(b) + 2 \Phi(-b))` moves across each boundary, and that of an integer
changes by a relative :math:`r`, in each of the two neighbours. For scales :math:`s \ge 1` its mean is below
:math:`17 s 2^{-53}`, and below :math:`17 \cdot 2^{-53}` for others. The sum of :math:`r` over :math:`m` coordinates
exceeds :math:`(m + 8) \max(s, 1) 2^{-48}` seldom (far out, :math:`r` grows as :math:`b^2` where :math:`s` is small),
and by less than :math:`m 2^{-60}` on average, which a test computes by Chernoff's bound. That is
:math:`(m + 8) \max(s, 1) 2^{-47}` in epsilon and :math:`m 2^{-60}` in delta, for both neighbours. Only coordinates that
differ between the neighbours count: the others have the same distribution, exact or not.
"""

from __future__ import annotations

#: Shares of epsilon and delta that are held back for floating-point arithmetic, before the noise is calibrated.
EPSILON_SLACK = 2.0**-12
DELTA_SLACK = 2.0**-8
#: Part of the slack that a mechanism may plan with; the rest is for selections and what is found before the plan.
PLAN_SLACK = 0.875


def differing(touched: int, neighbours: str) -> int:
    """Return in how many coordinates neighbours may differ: a replaced row leaves some and enters others."""
    return touched * (1 if neighbours == "add-remove" else 2)


def draw_slack(differing: int, scale: float) -> float:
    """Return the epsilon that rounding a draw may cost."""
    return (differing + 8) * max(scale, 1.0) * 2.0**-47
