"""The content of a Release: what its checks, its statement and those who learn from it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skdpflow.accountants.events import ComposedEvent, Event
from skdpflow.accountants.resting import RestsOn, all_allowed
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.measured import as_difference, as_measured, measured_domain, measured_schema
from skdpflow.domain.schema import Schema
from skdpflow.release.federated import Federated
from skdpflow.release.measurement import Measurement

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class Content:
    """The fields of `skdpflow.Release`, which describes them, without its files and its statement."""

    domain: Domain
    target: Column | None
    schema: Schema
    neighbours: str
    epsilon: float
    delta: float
    accountant: str
    event: Event
    cap: Event
    mechanism: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    transport: Mapping[str, Any]
    private: bool = True
    ledger: str | None = None
    before: tuple[RestsOn, ...] = ()
    federated: Federated | None = None
    format_version: int = field(default=FORMAT_VERSION)

    def __getitem__(self, name: str) -> Measurement:
        """Return the measurement called `name`."""
        for m in self.measurements:
            if m.name == name:
                return m
        raise KeyError(f"This Release has no measurement {name!r}; it has {[m.name for m in self.measurements]}.")

    def __contains__(self, name: str) -> bool:
        """Whether there is a measurement called `name`."""
        return any(m.name == name for m in self.measurements)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The class labels, or None where y is not categorical."""
        if not isinstance(self.target, Categories):
            return None
        return self.target.values if self.target.declared else ()

    @property
    def found_columns(self) -> tuple[int, ...]:
        """The columns whose levels were found privately."""
        return tuple(self["levels"].params["columns"]) if "levels" in self else ()

    @property
    def target_name(self) -> str:
        """What the target is called: the name of y where it had one."""
        return "target" if self.schema.target_name is None else str(self.schema.target_name)

    @property
    def numeric_target(self) -> bool:
        """Whether y is an interval, measured as one more column."""
        return isinstance(self.target, Interval)

    @property
    def measured(self) -> Domain:
        """The columns of the domain that are measured."""
        return measured_domain(self.domain)

    @property
    def measured_schema(self) -> Schema:
        """The names and dtypes of the measured columns."""
        return measured_schema(self.schema, self.domain)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the domain and, last, a numeric target, as they are measured: those with a grain in steps."""
        return tuple(map(as_measured, self.declared))

    @property
    def declared(self) -> tuple[Column, ...]:
        """The same columns and differences in the units in which they were declared."""
        extra = (self.target,) if isinstance(self.target, Interval) else ()
        return (*map(as_difference, self.measured.columns), *extra)

    @property
    def allowed(self) -> ComposedEvent:
        """The events that (`epsilon`, `delta`) covers: `cap`, with all that the Release rests on."""
        return all_allowed([(self.cap, self.before)])

    @property
    def handed_domain(self) -> bool:
        """Whether an earlier step released the domain, so that it was not declared."""
        return any(source.gave_domain for source in self.before)
