"""DP-MERF, for comparison: a generator trained on one noisy mean embedding of the rows (arXiv:2002.11603).

Rows are encoded to numbers from 0 to 1 and one-hot categories, and mapped to random Fourier features of norm one. The
sum of the features of each class gets Gaussian noise once, as do the class counts: under add-remove, both sums
together have sensitivity sqrt(1 + 1), and half of mu**2 pays for each. A network with one hidden layer then learns to
give rows of the same mean embedding in each class. A numeric target is one more column, in one class.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tables import encode, encode_column

from skdpflow import Categories, Domain, Interval
from skdpflow.accountants import gdp_mu


def fit(table, X, y, epsilon, delta, seed, *, n_features=1000, n_steps=1500, batch=500, hidden=200, n_codes=10):
    """Return a function that samples n rows and their y."""
    rng = np.random.default_rng(seed)
    numeric_target = isinstance(table.target, Interval)
    columns = dict(zip(table.domain.names, table.domain.columns, strict=True))
    rows = encode(X, table.domain)
    if numeric_target:
        columns["target of the table"] = table.target
        rows = np.hstack([rows, encode_column(np.asarray(y, dtype=np.float64), table.target)])
    domain = Domain(columns)
    widths = [c.n_levels if isinstance(c, Categories) else 1 for c in domain.columns]
    starts = np.cumsum([0, *widths])
    k = 1 if numeric_target else len(table.classes)
    component = np.zeros(len(rows), dtype=int) if numeric_target else np.searchsorted(table.classes, y)

    # length scale: a part of the diagonal of the unit cube
    frequencies = rng.normal(size=(rows.shape[1], n_features // 2)) / (0.3 * np.sqrt(len(domain)))
    noise = np.sqrt(2.0) / gdp_mu(epsilon, delta)

    def features(v):
        a = v @ frequencies
        return jnp.hstack([jnp.cos(a), jnp.sin(a)]) / np.sqrt(n_features // 2)

    sums = np.zeros((k, 2 * (n_features // 2)))
    for start in range(0, len(rows), 4096):
        part = slice(start, start + 4096)
        np.add.at(sums, component[part], np.asarray(features(rows[part])))
    sums += rng.normal(size=sums.shape) * noise
    counts = np.maximum(np.bincount(component, minlength=k) + rng.normal(size=k) * noise, 1.0)
    wanted = jnp.asarray(sums / counts[:, None])

    def layer(n_in, n_out):
        return rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), np.zeros(n_out)

    weights = [layer(n_codes + k, hidden), layer(hidden, hidden), layer(hidden, int(starts[-1]))]
    weights = jax.tree.map(jnp.asarray, weights)

    def generate(weights, codes, labels):
        h = jnp.hstack([codes, jax.nn.one_hot(labels, k)])
        for w, b in weights[:-1]:
            h = h @ w + b
            h = jax.nn.relu((h - h.mean(axis=0)) / (h.std(axis=0) + 1e-3))
        h = h @ weights[-1][0] + weights[-1][1]
        parts = [
            jax.nn.sigmoid(h[:, a:b]) if b - a == 1 else jax.nn.softmax(h[:, a:b], axis=1)
            for a, b in itertools.pairwise(starts)
        ]
        return jnp.hstack(parts)

    per_class = max(batch // k, 20)
    labels = jnp.repeat(jnp.arange(k), per_class)

    def loss(weights, codes):
        embedded = features(generate(weights, codes, labels)).reshape(k, per_class, -1).mean(axis=1)
        return ((embedded - wanted) ** 2).sum()

    adam = optax.adam(optax.exponential_decay(1e-2, n_steps, 0.05))

    @jax.jit
    def step(weights, state, key):
        codes = jax.random.normal(key, (len(labels), n_codes))
        updates, state = adam.update(jax.grad(loss)(weights, codes), state)
        return optax.apply_updates(weights, updates), state

    state, key = adam.init(weights), jax.random.key(seed)
    for i in range(n_steps):
        weights, state = step(weights, state, jax.random.fold_in(key, i))

    def sample(n):
        drawn = rng.choice(k, size=n, p=counts / counts.sum())
        out = np.asarray(generate(weights, jnp.asarray(rng.normal(size=(n, n_codes))), jnp.asarray(drawn)))
        cells = []
        for column, a, b in zip(domain.columns, starts[:-1], starts[1:], strict=True):
            if isinstance(column, Categories):
                p = np.cumsum(out[:, a:b], axis=1)
                code = (rng.uniform(size=(n, 1)) * p[:, -1:] > p[:, :-1]).sum(axis=1)
                cells.append(np.array(column.values, dtype=np.float64)[code])
            else:
                value = column.lower + out[:, a] * (column.upper - column.lower)
                cells.append(np.rint(value) if column.integer else value)
        new = np.column_stack(cells)
        return (new[:, :-1], new[:, -1]) if numeric_target else (new, table.classes[drawn])

    return sample
