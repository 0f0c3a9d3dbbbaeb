"""MST and AIM after their papers, on the inference library mbi, for comparison. Neighbours: add-remove.

MST (arXiv:2108.04978): all one-way marginals; a maximum spanning tree of pairs, chosen by the exponential mechanism
with the L1 error of the one-way model as score; the tree's two-way marginals. A third of rho each.
AIM (arXiv:2201.12677): all one-way marginals; then, round by round, the marginal whose expected improvement is largest,
chosen by the exponential mechanism, is measured, and the budget of a round doubles when one taught less than its
noise. Candidates may not grow the model beyond a size that rises with the budget spent.
"""

from __future__ import annotations

import functools
import itertools

import jax
import networkx as nx
import numpy as np
from discrete import Bins

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_enable_compilation_cache", False)

from mbi import Domain, LinearMeasurement, estimation, junction_tree  # noqa: E402

from skdpflow.accountants import zcdp_rho  # noqa: E402


class Marginals:
    """Noisy marginals of a data set, and the model that follows from them."""

    def __init__(self, codes, sizes, rng, n_iterations):
        self.domain = Domain(list(codes), sizes)
        self.codes, self.rng, self.n_iterations = codes, rng, n_iterations
        self.measurements = []
        self.graph = nx.Graph()
        self.model = None

    @functools.cache  # noqa: B019
    def exact(self, clique):
        shape = [self.domain.size((a,)) for a in clique]
        flat = np.ravel_multi_index([self.codes[a] for a in clique], shape)
        return np.bincount(flat, minlength=int(np.prod(shape))).astype(float)

    def measure(self, clique, sigma):
        x = self.exact(clique)
        noisy = x + self.rng.normal(size=x.size) * sigma
        self.measurements.append(LinearMeasurement(noisy, clique, stddev=sigma))
        nx.add_path(self.graph, clique)

    def estimate(self):
        self.model = estimation.MirrorDescent().estimate(
            self.domain, self.measurements, iters=self.n_iterations, warm_start=self.model
        )
        self.one_way = {a: np.asarray(self.model.project((a,)).datavector()) for a in self.domain.attributes}

    def predicted(self, clique):
        if len(clique) == 1:
            return self.one_way[clique[0]]
        a, b = clique
        if nx.has_path(self.graph, a, b):
            return np.asarray(self.model.project(clique).datavector())
        # nothing measured links them: they are independent
        return np.outer(self.one_way[a], self.one_way[b]).ravel() / float(self.model.total)

    def choose(self, scores, epsilon, sensitivity):
        """Exponential mechanism."""
        keys, values = list(scores), np.array(list(scores.values()))
        return keys[int(np.argmax(values * epsilon / (2.0 * sensitivity) + self.rng.gumbel(size=len(values))))]


def mst(m, rho):
    attributes = m.domain.attributes
    for a in attributes:
        m.measure((a,), np.sqrt(len(attributes) / (2.0 * rho / 3.0)))
    m.estimate()
    scores = {p: float(np.abs(m.exact(p) - m.predicted(p)).sum()) for p in itertools.combinations(attributes, 2)}
    tree, n_edges = nx.Graph(), len(attributes) - 1
    tree.add_nodes_from(attributes)
    for _ in range(n_edges):
        scores = {(a, b): s for (a, b), s in scores.items() if not nx.has_path(tree, a, b)}
        tree.add_edge(*m.choose(scores, np.sqrt(8.0 * rho / 3.0 / n_edges), 1.0))
    for edge in tree.edges:
        m.measure(edge, np.sqrt(n_edges / (2.0 * rho / 3.0)))
    m.estimate()


def aim(m, rho, max_model_size, max_cells=10_000):
    attributes = m.domain.attributes
    one_way = [(a,) for a in attributes]
    pairs = [p for p in itertools.combinations(attributes, 2) if m.domain.size(p) <= max_cells]
    candidates = [*one_way, *pairs]
    # the workload is all pairs: how many attributes a candidate shares with each of them, summed
    weight = {c: float(sum(len(set(c) & set(p)) for p in pairs)) for c in candidates}
    rounds = 16 * len(attributes)
    sigma, epsilon = np.sqrt(rounds / (2 * 0.9 * rho)), np.sqrt(8 * 0.1 * rho / rounds)
    used = len(one_way) * 0.5 / sigma**2
    for c in one_way:
        m.measure(c, sigma)
    m.estimate()
    last = False
    while not last:
        if rho - used < 2 * (0.5 / sigma**2 + epsilon**2 / 8):
            left = rho - used
            sigma, epsilon, last = np.sqrt(1 / (2 * 0.9 * left)), np.sqrt(8 * 0.1 * left), True
        used += epsilon**2 / 8 + 0.5 / sigma**2
        measured = [c.clique for c in m.measurements]
        allowed = [
            c
            for c in candidates
            if any(set(c) <= set(k) for k in measured)
            or junction_tree.hypothetical_model_size(m.domain, [*measured, c]) <= max_model_size * used / rho
        ]
        bias = np.sqrt(2 / np.pi) * sigma
        scores = {
            c: weight[c] * float(np.abs(m.exact(c) - m.predicted(c)).sum() - bias * m.domain.size(c)) for c in allowed
        }
        chosen = m.choose(scores, epsilon, max(weight[c] for c in allowed))
        before = m.predicted(chosen)
        m.measure(chosen, sigma)
        m.estimate()
        if np.abs(m.predicted(chosen) - before).sum() <= bias * m.domain.size(chosen):
            sigma, epsilon = sigma / 2, epsilon * 2


def fit(kind, table, X, y, epsilon, delta, seed, *, n_bins, n_iterations, max_model_size):
    """Return a function that samples n rows and their y."""
    rng = np.random.default_rng(seed)
    bins = Bins(table, n_bins)
    m = Marginals(bins.encode(X, y), bins.sizes, rng, n_iterations)
    rho = zcdp_rho(epsilon, delta)
    if kind == "mst":
        mst(m, rho)
    else:
        aim(m, rho, max_model_size)
    return lambda n: bins.decode(m.model.synthetic_data(rows=n).data, rng)
