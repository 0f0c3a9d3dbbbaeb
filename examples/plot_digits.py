"""
Private images: digits from principal components
================================================

A table of 64 pixels is wide for its 1,797 rows. :class:`~skdpflow.preprocessing.DPPCA` learns the few directions in
which images differ, :class:`~skdpflow.DPSlicedWassersteinFlow` learns the images along them, and
:class:`~skdpflow.compose.GenerativePipeline` splits one budget over both.
"""

# %%
# One pipeline, one budget
# ------------------------
# Pixels lie between 0 and 16, and the labels are the ten digits: that is public. The flow needs no domain, as it is
# handed the
# one that the first step releases. 1,797 rows in ten classes are few, so epsilon is 10 here.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.compose import GenerativePipeline
from skdpflow.preprocessing import DPPCA

X, y = load_digits(return_X_y=True)
pipe = GenerativePipeline(
    [
        ("pca", DPPCA(domain=(0.0, 16.0))),
        ("flow", DPSlicedWassersteinFlow(target=Categories(list(range(10))), random_state=0)),
    ],
    epsilon=10.0,
    delta=1e-5,
).fit(X, y)
print(pipe["pca"].n_components_, "components stand out of the noise")

# %%
# `sample_labeled` goes back through the components, so what comes out are images.

images, labels = pipe.sample_labeled(2000, random_state=0)

rng = np.random.default_rng(0)
fig, axes = plt.subplots(2, 1, figsize=(7, 6.2), layout="constrained")
for ax, title, rows, classes in [(axes[0], "real digits", X, y), (axes[1], "private digits", images, labels)]:
    picks = [rows[rng.choice(np.flatnonzero(classes == digit), 4)] for digit in range(10)]
    framed = [np.pad(p.reshape(4, 8, 8), ((0, 0), (1, 1), (1, 1))) for p in picks]
    tiles = np.concatenate([np.concatenate(list(p), axis=0) for p in framed], axis=1)
    ax.imshow(tiles, cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(title, loc="left")
    ax.axis("off")
plt.show()

# %%
# A classifier that never saw a real image
# ----------------------------------------
# It is scored on the rows that the pipeline was fitted to: a look at them, which the guarantee does not cover.
# These are public.

from sklearn.svm import SVC

print(f"accuracy on real digits: {SVC(gamma='scale').fit(images, labels).score(X, y):.2f}")

# %%
# What was spent
# --------------
# Budgets of Gaussian mechanisms add up in their squares, so the two epsilons sum to more than the pipeline's.

print("pipeline:", pipe.privacy_spent_)
for name, release in pipe.releases_.items():
    print(f"{name}: epsilon {release.epsilon:.2f} by itself")
print(pipe.privacy_statement())
