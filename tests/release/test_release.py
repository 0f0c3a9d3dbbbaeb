"""Releases: through a file and back bit for bit, and nothing hostile gets in."""

import hashlib
import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.accountants import ComposedEvent, GaussianEvent, NonPrivateEvent, ThresholdEvent, flatten_event
from skdpflow.domain.schema import Schema
from skdpflow.exceptions import PrivacyLeakWarning, ReleaseError
from skdpflow.release import Measurement, rounded_normal_pmf, rounded_normal_sd


def fitted(domain=(0.0, 1.0), target=None, frame=False, **params):
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(120, 2)), rng.integers(0, 2, size=120)
    if frame:
        X = pd.DataFrame({"a": X[:, 0], "b": rng.choice(["x", "y"], size=120)})
    flow = DPSlicedWassersteinFlow(
        epsilon=5.0,
        domain=domain,
        target=target,
        random_state=0,
        n_particles=200,
        noise_random_state=1,
        **params,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return flow.fit(X, y)


KINDS = {
    "array": {},
    "bounds": {"domain": None},
    "labels": {"target": Categories([0, 1])},
    "found labels": {"target": Categories(), "domain": None},
    "numeric": {"target": Interval(0, 1, integer=True), "neighbours": "replace-one"},
    "frame": {"frame": True, "domain": {"a": Interval(0, 1), "b": Categories(["x", "y"])}},
}


@pytest.fixture(scope="module", params=KINDS)
def flow(request):
    return fitted(**KINDS[request.param])


@pytest.fixture(scope="module")
def release():
    return fitted(**KINDS["labels"]).release_


@pytest.fixture(scope="module")
def saved(release):
    return to_bytes(release)


def to_bytes(release):
    buffer = io.BytesIO()
    release.save(buffer)
    return buffer.getvalue()


def same(a, b):
    """Equality to the bit, through arrays and containers, dtypes included."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, Measurement):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


# ---------------------------------------------------------------- there and back


def test_a_file_gives_the_release_back_bit_for_bit(flow, tmp_path):
    release = flow.release_
    release.save(tmp_path / "release.npz")
    copies = [
        Release.load(tmp_path / "release.npz"),
        Release.load(str(tmp_path / "release.npz")),
        Release.load(io.BytesIO(to_bytes(release))),
    ]
    with open(tmp_path / "release.npz", "rb") as opened:
        copies.append(Release.load(opened))
    for copy in copies:
        for f in fields(Release):
            assert same(getattr(release, f.name), getattr(copy, f.name)), f.name
        assert repr(copy) == repr(release)
        assert copy.privacy_statement() == release.privacy_statement()


def test_a_loaded_release_gives_the_same_model(flow):
    again = DPSlicedWassersteinFlow.from_release(Release.load(io.BytesIO(to_bytes(flow.release_))))
    one, two = (np.asarray(f.sample(50, random_state=3)) for f in (flow, again))
    assert (one == two).all()


@pytest.mark.parametrize("name", ["release.npz", "release", "release.skdpflow", "rel.ease.bin"])
def test_the_file_is_called_as_asked(release, tmp_path, name):
    release.save(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert Release.load(tmp_path / name).epsilon == release.epsilon


def test_plain_and_numpy_numbers_can_be_parameters():
    params = {"n_components": np.int64(3), "radius": np.float64(1.5), "on": np.True_}
    m = Measurement("m", "counts", params, np.arange(3), 9 * np.ones(1), 1.0, GaussianEvent(9.0))
    release = Release(
        domain=Domain({"a": Interval(0, 1)}),
        target=None,
        schema=Schema("numpy", None, ("float64",)),
        neighbours="add-remove",
        epsilon=1.0,
        delta=1e-6,
        accountant="gdp",
        event=ComposedEvent([GaussianEvent(9.0)]),
        cap=ComposedEvent([GaussianEvent(9.0), ThresholdEvent(1e-9)]),
        mechanism={"name": "mine", "k": np.int32(4)},
        measurements=(m,),
        transport={"seed": 1},
    )
    again = Release.load(io.BytesIO(to_bytes(release)))
    assert again["m"].params == {"n_components": 3, "radius": 1.5, "on": True}
    assert again.mechanism == {"name": "mine", "k": 4}
    assert (again.event, again.cap) == (release.event, release.cap)


def test_objects_are_not_written():
    m = Measurement("m", "counts", {"o": np.array([{}], dtype=object)}, np.arange(3), np.ones(1), 1.0, GaussianEvent(2))
    template = fitted().release_
    release = Release(**{f.name: getattr(template, f.name) for f in fields(Release)} | {"measurements": (m,)})
    with pytest.raises(TypeError, match="not of objects"):
        release.save(io.BytesIO())


def test_arrays_of_a_release_cannot_be_written_to(release):
    for m in release.measurements:
        for array in (m.values, m.noise_scale, *(v for v in m.params.values() if isinstance(v, np.ndarray))):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_measurements_are_found_by_name(release):
    assert "counts" in release
    assert release["counts"].kind == "counts"
    assert "nothing" not in release
    with pytest.raises(KeyError, match="no measurement 'nothing'"):
        release["nothing"]


def test_the_text_says_what_holds(release):
    text = str(release.privacy_statement()) + repr(release)
    for part in ("5", "1e-06", "add-remove", "gdp", "NOT PRIVATE", "sensitivity", "noise scale"):
        assert part in text
    for m in release.measurements:
        assert m.name in text


# ---------------------------------------------------------------- hostile and damaged files


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {i.filename: z.read(i) for i in z.infolist()}


def packed(content, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as z:
        for name, data in content.items():
            z.writestr(name, data)
    return buffer.getvalue()


def npy(array, allow_pickle=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def forged(data, change):
    """Change the arrays of a file, and make its digest right again as a forger would."""
    content = {k.removesuffix(".npy"): np.load(io.BytesIO(v)) for k, v in members(data).items()}
    content.pop("digest")
    header = json.loads(content["header"].tobytes())
    change(content, header)
    if "header" in content:
        content["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    digest = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode() + array.tobytes())
    content["digest"] = np.frombuffer(digest.digest(), dtype=np.uint8)
    return packed({f"{k}.npy": npy(v) for k, v in content.items()})


def refused(data, match="Release file|measurement|file", **kwargs):
    with pytest.raises(ReleaseError, match=match) as caught:
        Release.load(io.BytesIO(data), **kwargs)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_the_forger_of_these_tests_can_forge(saved, release):
    assert not release.private
    assert NonPrivateEvent() in flatten_event(release.cap)
    assert Release.load(io.BytesIO(forged(saved, lambda c, h: None))).epsilon == release.epsilon
    forged_epsilon = forged(saved, lambda c, h: h.update(epsilon=9.0))
    assert Release.load(io.BytesIO(forged_epsilon)).epsilon == 9.0


def test_missing_files_and_folders_are_no_release_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        Release.load(tmp_path / "nothing.npz")
    with pytest.raises(FileNotFoundError):
        Release.load(str(tmp_path / "nothing.npz"))
    with pytest.raises(IsADirectoryError):
        Release.load(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"not a zip at all" * 100, npy(np.arange(3)), pickle.dumps({"a": 1}), os.urandom(4096)],
    ids=["empty", "two bytes", "text", "npy", "pickle", "noise"],
)
def test_what_is_not_a_zip_is_refused(data):
    assert "Not a valid Release file" in refused(data)


def test_truncated_files_are_refused(saved):
    for length in np.linspace(0, len(saved) - 1, 60).astype(int):
        refused(saved[:length], match="Not a valid Release file")


@pytest.mark.slow
def test_flipped_bits_are_found(saved, release):
    """Every damage is an error, or touches nothing but the wrapping of the archive."""
    rng = np.random.default_rng(0)
    undetected = 0
    for position in np.unique(np.concatenate([rng.integers(0, len(saved), 400), np.arange(60)])):
        damaged = bytearray(saved)
        damaged[position] ^= 1 << int(rng.integers(8))
        try:
            found = Release.load(io.BytesIO(bytes(damaged)))
        except ReleaseError:
            continue
        undetected += 1
        assert all(same(getattr(release, f.name), getattr(found, f.name)) for f in fields(Release))
    assert undetected < 200  # time stamps, attributes


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_nothing_is_ever_unpickled(saved, tmp_path):
    marker = tmp_path / "unpickled"
    payload = Payload(marker)
    pickle.loads(pickle.dumps(payload)).close()  # the payload works
    marker.unlink()
    objects = np.empty(2, dtype=object)
    objects[:] = [payload, payload]
    evil = npy(objects, allow_pickle=True)
    content = members(saved)
    for name in ["header.npy", "digest.npy", "0!values.npy", "extra.npy"]:
        refused(packed({**content, name: evil}), match="Not a valid Release file")
        refused(packed({**content, name: pickle.dumps(payload)}), match="Not a valid Release file")
    refused(pickle.dumps(payload))
    refused(evil)
    nested = packed({"inner.npy": evil})
    refused(packed({**content, "extra.npy": nested}), match="something other than plain arrays")
    assert not marker.exists()


def test_a_member_that_declares_to_be_huge_is_refused_unread(saved):
    zeros = packed({**members(saved), "bomb.npy": bytes(50 * 2**20)})
    assert len(zeros) < 2**18
    assert "larger than a Release may be (1000000 bytes" in refused(zeros, max_bytes=10**6)
    # a header that claims four terabytes
    lying = bytearray(packed({**members(saved), "bomb.npy": b"\0" * 64}))
    directory = lying.rindex(b"PK\x01\x02")
    lying[directory + 24 : directory + 28] = struct.pack("<I", 2**32 - 2)
    assert "larger than" in refused(bytes(lying))


def test_a_member_that_unpacks_to_more_than_it_declares_is_refused(saved):
    lying = bytearray(packed({**members(saved), "bomb.npy": bytes(50 * 2**20)}))
    directory, local = lying.rindex(b"PK\x01\x02"), lying.rindex(b"PK\x03\x04")
    lying[directory + 24 : directory + 28] = lying[local + 22 : local + 26] = struct.pack("<I", 64)
    refused(bytes(lying), match="Not a valid Release file")


def test_an_array_whose_shape_is_a_lie_is_refused(saved):
    header = np.lib.format.magic(1, 0)
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }"
    text += b" " * (118 - len(text) - 1) + b"\n"
    refused(packed({**members(saved), "extra.npy": header + struct.pack("<H", len(text)) + text + b"\0" * 16}))


def test_too_many_members_are_refused(saved):
    many = packed({**members(saved), **{f"{i}.npy": b"" for i in range(10_001)}}, zipfile.ZIP_STORED)
    assert "larger than" in refused(many)


def test_missing_and_added_members_are_refused(saved):
    content = members(saved)
    for name in content:
        refused(packed({k: v for k, v in content.items() if k != name}), match="Not a valid Release file")
    refused(packed({**content, "extra.npy": npy(np.zeros(1))}), match="digest does not match")


def test_swapped_and_reshaped_members_are_refused(saved):
    content = members(saved)
    tables = (name for name in content if name.endswith("!values.npy") and np.load(io.BytesIO(content[name])).ndim == 2)
    a, b = "0!values.npy", next(tables)
    refused(packed({**content, a: content[b], b: content[a]}), match="digest does not match")
    histograms = np.load(io.BytesIO(content[b]))
    refused(packed({**content, b: npy(histograms.T.copy())}), match="digest does not match")
    refused(packed({**content, b: npy(histograms.astype(np.float64))}), match="digest does not match")


def drop(key):
    return lambda content, header: header.pop(key)


def put(**entries):
    return lambda content, header: header.update(entries)


def put_in_measurement(**entries):
    return lambda content, header: header["measurements"][0].update(entries)


def put_in_cap(position, **entries):
    """Change a component of the cap: the Gaussian one, or the slack."""

    def change(content, header):
        gaussian, *rest = header["cap"]["events"]
        [*gaussian["events"], *rest][position].update(entries)

    return change


def put_array(name, make):
    def change(content, header):
        content[name] = make(content[name])

    return change


CHEAP = {"event": "gaussian", "noise_multiplier": 99.0}
FORGERIES = {
    "another version": (put(format_version=99), "version"),
    "no version": (drop("format_version"), "version"),
    "another format": (put(format="something else"), "not a Release file"),
    "no domain": (drop("domain"), "could not be read"),
    "no epsilon": (drop("epsilon"), "could not be read"),
    "a domain of another kind": (put(domain={"kind": "os.system"}), "could not be read"),
    "epsilon 0": (put(epsilon=0.0), "epsilon"),
    "epsilon nan": (put(epsilon=float("nan")), "not finite"),
    "infinity in parameters": (put(mechanism={"name": "marginals", "n_bins": 1e999}), "not finite"),
    "accountant no text": (put(accountant=["gdp"]), "accountant and its mechanism"),
    "mechanism no object": (put(mechanism=["marginals"]), "accountant and its mechanism"),
    "epsilon text": (put(epsilon="1"), "could not be read"),
    "delta 1": (put(delta=1.0), "delta"),
    "relation": (put(neighbours="add-removed"), "neighbouring relation"),
    "private text": (put(private="yes"), "private"),
    "event": (put(event={"event": "gaussian", "noise_multiplier": -1}), "could not be read"),
    "no such array": (put_in_measurement(params={"n_components": {"array": "0.nothing"}}), "could not be read"),
    "sensitivity": (put_in_measurement(sensitivity=0.0), "sensitivity"),
    "same name": (put_in_measurement(name="histograms"), "same name"),
    "float values": (put_array("0!values", lambda a: a.astype(float)), "integer values"),
    "text values": (put_array("0!values", lambda a: a.astype(str)), "integer values"),
    "no noise": (put_array("0!noise_scale", np.zeros_like), "noise scale"),
    "nan noise": (put_array("0!noise_scale", lambda a: a * np.nan), "noise scale"),
    "noise of another shape": (put_array("0!noise_scale", lambda a: np.ones((7, 1))), "shape"),
    "noise that does not broadcast": (put_array("0!noise_scale", lambda a: np.ones(7)), "could not be read"),
    "no cap": (drop("cap"), "could not be read"),
    "a cap of nothing": (put(cap={"event": "composed", "events": []}), "exceed its cap"),
    "a cap of less": (put_in_cap(0, noise_multiplier=9.0), "exceed its cap"),
    "a cap of more": (put_in_cap(0, noise_multiplier=0.1), "costs more"),
    "a cap of more slack": (put_in_cap(1, epsilon=1.0), "costs more"),
    "a cap of all of delta": (put_in_cap(1, delta=1e-6), "costs more"),
    "less epsilon": (put(epsilon=4.99), "costs more"),
    "less delta": (put(delta=9e-7), "costs more"),
    "private after all": (put(private=True), "contradicts itself"),
    "an event left out": (lambda content, header: header["event"]["events"].pop(), "that of its measurements"),
    "a cheaper event": (put_in_measurement(event=CHEAP), "less noise"),
    "a cheaper event, consistently": (put_in_measurement(sensitivity=1e-3, event=CHEAP), "another sensitivity"),
    "less noise": (put_array("0!noise_scale", lambda a: a / 2), "less noise than its event"),
    "a larger sensitivity": (put_in_measurement(sensitivity=99.0), "another sensitivity"),
    "more noise": (put_array("0!noise_scale", lambda a: a * 2), "more or less noise"),
    "another kind": (put_in_measurement(kind="norms"), "not one of its kind"),
    "no such kind": (put_in_measurement(kind="sums"), "no kind 'sums'"),
    "another shape": (put_array("0!values", lambda a: a[:-1]), "not one of its kind"),
    "no seed": (put(transport={"n_steps": 3}), "lacks the seed"),
    "a seed that is none": (put(transport={"seed": "7"}), "'seed' of the flow"),
    "too many particles": (put(transport={"seed": 1, "n_particles": 2 * 10**10}), "'n_particles' of the flow"),
    "no step": (put(transport={"seed": 1, "step_size": 0.0}), "'step_size' of the flow"),
    "header no json": (put_array("header", lambda a: a[:-1]), None),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files_are_refused(saved, name):
    change, match = FORGERIES[name]
    if match is None:
        content = members(saved)
        header = np.load(io.BytesIO(content["header.npy"]))
        refused(packed({**content, "header.npy": npy(header[:-1])}), match="digest")
        return
    assert "Traceback" not in refused(forged(saved, change), match=match)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": []}'])
def test_bad_json_is_refused(saved, text):
    def change(content, header):
        del content["header"]

    content = {k: v for k, v in members(forged(saved, change)).items() if k != "digest.npy"}
    arrays = {k.removesuffix(".npy"): np.load(io.BytesIO(v)) for k, v in content.items()}
    arrays["header"] = np.frombuffer(text, dtype=np.uint8)
    digest = hashlib.sha256()
    for key in sorted(arrays):
        a = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}|{a.dtype.str}|{a.shape}|".encode() + a.tobytes())
    arrays["digest"] = np.frombuffer(digest.digest(), dtype=np.uint8)
    refused(packed({f"{k}.npy": npy(v) for k, v in arrays.items()}))


# ---------------------------------------------------------------- the distribution of the noise


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 2.9, 3.1, 50.0])
def test_sd_of_the_rounded_normal(scale):
    k = np.arange(-2000, 2001)
    exact = np.sqrt((rounded_normal_pmf(k, scale) * k.astype(float) ** 2).sum())
    assert rounded_normal_sd(scale) == pytest.approx(exact, rel=1e-9)
    oracle = stats.norm.cdf(k + 0.5, scale=scale) - stats.norm.cdf(k - 0.5, scale=scale)
    assert rounded_normal_pmf(k, scale) == pytest.approx(oracle, abs=1e-12)


def test_far_tails_keep_their_relative_precision():
    k = np.array([-30, 30])
    expected = np.exp(stats.norm.logsf(29.5) + np.log1p(-np.exp(stats.norm.logsf(30.5) - stats.norm.logsf(29.5))))
    assert rounded_normal_pmf(k, 1.0) == pytest.approx([expected] * 2, rel=1e-9)
