"""Files of Releases and flows that were altered: each gives a Release or a ReleaseError, in bounded memory."""

import io
import json
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.exceptions import ReleaseError
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.release import implied
from skdpflow.release.archive import _digest

X = np.random.default_rng(0).uniform(size=(1000, 3))
SMALL = {"domain": (0, 1), "n_particles": 32, "n_steps": 1}
VALUES = [
    None,
    True,
    0,
    -1,
    1,
    1e308,
    1e-300,
    float("inf"),
    float("nan"),
    "",
    [],
    {},
    [[]],
    2**31,
    2**70,
    10**12,
    ["a"],
]


@pytest.fixture(scope="module")
def files():
    fits = [
        DPSlicedWassersteinFlow(20.0, target=Categories([0, 1]), **SMALL).fit(X, X[:, 0] > 0.5),
        DPSlicedWassersteinFlow(20.0, target=Interval(0, 1), **SMALL).fit(X[:, :2], X[:, 2]),
        DPSlicedWassersteinFlow(20.0, mechanism="records", neighbours="replace-one", **SMALL).fit(X[:50]),
        DPSlicedWassersteinFlow(20.0, **{**SMALL, "domain": None}).fit(X[:, :2]),
    ]
    saved = []
    for fit in fits:
        file = io.BytesIO()
        fit.save(file)
        saved.append(members(file.getvalue()))
    return saved


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: z.read(name) for name in z.namelist()}


def packed(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in content.items():
            z.writestr(name, data)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def signed(content):
    """Pack a Release with the digest that fits its arrays."""
    arrays = {n.removesuffix(".npy"): np.load(io.BytesIO(d)) for n, d in content.items() if n != "digest.npy"}
    return packed({**content, "digest.npy": npy(np.frombuffer(_digest(arrays), dtype=np.uint8))})


def paths(value, path=()):
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths(value[key], (*path, key))


def mutated_json(text, rng):
    whole = json.loads(text)
    found = list(paths(whole))
    *way, last = found[rng.integers(len(found))]
    inside = whole
    for key in way:
        inside = inside[key]
    old, act = inside[last], rng.integers(4)
    if act == 0:
        del inside[last]
    elif act == 1 and isinstance(inside, list):
        inside.append(old)
    elif act == 2 and isinstance(old, int | float) and not isinstance(old, bool):
        inside[last] = old * rng.choice([2, 0.5, -1, 1e6, 1e-6, 1e12])
    else:
        inside[last] = VALUES[rng.integers(len(VALUES))]
    return json.dumps(whole).encode()


def mutated_array(array, rng):
    act = rng.integers(8)
    if act == 0 and array.ndim:
        return array[: rng.integers(len(array) + 1)]
    if act == 1 and array.ndim:
        return np.concatenate([array, array])
    if act == 2:
        return array.reshape(-1)
    if act == 3:
        kinds = [np.float64, np.int64, np.uint8, np.int32, bool, "U8", ">i8", np.complex128, "S3"]
        return array.astype(kinds[rng.integers(len(kinds))])
    if act == 4:
        return array[None]
    if act == 5:
        return array.T
    array = array.copy()
    if array.size:
        wrong = [0, -1, 1, 2**62, -(2**62)] if array.dtype.kind in "iu" else [np.nan, np.inf, -1.0, 0.0, 1e308, 1e-308]
        array.reshape(-1)[rng.integers(array.size)] = np.array(wrong[rng.integers(len(wrong))]).astype(array.dtype)
    return array


def mutated(outer, rng):
    """Return the file of a flow in which bytes, fields of JSON or an array were changed."""
    release = members(outer["release.npz"])
    act = rng.integers(6)
    if act == 0:
        data = bytearray(packed(outer) if rng.integers(2) else outer["release.npz"])
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        return bytes(data[: rng.integers(len(data))] if rng.integers(4) == 0 else data)
    if act == 1:
        return packed({**outer, "parameters.json": mutated_json(outer["parameters.json"], rng)})
    if act in (2, 3):
        header = mutated_json(bytes(np.load(io.BytesIO(release["header.npy"]))), rng)
        changed = {"header.npy": npy(np.frombuffer(header, dtype=np.uint8))}
    else:
        names = sorted(release.keys() - {"header.npy", "digest.npy"})
        name = names[rng.integers(len(names))]
        changed = {name: npy(mutated_array(np.load(io.BytesIO(release[name])), rng))}
    return packed({**outer, "release.npz": signed({**release, **changed})})


@pytest.mark.parametrize("count", [150, 1000])
@pytest.mark.slow
def test_altered_files_give_a_flow_or_a_release_error(files, count):
    rng, refused, accepted = np.random.default_rng(count), 0, 0
    for _ in range(count):
        data = mutated(files[rng.integers(len(files))], rng)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "overflow|invalid value|divide by zero", RuntimeWarning)
            try:
                DPSlicedWassersteinFlow.load(io.BytesIO(data)).sample(2, random_state=0)
                accepted += 1
            except ReleaseError:
                refused += 1
    assert min(refused, accepted) > count / 20


@pytest.mark.parametrize("name", ["histograms", "slices", "pairs", "partitions"])
def test_counts_of_another_number_than_their_parameters_say_are_refused(name):
    fit = DPSlicedWassersteinFlow(20.0, mechanism=MarginalsMechanism(n_pairs=1, n_slices=2, n_partitions=2), **SMALL)
    release = fit.fit(X).release_
    assert release[name].values.size
    for change in (lambda v: v[..., :0], lambda v: v[..., 1:], lambda v: np.concatenate([v, v], axis=-1)):
        altered = [m if m.name != name else replace(m, values=change(m.values)) for m in release.measurements]
        file = io.BytesIO()
        replace(release, measurements=tuple(altered)).save(file)
        with pytest.raises(ReleaseError, match=f"{name}.*shape"):
            Release.load(io.BytesIO(file.getvalue()))


def partitioned(release, k, depth, n_components, groups):
    """The Release with other partitions, and what their number implies."""
    m = release["partitions"]
    params = {
        **m.params,
        "partition_columns": np.zeros((k, depth), dtype=int),
        "partition_cuts": np.zeros((k, 2**depth - 1), dtype=int),
        "groups": groups,
        "n_components": n_components,
    }
    factor = np.sqrt(k / len(m.params["partition_columns"]))
    values = np.full((int(np.max(groups, initial=-1)) + 1, k << depth), 10)
    return replace(m, params=params, values=values, sensitivity=float(np.sqrt(k)), noise_scale=m.noise_scale * factor)


@pytest.mark.parametrize(
    ("k", "depth", "n_components", "groups", "accepted"),
    [
        (2, 3, 1, [0], True),
        (2**12, 1, 1, [0], True),
        (2**12 + 1, 1, 1, [0], False),
        (2, 0, 1, [0], False),
        (2, 3, 1, [0, 0], False),
        (2, 3, 1, [-1], False),
        (2, 3, 1, [0.0], False),
        (2**12, 1, 2**11, [0] * 2**11, False),  # the regions of all components would be held at once
    ],
)
def test_partitions_of_a_file_are_such_as_can_be_counted_and_few(k, depth, n_components, groups, accepted):
    fit = DPSlicedWassersteinFlow(20.0, mechanism=MarginalsMechanism(n_partitions=2), **SMALL).fit(X)
    altered = partitioned(fit.release_, k, depth, n_components, np.array(groups))
    measured = [altered if m.name == "partitions" else m for m in fit.release_.measurements]
    file = io.BytesIO()
    replace(fit.release_, measurements=tuple(measured)).save(file)
    if accepted:
        Release.load(io.BytesIO(file.getvalue()))
    else:
        with pytest.raises(ReleaseError, match=r"partitions"):
            Release.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("shape", [(2, 50), (3, 4)])
def test_directions_that_are_too_many_or_not_those_of_the_columns_are_refused(shape, monkeypatch):
    monkeypatch.setattr(implied, "MAX_DIRECTIONS", 99)  # the norm of many takes minutes
    directions = np.ones(shape, dtype=np.int64)
    flow = DPSlicedWassersteinFlow(20.0, mechanism="records", neighbours="replace-one", **SMALL)
    release = flow.fit(X[:20, :2]).release_
    (records,) = release.measurements
    values = np.zeros((20, shape[1]), dtype=np.int64)
    altered = replace(records, params={**records.params, "directions": directions}, values=values)
    file = io.BytesIO()
    replace(release, measurements=(altered,)).save(file)
    with pytest.raises(ReleaseError, match="directions"):
        Release.load(io.BytesIO(file.getvalue()))


BOMBS = """
import io, resource, struct, sys, zipfile
import numpy as np
from skdpflow import DPSlicedWassersteinFlow, Release
from skdpflow.exceptions import ReleaseError

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def packed(**content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in content.items():
            with z.open(name, "w", force_zip64=True) as member:
                for piece in data:
                    member.write(piece)
    return file.getvalue()

def npy(shape, descr="<i8"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\\n"
    return b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(text)) + text

zeros = [bytes(2**20)] * 800
lying = packed(header=[npy((10**11,)), bytes(800)])
inner = packed(header=[npy((100 * 2**20,)), *zeros])
nested = b"[" * 2**23
files = [
    packed(header=[npy((100 * 2**20,)), *zeros]),
    lying,
    packed(header=[npy((0,), "<U1000000000")]),
    packed(header=[npy((2**40, 0))]),
    packed(header=[npy((len(nested),), "|u1"), nested]),
    packed(**{"parameters.json": [b"[]," * 2**22], "release.npz": [inner]}),
    packed(**{"parameters.json": zeros, "release.npz": [inner]}),
    packed(**{f"{i}": [npy((0,))] for i in range(11_000)}),
]
for i, data in enumerate(files):
    for load in (Release.load, DPSlicedWassersteinFlow.load):
        try:
            load(io.BytesIO(data))
        except ReleaseError:
            continue
        raise SystemExit(f"{i} was accepted by {load}")
used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
assert used < 300, f"{used} MiB"
"""


@pytest.mark.slow
def test_small_files_that_unpack_to_much_are_refused_in_little_memory():
    subprocess.run([sys.executable, "-W", "error", "-c", BOMBS], check=True, timeout=300)


@pytest.mark.parametrize(
    "change", [{"n_particles": 2 * 10**10}, {"n_steps": 10**9}, {"step_size": 7.0}, {"seed": None}]
)
def test_transports_that_ask_for_too_much_or_lack_a_number_are_refused(files, change):
    release = Release.load(io.BytesIO(files[0]["release.npz"]))
    transport = {k: v for k, v in {**release.transport, **change}.items() if v is not None}
    for altered in (transport, {k: v for k, v in release.transport.items() if k != next(iter(change))}):
        file = io.BytesIO()
        replace(release, transport=altered).save(file)
        with pytest.raises(ReleaseError):
            DPSlicedWassersteinFlow.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("name", ["release.npz", "parameters.json"])
def test_files_that_lack_a_part_are_refused(files, name):
    for content in ({k: v for k, v in files[0].items() if k != name}, {**files[0], "more": b""}):
        with pytest.raises(ReleaseError):
            DPSlicedWassersteinFlow.load(io.BytesIO(packed(content)))
