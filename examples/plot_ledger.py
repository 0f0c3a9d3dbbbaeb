"""
Two teams, one budget
=====================

A clinic has one table of tumours, and two teams that want to learn from it. Neither knows what the other one does, but
the patients are the same. A :class:`~skdpflow.PrivacyLedger` keeps one budget for both, and refuses what exceeds it.
"""

# %%
# The table and its ledger
# ------------------------
# 569 tumours, benign or malignant, and ten measurements of their cells. Whoever owns the table decides once what may
# ever be spent on it. The ledger is a file beside the data, which all programs share.

import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdpflow import BudgetExceededError, Categories, DPSlicedWassersteinFlow, PrivacyLeakWarning, PrivacyLedger
from skdpflow.compose import TrainOnSynthetic

X, diagnosis = load_breast_cancer(return_X_y=True)
X = X[:, :10]
upper = [40, 50, 250, 2500, 0.25, 0.5, 0.5, 0.25, 0.4, 0.12]  # what a pathologist would say of any tumour
X, X_test, diagnosis, diagnosis_test = train_test_split(X, diagnosis, stratify=diagnosis, random_state=0)

folder = tempfile.TemporaryDirectory()
budget = {"epsilon": 3.0, "delta": 1e-5}
owner = PrivacyLedger(Path(folder.name) / "tumours.ledger", **budget)

# %%
# The first team: a classifier
# ----------------------------
# It opens the file with the budget that it was made with, and trains a model on private synthetic rows.

ledger = PrivacyLedger(Path(folder.name) / "tumours.ledger", **budget)
flow = DPSlicedWassersteinFlow(1.5, 1e-7, domain=(0, upper), target=Categories([0, 1]), ledger=ledger)
classifier = TrainOnSynthetic(make_pipeline(StandardScaler(), LogisticRegression(C=0.1)), flow)
classifier.fit(X, diagnosis)
print(f"ROC-AUC: {roc_auc_score(diagnosis_test, classifier.predict_proba(X_test)[:, 1]):.3f}")
print(f"spent: {owner.spent():.2f} of {owner.epsilon:g}")

# %%
# The second team: cross-validation
# ---------------------------------
# `cross_validate` clones the estimator, but the ledger is the same one in each of its five fits. (The scores are
# functions of private rows, which no ledger covers: a `PrivacyLeakWarning` says so. These rows are public.)

other = PrivacyLedger(Path(folder.name) / "tumours.ledger", **budget)
cheap = DPSlicedWassersteinFlow(0.5, 1e-7, domain=(0, upper), ledger=other)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PrivacyLeakWarning)
    scores = cross_validate(cheap, X, cv=5)["test_score"]
print(f"{len(scores)} fits; spent: {owner.spent():.2f} of {owner.epsilon:g}")

# %%
# One model for each diagnosis
# ----------------------------
# No tumour is both benign and malignant, and the diagnosis is a function of the record alone. So these two fits are
# charged to their own part, and the total grows by one of them.

for name, rows in [("benign", X[diagnosis == 1]), ("malignant", X[diagnosis == 0])]:
    cheap.set_params(epsilon=1.0, ledger=other.part("diagnosis", name)).fit(rows)
    print(f"{name}; spent: {owner.spent():.2f} of {owner.epsilon:g}")

# %%
# What is too dear is refused
# ---------------------------
# Nothing was measured then, and the message says what would fit.

try:
    classifier.set_params(generator__epsilon=3.0).fit(X, diagnosis)
except BudgetExceededError as error:
    print(error)

classifier.set_params(generator__epsilon=ledger.affordable(1e-7)).fit(X, diagnosis)

# %%
# The picture
# -----------
# A step for each fit. Composed, the fits stay within the budget. Had the epsilons been added one by one, as one does
# without a ledger, the budget would have been called exhausted after a few of them.

import matplotlib.pyplot as plt

from skdpflow.inspection import LedgerDisplay

fig, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
display = LedgerDisplay.from_ledger(owner, ax=ax, line_kw={"color": "#0072b2", "linewidth": 2})
asked = [1.5, *[0.5] * 5, 1.0, 1.0, classifier.get_params()["generator__epsilon"]]
x = display.line_.get_xdata()
ax.step(x, [0, *np.cumsum(asked), sum(asked)], where="post", color="0.6", label="epsilons added up")
ax.set(title="The budget of the tumours", ylim=(0, 1.05 * sum(asked)))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="upper left")
plt.show()

# %%
# What was spent
# --------------
# `verify` finds the debit of each Release in the chain. Had somebody restored an old copy of the file, it would fail.

owner.verify([classifier.generator_.release_, cheap.release_])
owner.history()[["what", "part", "epsilon"]].round(3)

# %%

print(f"in all: ({owner.spent():.3f}, {owner.delta:g}), neighbours: {owner.neighbours}")
folder.cleanup()
