"""Synthetic images of digits: learnt privately from 60,000, judged by models that saw no real one.

Usage: python benchmarks/mnist.py mnist.npz [--epsilon 1] [--delta 1e-5] [--images 60000]

The file holds the arrays Xtr, ytr, Xte and yte of the usual split, pixels from 0 to 255. A pipeline of DPPCA and
the flow, with default parameters, is fitted to the training images. Models are trained on its synthetic images and
scored on the real test images: a support vector machine on the private components of 20,000, a multi-layer
perceptron, and, if jax and optax are there (requirements-peers.txt), a small convolutional network.
"""

import argparse
from importlib.util import find_spec
from time import perf_counter

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.compose import GenerativePipeline
from skdpflow.preprocessing import DPPCA


class ConvolutionalNetwork:
    """Two convolutions with pooling and one hidden layer with dropout, trained by Adam."""

    def __init__(self, n_epochs=5, batch=128, seed=0):
        self.n_epochs, self.batch, self.seed = n_epochs, batch, seed

    def fit(self, X, y):
        import jax
        import optax

        rng, key = np.random.default_rng(self.seed), jax.random.key(self.seed)
        shapes = [(5, 5, 1, 16), (3, 3, 16, 32), (1568, 128), (128, 10)]
        params = [(rng.normal(size=s) * np.sqrt(2.0 / np.prod(s[:-1])), np.zeros(s[-1])) for s in shapes]
        params = jax.tree.map(lambda a: jax.numpy.asarray(a, dtype=np.float32), params)
        optimizer = optax.adam(1e-3)

        @jax.jit
        def step(params, state, X, y, key):
            def loss(params):
                logits = self._logits(params, X, key)
                return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return optax.apply_updates(params, updates), state

        X, state = np.asarray(X, dtype=np.float32), optimizer.init(params)
        for _ in range(self.n_epochs):
            order = rng.permutation(len(X))
            for rows in order[: len(X) // self.batch * self.batch].reshape(-1, self.batch):
                key, dropout = jax.random.split(key)
                params, state = step(params, state, X[rows], y[rows], dropout)
        self.params_ = params
        return self

    @staticmethod
    def _logits(params, X, key=None):
        import jax

        z = X.reshape(-1, 28, 28, 1)
        for kernel, bias in params[:2]:
            z = jax.lax.conv_general_dilated(z, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            z = jax.nn.relu(z + bias)
            z = jax.lax.reduce_window(z, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        hidden = jax.nn.relu(z.reshape(len(z), -1) @ params[2][0] + params[2][1])
        if key is not None:
            hidden *= 2.0 * jax.random.bernoulli(key, 0.5, hidden.shape)
        return hidden @ params[3][0] + params[3][1]

    def score(self, X, y):
        parts = np.array_split(np.asarray(X, dtype=np.float32), 10)
        found = np.concatenate([self._logits(self.params_, part).argmax(axis=1) for part in parts])
        return float((found == y).mean())


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file")
parser.add_argument("--epsilon", type=float, default=1.0)
parser.add_argument("--delta", type=float, default=1e-5)
parser.add_argument("--images", type=int, default=60_000)
args = parser.parse_args()

with np.load(args.file) as data:
    X, y = data["Xtr"] / 255.0, data["ytr"].astype(int)
    X_test, y_test = data["Xte"] / 255.0, data["yte"].astype(int)

pipe = GenerativePipeline(
    [("pca", DPPCA(domain=(0.0, 1.0))), ("flow", DPSlicedWassersteinFlow(target=Categories(list(range(10)))))],
    epsilon=args.epsilon,
    delta=args.delta,
)
start = perf_counter()
pipe.fit(X, y)
fitted = perf_counter()
images, labels = pipe.sample_labeled(args.images, random_state=0)
sampled = perf_counter()
print(f"spent: {pipe.privacy_spent_}, components: {pipe['pca'].n_components_}")
print(f"fit {fitted - start:.1f} s, {args.images} images {sampled - fitted:.1f} s", flush=True)

pca, some = pipe["pca"], slice(20_000)
svm = SVC(C=2.0).fit(pca.transform(images[some]), labels[some])
print(f"support vector machine, on components: {svm.score(pca.transform(X_test), y_test):.4f}", flush=True)
# early stopping would look at more synthetic images, not at real ones
mlp = MLPClassifier((256,), max_iter=15, early_stopping=True, random_state=0).fit(images, labels)
print(f"multi-layer perceptron: {mlp.score(X_test, y_test):.4f}", flush=True)
if find_spec("jax") and find_spec("optax"):
    network = ConvolutionalNetwork().fit(images, labels)
    print(f"convolutional network: {network.score(X_test, y_test):.4f}")
