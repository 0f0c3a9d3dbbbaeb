"""Rare classes filled up with private synthetic rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, clone
from sklearn.utils import InputTags, Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._ownership import hold
from skdpflow._validation import check_bool, check_generator, check_int, check_real, invalid
from skdpflow.compose._beside import beside, check_beside
from skdpflow.compose._generators import check_generator_of, declared_target
from skdpflow.compose._steps import schema_beside
from skdpflow.domain import Categories
from skdpflow.domain.resolve import resolve_domain
from skdpflow.domain.schema import container_of, schema_of
from skdpflow.release import Release
from skdpflow.release.statement import PrivacyStatement
from skdpflow.release.unverified import naming_unverified
from skdpflow.sampling.writable import check_writable

_STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")


class DPOversampler(OneToOneFeatureMixin, BaseEstimator):
    """Fill up rare classes with private synthetic rows.

    Follows imbalanced-learn's conventions for samplers [1]_, so that it works as a step of its `Pipeline`: rows are
    added in training only.

    Parameters
    ----------
    generator : estimator or Release, default=None
        Where the new rows come from; it has to be given. An estimator such as `DPSlicedWassersteinFlow`, with a target
        of categories, is fitted to the rows that are given, and spends its budget on them. A `Release`, of the same
        columns and classes, says what another holder's rows were like: then nothing is spent here.
    sampling_strategy : str, float, dict or callable, default="auto"
        Which classes are filled up to as many rows as the largest has: ``"minority"``, ``"not minority"``,
        ``"not majority"`` or ``"all"``; ``"auto"`` means ``"not majority"``. A float, for two classes, is the wanted
        ratio of the smaller to the larger. A dict gives the wanted number of rows of classes, the original ones
        included. A callable gets the labels and returns such a dict.
    keep_original : bool, default=True
        True returns the given rows, followed by the new ones. False returns new rows only, and then needs a dict
        as the `sampling_strategy`.
    random_state : int, RandomState instance, Generator or None, default=None
        Public randomness of the sample.

    Attributes
    ----------
    generator_ : estimator
        The fitted generator.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` guaranteed to the rows that the generator was fitted to: those given, or the other
        holder's.
    sampling_strategy_ : dict
        Number of new rows of each class. With `keep_original` it comes from raw labels, unless a dict was given
        that names all of it.
    n_features_in_ : int
        Number of columns seen.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    TrainOnSynthetic : Trains on synthetic rows alone, so that the model is private.

    Notes
    -----
    **With** ``keep_original=True`` **the result is not private**, and neither is a model that is trained on it: it
    holds the given rows, and the number of new ones follows from counts of raw labels. Private are only the new
    rows, towards whoever the generator was fitted to. So this is for a holder who may use their own rows as they
    are, and wants more of a rare class, from their own model or from a Release of somebody else, whose rows stay
    protected.

    With ``keep_original=False`` the result is a function of the generator's Release and of the public numbers in
    `sampling_strategy`, and as private as the generator.

    References
    ----------
    .. [1] Lemaitre, G., Nogueira, F., Aridas, C. K. (2017). Imbalanced-learn: a Python toolbox to tackle the curse of
       imbalanced datasets in machine learning. JMLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> from skdpflow.compose import DPOversampler
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.uniform(size=(1000, 2)), np.repeat([0, 1], [900, 100])
    >>> flow = DPSlicedWassersteinFlow(domain=(0, 1), target=Categories([0, 1]))
    >>> more, labels = DPOversampler(flow).fit_resample(X, y)
    >>> np.bincount(labels).tolist()
    [900, 900]
    """

    def __init__(
        self,
        generator: Any = None,
        sampling_strategy: Any = "auto",
        *,
        keep_original: bool = True,
        random_state: Any = None,
    ) -> None:
        self.generator = generator
        self.sampling_strategy = sampling_strategy
        self.keep_original = keep_original
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the generator, unless it is a Release, and count the missing rows; `fit_resample` does this too.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), or of shape (n_samples, n_classes)
            Their labels, which may be a frame of one column, or classes 0, 1, ... one-hot encoded.

        Returns
        -------
        self : DPOversampler
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows do not fit the Release; nothing is spent then. Also if classes are
            to be found privately and fewer than two are: the budget is spent then.
        """
        name = type(self).__name__
        keep = check_bool(name, "keep_original", self.keep_original)
        check_generator(name, "random_state", self.random_state)
        self._check_strategy(keep)
        classes = self._known_classes()
        labels = _flat(y, strict=keep)[0]
        if classes is not None:  # refused before anything is spent
            wanted = self._wanted(labels, classes, keep)
        # a list stays a list, so that the declaration decides its dtype
        generator = self._fitted(X, y if isinstance(y, list) and labels.ndim == 1 else labels, keep)
        if classes is None:
            wanted = self._wanted(labels, list(generator.classes_), keep)
        self.sampling_strategy_ = wanted
        hold(generator, self)
        self.generator_ = generator
        self.privacy_spent_: tuple[float, float] = generator.privacy_spent_
        self.n_features_in_: int = generator.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(generator, "feature_names_in_"):
            self.feature_names_in_ = generator.feature_names_in_
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Fit the generator, unless it is a Release, and fill up classes.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), or of shape (n_samples, n_classes)
            Their labels, as for `fit`.

        Returns
        -------
        X_resampled : {ndarray, list, pandas.DataFrame, polars.DataFrame} of shape (n_samples_new, n_features)
            The given rows, if they are kept, and the new ones.
        y_resampled : array, list, series or frame of shape (n_samples_new,) or (n_samples_new, n_classes)
            Their labels, in the form of `y`.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows do not fit the Release; nothing is spent then. Also if classes are
            to be found privately and fewer than two are: the budget is spent then.
        """
        self.fit(X, y)
        rng = check_generator(type(self).__name__, "random_state", self.random_state)
        parts = [
            self.generator_.sample_labeled(n, proportions={label: 1.0}, random_state=rng)
            for label, n in self.sampling_strategy_.items()
            if n
        ]
        labels, in_form = _flat(y, strict=self.keep_original)
        if self.keep_original:
            parts.insert(0, (_as_sampled(X), labels))
        rows = beside([rows for rows, _ in parts])
        return rows.tolist() if isinstance(X, list) else rows, in_form(beside([labels for _, labels in parts]))

    def privacy_statement(self) -> PrivacyStatement:
        """State what the generator guarantees, what that rests on, and what it does not cover.

        It protects the rows that the generator was fitted to. Given rows that are kept are not protected.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.

        Raises
        ------
        NotFittedError
            If neither `fit` nor `fit_resample` was called.
        """
        check_is_fitted(self)
        return naming_unverified(cast(PrivacyStatement, self.generator_.privacy_statement()), self)

    def _check_strategy(self, keep: bool) -> None:
        name, strategy = type(self).__name__, self.sampling_strategy
        if isinstance(strategy, Mapping):
            for n in strategy.values():
                check_int(name, "sampling_strategy", n, 0)
            if not keep and not any(strategy.values()):
                raise invalid(name, "sampling_strategy", "a dict with a positive number", strategy)
            return
        if not keep:
            raise ValueError(
                f"With keep_original=False, {name} needs the rows of each class as sampling_strategy={{...}}: "
                "numbers taken from the raw labels would not be private."
            )
        if callable(strategy):
            return
        if isinstance(strategy, str):
            if strategy not in _STRATEGIES:
                expected = f"among {list(_STRATEGIES)}, a float, a dict or a callable"
                raise invalid(name, "sampling_strategy", expected, strategy)
            return
        check_real(name, "sampling_strategy", strategy, 0.0, 1.0, "right")

    def _known_classes(self) -> list[Any] | None:
        """Return the classes to fill up, None where they are to be found privately."""
        name = type(self).__name__
        if self.generator is None:
            raise ValueError(
                f"{name} needs a generator of the new rows. Pass a flow, or the Release of another holder: "
                f"{name}(DPSlicedWassersteinFlow(epsilon=1.0, domain=domain, target=Categories(['no', 'yes'])))"
            )
        if isinstance(self.generator, Release):
            if self.generator.classes is None:
                raise ValueError("This Release has no classes: its flow was fitted without target=Categories([...]).")
            return list(self.generator.classes)
        check_generator_of(name, self.generator, "sample_labeled")
        target = declared_target(self.generator)
        if not isinstance(target, Categories):
            raise ValueError(f"The generator of {name} needs target=Categories([...]): the classes to fill up.")
        return list(target.values) if target.declared else None

    def _check_beside(self, X: Any, y: Any) -> None:
        """Refuse a frame to which synthetic rows could not be added, where its columns and classes are declared."""
        flow = self.generator
        if container_of(X) == "numpy" or not isinstance(flow, DPSlicedWassersteinFlow):
            return
        schema, target, owner = schema_of(X, y), flow.target, type(flow).__name__
        domain = resolve_domain(
            flow.domain, schema.names, schema.n_features, owner=owner, target=target, target_name=schema.target_name
        )
        if domain is not None and not domain.undeclared and isinstance(target, Categories) and target.declared:
            check_beside(X, y, domain, target)

    def _fitted(self, X: Any, y: Any, keep: bool) -> Any:
        """Return the fitted generator."""
        release = self.generator
        if not isinstance(release, Release):
            if keep:
                self._check_beside(X, y)
            generator = clone(self.generator).fit(X, y)
            if not hasattr(generator, "classes_"):
                raise ValueError("No class labels were found privately; the budget is spent. Declare them instead.")
            return generator
        if len(np.shape(X)) != 2 or np.shape(X)[1] != len(release.domain):
            raise ValueError(f"The Release is of {len(release.domain)} columns, X must have as many.")
        schema = schema_beside(release, X, y, type(self).__name__)
        theirs = release.schema.feature_names
        if schema.feature_names and theirs and schema.feature_names != theirs:
            raise ValueError(f"The columns of X must be those of the Release, in this order: {theirs}.")
        check_writable(schema, release.domain, release.target)
        if keep and schema.container != "numpy" and isinstance(release.target, Categories):
            check_beside(X, y, release.domain, release.target)
        # the new rows in the container and with the types of these rows
        return DPSlicedWassersteinFlow.from_release(replace(release, schema=schema))

    def _wanted(self, y: Any, classes: list[Any], keep: bool) -> dict[Any, int]:
        """Return the number of new rows of each class."""
        name, strategy = type(self).__name__, self.sampling_strategy
        if callable(strategy):
            strategy = strategy(y)
            if not isinstance(strategy, Mapping):
                raise TypeError(f"A callable as the sampling_strategy of {name} must return a dict of numbers of rows.")
        if isinstance(strategy, Mapping) and not set(strategy) <= set(classes):
            raise invalid(name, "sampling_strategy", f"a dict with keys among the classes {classes}", strategy)
        if not keep:
            return {label: int(strategy.get(label, 0)) for label in classes}
        if len(classes) < 2:
            raise ValueError("There is one class only, so there is nothing to balance.")
        counts = Counter(y.tolist() if container_of(y) == "numpy" else y.to_list())
        have = {label: counts[label] for label in classes}
        largest, smallest = max(have.values()), min(have.values())
        if largest == 0:
            raise ValueError(f"None of the labels is among the classes of {name}, {classes}.")
        if isinstance(strategy, Mapping):
            short = [label for label, n in strategy.items() if n < have[label]]
            if short:
                raise ValueError(f"The classes {short} have more rows than sampling_strategy wants.")
            return {label: int(strategy.get(label, n)) - n for label, n in have.items()}
        if not isinstance(strategy, str):
            if len(classes) != 2:
                raise ValueError("A float as sampling_strategy needs two classes; use a dict.")
            goal = int(strategy * largest)
            return {label: max(goal - n, 0) if n < largest else 0 for label, n in have.items()}
        chosen = {
            "minority": [label for label, n in have.items() if n == smallest][:1],
            "not minority": [label for label, n in have.items() if n > smallest],
        }.get(strategy, classes)
        return {label: largest - n if label in chosen else 0 for label, n in have.items()}

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn and imbalanced-learn that two fits differ, that labels are needed, and what X may be."""
        tags = _SamplerTags(**_shallow(super().__sklearn_tags__()))
        tags.input_tags = _SamplerInputTags(**_shallow(tags.input_tags))
        tags.estimator_type = "sampler"
        tags.non_deterministic = True
        tags.target_tags.required = True
        if isinstance(self.generator, Release):
            tags.input_tags.allow_nan = any(column.nullable for column in self.generator.domain.columns)
        elif self.generator is not None:
            tags.input_tags.allow_nan = get_tags(self.generator).input_tags.allow_nan
        return tags


# What imbalanced-learn asks of a sampler beyond scikit-learn's tags.


@dataclass(slots=True)
class _SampleIndices:
    sample_indices: bool = False


@dataclass(slots=True)
class _SamplerInputTags(InputTags):
    dataframe: bool = True


@dataclass(slots=True)
class _SamplerTags(Tags):
    sampler_tags: _SampleIndices = field(default_factory=_SampleIndices)


def _shallow(tags: Any) -> dict[str, Any]:
    return {entry.name: getattr(tags, entry.name) for entry in fields(tags)}


def _flat(y: Any, *, strict: bool) -> tuple[Any, Callable[[Any], Any]]:
    """Return labels in one dimension, and what gives labels the form of y.

    Where the result is private, a row that is not one-hot is of no class, as an error would tell of it.
    """
    container = container_of(y)
    if container == "numpy":
        labels = _as_sampled(y)
        if labels.ndim != 2:
            return labels, (lambda new: new.tolist()) if isinstance(y, list) else _same
        if labels.shape[1] == 1:
            return labels[:, 0], _same
        one_hot = np.isin(labels, (0, 1)).all(axis=1) & ((labels == 1).sum(axis=1) == 1)
        if strict and not one_hot.all():
            raise ValueError("Multilabel and multioutput targets are not supported: y needs one label per row of X.")
        codes = np.where(one_hot, (labels == 1).argmax(axis=1), -1)
        return codes, np.eye(labels.shape[1], dtype=labels.dtype).__getitem__
    if len(y.shape) == 1:
        return y, _same
    if y.shape[1] != 1:
        raise ValueError("Multilabel and multioutput targets are not supported: y needs one column.")
    labels = y.iloc[:, 0] if container == "pandas" else y.to_series(0)
    return labels, type(labels).to_frame


def _same(labels: Any) -> Any:
    return labels


def _as_sampled(data: Any) -> Any:
    """Return rows in a container in which synthetic ones can come; what has no dtype holds objects, as they are."""
    if container_of(data) != "numpy":
        return data
    return np.asanyarray(data, dtype=None if isinstance(getattr(data, "dtype", None), np.dtype) else object)
