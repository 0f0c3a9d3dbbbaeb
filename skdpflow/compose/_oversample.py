"""Rare classes filled up with private synthetic rows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._validation import check_bool, check_generator, check_int, check_real, invalid
from skdpflow.compose._generators import check_generator_of, declared_target
from skdpflow.domain import Categories
from skdpflow.release import Release
from skdpflow.schema import container_of, schema_of
from skdpflow.statement import PrivacyStatement

_STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")


class DPOversampler(BaseEstimator):
    """Fill up rare classes with private synthetic rows.

    Follows imbalanced-learn's conventions for samplers [1]_, so that it works as a step of its `Pipeline`: rows are
    added in training only.

    Parameters
    ----------
    generator : estimator or Release
        Where the new rows come from. An estimator such as `DPSlicedWassersteinFlow`, with a target of categories, is
        fitted to the rows that are given, and spends its budget on them. A `Release`, of the same columns and classes,
        says what another holder's rows were like: then nothing is spent here.
    sampling_strategy : {"auto", "minority", "not minority", "not majority", "all"}, float or dict, default="auto"
        Which classes are filled up to as many rows as the largest has; ``"auto"`` means ``"not majority"``. A float,
        for two classes, is the wanted ratio of the smaller to the larger. A dict gives the wanted number of rows of
        classes, the original ones included.
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
        generator: Any,
        sampling_strategy: Any = "auto",
        *,
        keep_original: bool = True,
        random_state: Any = None,
    ) -> None:
        self.generator = generator
        self.sampling_strategy = sampling_strategy
        self.keep_original = keep_original
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Fit the generator, unless it is a Release, and fill up classes.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        X_resampled : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples_new, n_features)
            The given rows, if they are kept, and the new ones.
        y_resampled : array or series of shape (n_samples_new,)
            Their labels.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows do not fit the Release; nothing is spent then.
        """
        name = type(self).__name__
        keep = check_bool(name, "keep_original", self.keep_original)
        rng = check_generator(name, "random_state", self.random_state)
        self._check_strategy(keep)
        generator = self._fitted(X, y)
        wanted = self._wanted(y, list(generator.classes_), keep)
        parts = [
            generator.sample_labeled(n, proportions={label: 1.0}, random_state=rng) for label, n in wanted.items() if n
        ]
        if keep:
            parts.insert(0, (_as_sampled(X), _as_sampled(y)))
        elif not parts:
            raise invalid(name, "sampling_strategy", "a dict with a positive number", self.sampling_strategy)
        self.generator_ = generator
        self.privacy_spent_: tuple[float, float] = generator.privacy_spent_
        self.sampling_strategy_ = wanted
        self.n_features_in_: int = generator.n_features_in_
        return _concatenated([rows for rows, _ in parts]), _concatenated([labels for _, labels in parts])

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
            If `fit_resample` was not called.
        """
        if not hasattr(self, "generator_"):
            raise NotFittedError("Call fit_resample first: there is no generator to speak of.")
        return cast(PrivacyStatement, self.generator_.privacy_statement())

    def _check_strategy(self, keep: bool) -> None:
        name, strategy = type(self).__name__, self.sampling_strategy
        if isinstance(strategy, Mapping):
            for n in strategy.values():
                check_int(name, "sampling_strategy", n, 0)
            return
        if not keep:
            raise ValueError(
                f"With keep_original=False, {name} needs the rows of each class as sampling_strategy={{...}}: "
                "numbers taken from the raw labels would not be private."
            )
        if isinstance(strategy, str):
            if strategy not in _STRATEGIES:
                raise invalid(name, "sampling_strategy", f"among {list(_STRATEGIES)}, a float or a dict", strategy)
            return
        check_real(name, "sampling_strategy", strategy, 0.0, 1.0, "right")

    def _fitted(self, X: Any, y: Any) -> Any:
        name = type(self).__name__
        if not isinstance(self.generator, Release):
            check_generator_of(name, self.generator, "sample_labeled")
            if not isinstance(declared_target(self.generator), Categories):
                raise ValueError(f"The generator of {name} needs target=Categories([...]): the classes to fill up.")
            generator = clone(self.generator).fit(X, y)
            if not hasattr(generator, "classes_"):
                raise ValueError("No class labels were found privately; the budget is spent. Declare them instead.")
            return generator
        release = self.generator
        if release.classes is None:
            raise ValueError("This Release has no classes: its flow was fitted without target=Categories([...]).")
        if len(np.shape(X)) != 2 or np.shape(X)[1] != len(release.domain):
            raise ValueError(f"The Release is of {len(release.domain)} columns, X must have as many.")
        rows, labels = _as_sampled(X), _as_sampled(y)
        schema = schema_of(rows, labels)
        theirs = release.schema.feature_names
        if schema.feature_names and theirs and schema.feature_names != theirs:
            raise ValueError(f"The columns of X must be those of the Release, in this order: {theirs}.")
        # the new rows in the container and with the types of these rows
        return DPSlicedWassersteinFlow.from_release(replace(release, schema=schema))

    def _wanted(self, y: Any, classes: list[Any], keep: bool) -> dict[Any, int]:
        """Return the number of new rows of each class."""
        name, strategy = type(self).__name__, self.sampling_strategy
        if isinstance(strategy, Mapping) and not set(strategy) <= set(classes):
            raise invalid(name, "sampling_strategy", f"a dict with keys among the classes {classes}", strategy)
        if not keep:
            return {label: int(strategy.get(label, 0)) for label in classes}
        labels = np.asarray(y).tolist()
        have = {label: labels.count(label) for label in classes}
        largest, smallest = max(have.values()), min(have.values())
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
        """Tell scikit-learn that two fits differ, and that labels are needed."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.target_tags.required = True
        return tags


def _as_sampled(data: Any) -> Any:
    """Return rows or labels in a container in which synthetic ones can come."""
    return np.asarray(data) if container_of(data) == "numpy" else data


def _concatenated(parts: list[Any]) -> Any:
    container = container_of(parts[0])
    if container == "numpy":
        return np.concatenate(parts)
    library = importlib.import_module(container)
    return library.concat(parts, ignore_index=True) if container == "pandas" else library.concat(parts)
