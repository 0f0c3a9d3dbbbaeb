"""The sentences of a privacy statement."""

from __future__ import annotations

NEIGHBOURS = {
    "add-remove": "One of two neighbouring tables has one row more than the other.",
    "replace-one": "Neighbouring tables have the same number of rows. They differ in the content of one row.",
}
UNIT = "The unit of privacy is one row."
TRUST = "Whoever holds the rows adds the noise, and is trusted. Everybody else sees what was released."
DEFINITION = (
    "For neighbouring tables D and D', and every set S of outcomes, P[M(D) in S] <= exp(epsilon) P[M(D') in S] + "
    "delta, where M is the fit together with everything that is computed from what it released."
)
SEEDED = (
    "NOT PRIVATE: the noise was drawn from a seed, and whoever knows the seed can subtract the noise. Nothing is "
    "guaranteed. Use a seed in tests and benchmarks only."
)
RECOMPUTE = (
    "'cap' lists everything that was allowed. First add up its slack events: s in epsilon and d in delta. They bound "
    "what floating-point arithmetic adds. Then compose Gaussian mechanisms with the noise multipliers of the cap, at "
    "(delta - d) exp(-s) less the deltas of all its thresholds. The epsilon of this composition plus s is at most the "
    "epsilon of the guarantee. The best of repeated trials adds a curve of Renyi divergences (Papernot, Steinke 2022). "
    "In each step, the events of the measurements lie within the cap of the step: the squares of their mu add up to at "
    "most the sum of 1 / multiplier^2. The mu of a measurement is its sensitivity divided by its largest noise scale. "
    "Coordinates with less noise have a sensitivity that is smaller in proportion. A choice with Gumbel noise of that "
    "scale has epsilon = 2 sensitivity / scale, bounded range, and mu = -2 Phi^-1(1 / (1 + exp(epsilon / 2)))."
)
ONE_ROW_EACH = (
    "One person has at most one row. A person with k rows is protected less: mu is k times as large, and the bounds of "
    "thresholds do not hold."
)
CONTINUED = (
    "The rows were measured {} times. The budget of each time was fixed before anything was released. If it was "
    "decided later, the guarantee is the most that might have been spent: the budget of the PrivacyLedger."
)
SEARCHED = (
    "A search released the best of a random number of trials. Nobody was shown the number of trials, the results of "
    "the others, or the duration of the search."
)
#: Beginnings of sentences about columns and classes, which the page in plain words says in its own way.
OF_COLUMNS = (
    "Public by declaration",
    "The domain",
    "Bins and single",
    "Not measured",
    "In every row",
    "The classes were",
)
EARLIER = (
    "This guarantee includes {} earlier releases from the same rows. They come from earlier steps of a pipeline, which "
    "made the rows that were measured, or from a search or fit that decided parameters. Their budgets are counted "
    "here. Their own statements say what else they assume."
)
PUBLIC_STEP = (
    "The step {!r} ({}) learnt nothing from the rows. It is a function of the row alone: it stores nothing of a row "
    "outside of itself, such as in variables of a module. Each row was given to a new copy of the step."
)
UNVERIFIED = (
    "Unverified: the class {} overrides {}. The guarantee holds if that method reads the rows only by one call of the "
    "method of this package that it overrides."
)
REPEATED = (
    "The best of a random number of trials was released, by a noisy score. All trials have the same noise. The Renyi "
    "divergences of the whole follow from those of one trial, and add to those of other events: Papernot, Steinke "
    "(2022), Hyperparameter tuning with Renyi differential privacy."
)
ENTROPY = (
    "The entropy of the operating system is random, SHAKE-128 behaves like a random function on secret keys, and "
    "nobody reads the memory of the process."
)
NOT_COVERED = [
    "Other uses of the rows, before or after: other fits, and steps before the fit that learnt from the rows. "
    "A PrivacyLedger adds up all fits that were given the ledger.",
    "score, score_samples and quality_report of private rows: they are functions of these rows.",
    "Choices that were made by such scores (cross-validation, a grid search, repeated fits until one pleases).",
    "That an error was raised: for no rows, for what is no table (lists of unequal length, a file with an open quote), "
    "or, without a domain, for missing, infinite or unreadable cells; or for a pandas column of categories whose list "
    "of categories is of a type that the domain rules out.",
    "How long the fit took, and how much memory it needed.",
    "Facts about the population, and what they tell about a person.",
    "Who can read the rows themselves, and how they were collected.",
]

ACCOUNTANTS = {
    "gdp": "gdp: mu^2 = sum of 1 / multiplier^2; delta = Phi(mu / 2 - epsilon / mu) - exp(epsilon) Phi(-mu / 2 - "
    "epsilon / mu). Dong, Roth, Su (2022), Gaussian differential privacy; Balle, Wang (2018), Improving the Gaussian "
    "mechanism. With a fixed cap, noise may be chosen adaptively: Smith, Thakurta (2022), Fully adaptive composition.",
    "zcdp": "zcdp: rho = sum of 1 / (2 multiplier^2); epsilon is the minimum over alpha > 1 of alpha rho + "
    "ln(1 - 1 / alpha) - (ln delta + ln alpha) / (alpha - 1). Bun, Steinke (2016), Concentrated differential privacy; "
    "Canonne, Kamath, Steinke (2020), The discrete Gaussian.",
    "rdp": "rdp: r(alpha) = alpha times the sum of 1 / (2 multiplier^2); epsilon is the minimum over orders alpha of "
    "r(alpha) + ln(1 - 1 / alpha) - (ln delta + ln alpha) / (alpha - 1). Mironov (2017), Renyi differential privacy; "
    "Canonne, Kamath, Steinke (2020), The discrete Gaussian.",
    "pld": "pld: privacy loss distributions, composed numerically and rounded up. Doroshenko, Ghazi, Kamath, Kumar, "
    "Manurangsi (2022), Connect the dots.",
}
ACCOUNTANTS |= {
    "GaussianDPAccountant": ACCOUNTANTS["gdp"],
    "ZCDPAccountant": ACCOUNTANTS["zcdp"],
    "RenyiAccountant": ACCOUNTANTS["rdp"],
    "PLDAccountant": ACCOUNTANTS["pld"],
}
OWN_ACCOUNTANT = "A user's own accountant. Recompute the cap by the formula of Gaussian differential privacy."

_GAUSSIAN = "Gaussian mechanism on integers, with rounded noise: Balle, Wang (2018)."


def _ones(k: str) -> dict[str, str]:
    return {"add-remove": f"sqrt({k})" if k != "1" else "1", "replace-one": f"sqrt(2 {k})" if k != "1" else "sqrt(2)"}


def _ball(size: str) -> dict[str, str]:
    return {"add-remove": size, "replace-one": f"2 {size}"}


#: Kinds of measurements in a few words.
WHAT = {
    "bounds": "bounds of columns",
    "labels": "class labels",
    "levels": "values of categories",
    "counts": "number of rows",
    "location": "where the mass lies",
    "column_moments": "means and variances",
    "histograms": "histograms",
    "mean": "latent means",
    "second_moment": "latent correlations",
    "slices": "slices",
    "select_pairs": "choice of pairs",
    "pairs": "two-way tables",
    "partitions": "regions of several columns",
    "records": "noisy records",
}
#: Kind of a measurement to what a row adds, the sensitivity under each relation, and the source.
KINDS: dict[str, tuple[str, dict[str, str], str]] = {
    "counts": (
        "one to the count of its class, or to the count of labels that are not among the classes",
        _ones("1"),
        _GAUSSIAN,
    ),
    "histograms": (
        "one to at most one bin of each of d columns, in its own class; values outside of a column have bins, too",
        _ones("d"),
        _GAUSSIAN,
    ),
    "column_moments": ("an integer vector clipped to a ball of K = steps lattice units", _ball("K"), _GAUSSIAN),
    "mean": ("an integer vector clipped to a ball of K = steps lattice units, in its own class", _ball("K"), _GAUSSIAN),
    "second_moment": (
        "the upper triangle of x x^T with |x| <= K = steps, in its own class; off-diagonal entries get 1 / sqrt(2) of "
        "the noise, so that the norm is that of the whole matrix",
        {"add-remove": "K^2", "replace-one": "sqrt(2) K^2"},
        _GAUSSIAN,
    ),
    "norms": ("one to at most one bin of lengths, in its own class", _ones("1"), _GAUSSIAN),
    "slices": ("one to one bin of each of k directions, in its own class", _ones("k"), _GAUSSIAN),
    "pairs": ("one to at most one entry of each of k tables, in its own class", _ones("k"), _GAUSSIAN),
    "partitions": (
        "one to at most one region of each of k partitions, in its own class",
        _ones("k"),
        _GAUSSIAN,
    ),
    "bounds": ("one to one bin of a public grid, for each of d columns", _ones("d"), _GAUSSIAN),
    "location": (
        "one to one count of each of d columns, of all classes together: that of a bin, or that of missing and outside "
        "cells; bins are public or follow from earlier counts",
        _ones("d"),
        _GAUSSIAN,
    ),
    "records": (
        "a line of its own: the product with the integer matrix Theta of a vector clipped to a ball of K lattice units",
        {"add-remove": "unbounded", "replace-one": "2 K sigma_max(Theta)"},
        "Rakotomamonjy, Ralaivola (2021), Differentially private sliced Wasserstein distance. " + _GAUSSIAN,
    ),
    "labels": (
        "one to the count of its label; labels are shown where the noisy count passes a threshold",
        _ones("1"),
        _GAUSSIAN + " Thresholds: Korolova, Kenthapadi, Mishra, Ntoulas (2009), Releasing search queries.",
    ),
    "levels": (
        "one to the count of its level, for each of f columns; levels are shown where the noisy count passes a "
        "threshold",
        _ones("f"),
        _GAUSSIAN + " Thresholds: Korolova, Kenthapadi, Mishra, Ntoulas (2009), Releasing search queries.",
    ),
    "select_pairs": (
        "at most 1 to the score of a pair of columns, an L1 distance of counts; the best are chosen",
        {"add-remove": "1", "replace-one": "2"},
        "Exponential mechanism, bounded range: Dong, Durfee, Rogers (2020), Optimal composition for exponential "
        "mechanisms.",
    ),
}
UNKNOWN_KIND = ("see the documentation of this statistic", {"add-remove": "as stated", "replace-one": "as stated"}, "")
