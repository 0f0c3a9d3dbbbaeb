"""
More budget, step by step
=========================

Nobody knows beforehand how much budget a useful model needs. It need not be spent at once: a fit can be continued with
more of it, and what was paid for stays paid for.
"""

# %%
# A first fit
# -----------
# The ledger holds what may be spent on these rows in all. The first fit takes a small part of it.

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skdpflow import Categories, DPSlicedWassersteinFlow, PrivacyLedger

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=1 / 3, stratify=y, random_state=0)
model = LogisticRegression(max_iter=300)
delta = 1e-5


def new_flow(epsilon, **params):
    return DPSlicedWassersteinFlow(
        epsilon, delta, domain=(0, 1), target=Categories(range(10)), n_particles=2048, random_state=0, **params
    )


def accuracy(flow):
    return model.fit(*flow.sample_labeled(1200, random_state=0)).score(X_test, y_test)


ledger = PrivacyLedger(epsilon=8, delta=delta)
flow = new_flow(1.0, ledger=ledger).fit(X_train, y_train)
print(flow.privacy_spent_, f"accuracy {accuracy(flow):.3f}")

# %%
# Going on
# --------
# Each step measures the rows again and averages old and new. The guarantee is that of everything together. For
# comparison, the same budgets are spent at once by fits of their own. (These digits are public, so we may do that, and
# look at accuracies on real rows; with private rows each of it would cost.)

stepwise, totals = [accuracy(flow)], [1.0]
for extra in (1.0, 2.0, 4.0):
    flow.continue_fit(X_train, y_train, extra_epsilon=extra)
    stepwise.append(accuracy(flow))
    totals.append(flow.privacy_spent_[0])
at_once = [accuracy(new_flow(total).fit(X_train, y_train)) for total in totals]
real = model.fit(X_train, y_train).score(X_test, y_test)

# %%
# The two ways differ by no more than two fits of the same budget do. (The first step decides the bins and the latent
# space, which stay. Where that matters, as for numeric targets, a budget that is known from the start is better
# spent at once.)

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.plot(totals, at_once, "o-", color="#0072b2", label="at once")
ax.plot(totals, stepwise, "s--", color="#d55e00", label="step by step")
ax.axhline(real, color="0.3", ls=":", label="trained on the real rows")
ax.set_xscale("log")
ax.set_xticks(totals, [f"{total:g}" for total in totals])
ax.minorticks_off()
ax.set(xlabel="epsilon in all", ylabel="accuracy on real held-out rows", ylim=(0.5, 1))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", framealpha=1, edgecolor="white")
plt.show()

# %%
# What was spent
# --------------
# The ledger was debited the increments. All together are the guarantee of the model.

ledger.verify([flow.release_])
print(ledger.history()[["what", "epsilon"]].round(3).to_string(index=False))
print(flow.privacy_spent_, np.isclose(ledger.spent(), totals[-1], rtol=0.01))
