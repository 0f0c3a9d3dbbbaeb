"""
Healthcare: one hospital helps another
======================================

Hospital A has many patients. Hospital B has few, and two of them only had the rare event. A may
not hand out its records, but it may publish a :class:`~skdpflow.Release`: noisy statistics with a guarantee. B fills up
its rare class from that file.
"""

# %%
# Two hospitals
# -------------
# 442 people with diabetes; in a fifth of them it went far within a year. Hospital A has 250 of them. Hospital B
# has 40 in whom it did not, and two in whom it did; the others are kept to test on. Body mass index, blood pressure,
# a cholesterol and the log of triglycerides have ranges that doctors know.

import io

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdpflow import Categories, DPSlicedWassersteinFlow, Release
from skdpflow.compose import DPOversampler

X, progression = load_diabetes(return_X_y=True, scaled=False)
X, event = X[:, [2, 3, 6, 8]], (progression > 220).astype(int)
domain = ([15, 50, 10, 3], [50, 150, 110, 7])


def hospitals(seed):
    """Split the patients at random: A, B, and those to test on."""
    order = np.random.default_rng(seed).permutation(len(X))
    a, rest = order[:250], order[250:]
    without, having = rest[event[rest] == 0], rest[event[rest] == 1]
    return a, np.concatenate([without[:40], having[:2]]), np.concatenate([without[40:], having[2:]])


# %%
# Hospital A publishes a Release
# ------------------------------
# A spends epsilon 3 of its patients' privacy, once. The file holds no record, and what B does with it costs no more.

a, b, test = hospitals(0)
flow = DPSlicedWassersteinFlow(epsilon=3.0, delta=1e-5, domain=domain, target=Categories([0, 1]))
file = io.BytesIO()
flow.fit(X[a], event[a]).release_.save(file)
print(f"{len(file.getvalue()) / 1024:.0f} KiB")

# %%
# What B can see of A
# -------------------
# A's patients, which B never sees, beside as many drawn from the file. Doctors know the slope: the event is
# commoner where both are high.

release = Release.load(io.BytesIO(file.getvalue()))
X_new, event_new = DPSlicedWassersteinFlow.from_release(release).sample_labeled(len(a), random_state=0)

fig, axes = plt.subplots(1, 2, figsize=(8, 3.8), sharex=True, sharey=True, layout="constrained")
pictures = {"A's patients": (X[a], event[a]), "from A's Release, epsilon 3": (X_new, event_new)}
for ax, (title, (rows, labels)) in zip(axes, pictures.items(), strict=True):
    for label, colour, marker, name in [(0, "#0072b2", "o", "without the event"), (1, "#d55e00", "^", "with it")]:
        bmi, triglycerides = rows[labels == label][:, [0, 3]].T
        ax.scatter(bmi, triglycerides, s=18, color=colour, marker=marker, alpha=0.6, lw=0, label=name)
    ax.set(title=title, xlabel="body mass index")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("log of triglycerides")
axes[0].legend(frameon=False, loc="lower right")
plt.show()

# %%
# Hospital B fills up its rare class
# ----------------------------------
# The result holds B's own rows, so it is *not private* towards B's patients: B trains for its own use.

more, labels = DPOversampler(release, random_state=0).fit_resample(X[b], event[b])
print("before:", np.bincount(event[b]), "after:", np.bincount(labels))

# %%
# Does it help?
# -------------
# Twenty times over, with other patients and other noise: B's classifier from its own rows, and from the filled-up ones.


def auc(rows, labels, test):
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    return roc_auc_score(event[test], model.fit(rows, labels).predict_proba(X[test])[:, 1])


scores = []
for seed in range(20):
    a, b, test = hospitals(seed)
    theirs = flow.fit(X[a], event[a]).release_
    filled = DPOversampler(theirs, random_state=seed).fit_resample(X[b], event[b])
    scores.append((auc(X[b], event[b], test), auc(*filled, test)))
before, after = np.array(scores).T

fig, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
ax.plot([0, 1], np.array(scores).T, color="0.75", lw=1)
ax.errorbar(
    [0, 1],
    [before.mean(), after.mean()],
    yerr=[s.std(ddof=1) / np.sqrt(len(s)) for s in (before, after)],
    fmt="o-",
    color="#0072b2",
    capsize=4,
    label="mean and its standard error",
)
ax.set_xticks([0, 1], ["B's rows alone", "filled up from A's Release"])
ax.set(ylabel="ROC-AUC on other patients", xlim=(-0.3, 1.3), title="Twenty pairs of hospitals")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower right")
plt.show()

gain = after - before
print(f"gain: {gain.mean():.3f} with a standard error of {gain.std(ddof=1) / np.sqrt(len(gain)):.3f}")

# %%
# Is it good?
# -----------
# The report compares synthetic rows with what was measured. It spends nothing, and may be published with the rows.

flow.quality_report(random_state=0)

# %%
# What was spent
# --------------
# A real hospital A spends on its patients once; the repetitions above are for the picture.

print("by hospital A:", (release.epsilon, release.delta), "neighbours:", release.neighbours)
print(release.privacy_statement())
