"""--chunks, --shards and --no-shards against zarr-python and xarray: other chunks, the same values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

import compare
import oracle
from compare import Index
from test_format import ARRAYS, masked_dataset
from ztools import FIXTURE_STORES, FIXTURES, REAL_STORES, Run, run

USAGE, PARTIAL, UNREADABLE = 2, 3, 5

# Filters whose output cannot be cut without decoding it.
ENTANGLED = ("delta", "packbits", "shuffle", "zlib", "bz2", "crc32", "adler32", "fletcher32", "jenkins")

# This one encodes the fill value as a number below zero in a type without signs.
UNFILLED = "/filter_scale"


def shape_text(shape: Index) -> str:
    """A shape as it is typed."""
    return ",".join(map(str, shape))


def rechunk(source: Path, result: Path, *arguments: str) -> Run:
    """A run that has to succeed, with small coordinates included."""
    done = run("zrecompress", source, result, "--min-size", "0", *arguments)
    done.assert_done()
    return done


def is_entangled(array: zarr.Array) -> bool:
    """Whether elements cannot be moved as they are."""
    names = [codec.get("name", codec.get("id")) for codec in oracle.spell(array.filters or ())]
    return any(name.removeprefix("numcodecs.").startswith(ENTANGLED) for name in names)


def is_void(array: zarr.Array) -> bool:
    """A type whose fill value zarr-python 3.1 cannot hash, and hence reads no shards of."""
    return array.dtype.kind == "V"


# ------------------------------------------------------------------------ layouts


def primes(shape: Index) -> Index:
    """Chunks that divide nothing, and not too many of them."""
    return tuple(max(prime, length // 4) for prime, length in zip((5, 7, 3), shape, strict=False))


def beyond(shape: Index) -> Index:
    """One chunk that is larger than the array."""
    return tuple(length + 3 for length in shape)


def slabs(shape: Index) -> Index:
    """Thin along the first dimension, whole along the others."""
    return tuple(max(1, length // 5 if n == 0 else length) for n, length in enumerate(shape))


def two_thirds(shape: Index) -> Index:
    """A chunk and a rest."""
    return tuple(max(1, 2 * length // 3) for length in shape)


LAYOUTS: dict[str, Callable[[Index], Index]] = {"primes": primes, "beyond": beyond}


def rules(source: Path, shape_of: Callable[[Index], Index], *, sharded: bool = False) -> dict[str, Index]:
    """New chunks for every array that has dimensions and can be cut; sharded, if zarr-python can read it then."""
    arrays = oracle.arrays(source, use_consolidated=False)
    unfit = [path for path, a in arrays.items() if a.ndim == 0 or is_entangled(a) or sharded and is_void(a)]
    fitting = {path: a for path, a in arrays.items() if path not in unfit and path.removesuffix("_blosc_F") != UNFILLED}
    return {path: shape_of(array.shape) for path, array in fitting.items()}


def typed(flag: str, shapes: dict[str, Index]) -> list[str]:
    """One rule an array; a path is a glob that matches itself."""
    return [word for path, shape in shapes.items() for word in (flag, f"{path}:{shape_text(shape)}")]


def assert_layout(result: Path, chunks: dict[str, Index], shards: dict[str, Index] | None = None) -> None:
    """zarr-python finds the chunks and shards that were asked for."""
    arrays = oracle.arrays(result, use_consolidated=False)
    for path, shape in chunks.items():
        assert arrays[path].chunks == shape, path
        assert arrays[path].shards == (shards[path] if shards else None), path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("store", [*FIXTURE_STORES, *REAL_STORES])
def test_every_array_of_every_store(store: str, layout: str, find_store, tmp_path: Path) -> None:
    """Values, presence, metadata; the arrays that cannot be cut are copied, and shards go."""
    source, result = find_store(store), tmp_path / "result.zarr"
    before, chunks = oracle.digest(source), rules(source, LAYOUTS[layout])
    rechunk(source, result, *typed("--chunks", chunks), "--no-shards", "--copy-unknown")
    assert_layout(result, chunks)
    compare.assert_same(source, result)
    assert oracle.digest(source) == before
    for path in oracle.arrays(source, use_consolidated=False):
        document, rewritten = compare.as_zarr_writes(source, path)
        if document == rewritten:
            document, rewritten = compare.as_zarr_writes(result, path)
            assert document == rewritten, path


def doubled(shape: Index) -> Index:
    """Two chunks a shard and dimension."""
    return tuple(2 * length for length in shape)


@pytest.mark.parametrize("store", FIXTURE_STORES)
def test_every_store_into_shards(store: str, tmp_path: Path) -> None:
    """From v2 as well as from v3, whatever the type and the order of elements; back into plain chunks."""
    source, result, again = FIXTURES / store, tmp_path / "result.zarr", tmp_path / "again.zarr"
    chunks = rules(source, primes, sharded=True)
    shards = {path: doubled(shape) for path, shape in chunks.items()}
    shaped = [*typed("--chunks", chunks), *typed("--shards", shards)]
    rechunk(source, result, "--zarr-format", "3", *shaped, "--copy-unknown")
    assert_layout(result, chunks, shards)
    compare.assert_same_values(source, result)
    compare.assert_presence(source, result)
    compare.assert_consolidated(source, result)
    rechunk(result, again, "--no-shards", "--copy-unknown")
    assert_layout(again, chunks)
    compare.assert_same(result, again)


@pytest.mark.parametrize("store", FIXTURE_STORES)
def test_results_of_zarr_python_written_later(store: str, tmp_path: Path) -> None:
    """zarr-python writes into the new chunks what it reads there, and still reads the same."""
    source, result = FIXTURES / store, tmp_path / "result.zarr"
    rechunk(source, result, *typed("--chunks", rules(source, slabs)), "--no-shards", "--copy-unknown")
    before = oracle.arrays(source, use_consolidated=False)
    for path in rules(source, slabs):
        array = zarr.open_array(result / path.lstrip("/"), mode="r+")
        values = array[...]
        array[...] = values
        if not array.filters:
            assert compare.native(array) == compare.native(before[path]), path


# -------------------------------------------------- types, fill values, filters


@pytest.fixture(scope="session")
def every_kind(tmp_path_factory) -> Path:
    """Arrays of Zarr v2 of every type, fill value, order and filter, the second half of each absent."""
    path = tmp_path_factory.mktemp("kinds") / "kinds.zarr"
    group = zarr.create_group(path, zarr_format=2)
    for name, written in ARRAYS.items():
        written.write(group, name)
    zarr.consolidate_metadata(path)
    return path


def test_every_kind_of_array(every_kind: Path, tmp_path: Path) -> None:
    """In v2, and into shards of v3, in which absent chunks hold the fill value in a chunk that is there."""
    source = every_kind
    chunks = rules(source, two_thirds)
    rechunk(source, tmp_path / "v2.zarr", *typed("--chunks", chunks), "--copy-unknown")
    assert_layout(tmp_path / "v2.zarr", chunks)
    compare.assert_same(source, tmp_path / "v2.zarr")
    chunks = rules(source, two_thirds, sharded=True)
    shards = {path: doubled(shape) for path, shape in chunks.items()}
    shaped = [*typed("--chunks", chunks), *typed("--shards", shards), "--zarr-format", "3", "--copy-unknown"]
    rechunk(source, tmp_path / "v3.zarr", *shaped)
    assert_layout(tmp_path / "v3.zarr", chunks, shards)
    compare.assert_same_values(source, tmp_path / "v3.zarr")
    compare.assert_presence(source, tmp_path / "v3.zarr")


def test_filters_that_tie_elements_together_are_decoded_or_refused(every_kind: Path, tmp_path: Path) -> None:
    """What can be decoded is, and left out of the result; anything else is refused with its name before anything is written,
    and copied by --copy-unknown."""
    for name in ("delta", "packbits", "shuffle", "crc32", "zlib_bz2"):
        source, result = every_kind / f"filter_{name}", tmp_path / f"{name}.zarr"
        rechunk(source, result, "--chunks", "2,2")
        before, after = zarr.open_array(source, mode="r"), zarr.open_array(result, mode="r")
        assert np.array_equal(before[...], after[...]), name
        assert after.chunks == (2, 2)
        assert not after.filters
    shutil.copytree(every_kind / "string", tmp_path / "pickle")
    document = tmp_path / "pickle/.zarray"
    document.write_text(json.dumps(oracle.load(document) | {"filters": [{"id": "pickle", "protocol": 5}]}))
    source, result = tmp_path / "pickle", tmp_path / "pickle.zarr"
    done = run("zrecompress", source, result, "--chunks", "2,2")
    assert done.code == UNREADABLE, done.stderr
    done.assert_ends_well_formed()
    (error,) = done.of_type("error")
    assert "pickle" in error["error"]
    assert list(tmp_path.glob("pickle.zarr*")) == []
    rechunk(source, result, "--chunks", "2,2", "--copy-unknown")
    assert oracle.digest(result) == oracle.digest(source)


def test_a_filter_that_cannot_encode_the_fill_value(every_kind: Path, tmp_path: Path) -> None:
    """Half of a new chunk would be the fill value: refused for an array with absent chunks, done for one without."""
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    shutil.copytree(every_kind / UNFILLED.strip("/"), source)
    done = run("zrecompress", source, result, "--chunks", "4,4")
    assert done.code in (PARTIAL, UNREADABLE), done.stderr
    assert "fixedscaleoffset" in done.of_type("error")[0]["error"]
    assert not result.exists()
    array = zarr.open_array(source, mode="r+")
    array[3:] = array[:3]
    rechunk(source, tmp_path / "whole.zarr", "--chunks", "4,4")
    compare.assert_same(source, tmp_path / "whole.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_payloads_of_nan_and_signs_of_zero(zarr_format: int, tmp_path: Path) -> None:
    """Elements are moved, not computed with."""
    bits = np.random.default_rng(3).integers(0, 2**32, size=(30, 20), dtype="u4")
    bits[::3] |= np.uint32(0x7F800001)
    bits[5], bits[6] = 0x80000000, 0x7FC12345
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    array = zarr.create_array(source, data=bits.view("f4"), chunks=(7, 20), zarr_format=zarr_format)
    assert compare.native(array) == bits.tobytes()
    rechunk(source, result, "--chunks", "4,3")
    assert compare.native(zarr.open_array(result, mode="r")) == bits.tobytes()


# ---------------------------------------------------------------- absent chunks


@pytest.mark.parametrize("empty", [False, True], ids=["absent", "write-empty-chunks"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_absent_and_mixed_chunks(zarr_format: int, empty: bool, tmp_path: Path) -> None:
    """All absent: absent. Some absent: there, with the fill value. All there, if empty: there."""
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    array = zarr.create_array(
        source, shape=(12,), chunks=(2,), dtype="i2", fill_value=-7, zarr_format=zarr_format,
        config={"write_empty_chunks": empty},
    )  # fmt: skip
    array[...] = [-7] * 4 + [1, 2] + [-7] * 6
    rechunk(source, result, "--chunks", "4")
    compare.assert_same(source, result)
    made = zarr.open_array(result, mode="r")
    assert compare.present_chunks(result, "/", made) == ({(0,), (1,), (2,)} if empty else {(1,)})
    assert made[...].tolist() == [-7] * 4 + [1, 2] + [-7] * 6


def test_no_fill_value_is_zero(tmp_path: Path) -> None:
    """Where v2 states none, what is absent reads as zeros before and after."""
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    array = zarr.create_array(source, shape=(9,), chunks=(2,), dtype=">f8", fill_value=None, zarr_format=2)
    array[2:4] = 5
    rechunk(source, result, "--chunks", "3")
    compare.assert_same(source, result)
    assert zarr.open_array(result, mode="r").fill_value is None


# ------------------------------------------------------------------------- xarray


@pytest.fixture(params=[2, 3])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What weather archives hold, as xarray writes it."""
    path = tmp_path / "source.zarr"
    masked_dataset().to_zarr(path, zarr_format=request.param, consolidated=True, write_empty_chunks=False)
    return path


def test_datasets_by_the_names_of_their_dimensions(dataset: Path, tmp_path: Path) -> None:
    """Named lengths, -1, a rule for one variable, scalar coordinates; decoded or not, the dataset is identical."""
    result = tmp_path / "result.zarr"
    rechunk(dataset, result, "--chunks", "time=4,x=2", "--chunks", "packed:x=-1,time=1")
    assert_layout(result, {"/big": (4, 2), "/zeros": (4, 2), "/packed": (1, 5), "/time": (4,), "/x": (2,)})
    compare.assert_same(dataset, result)
    compare.assert_same_datasets(dataset, result)


def test_a_rule_for_a_scalar_is_refused(dataset: Path, tmp_path: Path) -> None:
    """It has no dimension, and is left alone by rules for all arrays."""
    done = run("zrecompress", dataset, tmp_path / "result.zarr", "--chunks", "height:1")
    assert done.code == USAGE, done.stdout
    assert "/height" in done.of_type("error")[0]["path"]
    assert list(tmp_path.glob("result.zarr*")) == []


def test_datasets_into_shards_and_out_of_them(dataset: Path, tmp_path: Path) -> None:
    """The dimension names stay with the shards, in consolidated metadata, too."""
    result, again = tmp_path / "result.zarr", tmp_path / "again.zarr"
    rechunk(dataset, result, "--zarr-format", "3", "--chunks", "time=2,x=5", "--shards", "time=-1")
    assert_layout(result, {"/big": (2, 5), "/time": (2,)}, {"/big": (6, 5), "/time": (6,)})
    compare.assert_same_values(dataset, result)
    compare.assert_consolidated(dataset, result)
    rechunk(result, again, "--no-shards", "--chunks", "x=1")
    assert_layout(again, {"/big": (2, 1), "/x": (1,)})
    compare.assert_same_datasets(result, again)


@pytest.mark.parametrize("store", REAL_STORES)
def test_real_archives(store: str, find_store, tmp_path: Path) -> None:
    """From maps to time series, as plain chunks and as shards."""
    source, result, sharded = find_store(store), tmp_path / "result.zarr", tmp_path / "sharded.zarr"
    dimensions = "time=-1,latitude=7,longitude=5"
    rechunk(source, result, "--chunks", dimensions, "--no-shards", "--max-memory", "64M")
    compare.assert_same(source, result)
    compare.assert_same_datasets(source, result)
    rechunk(source, sharded, "--zarr-format", "3", "--chunks", dimensions, "--shards", "longitude=-1,latitude=-1")
    compare.assert_same_values(source, sharded)


# ----------------------------------------------------------------- parts, in place


@pytest.mark.parametrize("arguments", [(), ("--zarr-format", "3", "--shards", "time=12,latitude=-1,longitude=-1")])
def test_parts_make_what_one_run_makes(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Three parts, last one first, byte for byte."""
    source, whole, parted = FIXTURES / "weather-v2.zarr", tmp_path / "whole.zarr", tmp_path / "parted.zarr"
    arguments = ("--chunks", "time=6,latitude=31,longitude=60", *arguments)
    run("zrecompress", source, whole, *arguments).assert_done()
    run("zrecompress", "--prepare", "--parts", "3", source, parted, *arguments).assert_done()
    for part in ("3/3", "1/3", "2/3"):
        assert not parted.exists()
        run("zrecompress", "--part", part, parted).assert_done()
    run("zrecompress", "--finish", parted).assert_done()
    assert oracle.digest(parted) == oracle.digest(whole)
    compare.assert_same_values(source, parted)


def test_in_place_with_a_backup(dataset: Path, tmp_path: Path) -> None:
    """Rechunked in its own place; the backup holds every chunk and document that was replaced."""
    before, backup = tmp_path / "before.zarr", tmp_path / "backup"
    shutil.copytree(dataset, before)
    arguments = ("--in-place", "--chunks", "time=4,x=2", "--min-size", "0", "--backup", backup)
    run("zrecompress", dataset, *arguments).assert_done()
    assert_layout(dataset, {"/big": (4, 2), "/x": (2,)})
    compare.assert_same(before, dataset)
    compare.assert_same_datasets(before, dataset)
    old = oracle.digest(before)
    kept = {key: digest for key, digest in oracle.digest(backup).items() if key in old}
    assert kept
    assert all(old[key] == digest for key, digest in kept.items())
    assert {key for key in old if key not in oracle.files(dataset)} <= set(kept)


# ---------------------------------------------------- the comparisons themselves


def move_a_chunk(root: Path) -> None:
    """Two chunks change places."""
    one, other = (root / "big" / key for key in ("0.0", "1.1"))
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def edit(root: Path, name: str, **members) -> None:
    """Another document, in the consolidated copy, too."""
    document = root / name
    document.write_text(json.dumps(oracle.load(document) | members))
    copies = oracle.load(root / ".zmetadata")
    copies["metadata"][name] |= members
    (root / ".zmetadata").write_text(json.dumps(copies))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a chunk moved": move_a_chunk,
    "a chunk lost": lambda root: (root / "big/0.0").unlink(),
    "another fill value": lambda root: edit(root, "zeros/.zarray", fill_value=3),
    "other dimensions": lambda root: edit(root, "flag/.zattrs", _ARRAY_DIMENSIONS=["x", "time"]),
    "another order": lambda root: edit(root, "big/.zarray", order="F"),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_damage_is_noticed(name: str, dataset: Path, tmp_path: Path) -> None:
    """What is wrong in a result does not pass as the same."""
    result = tmp_path / "result.zarr"
    rechunk(dataset, result, "--chunks", "time=4,x=2")
    compare.assert_same(dataset, result)
    DAMAGE[name](result)
    with pytest.raises(AssertionError):
        compare.assert_same(dataset, result)
