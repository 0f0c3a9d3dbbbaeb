"""Synthetic images of digits: learnt privately from 60,000, judged by a network that saw no real one.

Usage: python benchmarks/mnist.py mnist.npz [--epsilon 1] [--delta 1e-5] [--images 60000]

The file holds the arrays Xtr, ytr, Xte and yte of the usual split, pixels from 0 to 255. A pipeline of DPPCA and
the flow, with default parameters, is fitted to the training images; a multi-layer perceptron is trained on its
synthetic images and scored on the real test images.
"""

import argparse
from time import perf_counter

import numpy as np
from sklearn.neural_network import MLPClassifier

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.compose import GenerativePipeline
from skdpflow.preprocessing import DPPCA

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
# early stopping would look at more synthetic images, not at real ones
model = MLPClassifier((256,), max_iter=15, early_stopping=True, random_state=0).fit(images, labels)
print(f"spent: {pipe.privacy_spent_}, components: {pipe['pca'].n_components_}")
print(f"fit {fitted - start:.1f} s, {args.images} images {sampled - fitted:.1f} s")
print(f"accuracy on real test images: {model.score(X_test, y_test):.4f}")
