"""
In a Pipeline and in a grid search
==================================

The flow is an ordinary estimator: it can be the last step of a Pipeline, and `GridSearchCV` can choose its parameters.
What this means for privacy takes a little thought.
"""

# %%
# A numeric target
# ----------------
# 442 people with diabetes: age, sex, body mass index, blood pressure, six blood values, and how far the disease went
# within a year. The target is a number, so it is declared as an interval; sex is a category.

import numpy as np
from sklearn.datasets import load_diabetes

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X[["age", "sex", "bmi", "bp", "s5", "s6"]]  # s5: log of triglycerides, s6: blood sugar
domain = Domain(
    {
        "age": Interval(18, 90, integer=True),
        "sex": Categories([1.0, 2.0]),
        "bmi": Interval(np.log(15), np.log(50)),
        "bp": Interval(50, 150),
        "s5": Interval(3, 7),
        "s6": Interval(50, 150),
    }
)

# %%
# Last step of a Pipeline
# -----------------------
# Steps before the flow see the raw rows, so what they learn from them is **not covered** by the guarantee of the
# flow. A step that learns nothing is safe: the logarithm here, or scaling by public constants. A `StandardScaler`
# would not be, as it stores the mean of the private rows; the flow does not need one.

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

logarithm = ColumnTransformer(
    [("log", FunctionTransformer(np.log, feature_names_out="one-to-one"), ["bmi"])],
    remainder="passthrough",
    verbose_feature_names_out=False,
).set_output(transform="pandas")
flow = DPSlicedWassersteinFlow(epsilon=3.0, delta=1e-5, domain=domain, target=Interval(0, 400), random_state=0)
pipe = Pipeline([("log", logarithm), ("flow", flow)]).fit(X, y)

X_new, y_new = pipe["flow"].sample_labeled(400, random_state=0)
X_new["bmi"] = np.exp(X_new["bmi"])
X_new.head()

# %%
# Grid search
# -----------
# `score` is minus the sliced Wasserstein distance between the rows that were held out and a synthetic sample, so
# higher is better, and no target is needed to compare models. Nested parameters work as everywhere in scikit-learn:
# here those of the mechanism.

from sklearn.model_selection import GridSearchCV, KFold

from skdpflow.mechanisms import MarginalsMechanism

pipe.set_params(flow__mechanism=MarginalsMechanism())
search = GridSearchCV(
    pipe,
    {"flow__mechanism__n_bins": [4, 8, 16, 64], "flow__epsilon": [1.0, 10.0]},
    cv=KFold(4, shuffle=True, random_state=0),
    refit=False,
)
search.fit(X, y)

import matplotlib.pyplot as plt

results = search.cv_results_
bins = np.asarray(results["param_flow__mechanism__n_bins"], dtype=int)
folds = np.stack([results[f"split{k}_test_score"] for k in range(search.n_splits_)])
fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
for epsilon, colour, marker in [(1.0, "#d55e00", "o"), (10.0, "#0072b2", "s")]:
    rows = np.asarray(results["param_flow__epsilon"], dtype=float) == epsilon
    ax.plot(bins[rows], folds[:, rows].mean(axis=0), color=colour, label=f"epsilon = {epsilon:g}")
    ax.plot(bins[rows], folds[:, rows].T, marker, color=colour, alpha=0.5, mew=0)
ax.set_xscale("log", base=2)
ax.set_xticks(np.unique(bins), np.unique(bins))
ax.set(xlabel="bins of each column", ylabel="score (0 is best)", title="Scores of the four folds, and their mean")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()

# %%
# What such a search costs
# ------------------------
# Where the folds of one setting scatter more than the settings differ, there is nothing to choose: every fit draws
# its own noise. And the search is expensive:
#
# * every fit spends its own epsilon, and all of them count: a row is left out of one fold, but without that row others
#   would have been in other folds. A :class:`~skdpflow.PrivacyLedger` keeps the sum, and refuses what exceeds it;
# * the scores are functions of private rows, **not covered** by any guarantee, and so is the choice they lead to.
#
# These rows are public, so nothing is lost. With private rows, choose on public data of the same shape instead, or on
# synthetic rows from a first fit: that is post-processing of what was already released, so it is free. Where the rows
# themselves have to decide, a private search pays for its scores, too:
# :ref:`sphx_glr_auto_examples_plot_private_search.py`.

X_again, y_again = pipe["flow"].sample_labeled(len(X), random_state=1)
free = GridSearchCV(pipe["flow"], {"n_steps": [1, 2, 4]}, cv=3, refit=False).fit(X_again, y_again)
print("chosen on synthetic rows, at no cost:", free.best_params_)

# %%
# What was spent
# --------------
# The first fit alone spent what it says. Had the rows been private, the fits of the search would have cost, without
# counting the scores:

from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, gdp_mu

mu = np.sqrt(sum(search.n_splits_ * gdp_mu(p["flow__epsilon"], 1e-5) ** 2 for p in results["params"]))
total = GaussianDPAccountant().epsilon(GaussianEvent(1 / mu), 1e-5)
print("the first fit:", pipe["flow"].privacy_spent_)
print(f"the search: ({total:.1f}, 1e-05), and its scores, which have no guarantee")
print(pipe["flow"].privacy_statement())
