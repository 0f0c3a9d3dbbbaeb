"""Any scikit-learn model, trained on private synthetic rows."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Self, cast

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.estimator import DPSlicedWassersteinFlow
from skdpflow._flow.parameters import warn_of_score
from skdpflow._flow.rows import rows_like
from skdpflow._isolation import sealed
from skdpflow._ownership import check_free, hold
from skdpflow._validation import check_generator, check_int
from skdpflow.compose._generators import check_generator_of, check_target_for, plain_labels
from skdpflow.ledger.lineage import hand_on, inherit
from skdpflow.release.statement import PrivacyStatement
from skdpflow.release.unverified import naming_unverified

#: Made-up rows on which an estimator is tried.
ROWS_TRIED = 500
_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score")


def _try_out(estimator: Any, generator: DPSlicedWassersteinFlow, X: Any, y: Any, n_samples: int) -> None:
    """Refuse an estimator that fails on made-up rows: nothing is spent then."""
    rows, target = rows_like(generator, X, y, min(n_samples, ROWS_TRIED))
    failure = None
    with sealed(0):
        try:
            clone(estimator).fit(rows, plain_labels(target))
        except Exception as error:  # of any estimator
            failure = error
    if failure is not None:
        said = f"{type(failure).__name__}: {failure}".rstrip(".")
        raise ValueError(
            f"{type(estimator).__name__} cannot be trained on made-up rows with the declared columns and the dtypes of "
            f"X: {said}. Encode such columns in a Pipeline with the estimator, or correct "
            "its parameters. Nothing was spent."
        ) from failure


def _estimator_has(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return hasattr(getattr(self, "estimator_", self.estimator), method)

    return check


class TrainOnSynthetic(MetaEstimatorMixin, BaseEstimator):
    """Train any classifier or regressor on private synthetic rows instead of the rows.

    `fit` fits the generator to the rows, which spends its budget, samples rows with targets from it, and trains the
    estimator on these alone. So the trained model, its parameters and all its predictions are as private as the
    generator is, whatever the estimator does: it is post-processing.

    Parameters
    ----------
    estimator : estimator
        Classifier or regressor, or a Pipeline that ends with one.
    generator : estimator
        What makes synthetic rows: `DPSlicedWassersteinFlow`, or anything with `fit`, `sample_labeled` and
        `privacy_spent_`. Its ``target`` says what y is: a Categories for a classifier, an Interval for a regressor.
    n_samples : int, default=10_000
        Number of synthetic rows to train on; they cost no privacy.
    random_state : int, RandomState instance, Generator or None, default=None
        Public randomness of the sample.

    Attributes
    ----------
    generator_ : estimator
        The fitted generator. It cannot be fitted or continued by itself, a clone of it can.
    estimator_ : estimator
        The trained estimator.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` of this fit, under the neighbouring relation of the generator.
    classes_ : ndarray of shape (n_classes,)
        Class labels in the synthetic rows; only with a classifier.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    skdpflow.DPSlicedWassersteinFlow : A generator.

    Notes
    -----
    The guarantee is that of the generator. `score` of private rows is a function of those rows and not covered, and so
    is the choice that a grid search makes by it; each of its fits spends a budget of its own. Predictions for a row
    depend on that row and on the private model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> from skdpflow.compose import TrainOnSynthetic
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2))
    >>> y = np.where(X[:, 0] > 0, "high", "low")
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=(-4.0, 4.0), target=Categories(["high", "low"]))
    >>> model = TrainOnSynthetic(LogisticRegression(), flow).fit(X, y)
    >>> model.score(X, y) > 0.9, model.privacy_spent_
    (True, (1.0, 1e-06))
    """

    def __init__(self, estimator: Any, generator: Any, *, n_samples: int = 10_000, random_state: Any = None) -> None:
        self.estimator = estimator
        self.generator = generator
        self.n_samples = n_samples
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the generator to private rows and train on what it samples.

        The estimator is first tried on a few made-up rows of the declared columns, in the container and dtypes of X.
        It is not where the domain has constraints, which such rows do not meet.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Private rows.
        y : array-like of shape (n_samples,)
            Private target.

        Returns
        -------
        self : TrainOnSynthetic
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid, the rows cannot be used, or the estimator cannot be trained on made-up rows;
            nothing is spent then. Also if it cannot be trained on the synthetic rows, for instance as only one class
            was found: the budget is spent then, and `generator_` keeps the fitted generator.
        """
        check_free(self)
        name = type(self).__name__
        check_generator_of(name, self.generator, "sample_labeled")
        check_target_for(name, self.generator, self.estimator)
        n_samples = check_int(name, "n_samples", self.n_samples, 1)
        rng = check_generator(name, "random_state", self.random_state)
        generator = clone(self.generator)
        if isinstance(generator, DPSlicedWassersteinFlow) and not getattr(generator.domain, "constraints", ()):
            _try_out(self.estimator, generator, X, y, n_samples)
        inherit(self, generator)
        generator.fit(X, y)
        for attribute in {"estimator_", "classes_", "feature_names_in_"} & set(vars(self)):
            delattr(self, attribute)
        hold(generator, self)
        self.generator_ = generator
        self.privacy_spent_: tuple[float, float] = generator.privacy_spent_
        self.n_features_in_: int = generator.n_features_in_
        if hasattr(generator, "feature_names_in_"):
            self.feature_names_in_ = generator.feature_names_in_
        if is_classifier(self.estimator) and not hasattr(generator, "classes_"):
            raise ValueError(
                "No class labels were found privately: y is continuous, or too few rows are of even one class. "
                "The budget is spent. Where the labels are public, declare them: target=Categories([...])."
            )
        rows, target = generator.sample_labeled(n_samples, random_state=rng)
        self.estimator_ = clone(self.estimator).fit(rows, plain_labels(target))
        if hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Whether the estimator was trained: a generator may be fitted without."""
        return hasattr(self, "estimator_")

    def privacy_statement(self) -> PrivacyStatement:
        """State what the generator guarantees, what that rests on, and what it does not cover.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.
        """
        check_is_fitted(self, "generator_")
        return naming_unverified(cast(PrivacyStatement, self.generator_.privacy_statement()), self)

    def _call(self, method: str, *args: Any, **params: Any) -> Any:
        check_is_fitted(self)
        routed = process_routing(self, method, **params)
        return getattr(self.estimator_, method)(*args, **routed["estimator"][method])

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any, **params: Any) -> Any:
        """Predict targets with the trained estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Metadata for the estimator's `predict`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        """
        return self._call("predict", X, **params)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> Any:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Metadata for the estimator's `predict_proba`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._call("predict_proba", X, **params)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> Any:
        """Predict logarithms of probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Metadata for the estimator's `predict_log_proba`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._call("predict_log_proba", X, **params)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> Any:
        """Compute the decision function of the trained estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Metadata for the estimator's `decision_function`.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the estimator gives it.
        """
        return self._call("decision_function", X, **params)

    @available_if(_estimator_has("score"))
    def score(self, X: Any, y: Any, **params: Any) -> float:
        """Score the trained estimator on rows; not covered by the guarantee if they are private.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            True targets.
        **params : dict
            Metadata for the estimator's `score`.

        Returns
        -------
        score : float
            Accuracy or R2, as the estimator scores.
        """
        check_is_fitted(self)
        warn_of_score(self.generator_)
        return float(self._call("score", X, y, **params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata goes to the estimator; `fit` takes none.

        Returns
        -------
        routing : MetadataRouter
            For scikit-learn.
        """
        mapping = MethodMapping()
        for method in _METHODS:
            mapping = mapping.add(caller=method, callee=method)
        router = MetadataRouter(owner=type(self).__name__)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_clone__(self) -> Self:
        """Return a clone that knows whether a search chose its parameters."""
        return hand_on(self, super().__sklearn_clone__())

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the estimator, with the input tags of the generator."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = deepcopy(inner.classifier_tags)
        tags.regressor_tags = deepcopy(inner.regressor_tags)
        tags.target_tags = deepcopy(inner.target_tags)
        tags.target_tags.multi_output = False
        tags.target_tags.required = True
        tags.input_tags = deepcopy(get_tags(self.generator).input_tags)
        tags.non_deterministic = True
        # on a few hundred rows, the result is mostly noise
        for kind in (tags.classifier_tags, tags.regressor_tags):
            if kind is not None:
                kind.poor_score = True
        return tags
