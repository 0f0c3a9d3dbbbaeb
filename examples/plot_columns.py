"""
Columns as people have them
===========================

Real columns have zeros, long tails and cents. Bounds that come from public knowledge are wide. This example declares
such a column, fits a flow to it, and compares the two.
"""

# %%
# What is public
# --------------
# Claims of insured people: most of them claim nothing, the others claim amounts that differ by factors of a
# hundred. An insurer knows the largest amount that a contract pays, 100,000, and that amounts have cents. To be on the
# safe side, we declare ten times as much. Contracts are numbered, all in one currency, and come from three regions or
# from abroad.

import numpy as np
import pandas as pd

from skdpflow import Categories, Constant, Domain, DPSlicedWassersteinFlow, Interval, Key

domain = Domain(
    {
        "contract": Key("C{:06d}"),
        "claims": Interval(0, 1_000_000, decimals=2),
        "region": Categories(["north", "middle", "south"], other="abroad"),
        "currency": Constant("EUR"),
    }
)
print(domain.describe())

# %%
# The private table
# -----------------
# It is made up here. Nothing in the domain above was read off it.

rng = np.random.default_rng(0)
n = 10_000
region = rng.choice(["north", "middle", "south", "Chile", "Japan"], n, p=[0.3, 0.35, 0.25, 0.06, 0.04])
amount = np.exp(6.0 + 0.8 * (region == "south") + 1.2 * rng.normal(size=n)).round(2)
table = pd.DataFrame(
    {
        "contract": [f"C{k:06d}" for k in rng.permutation(n)],
        "claims": np.where(rng.random(n) < 0.6, 0.0, np.minimum(amount, 100_000)),
        "region": region,
        "currency": "EUR",
    }
)

# %%
# One fit
# -------

flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=domain, random_state=0).fit(table)
new = flow.sample(n, random_state=0)
new.head()

# %%
# Before and after
# ----------------
# Left: the positive amounts, on a logarithmic scale, between the declared bounds. Middle: the share of zeros, which
# come back as zeros. Right: the regions, where countries that are not listed came back as "abroad".

import matplotlib.pyplot as plt

tables = {"real": table, "private": new}
colors = {"real": "0.75", "private": "#0072b2"}
fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), width_ratios=[2, 0.7, 1.3], layout="constrained")
bins = np.logspace(0, 6, 49)
for name, own in tables.items():
    filled = name == "real"
    kind = "stepfilled" if filled else "step"
    positive = own["claims"][own["claims"] > 0]
    axes[0].hist(positive, bins, histtype=kind, color=colors[name], lw=1.6, label=name)
axes[0].set(
    xscale="log", xlim=(1, 1e6), title="claims above zero", xlabel="EUR, up to the declared bound", ylabel="contracts"
)
axes[0].legend(frameon=False)
zeros = [(own["claims"] == 0).mean() for own in tables.values()]
axes[1].bar(list(tables), zeros, color=list(colors.values()))
axes[1].set(title="exactly zero", ylabel="share", ylim=(0, 1))
regions = ["north", "middle", "south", "abroad"]
for k, (name, own) in enumerate(tables.items()):
    shares = own["region"].where(own["region"].isin(regions[:3]), "abroad").value_counts(normalize=True)
    axes[2].bar(np.arange(4) + 0.4 * k - 0.2, shares.reindex(regions), 0.4, color=colors[name], label=name)
axes[2].set(title="region", xticks=range(4), ylabel="share")
axes[2].set_xticklabels(regions)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The same in numbers, and that all amounts have cents:

levels = [0.5, 0.75, 0.9, 0.99]
print(pd.DataFrame({name: own["claims"].quantile(levels) for name, own in tables.items()}))
print("all in cents:", bool((new["claims"].round(2) == new["claims"]).all()))

# %%
# What was spent
# --------------
# The number of the contract and the currency cost nothing, since they were not measured. The guarantee is for one row
# more or less in the table.

print("spent:", flow.privacy_spent_, "neighbours:", flow.release_.neighbours)
print(flow.privacy_statement())
