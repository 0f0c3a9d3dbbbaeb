"""A generator behind a public transformation."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skdpflow._held import check_free, hold
from skdpflow.compose._generators import check_generator_of
from skdpflow.compose._steps import check_transformer, forward, learn_nothing
from skdpflow.preprocessing._base import DPTransformer
from skdpflow.statement import PrivacyStatement


class TransformedGenerator(DensityMixin, BaseEstimator):
    """Fit a generator to transformed rows, and sample in the original space.

    Parameters
    ----------
    generator : estimator
        `DPSlicedWassersteinFlow`, or anything with `fit`, `sample` and `privacy_spent_`. Its domain is that of the
        transformed rows.
    transformer : transformer
        With `inverse_transform`. It learns nothing (a `FunctionTransformer`, say), or was fitted on public data and is
        in a `sklearn.frozen.FrozenEstimator`. It is applied to each row by itself.

    Attributes
    ----------
    generator_ : estimator
        The fitted generator. It cannot be fitted or continued by itself, a clone of it can.
    transformer_ : transformer
        What was applied.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` of the generator, under its neighbouring relation: the transformer costs nothing.
    n_features_in_ : int
        Number of columns seen in `fit`.

    See Also
    --------
    GenerativePipeline : Several steps, also such that learn from the rows and pay.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.compose import TransformedGenerator
    >>> incomes = np.random.default_rng(0).lognormal(10.0, 1.0, size=(5000, 1))
    >>> logarithm = FunctionTransformer(np.log, inverse_func=np.exp)
    >>> flow = TransformedGenerator(DPSlicedWassersteinFlow(domain=(5.0, 15.0)), logarithm).fit(incomes)
    >>> bool((flow.sample(100) > 0).all()), flow.privacy_spent_
    (True, (1.0, 1e-06))
    """

    def __init__(self, generator: Any, transformer: Any) -> None:
        self.generator = generator
        self.transformer = transformer

    def fit(self, X: Any, y: Any = None) -> Self:
        """Transform each row, and fit the generator to the result.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Private rows.
        y : array-like of shape (n_samples,) or None, default=None
            Private target, for the generator.

        Returns
        -------
        self : TransformedGenerator
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If the transformer would learn from the rows or cannot be undone, or the generator refuses.
        """
        check_free(self)
        name = type(self).__name__
        check_generator_of(name, self.generator, "sample")
        check_transformer(name, "transformer", self.transformer)
        if isinstance(self.transformer, DPTransformer):
            raise ValueError(f"The transformer of {name} must not spend; GenerativePipeline has one budget for both.")
        transformer = learn_nothing(clone(self.transformer), X)
        self.generator_ = clone(self.generator).fit(forward("transformer", transformer, X), y)
        hold(self.generator_, self)
        self.transformer_ = transformer
        self.privacy_spent_: tuple[float, float] = self.generator_.privacy_spent_
        self.n_features_in_ = int(np.shape(X)[1])
        return self

    def sample(self, n_samples: int = 1, **params: Any) -> Any:
        """Draw synthetic rows; free of privacy cost.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        **params : dict
            Passed to the generator's `sample`: ``random_state``, for instance.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            As the transformer gives them back.
        """
        check_is_fitted(self)
        return self.transformer_.inverse_transform(self.generator_.sample(n_samples, **params))

    def sample_labeled(self, n_samples: int | None = None, **params: Any) -> tuple[Any, Any]:
        """Draw synthetic rows with their targets; only if the generator has a target.

        Parameters
        ----------
        n_samples : int or None, default=None
            Number of rows; None leaves it to the generator, as where `y` has an entry for each.
        **params : dict
            Passed to the generator's `sample_labeled`: ``y``, ``proportions`` and ``random_state``, for instance.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            As the transformer gives them back.
        y : array or series of shape (n_samples,)
            Labels or values.
        """
        check_is_fitted(self)
        wanted = () if n_samples is None else (n_samples,)
        X, y = self.generator_.sample_labeled(*wanted, **params)
        return self.transformer_.inverse_transform(X), y

    def privacy_statement(self) -> PrivacyStatement:
        """State what the generator guarantees, what that rests on, and what it does not cover.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.
        """
        check_is_fitted(self)
        return cast(PrivacyStatement, self.generator_.privacy_statement())

    def score(self, X: Any, y: Any = None) -> float:
        """Score the generator on transformed rows; not covered by the guarantee if they are private.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            What the generator's `score` says.
        """
        check_is_fitted(self)
        return float(self.generator_.score(forward("transformer", self.transformer_, X)))

    @property
    def classes_(self) -> Any:
        """Class labels; only with a categorical target."""
        return self.generator_.classes_

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that two fits differ, since each draws fresh noise."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags
