"""The base class of private transformers: it measures within a budget, and then maps each row by itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.parameters import set_released, warn_if_seeded
from skdpflow._ownership import check_free
from skdpflow._validation import check_n_jobs, check_noise_seed
from skdpflow.accountants import Event
from skdpflow.accountants.budget import Budget
from skdpflow.curator.gate import admit
from skdpflow.curator.measure import measure, prepare
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain import Domain, Interval
from skdpflow.domain.codes import NO_PLACE, clipped
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.lineage import hand_on, payer_of, terms_of
from skdpflow.release import Measurement, Release
from skdpflow.release.mismatch import warn_of_mismatch
from skdpflow.release.request import Demand, PlanContext, Rounds
from skdpflow.release.statement import PrivacyStatement
from skdpflow.release.unverified import naming_unverified
from skdpflow.sampling.decode import decode
from skdpflow.sampling.writable import check_writable

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
#: Largest noise scale in lattice units, well below the curator's limit of 2**24.
_LARGEST_NOISE = 2.0**22
#: Noise scales, summed over coordinates, that one measurement may use per unit of epsilon: half of the curator's slack.
_SLACK = 2.0**34


@dataclass(frozen=True)
class Plan:
    """What a transformer measures, with the public parameters that the Release keeps.

    `demands` is the most that it may ask for, unless its first round is all.
    """

    name: str
    params: Mapping[str, Any]
    plan: Callable[[PlanContext], Rounds]
    demands: Callable[[PlanContext], list[Demand]] | None = None

    def describe(self) -> dict[str, Any]:
        """Return name and parameters, as JSON can hold them."""
        return {"name": self.name, **self.params}


class DPTransformer(TransformerMixin, BaseEstimator):
    """Base class of the private transformers.

    A subclass says what it measures (`_plan`), sets its attributes from the Release (`_learn_map`), and maps the
    integer codes of rows (`_forward`) and back (`_backward`). Codes and everything made of them depend on one row
    alone, so what is fitted to the transformed rows has the sensitivity that it states.
    """

    release_: Release
    domain_: Domain
    feature_names_in_: NDArray[Any]

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        domain: Any = None,
        neighbours: str = "add-remove",
        accountant: Any = "gdp",
        n_jobs: int | None = None,
        noise_random_state: int | None = None,
        ledger: PrivacyLedger | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.domain = domain
        self.neighbours = neighbours
        self.accountant = accountant
        self.n_jobs = n_jobs
        self.noise_random_state = noise_random_state
        self.ledger = ledger

    def _checked(self) -> tuple[Budget, int | None, int | None]:
        """Check the parameters that all transformers have; returns the budget, the seed of the noise and `n_jobs`."""
        name = type(self).__name__
        noise_seed = check_noise_seed(name, self.noise_random_state)
        return Budget.of(self), noise_seed, check_n_jobs(name, self.n_jobs)

    def _plan(self) -> Plan:
        """Check the parameters of the transformer and say what it measures."""
        raise NotImplementedError

    def _learn_map(self, release: Release) -> Domain:
        """Set attributes from the Release; returns the domain of what `transform` gives."""
        raise NotImplementedError

    def _forward(self, codes: Codes) -> Array:
        raise NotImplementedError

    def _backward(self, Z: Array) -> Array:
        """Map transformed rows to positions on the lattice of the domain."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure the rows within the budget, and learn the map from the measurements.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Private rows of numbers.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows cannot be used: nothing is spent then, and no value of a
            row is shown.
        BudgetExceededError, LedgerError
            If the ledger has too little left or cannot record: nothing is spent or measured then.

        Notes
        -----
        Parameters, rows and what the plan could need of memory and of the floating-point slack are checked first. Then
        the ledger is debited the whole budget, and noise is drawn. An error after that, such as an interrupt, leaves
        no new Release, but the debit stays in the ledger. Without a ledger, count the whole budget as spent, too.
        """
        check_free(self)
        (budget, noise_seed, n_jobs), plan = self._checked(), self._plan()
        noise = NoiseSource(noise_seed)
        payer = payer_of(self, seeded=not noise.private)
        source = self._check_rows(X)
        warn_if_seeded(noise_seed)
        release = measure(
            source,
            source.domain,
            None,
            plan,
            None,
            budget,
            noise,
            payer=payer,
            seed=0,
            transport={},
            n_jobs=n_jobs,
        )
        self._learn(terms_of(payer).state(release))
        warn_of_mismatch(self.release_)
        return self

    def _check_fit(self, X: Any) -> Event:
        """Refuse what `fit` would refuse; spends nothing, and returns what the fit would be allowed."""
        (budget, noise_seed, _), plan = self._checked(), self._plan()
        source, noise = self._check_rows(X), NoiseSource(noise_seed)
        ready = prepare(source, source.domain, None, plan, None, budget, noise, seed=0, transport={})
        return ready.curator.whole_event

    def _check_rows(self, X: Any) -> RowSource:
        """Check the rows before anything is spent."""
        # on a copy, so that input that is refused leaves an earlier fit as it was
        source = admit(copy.copy(self), X, domain=self.domain)
        columns = {} if source.declared is None else source.declared
        not_numeric = [n for n, c in columns.items() if not isinstance(c, Interval)]
        if not_numeric:
            raise ValueError(f"Columns must be numeric here, declared as an Interval. These are not: {not_numeric}.")
        nullable = [n for n, c in columns.items() if c.nullable]
        if nullable:
            raise ValueError(
                f"Columns must have no missing values here. These are declared as nullable: {nullable}. Leave them "
                "out, or fit a flow to the table itself, which takes gaps."
            )
        if source.domain is not None and source.domain.constraints:
            raise ValueError(
                "inverse_transform cannot keep constraints, so the domain must have none here: "
                "Domain(dict(domain)) is the domain without them."
            )
        self._check_width(source.n_features)
        check_writable(source.schema, source.domain, None)
        return source

    def _check_width(self, n_features: int) -> None:
        """Refuse a number of columns that the transformer cannot handle."""

    def _learn(self, release: Release) -> Self:
        """Set every fitted attribute from a Release."""
        set_released(self, release)
        self.domain_out_ = self._learn_map(release)
        return self

    def transform(self, X: Any) -> Any:
        """Map rows; each depends on itself alone and on the Release.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows. Values outside the domain are clipped; what is no number counts as the midpoint of its column.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_out)
            Transformed rows; as private as X.
        """
        check_is_fitted(self)
        source = admit(self, X, domain=self.domain_, reset=False, finite=self.domain is None)
        columns = self.domain_.columns
        middle = np.array([column.n_values // 2 for column in columns])
        blocks = (clipped(codes, columns) for _, codes, _ in source.blocks(self.domain_))
        return np.concatenate([self._forward(np.where(codes == NO_PLACE, middle, codes)) for codes in blocks])

    def inverse_transform(self, X: Any) -> Any:
        """Map transformed rows back into the domain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Transformed rows, for instance synthetic ones.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            In the container, with the names, order and dtypes that `fit` was given.
        """
        return self._decode(self._backward(self._transformed(X)))

    def _transformed(self, X: Any) -> Array:
        """Check transformed rows."""
        check_is_fitted(self)
        n_features = len(self.domain_out_)
        Z = None
        try:
            Z = check_array(X, dtype=np.float64)
        except (ValueError, TypeError):
            pass  # the message may show a cell
        if Z is None or Z.shape[1] != n_features:
            raise ValueError(f"{type(self).__name__} needs rows of {n_features} finite numbers to transform back.")
        return np.asarray(Z)

    def _decode(self, positions: Array) -> Any:
        """Turn positions on the lattice of the domain into rows as `fit` was given."""
        levels = np.array([column.n_levels for column in self.domain_.columns], dtype=np.float64)
        return decode(np.clip(positions, 0.0, np.nextafter(levels, 0.0)), self.domain_, self.release_.schema)

    def privacy_statement(self) -> PrivacyStatement:
        """State what the fit guarantees, what that rests on, and what it does not cover.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.
        """
        check_is_fitted(self)
        return naming_unverified(self.release_.privacy_statement(), self)

    def __sklearn_clone__(self) -> Self:
        """Return a clone that knows how often the two were fitted without a ledger."""
        return hand_on(self, super().__sklearn_clone__())

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that two fits differ, since each draws fresh noise."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.transformer_tags.preserves_dtype = []
        # with a domain, no cell is an error
        tags.input_tags.allow_nan = tags.input_tags.string = self.domain is not None
        return tags


def lattice_steps(context: PlanContext, epsilon: float, share: float, touched: float, power: int) -> int:
    """Choose the finest lattice for a ball that the curator can answer for."""
    relations = 1.0 if context.neighbours == "add-remove" else 2.0
    multiplier = relations / (context.mu * float(np.sqrt(share)))
    noise = min(_LARGEST_NOISE, max(epsilon * _SLACK / (relations * touched + 8.0), 1.0))
    return int(np.clip(2.0 ** np.floor(np.log2((noise / multiplier) ** (1.0 / power))), 2, 2**12))


def rows_in(counts: Measurement) -> float:
    """Return the noisy number of rows, at least one."""
    return max(float(counts.values.sum()), 1.0)
