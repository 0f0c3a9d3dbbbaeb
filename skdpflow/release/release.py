"""What crosses the border between raw rows and everything else, and its file format."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow._html import fragment
from skdpflow._outputs import replacing
from skdpflow.accountants.event_json import event_from_dict, event_to_dict
from skdpflow.accountants.resting import RestsOn
from skdpflow.domain import Domain, column_from_dict
from skdpflow.domain.schema import Schema
from skdpflow.exceptions import ReleaseError
from skdpflow.release.archive import packed_params, params_of, plain, read_arrays, read_json, write_arrays
from skdpflow.release.checks import check_consistency
from skdpflow.release.content import FORMAT_VERSION, Content
from skdpflow.release.federated import Federated
from skdpflow.release.measurement import Measurement
from skdpflow.release.shown import html_of_release
from skdpflow.release.statement import PrivacyStatement


class Release(Content):
    """Everything that a fit learnt from the rows, and the conditions under which it did.

    A Release holds noisy integers and public parameters only. It can be published, saved and loaded, and
    `DPSlicedWassersteinFlow.from_release` turns it into the very model that `fit` produced.

    Parameters
    ----------
    domain : Domain
        The columns; declared, or with bounds found privately.
    target : Interval, Categories or None
        What y is; found classes are filled in.
    schema : Schema
        Container, names and dtypes of the rows; public by declaration.
    neighbours : {"add-remove", "replace-one"}
        The neighbouring relation behind `epsilon` and `delta`.
    epsilon, delta : float
        The guarantee of the whole Release, with all that it rests on: see `before`.
    accountant : str
        Name of the accountant that calibrated the noise.
    event : Event
        Everything that was measured, in order.
    cap : Event
        What the fit was allowed at most, fixed before anything was read: one Gaussian release that uses the whole
        budget, thresholds, and the floating-point slack as a mechanism of its own. `event` lies within it. This is what
        a `PrivacyLedger` is charged for the fit. Of a continued fit it holds a cap for each step. With seeded noise it
        holds a `NonPrivateEvent`.
    mechanism : mapping
        Name and parameters of the mechanism.
    measurements : tuple of Measurement
        What was measured, in order.
    transport : mapping
        Public parameters of the post-processing, including its seed.
    private : bool
        False if the noise was drawn from a seed: then nothing is guaranteed.
    ledger : str or None, default=None
        Head of the chain of the `PrivacyLedger` after the debit of this fit, the last one if it was continued; None
        without a ledger.
    before : tuple of RestsOn, default=()
        What else was done to the rows so that this Release came about as it did: the earlier steps of a pipeline,
        which made the rows that it measured, and the search that it won. What is guaranteed is that of all together,
        see `allowed`.
    federated : Federated or None, default=None
        The sites whose sums it holds, if the rows were those of several holders.
    format_version : int, default=1
        Version of the file format.

    Examples
    --------
    >>> import io, numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow, Release
    >>> X = np.random.default_rng(0).uniform(size=(200, 2))
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=(0.0, 1.0), random_state=0).fit(X)
    >>> buffer = io.BytesIO()
    >>> flow.release_.save(buffer)
    >>> again = Release.load(io.BytesIO(buffer.getvalue()))
    >>> again.epsilon, again.delta, again.neighbours
    (1.0, 1e-06, 'add-remove')
    """

    def with_transport(self, transport: Mapping[str, Any], mechanism: Mapping[str, Any]) -> Release:
        """Return the same measurements with other parameters of the post-processing.

        Parameters
        ----------
        transport : mapping
            The new parameters of the flow; others stay.
        mechanism : mapping
            The new parameters of the mechanism's post-processing; others stay.

        Returns
        -------
        release : Release
            A new one.
        """
        return replace(
            self,
            transport={**self.transport, **transport},
            mechanism={**self.mechanism, **mechanism},
        )

    def _repr_html_(self) -> str:
        return fragment(html_of_release(self))

    def __repr__(self) -> str:
        note = "" if self.private else ", NOT PRIVATE: seeded noise"
        return (
            f"Release(epsilon={self.epsilon:g}, delta={self.delta:g}, neighbours={self.neighbours!r}, "
            f"{len(self.measurements)} measurements of {len(self.domain)} columns{note})"
        )

    def privacy_statement(self) -> PrivacyStatement:
        """State what is guaranteed, for a reader (``print`` it) and for an auditor (`to_json`).

        Returns
        -------
        statement : PrivacyStatement
            Guarantee, what was measured with which noise, accounting, assumptions, and what is not covered.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(200, 2))
        >>> release = DPSlicedWassersteinFlow(epsilon=1.0, domain=(0.0, 1.0)).fit(X).release_
        >>> print(release.privacy_statement())
        (epsilon, delta) = (1, 1e-06), neighbours: add-remove, accountant: gdp
        ...
        """
        return PrivacyStatement.of({"fit": self}, self.epsilon, self.delta)

    def save(self, file: str | os.PathLike[str] | io.IOBase) -> None:
        """Write the Release to a file: a zip of plain arrays and one JSON header, no pickle.

        Parameters
        ----------
        file : path or binary file object
            Where to write; a path is taken as it is, without a suffix of its own. An older file of that name is
            replaced once the new one is complete.
        """
        if isinstance(file, str | os.PathLike):
            with replacing(file) as opened:
                self.save(opened)  # type: ignore[arg-type]
            return
        arrays: dict[str, NDArray[Any]] = {}
        measurements = []
        for i, m in enumerate(self.measurements):
            arrays[f"{i}!values"], arrays[f"{i}!noise_scale"] = m.values, m.noise_scale
            measurements.append(
                {
                    "name": m.name,
                    "kind": m.kind,
                    "params": packed_params(m.params, i, arrays),
                    "sensitivity": m.sensitivity,
                    "event": event_to_dict(m.event),
                }
            )
        header = {
            "format": "skdpflow-release",
            "format_version": self.format_version,
            "domain": self.domain.to_dict(),
            "target": None if self.target is None else self.target.to_dict(),
            "schema": self.schema.to_dict(),
            "neighbours": self.neighbours,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "accountant": self.accountant,
            "event": event_to_dict(self.event),
            "cap": event_to_dict(self.cap),
            "before": [source.to_dict() for source in self.before],
            "federated": None if self.federated is None else self.federated.to_dict(),
            "mechanism": dict(self.mechanism),
            "transport": dict(self.transport),
            "private": self.private,
            "ledger": self.ledger,
            "measurements": measurements,
        }
        text = json.dumps(header, allow_nan=False, default=plain).encode()
        write_arrays(file, {**arrays, "header": np.frombuffer(text, dtype=np.uint8)})

    @classmethod
    def load(cls, file: str | os.PathLike[str] | io.IOBase, *, max_bytes: int = 2**31) -> Release:
        """Read a Release and check it.

        Parameters
        ----------
        file : path or binary file object
            What to read.
        max_bytes : int, default=2**31
            Refuse files that unpack to more than this, or to more than 64 MiB and 200 times their own size.

        Returns
        -------
        release : Release

        Raises
        ------
        OSError
            If there is no such file, or it cannot be opened.
        ReleaseError
            If the file is damaged, was altered, is of another format or version, is too large, holds anything but
            plain arrays and JSON, or contradicts itself: the noise, the events, the cap and (epsilon, delta) have to
            agree. Nothing is ever unpickled. The digest detects damage, not a forger who recomputes
            it: load files from sources that you trust, or sign them.
        """
        if isinstance(file, str | os.PathLike):
            with open(file, "rb") as opened:
                return cls.load(opened, max_bytes=max_bytes)
        try:
            release = cls._from_arrays(read_arrays(file, max_bytes))
        except ReleaseError:
            raise
        except Exception as e:  # a hostile file can fail in any way; the message is the same for all
            release, problem = None, type(e).__name__
        if release is None:
            raise ReleaseError(
                f"Not a valid Release file: it could not be read ({problem}). It is damaged, was altered, or was not "
                "written by Release.save."
            )
        return release

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Release:
        header = read_json(bytes(arrays["header"]))
        if header.get("format") != "skdpflow-release" or header.get("format_version") != FORMAT_VERSION:
            raise ReleaseError(
                f"This is not a Release file of version {FORMAT_VERSION}; it may have been written by another version."
            )
        measurements = []
        for i, m in enumerate(header["measurements"]):
            params = params_of(m["params"], arrays)
            values, scale = arrays[f"{i}!values"], arrays[f"{i}!noise_scale"]
            if values.dtype != np.int64 or scale.dtype != np.float64 or not _positive(scale, m["sensitivity"]):
                raise ReleaseError("A measurement must have integer values, a positive noise scale and sensitivity.")
            if np.broadcast_shapes(values.shape, scale.shape) != values.shape:
                raise ReleaseError("A measurement has a noise scale of another shape than its values.")
            event = event_from_dict(m["event"])
            measurements.append(
                Measurement(m["name"], m["kind"], params, values, scale, float(m["sensitivity"]), event)
            )
        if header["neighbours"] not in ("add-remove", "replace-one"):
            raise ReleaseError("The neighbouring relation of the file is not known.")
        if not (_positive(header["epsilon"], header["delta"]) and header["delta"] < 1.0):
            raise ReleaseError("The file states an epsilon that is not positive, or a delta outside (0, 1).")
        if not (isinstance(header["accountant"], str) and isinstance(header["mechanism"], dict)):
            raise ReleaseError("The file does not name its accountant and its mechanism.")
        if not isinstance(header["private"], bool):
            raise ReleaseError("The file does not say whether its noise is private.")
        if not isinstance(header["ledger"], str | None):
            raise ReleaseError("The head of the ledger in the file is not text.")
        if len({m.name for m in measurements}) < len(measurements):
            raise ReleaseError("Two measurements of the file have the same name.")
        release = cls(
            domain=Domain.from_dict(header["domain"]),
            target=None if header["target"] is None else column_from_dict(header["target"]),
            schema=Schema.from_dict(header["schema"]),
            neighbours=header["neighbours"],
            epsilon=float(header["epsilon"]),
            delta=float(header["delta"]),
            accountant=header["accountant"],
            event=event_from_dict(header["event"]),
            cap=event_from_dict(header["cap"]),
            mechanism=header["mechanism"],
            measurements=tuple(measurements),
            transport=header["transport"],
            private=header["private"],
            ledger=header["ledger"],
            before=tuple(RestsOn.from_dict(source) for source in header["before"]),
            federated=None if header["federated"] is None else Federated.from_dict(header["federated"]),
        )
        known = range(len(release.measured))
        if release.domain.undeclared or not all(isinstance(j, int) and j in known for j in release.found_columns):
            raise ReleaseError("The domain of the file lists no values for some of its columns.")
        if not len(release.schema.dtypes) == len(release.domain) == len(release.schema.names or release.domain):
            raise ReleaseError("The schema of the file has another number of columns than its domain.")
        check_consistency(release)
        return release


def _positive(*values: Any) -> bool:
    return all(bool(np.all(np.isfinite(v) & (np.asarray(v) > 0))) for v in values)
