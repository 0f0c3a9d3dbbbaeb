"""What a fitted flow offers: synthetic rows, its statement, its file, and scores of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.files import save_flow
from skdpflow._flow.parameters import check_transport, same_mechanism, set_released, warn_of_score
from skdpflow._flow.quality import report_of
from skdpflow._flow.rows import density_of_rows, distance_of_rows
from skdpflow.domain import Categories
from skdpflow.inspection import QualityReport
from skdpflow.mechanisms import Mechanism
from skdpflow.release import Release
from skdpflow.release.checks import check_particles
from skdpflow.release.pooling import pooled
from skdpflow.release.statement import PrivacyStatement
from skdpflow.release.unverified import naming_unverified
from skdpflow.sampling.decode import class_labels
from skdpflow.sampling.draw import decode_rows, draw_positions, labelled_request, request
from skdpflow.transport.model import Model


class BaseFlow(DensityMixin, BaseEstimator):
    """A fitted flow: methods that need its Release, the model learnt from it and public parameters. None spends."""

    release_: Release
    classes_: NDArray[Any]
    _model: Model

    def _learn(self, release: Release, mechanism: Mechanism) -> Self:
        """Set every fitted attribute from a Release."""
        model, classes = mechanism.learn(pooled(release)), None
        if isinstance(release.target, Categories):
            classes = class_labels(release.target, release.schema)
        # attributes are set at the end, the guarantee before the model: no model stands beside the guarantee of another
        set_released(self, release)
        self._model = model
        if classes is not None:
            self.classes_ = classes
        elif hasattr(self, "classes_"):  # of an earlier fit
            del self.classes_
        return self

    def refit(self) -> Self:
        """Learn the model again from `release_` with the current parameters of the flow; spends nothing.

        Returns
        -------
        self : DPSlicedWassersteinFlow
            With the model that `n_steps`, `step_size`, `n_particles` and the ``refit_params`` of the
            mechanism now give. Parameters that say what is measured have no effect before the next `fit`.

        Raises
        ------
        ValueError
            If another mechanism made the release.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(200, 2))
        >>> flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X)
        >>> flow.set_params(n_steps=5).refit().privacy_spent_
        (1.0, 1e-06)
        """
        check_is_fitted(self)
        mechanism, changed = same_mechanism(self, self.release_)
        release = self.release_.with_transport(check_transport(self), changed)
        check_particles(release)
        return self._learn(release, mechanism)

    def sample(
        self, n_samples: int | None = None, *, where: Mapping[str, Any] | None = None, random_state: Any = None
    ) -> Any:
        """Draw synthetic rows; free of privacy cost, as often as you like.

        Parameters
        ----------
        n_samples : int or None, default=None
            Number of rows. None takes as many as the Release estimates: the average of its noisy counts of all rows.
        where : mapping of str to value, list of values or pair, default=None
            Condition that every row meets, by names of `domain_` or of the target (``"target"`` if it has none). A
            tuple is a range, both ends among it, of numbers, dates or ordered categories, with None for an open end;
            any other collection lists the values that are allowed; anything else is the one value. None, NaN, NaT and
            NA ask for missing values. As in ``{"ward": "A", "age": (60, None), "rooms": [3, 4], "income": None}``.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness; None gives new rows at every call.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            In the container, with the names, order and dtypes that `fit` was given. All rows meet the constraints of
            the domain.

        Raises
        ------
        ValueError
            If the condition is not one of the domain, or it or the constraints have almost no mass under the model.
        """
        check_is_fitted(self)
        n, rng = request(type(self).__name__, self.release_, n_samples, random_state)
        return decode_rows(self.release_, *draw_positions(self._model, self.release_, n, rng, where))[0]

    def sample_labeled(
        self,
        n_samples: int | None = None,
        *,
        y: Any = None,
        proportions: Mapping[Any, float] | None = None,
        where: Mapping[str, Any] | None = None,
        random_state: Any = None,
    ) -> tuple[Any, Any]:
        """Draw synthetic rows with their targets; only when fitted with a target.

        Parameters
        ----------
        n_samples : int or None, default=None
            Number of rows. None takes one per entry of `y`, and without `y` as many as the Release estimates.
        y : array-like of shape (n_samples,) or None, default=None
            Wanted class of each row, in this order. It is handed back as it is: real labels stay as private as they
            were. None draws classes.
        proportions : mapping of class to float or None, default=None
            Wanted share of each class, summing to one; classes that are not named get none. The target may be named, as
            in ``{"outcome": {"died": 0.5, "lived": 0.5}}``. None takes the released class frequencies. Not together
            with `y`.
        where : mapping of str to value, list of values or pair, default=None
            Condition on columns and target that every row meets, as for `sample`.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness; None gives new rows at every call.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : array or series of shape (n_samples,)
            Labels or values.

        Raises
        ------
        ValueError
            If the model has no target, `y` or a proportion does not fit the classes, or the condition or the
            constraints have almost no mass under the model.
        """
        check_is_fitted(self)
        release = self.release_
        n, rng, component = labelled_request(type(self).__name__, release, n_samples, y, proportions, random_state)
        return decode_rows(release, *draw_positions(self._model, release, n, rng, where, component))

    def privacy_statement(self) -> PrivacyStatement:
        """State what the fit guarantees, what that rests on, and what it does not cover.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.
        """
        check_is_fitted(self)
        return naming_unverified(self.release_.privacy_statement(), self)

    def quality_report(
        self, X: Any = None, y: Any = None, *, n_samples: int | None = None, random_state: Any = None
    ) -> QualityReport:
        """Compare synthetic rows with what was measured, and with rows if they are given.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features) or None, default=None
            Rows to compare with, exactly. None compares with the noisy measurements in `release_` alone, which spends
            nothing.
        y : array-like of shape (n_samples,) or None, default=None
            Their target, if `fit` had one.
        n_samples : int or None, default=None
            Number of synthetic rows, at least 100. None takes as many as the Release estimates, from 10,000 to 50,000.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness of the synthetic rows; None draws new ones at every call.

        Returns
        -------
        report : QualityReport
            ``print`` it, or write its `to_html` to a file.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid, or the rows cannot be used.
        LedgerError
            If the ledger cannot record that rows are looked at. Nothing is compared then.

        See Also
        --------
        skdpflow.inspection.MarginalsDisplay : A picture of measured and synthetic columns.

        Notes
        -----
        Without X, the report is a function of the Release and as public as it. With X it is a look at private rows,
        outside the guarantee: its text and all of its exports say so, and the `ledger`, if there is one, gets an entry
        that spends nothing. The flow keeps nothing of it. Choices that you make by such a look are not covered by the
        guarantee either.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(1000, 2))
        >>> flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X)
        >>> flow.quality_report().private_rows, flow.quality_report(X).private_rows
        (False, True)
        """
        check_is_fitted(self)
        return report_of(self, self._model, X, y, n_samples, random_state)

    def save(self, file: Any) -> None:
        """Write the fitted flow to a file: its Release and its parameters as JSON, no pickle.

        Parameters
        ----------
        file : path or binary file object
            Where to write.

        See Also
        --------
        load : Read it again.

        Notes
        -----
        The file can be published like the Release. Seeds are not in it, nor are mechanisms, samplers and accountants
        of your own classes: give these to `load`.
        """
        check_is_fitted(self)
        save_flow(self.release_, self.get_params(deep=False), file)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the sliced Wasserstein-2 distance between X and a synthetic sample; higher is better.

        Numeric columns are divided by their standard deviation in X and categories are one-hot encoded, so
        that models that found different bounds can be compared. Values outside a declared domain are clipped.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows to compare with. The result is a function of them and is not covered by the guarantee; with a
            `ledger`, a `PrivacyLeakWarning` says so, once.
        y : None
            Ignored.

        Returns
        -------
        score : float
            At most 0.
        """
        check_is_fitted(self)
        warn_of_score(self)
        return -distance_of_rows(self, X, self._model)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        r"""Log-density of rows under the learned model.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows. The result is a function of them and is not covered by the guarantee if they are private; with a
            `ledger`, a `PrivacyLeakWarning` says so, once.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            With respect to the Lebesgue measure on continuous columns and the counting measure on integers, columns
            with a declared grain (`decimals`, `step`) and categories; -inf for rows outside the domain, such as
            fractions in an integer column, or values that a declared grain does not have. A
            numeric target is integrated out.

        Raises
        ------
        ValueError
            If the domain has constraints that compute columns from others, which leaves no density, or constraints
            that no row of the model meets.

        Notes
        -----
        For continuous columns it is the density of the flow at the row, rounded to the lattice of the
        domain. The mass of an integer or category is the integral of the density over the positions that stand for
        it, and a numeric target is integrated out. Both integrals are means over a fixed public point set, so they are
        approximate: on a table of few cells, the masses of frequent cells are right to some percent. Where many
        discrete columns depend on each other, few of the points count, and the result is mostly too low.

        Where the domain has constraints, rows that violate one get -inf, and the density of the others is divided by
        the share that meets all, of rows with the same class, gaps and labels in a fixed public sample.
        """
        check_is_fitted(self)
        warn_of_score(self)
        return density_of_rows(self, X, self._model)
