"""
Your own projection sampler
===========================

A projection sampler chooses the directions along which rows are sliced. Any object with `needs`, `n_projections` and
`sample` will do. It sees the number of columns, a seed and, if it asks for them, released moments; it never sees a row.
"""

# %%
# Ten lines
# ---------
# This sampler takes the columns themselves first, and random orthonormal blocks after them.

import numpy as np
from sklearn.base import BaseEstimator


class AxesFirst(BaseEstimator):
    needs = ()  # nothing but the dimension

    def __init__(self, n_projections=None):
        self.n_projections = n_projections  # None: as many as the mechanism asks for

    def sample(self, n_features, *, n_projections, seed, moments=None):
        rng, blocks = np.random.default_rng(seed), [np.eye(n_features)]
        while len(blocks) * n_features < n_projections:
            blocks.append(np.linalg.qr(rng.standard_normal((n_features, n_features)))[0])
        return np.hstack(blocks)[:, :n_projections]


# %%
# The contract is tested in one line: unit columns, the same ones for the same seed, and a sampler that survives
# cloning and pickling. Put it into your own tests.

from skdpflow.testing import check_projection_sampler

check_projection_sampler(AxesFirst())

# %%
# What directions cost
# --------------------
# Where records are projected, a replaced row can change its line by the length of the largest difference of two
# rows times the largest singular value of the matrix of directions. Whole blocks of orthonormal directions keep
# that as small as it can be; independent directions do not. Histograms of slices do not care: there a row changes
# one count per direction, whatever the directions are.

import matplotlib.pyplot as plt

from skdpflow.projections import OrthogonalProjections, UniformProjections, spectral_norm

samplers = {
    "own": (AxesFirst(), "#d55e00", "-"),
    "orthogonal": (OrthogonalProjections(), "#0072b2", "--"),
    "uniform": (UniformProjections(), "#009e73", "-"),
}
fig = plt.figure(figsize=(10, 4), layout="constrained")
grid = fig.add_gridspec(1, 4, width_ratios=[1, 1, 1, 2.2])
for i, (name, (sampler, colour, _)) in enumerate(samplers.items()):
    ax = fig.add_subplot(grid[i])
    x, y = sampler.sample(2, n_projections=6, seed=1)
    ax.plot(np.stack([-x, x]), np.stack([-y, y]), color=colour, lw=2)
    ax.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.8"))
    ax.set(title=name, aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    ax.axis("off")
ax = fig.add_subplot(grid[3])
numbers = np.arange(1, 41)
for name, (sampler, colour, style) in samplers.items():
    norms = [spectral_norm(sampler.sample(10, n_projections=k, seed=0)) for k in numbers]
    ax.plot(numbers, norms, style, color=colour, label=name)
ax.plot(numbers, np.maximum(1, np.sqrt(numbers / 10)), ":", color="0.3", label="no sampler can do better")
ax.set(xlabel="number of directions in 10 dimensions", ylabel="largest singular value", ylim=(0.9, 3.4))
ax.set_title("Noise of projected records grows with it")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="upper left")
fig.suptitle("Six directions in the plane", x=0.23, fontsize="large")
plt.show()

# %%
# Use it
# ------
# An object goes where a name would go, and its parameters are nested ones, as in a grid search. The default
# mechanism measures slices where the table is large enough for them; here it is told to measure twenty-four, eight
# of them along the columns of a space that released moments have made round.

from sklearn.datasets import load_digits

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.mechanisms import MarginalsMechanism

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8).sum(axis=1)  # how much ink there is in each of the eight columns of a picture
flow = DPSlicedWassersteinFlow(
    epsilon=3.0,
    delta=1e-5,
    domain=(0, 8 * 16),
    target=Categories(list(range(10))),
    mechanism=MarginalsMechanism(n_slices=24),
    projections=AxesFirst(),
    random_state=0,
)
flow.fit(X, y)
flow.release_["slices"]

# %%
# A sampler may insist on a number of directions of its own, and then its number is what counts.

flow.set_params(projections__n_projections=16).fit(X, y)
print(flow.release_["slices"])

# %%
# What was spent
# --------------
# There were two fits of the same rows, so what they spent adds up: for private rows, that would be the price of
# having changed one's mind.

from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, gdp_mu

mu = np.sqrt(2) * gdp_mu(3.0, 1e-5)
print("each fit:", flow.privacy_spent_)
print(f"both fits: ({GaussianDPAccountant().epsilon(GaussianEvent(1 / mu), 1e-5):.2f}, 1e-05)")
print(flow.privacy_statement())
