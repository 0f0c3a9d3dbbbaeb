"""
Quickstart: private rows in, synthetic rows out
===============================================

Fit a private model of a real table, draw synthetic rows from it, and see whether models trained on them work on
real rows that nobody has seen.
"""

# %%
# The rows to be protected
# ------------------------
# 569 women had a breast tumour examined. Each row holds measurements of the cell nuclei of one tumour, and whether it
# was malignant. We keep the ten columns that are averages over the nuclei, and set a third of the rows aside to judge
# the result.

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X, y = X.iloc[:, :10], y.map({0: "malignant", 1: "benign"})
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)

# %%
# What is public
# --------------
# The possible values of each column are public knowledge: they are what an expert would say before seeing any
# patient, and not the smallest and largest values in the table. Values outside are clipped.

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

domain = Domain(
    {
        "mean radius": Interval(0, 40),
        "mean texture": Interval(0, 50),
        "mean perimeter": Interval(0, 250),
        "mean area": Interval(0, 4000),
        "mean smoothness": Interval(0, 0.25),
        "mean compactness": Interval(0, 0.5),
        "mean concavity": Interval(0, 0.5),
        "mean concave points": Interval(0, 0.25),
        "mean symmetry": Interval(0, 0.5),
        "mean fractal dimension": Interval(0, 0.15),
    }
)

# %%
# Fit once, sample as often as you like
# -------------------------------------
# `fit` measures noisy statistics of the rows, and this is all that it spends. Whether or not one given woman is in
# the table changes the probability of any outcome by a factor of at most exp(epsilon), up to delta. Sampling costs
# nothing.

flow = DPSlicedWassersteinFlow(epsilon=3.0, delta=1e-5, domain=domain, target=Categories(["malignant", "benign"]))
flow.fit(X_train, y_train)
X_new, y_new = flow.sample_labeled(1000)
X_new.head()

# %%
# Are they of use?
# ----------------
# The same three models are trained on the real training rows and on the synthetic rows. Both are judged on the real
# rows that were set aside.

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

models = {
    "Logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "Nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
    "Random forest": RandomForestClassifier(random_state=0),
}
on_real = [model.fit(X_train, y_train).score(X_test, y_test) for model in models.values()]
on_synthetic = [model.fit(X_new, y_new).score(X_test, y_test) for model in models.values()]
majority = y_test.value_counts(normalize=True).max()

print(f"accuracy on {len(X_test)} real held-out rows    trained on real    on synthetic rows")
for name, real, synthetic in zip(models, on_real, on_synthetic, strict=True):
    print(f"{name:42}{real:16.3f}{synthetic:21.3f}")
print(f"{'always the larger class':42}{majority:16.3f}")

# %%
# The picture: real rows, as many synthetic rows, and the scores.

from pathlib import Path

import matplotlib.pyplot as plt

colours = {"benign": ("#0072b2", "o"), "malignant": ("#d55e00", "^")}
fig, axes = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained", width_ratios=[1, 1, 1.1])
axes[1].sharex(axes[0])
axes[1].sharey(axes[0])
for ax, kind, rows, labels in [
    (axes[0], "real", X_train, y_train),
    (axes[1], "synthetic", X_new[: len(X_train)], y_new[: len(X_train)]),
]:
    for label, (colour, marker) in colours.items():
        some = rows[labels == label][["mean radius", "mean concave points"]]
        ax.scatter(*some.to_numpy().T, 18, colour, marker=marker, alpha=0.55, lw=0, label=label)
    ax.set(title=f"{len(rows)} {kind} rows", xlabel="mean radius", ylabel="mean concave points")
axes[0].legend(loc="upper left")

ax = axes[2]
places = range(len(models))
ax.hlines(places, on_synthetic, on_real, color="0.8", lw=3, zorder=1)
ax.scatter(on_real, places, 150, "none", marker="o", edgecolors="black", lw=2, label="trained on real rows")
ax.scatter(on_synthetic, places, 50, "#009e73", marker="D", label="trained on synthetic rows")
ax.axvline(majority, color="0.5", ls=":")
ax.text(majority + 0.01, 2.7, "always the larger class", color="0.35", va="center")
ax.set(yticks=places, yticklabels=models, ylim=(3.9, -0.5), xlim=(min(majority, *on_synthetic) - 0.05, 1.0))
ax.set(title=f"Accuracy on {len(X_test)} other real rows")
ax.legend(loc="lower right", frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
fig.suptitle(f"Synthetic rows at epsilon = {flow.epsilon:g}, delta = {flow.delta:g}", fontweight="bold")

figure = Path("quickstart.png").resolve()
fig.savefig(figure, dpi=120)
print(f"The figure is in {figure}")

# %%
# A table of this size is hard to protect: the noise would be the same for a million rows, and weigh a few thousand
# times less. That is why epsilon is 3 here; :ref:`sphx_glr_auto_examples_plot_choosing_epsilon.py` shows what other
# values give. The scores above and the real rows in the picture are no part of what is private: they may be shown
# because these data are public.
#
# What was spent
# --------------

print(flow.privacy_spent_)
print(flow.privacy_statement())
