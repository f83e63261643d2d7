"""--codec, --split, --auto, --in-place and --on-bad-chunk against zarr-python and xarray, and the tools in a pipe."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

import compare
import oracle
from oracle import FrameHeader
from ztools import BROKEN, FIXTURES, REAL_STORES, TIMEOUT_SECONDS, binary, run

USAGE, PARTIAL = 2, 3

CNAMES = ("zstd", "lz4", "lz4hc", "blosclz", "zlib")

# A Blosc frame's flag for "a block is one stream", in the third byte of its header.
NOT_SPLIT = 0x10


@dataclass(frozen=True)
class Codec:
    """Arguments, and what zarr-python calls the codec that they ask for, in either format."""

    arguments: tuple[str, ...]
    v2: numcodecs.abc.Codec | None
    v3: zarr.abc.codec.Codec | None

    def spelled(self, array: zarr.Array) -> list[dict]:
        """What stands in the metadata of an array."""
        codec = self.v2 if array.metadata.zarr_format == 2 else self.v3
        return [] if codec is None else [oracle.spell(codec)]


CODECS = {
    "zstd": Codec(("--codec", "zstd"), numcodecs.Zstd(level=3), ZstdCodec(level=3)),
    "zstd-19": Codec(("--codec", "zstd", "--clevel", "19"), numcodecs.Zstd(level=19), ZstdCodec(level=19)),
    "zstd-fast": Codec(("--codec", "zstd", "--clevel", "-5"), numcodecs.Zstd(level=-5), ZstdCodec(level=-5)),
    "gzip": Codec(("--codec", "gzip"), numcodecs.GZip(level=5), GzipCodec(level=5)),
    "gzip-9": Codec(("--codec", "gzip", "--clevel", "9"), numcodecs.GZip(level=9), GzipCodec(level=9)),
    "none": Codec(("--codec", "none"), None, None),
}
STORES = ("v2-codecs.zarr", "v3-codecs.zarr", "v3-sharded.zarr")
DTYPES = ("v2-dtypes.zarr", "v3-dtypes.zarr", "v2-layout.zarr")
# Other levels are for the test that writes with them.
FAMILIES = ("zstd", "zstd-fast", "gzip", "none")
CASES = [(store, codec) for store in STORES for codec in FAMILIES] + [(s, c) for s in DTYPES for c in ("zstd", "none")]


@pytest.mark.parametrize(("store", "codec"), CASES)
def test_codecs_are_those_of_zarr_python(store: str, codec: str, tmp_path: Path) -> None:
    """From every codec, with every type: the same values, and the very codec that zarr-python would configure."""
    source, result, wanted = FIXTURES / store, tmp_path / "result.zarr", CODECS[codec]
    run("zrecompress", source, result, "--min-size", "0", *wanted.arguments).assert_done()
    compare.assert_same(source, result)
    for path, array in oracle.arrays(result, use_consolidated=False).items():
        found = compare.compressors(array)
        assert [one for one in found if one != {"name": "crc32c"}] == wanted.spelled(array), path
        before = zarr.open_array(source / path.lstrip("/"), mode="r")
        assert array.chunks == before.chunks
        assert array.shards == before.shards
        assert_as_zarr_writes(source, result, path)


def assert_as_zarr_writes(source: Path, result: Path, path: str) -> None:
    """zarr-python would write the document as it is, unless it would have written another one for the source."""
    document, rewritten = compare.as_zarr_writes(source, path)
    if document == rewritten:
        document, rewritten = compare.as_zarr_writes(result, path)
        assert document == rewritten, path


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_can_go_on_writing(zarr_format: int, codec: str, tmp_path: Path) -> None:
    """It encodes new chunks of a result with the codec, and reads old and new ones."""
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    data = np.random.default_rng(2).normal(size=(40, 30)).astype("f4")
    zarr.create_array(source, data=data, chunks=(10, 30), zarr_format=zarr_format)
    run("zrecompress", source, result, *CODECS[codec].arguments).assert_done()
    array = zarr.open_array(result, mode="r+")
    array[:15] = data[:15] = 2 * data[:15]
    assert compare.native(zarr.open_array(result, mode="r")) == data.tobytes()


@pytest.fixture(scope="session")
def noisy(tmp_path_factory) -> Path:
    """Chunks of several blocks, which compress, in either format."""
    path = tmp_path_factory.mktemp("noisy") / "noisy.zarr"
    noise = np.random.default_rng(4).integers(0, 64, size=(512, 512))
    data = (280 + np.sin(np.arange(512) / 100) * 20 + noise / 16).astype("f4")
    for zarr_format in (2, 3):
        zarr.create_array(path / f"v{zarr_format}", data=data, chunks=(256, 512), zarr_format=zarr_format)
    return path


@pytest.mark.parametrize("cname", CNAMES)
@pytest.mark.parametrize("split", ["always", "never", "auto"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_split_modes_of_blosc(zarr_format: int, split: str, cname: str, noisy: Path, tmp_path: Path) -> None:
    """c-blosc decodes either kind of block, the header says which, and the metadata know nothing of it."""
    source, result = noisy / f"v{zarr_format}", tmp_path / "result.zarr"
    flags = ("--codec", "blosc", "--cname", cname, "--clevel", "5", "--shuffle", "shuffle", "--split", split)
    run("zrecompress", source, result, *flags, "--blocksize", "64K").assert_done()
    compare.assert_same(source, result)
    v2 = numcodecs.Blosc(cname=cname, clevel=5, shuffle=1, blocksize=65536)
    v3 = BloscCodec(cname=cname, clevel=5, shuffle="shuffle", blocksize=65536, typesize=4)
    array = zarr.open_array(result, mode="r")
    assert compare.compressors(array) == [oracle.spell(v2 if zarr_format == 2 else v3)]
    frames = [chunk.data for chunk in oracle.stored_chunks(result, "/")]
    assert not any(FrameHeader.of(frame).memcpyed for frame in frames)
    # Unless told otherwise, c-blosc splits for all but zstd.
    whole = split == "never" or split == "auto" and cname == "zstd"
    assert {bool(frame[2] & NOT_SPLIT) for frame in frames} == {whole}


def test_auto_is_how_numcodecs_splits(noisy: Path) -> None:
    """What the test above takes for granted."""
    data = zarr.open_array(noisy / "v2", mode="r")[:256]
    frames = {cname: numcodecs.Blosc(cname=cname, blocksize=65536).encode(data) for cname in CNAMES}
    assert [cname for cname, frame in frames.items() if frame[2] & NOT_SPLIT] == ["zstd"]


@pytest.mark.parametrize("objective", ["size", "point"])
@pytest.mark.parametrize("store", ["weather-v2.zarr", "v3-sharded.zarr", "v3-codecs.zarr", *REAL_STORES])
def test_whatever_auto_chooses_can_be_read(store: str, objective: str, find_store, tmp_path: Path) -> None:
    """Each array has a codec that zarr-python knows, and the values that it had."""
    source, result = find_store(store), tmp_path / "result.zarr"
    run("zrecompress", "--auto", "--objective", objective, "--sample", "1", source, result).assert_done()
    compare.assert_same(source, result)
    for path in oracle.arrays(result, use_consolidated=False):
        assert_as_zarr_writes(source, result, path)
    if store not in ("v3-sharded.zarr", "v3-codecs.zarr"):
        compare.assert_same_datasets(source, result)


# ----------------------------------------------------------------------- in place

IN_PLACE = {
    "blosc": ("--cname", "zstd", "--clevel", "1", "--shuffle", "bitshuffle"),
    "gzip": ("--codec", "gzip"),
    "none": ("--codec", "none"),
}


@pytest.mark.parametrize("change", IN_PLACE)
@pytest.mark.parametrize("store", ["weather-v2.zarr", "v3-sharded.zarr", "v2-codecs.zarr"])
def test_in_place_is_what_a_copy_is(store: str, change: str, tmp_path: Path) -> None:
    """The same store as beside the source, byte for byte; the backup has what it was."""
    source, copy, backup = tmp_path / store, tmp_path / "copy.zarr", tmp_path / "backup"
    shutil.copytree(FIXTURES / store, source)
    arguments = ("--min-size", "0", *IN_PLACE[change])
    run("zrecompress", source, copy, *arguments).assert_done()
    run("zrecompress", "--in-place", source, *arguments, "--backup", backup).assert_done()
    assert oracle.digest(source) == oracle.digest(copy)
    compare.assert_same(FIXTURES / store, source)
    before, kept = oracle.digest(FIXTURES / store), oracle.digest(backup)
    changed = {key for key, digest in oracle.digest(source).items() if before.get(key) != digest}
    assert changed <= set(kept)
    assert all(before[key] == kept[key] for key in changed)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([store, copy.name, backup.name])
    if store == "weather-v2.zarr":
        compare.assert_same_datasets(FIXTURES / store, source)


# --------------------------------------------------------------------- bad chunks

BITFLIPS = ("blosc_lz4", "blosc_zstd", "zlib")


@pytest.mark.parametrize("codec", [(), ("--codec", "gzip"), ("--codec", "zstd"), ("--codec", "none")], ids=str)
def test_a_copied_bad_chunk_is_bad_for_every_reader(codec: tuple[str, ...], tmp_path: Path) -> None:
    """zarr-python cannot decode it, and reads all others. No reader gets values that were never there."""
    source, result = BROKEN / "bitflip-chunk.zarr", tmp_path / "result.zarr"
    done = run("zrecompress", source, result, "--on-bad-chunk", "copy", *codec)
    assert done.code == PARTIAL, done.stderr
    done.assert_ends_well_formed()
    assert sorted(error["path"].rpartition(".zarr/")[2] for error in done.of_type("error")) == [
        f"{name}/0.1" for name in BITFLIPS
    ]
    for name in BITFLIPS:
        before, after = (zarr.open_array(root / name, mode="r") for root in (source, result))
        assert after[:, :16].tobytes() == before[:, :16].tobytes(), name
        with pytest.raises(Exception):  # noqa: B017, PT011: each codec has an error of its own
            after[:, 16:]


@pytest.mark.parametrize("codec", [(), ("--codec", "none")], ids=str)
def test_a_skipped_bad_chunk_is_the_fill_value(codec: tuple[str, ...], tmp_path: Path) -> None:
    """zarr-python reads the whole array."""
    source, result = BROKEN / "bitflip-chunk.zarr", tmp_path / "result.zarr"
    done = run("zrecompress", source, result, "--on-bad-chunk", "skip", *codec)
    assert done.code == PARTIAL, done.stderr
    assert len(done.of_type("error")) == len(BITFLIPS)
    for name in BITFLIPS:
        before, after = (zarr.open_array(root / name, mode="r") for root in (source, result))
        assert after[:, :16].tobytes() == before[:, :16].tobytes(), name
        assert (after[:, 16:] == after.fill_value).all(), name
        assert not (result / name / "0.1").exists()


def test_a_skipped_bad_chunk_among_new_ones(tmp_path: Path) -> None:
    """New chunks that hold elements of it are absent, all others right; it cannot be copied, as it cannot be cut."""
    source, result = BROKEN / "bitflip-chunk.zarr", tmp_path / "result.zarr"
    assert run("zrecompress", source, result, "--on-bad-chunk", "copy", "--chunks", "32,12").code == USAGE
    done = run("zrecompress", source, result, "--on-bad-chunk", "skip", "--chunks", "32,12")
    assert done.code == PARTIAL, done.stderr
    for name in BITFLIPS:
        before, after = (zarr.open_array(root / name, mode="r") for root in (source, result))
        assert compare.present_chunks(result, f"/{name}", after) == {(0, 0)}
        assert after[:, :12].tobytes() == before[:, :12].tobytes(), name
        assert (after[:, 12:] == after.fill_value).all(), name


def test_a_skipped_bad_chunk_in_a_shard(tmp_path: Path) -> None:
    """Just that inner chunk is the fill value, or bad when copied."""
    source = tmp_path / "source.zarr"
    shutil.copytree(FIXTURES / "v3-sharded.zarr/blosc_inner", source)
    shard = source / "c/0/0"
    whole, (start, length) = bytearray(shard.read_bytes()), shard_entries(source, shard)[1]
    whole[start : start + length] = bytes(length)
    shard.write_bytes(whole)
    before = zarr.open_array(FIXTURES / "v3-sharded.zarr/blosc_inner", mode="r")[...]
    for choice in ("skip", "copy"):
        result = tmp_path / f"{choice}.zarr"
        assert run("zrecompress", source, result, "--on-bad-chunk", choice, "--codec", "zstd").code == PARTIAL
        array = zarr.open_array(result, mode="r")
        assert array[8:].tobytes() == before[8:].tobytes()
        assert array[:8, :8].tobytes() == before[:8, :8].tobytes()
        if choice == "skip":
            assert (array[:8, 8:16] == array.fill_value).all()
        else:
            with pytest.raises(Exception):  # noqa: B017, PT011
                array[:8, 8:16]


def shard_entries(root: Path, shard: Path) -> list[tuple[int, int]]:
    """Where the inner chunks of a shard are."""
    sharding = oracle.sharding_configuration(oracle.own_document(root, "/"))
    return oracle.shard_index(shard.read_bytes(), sharding)


# -------------------------------------------------------------------------- pipes


def pipe(records: list[dict], *arguments: str | Path) -> list[dict]:
    """The records that zrecompress makes of those on its standard input."""
    lines = "".join(json.dumps(record) + "\n" for record in records)
    command = [binary("zrecompress"), "--json", "--stores-from", "-", *arguments]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_zinspect_finds_is_repaired(tmp_path: Path) -> None:
    """Just the arrays that a filter lets through are recompressed; each store has its own output."""
    sources = [FIXTURES / name for name in ("weather-v2.zarr", "v3-codecs.zarr", "v2-codecs.zarr")]
    found = [record for record in run("zinspect", *sources).of_type("array") if record["codec"].startswith("zlib")]
    assert {Path(record["store"]).name for record in found} == {"weather-v2.zarr", "v2-codecs.zarr"}
    records = pipe(found, "--out-dir", tmp_path / "fixed", "--codec", "zstd")
    names = ["v2-codecs.zarr", "weather-v2.zarr"]
    assert sorted(path.name for path in (tmp_path / "fixed").iterdir()) == names
    changed = {(record["store"], record["path"]) for record in records if record.get("action") == "recompress"}
    assert changed == {(record["store"], record["path"]) for record in found}
    for name in names:
        compare.assert_same(FIXTURES / name, tmp_path / "fixed" / name)
        for path, array in oracle.arrays(tmp_path / "fixed" / name).items():
            source = zarr.open_array(FIXTURES / name / path.lstrip("/"), mode="r")
            is_found = (str(FIXTURES / name), path) in changed
            expected = [{"id": "zstd", "level": 3, "checksum": False}] if is_found else compare.compressors(source)
            assert compare.compressors(array) == expected, path


def test_plain_lines_name_whole_stores(tmp_path: Path) -> None:
    """Names instead of records, with other chunks asked for."""
    command = [binary("zrecompress"), "--json", "--stores-from", "-", "--out-dir", tmp_path, "--chunks", "time=8"]
    lines = f"{FIXTURES / 'weather-v2.zarr'}\n"
    subprocess.run(command, input=lines, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True)
    assert zarr.open_array(tmp_path / "weather-v2.zarr/t2m", mode="r").chunks[0] == 8
    compare.assert_same(FIXTURES / "weather-v2.zarr", tmp_path / "weather-v2.zarr")
    compare.assert_same_datasets(FIXTURES / "weather-v2.zarr", tmp_path / "weather-v2.zarr")
