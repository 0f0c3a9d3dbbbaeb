"""
Is it good?
===========

Synthetic rows are made. How close are they to the real ones, and how close could they be? The noisy measurements of the
fit answer a part of this without another look at the rows, and so without a budget.
"""

# %%
# A private table
# ---------------
# 569 tumours, benign or malignant, and five measurements of their cells. The bounds are what a pathologist would say
# of any tumour.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

table = load_breast_cancer(as_frame=True)
X = table.data[["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry"]]
X.columns = [name.removeprefix("mean ") for name in X.columns]
domain = Domain(
    {
        "radius": Interval(0, 40),
        "texture": Interval(0, 50),
        "smoothness": Interval(0, 0.25),
        "concavity": Interval(0, 0.5),
        "symmetry": Interval(0, 0.5),
    }
)
flow = DPSlicedWassersteinFlow(epsilon=3.0, delta=1e-5, domain=domain, target=Categories([0, 1]), random_state=0)
flow.fit(X, table.target)

# %%
# What was measured, beside what is sampled
# -----------------------------------------
# The report compares synthetic rows with the released measurements, whose noise is known. It says what stands out of
# the noise, how finely each column was measured, and what was never measured. It is as public as the Release.

report = flow.quality_report(random_state=0)
print(report)

# %%
# The same as a table, here the five comparisons that noise explains worst.

report.to_frame()[["of", "names", "distance", "noise_alone", "largest_z", "p_value", "stands_out"]].head().round(3)

# %%
# Pictures
# --------
# Grey bars are released histograms, and the whiskers are their noise. A synthetic column may leave single bars: it
# should pass through most whiskers.

from skdpflow.inspection import BudgetDisplay, MarginalsDisplay

display = MarginalsDisplay.from_estimator(flow, random_state=0)
plt.show()

# %%
# The budget went into these measurements.

BudgetDisplay.from_estimator(flow)
plt.show()

# %%
# Choices that spend nothing
# --------------------------
# Parameters of the flow may be tried on the report as often as you like. On this small table the noise hides what more
# passes over the slices gain, so there is no reason to leave the default of two.

for n_steps in [1, 2, 6]:
    frame = flow.set_params(n_steps=n_steps).refit().quality_report(random_state=0).to_frame()
    print(f"n_steps={n_steps}: {frame['stands_out'].sum()} stand out, z is {frame['largest_z'].mean():.2f} on average")
flow.set_params(n_steps=2).refit()

# %%
# A look at the rows
# ------------------
# Whoever holds the rows may compare exactly. This is outside the guarantee: the report says so in its text and in each
# file that it writes, and a ledger would note it. (These rows are public.)

look = flow.quality_report(X, table.target, random_state=0)
look.to_frame("row_columns").round(3)

# %%

useful = look.content["private_rows"]["usefulness"]
print(look.content["notice"])
print(
    f"{useful['metric']}: {useful['synthetic']:.3f} after training on synthetic rows, {useful['real']:.3f} on real ones"
)

# %%
# For those who decide
# --------------------
# The privacy statement as one page in plain words. A notebook shows it as it is; `to_html` writes it to a file.

statement = flow.privacy_statement()
statement

# %%
# What was spent
# --------------
# One fit. Reports, pictures and refits without rows spent nothing.

epsilon, delta = flow.privacy_spent_
print(f"({epsilon:g}, {delta:g}), neighbours: {flow.release_.neighbours}")
