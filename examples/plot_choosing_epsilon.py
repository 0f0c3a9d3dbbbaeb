"""
Choosing epsilon
================

A smaller epsilon protects more and teaches less. How much less depends on the table: its rows, its columns and its
classes. Here are the curves of two tables, so that you can guess where yours will be.
"""

# %%
# Two public tables
# -----------------
# Handwritten digits have 64 columns and ten classes; three kinds of wine have 13 columns, and few rows. Both are
# public, which is why we may fit them as often as we like and look at the scores. Doing the same with private rows
# would spend a budget in every fit, and once more in every score.

import numpy as np
from sklearn.datasets import load_digits, load_wine

wine_bounds = {  # what an expert would say about any wine
    "alcohol": (8, 16),
    "malic_acid": (0, 8),
    "ash": (1, 4),
    "alcalinity_of_ash": (8, 32),
    "magnesium": (60, 180),
    "total_phenols": (0, 5),
    "flavanoids": (0, 6),
    "nonflavanoid_phenols": (0, 1),
    "proanthocyanins": (0, 5),
    "color_intensity": (0, 15),
    "hue": (0, 2),
    "od280/od315_of_diluted_wines": (1, 5),
    "proline": (200, 2000),
}
lower, upper = np.array(list(wine_bounds.values()), dtype=float).T
tables = {
    "digits": (load_digits(return_X_y=True), (0, 16)),
    "wine": (load_wine(return_X_y=True), (lower, upper)),
}

# %%
# One curve per table
# -------------------
# For each epsilon a few fits, each with fresh noise. A logistic regression learns from the synthetic rows and is
# judged on real rows that were set aside.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdpflow import Categories, DPSlicedWassersteinFlow

epsilons = [0.3, 1.0, 3.0, 10.0, 30.0]
n_fits = 4
delta = 1e-5
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))

curves, ceilings, floors, guarantees = {}, {}, {}, []
for name, ((X, y), domain) in tables.items():
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
    label = f"{name}: {len(X_train)} rows, {X.shape[1]} columns, {len(np.unique(y))} classes"
    ceilings[label] = model.fit(X_train, y_train).score(X_test, y_test)
    floors[label] = np.bincount(y_test).max() / len(y_test)
    curves[label] = np.empty((len(epsilons), n_fits))
    for i, epsilon in enumerate(epsilons):
        for j in range(n_fits):
            flow = DPSlicedWassersteinFlow(
                epsilon, delta, domain=domain, target=Categories(np.unique(y).tolist()), random_state=j
            )
            X_new, y_new = flow.fit(X_train, y_train).sample_labeled(1000, random_state=0)
            curves[label][i, j] = model.fit(X_new, y_new).score(X_test, y_test)
            if name == "digits":
                guarantees.append(flow.privacy_spent_)

# %%
# Points are means and bars go from the worst to the best fit. A fit can be lucky or unlucky: the bars are as much a
# part of the answer as the points, because with private rows there is one fit and nobody knows which.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
for label, colour, marker, shift in zip(curves, ["#0072b2", "#d55e00"], "os", [0, 1], strict=True):
    scores = curves[label]
    mean = scores.mean(axis=1)
    bars = np.abs(np.stack([scores.min(axis=1), scores.max(axis=1)]) - mean)
    places = np.multiply(epsilons, 0.97 + 0.06 * shift)  # side by side
    ax.errorbar(places, mean, bars, color=colour, marker=marker, capsize=4, label=label)
    ax.axhline(ceilings[label], color=colour, ls=(5 * shift, (5, 5)), lw=1.2)
    ax.axhline(floors[label], color=colour, ls=":", lw=1.2)
ax.plot([], [], "--", color="0.3", label="trained on the real rows")
ax.plot([], [], ":", color="0.3", label="always the most frequent class")
ax.set_xscale("log")
ax.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])
ax.minorticks_off()
ax.set(xlabel="epsilon", ylabel="accuracy on real held-out rows", ylim=(0, 1.02))
ax.set_title("What a model learns from the synthetic rows")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", framealpha=1, edgecolor="white")
plt.show()

# %%
# What can be known without any rows
# ----------------------------------
# How much noise a budget means does not depend on the rows. The noise multiplier below is the standard deviation of
# the noise that a single count would get if the whole budget went to it. A plan shares the budget among many counts,
# each of which gets several times that. Groups of rows that are not much larger cannot be told from noise, whatever is
# done with it.

from skdpflow.accountants import noise_multiplier

print("epsilon   noise multiplier")
for epsilon in epsilons:
    print(f"{epsilon:7g}{noise_multiplier(epsilon, delta):19.3f}")

# %%
# So choose epsilon before you see the private rows: by what you owe to the people in the table, checked against
# public tables of a similar shape.
#
# What was spent
# --------------
# Each fit spent its own epsilon. If the digits had been private, publishing all of these fits would have cost more
# than any one of them: Gaussian mechanisms compose by adding the squares of their mu. (The scores are not even in
# this sum.)

from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, gdp_mu

mu = np.sqrt(sum(gdp_mu(*guarantee) ** 2 for guarantee in guarantees))
total = GaussianDPAccountant().epsilon(GaussianEvent(1 / mu), delta)
print(f"one fit: {guarantees[0]} to {guarantees[-1]}; all {len(guarantees)} together: ({total:.1f}, {delta})")
print(flow.privacy_statement())
