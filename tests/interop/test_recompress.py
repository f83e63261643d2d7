"""zrecompress against zarr-python and xarray: everything but the compressor stays as it was."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

import oracle
from oracle import FrameHeader
from ztools import BROKEN, FIXTURE_STORES, FIXTURES, REAL_STORES, XARRAY_STORES, Run, run

# Parts of stores that are sources of their own: groups and single arrays.
PARTS = ("v2-layout.zarr/a", "v2-dtypes.zarr/be_f4", "v3-sharded.zarr/nested", "v3-codecs.zarr/blosc_crc32c")

# The default of --min-size.
MIN_SIZE = 64 * 1024


@dataclass(frozen=True)
class Setting:
    """Arguments, and the Blosc settings that they ask for."""

    arguments: tuple[str, ...]
    cname: str
    clevel: int
    shuffle: str
    blocksize: int = 0
    min_size: int = MIN_SIZE


SETTINGS = {
    "default": Setting((), "zstd", 3, "auto"),
    "zstd-bitshuffle-all": Setting(
        ("--cname", "zstd", "--clevel", "3", "--shuffle", "bitshuffle", "--min-size", "0"),
        "zstd",
        3,
        "bitshuffle",
        min_size=0,
    ),
    "lz4-shuffle-threads": Setting(
        ("--cname", "lz4", "--clevel", "5", "--shuffle", "shuffle", "-j", "4", "--nthreads", "3"), "lz4", 5, "shuffle"
    ),
    "zlib-noshuffle-blocks": Setting(
        ("--cname", "zlib", "--clevel", "1", "--shuffle", "noshuffle", "--blocksize", "4K", "--min-size", "0"),
        "zlib",
        1,
        "noshuffle",
        4096,
        0,
    ),
}


@dataclass(frozen=True)
class Recompressed:
    """A source, its recompressed copy and what the tool said about it."""

    setting: Setting
    source: Path
    result: Path
    source_before: dict[str, str]
    run: Run

    def records(self) -> dict[str, dict]:
        """The record of every array by its path."""
        return {record["path"]: record for record in self.run.of_type("recompress")}

    def array_pairs(self) -> list[tuple[str, zarr.Array, zarr.Array]]:
        """Every array of the source beside the same one of the result."""
        before = oracle.arrays(self.source, use_consolidated=False)
        after = oracle.arrays(self.result, use_consolidated=False)
        assert list(before) == list(after)
        return [(path, before[path], after[path]) for path in before]


def recompress(source: Path, result: Path, *arguments: str) -> Run:
    """A run that has to succeed."""
    done = run("zrecompress", source, result, *arguments)
    done.assert_done()
    return done


@pytest.fixture(scope="session", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> Setting:
    """Each of the settings."""
    return SETTINGS[request.param]


@pytest.fixture(scope="session", params=(*FIXTURE_STORES, *REAL_STORES, *PARTS))
def recompressed(request: pytest.FixtureRequest, setting: Setting, find_store, tmp_path_factory) -> Recompressed:
    """Each valid store, recompressed once with each setting."""
    source = find_store(request.param)
    result = tmp_path_factory.mktemp("recompressed") / "result.zarr"
    before = oracle.digest(source)
    return Recompressed(setting, source, result, before, recompress(source, result, *setting.arguments))


# ------------------------------------------------------------- what is preserved


def test_the_source_is_untouched(recompressed: Recompressed) -> None:
    """Not a byte of the source changes."""
    assert oracle.digest(recompressed.source) == recompressed.source_before


def test_nothing_is_left_behind(recompressed: Recompressed) -> None:
    """The result has the keys of the source, no other ones, and no temporary directory beside it."""
    assert list(oracle.files(recompressed.result)) == list(oracle.files(recompressed.source))
    assert list(recompressed.result.parent.iterdir()) == [recompressed.result]


def test_nodes_are_preserved(recompressed: Recompressed) -> None:
    """Paths, attributes, shapes, chunks, shards, types, fill values, names, order, filters, keys."""
    before = oracle.nodes(recompressed.source, use_consolidated=False)
    after = oracle.nodes(recompressed.result, use_consolidated=False)
    assert list(after) == list(before)
    for path, node in before.items():
        assert oracle.describe(after[path]) == oracle.describe(node), path


def test_values_are_preserved_bit_for_bit(recompressed: Recompressed) -> None:
    """zarr-python reads the same bytes from both."""
    for path, before, after in recompressed.array_pairs():
        assert oracle.values(after) == oracle.values(before), path


def test_presence_of_chunks_is_preserved(recompressed: Recompressed) -> None:
    """An absent chunk stays absent and a present one present, inside of shards, too."""
    for path, _, _ in recompressed.array_pairs():
        before = [(chunk.key, chunk.inner) for chunk in oracle.stored_chunks(recompressed.source, path)]
        after = [(chunk.key, chunk.inner) for chunk in oracle.stored_chunks(recompressed.result, path)]
        assert after == before, path


def test_whole_chunks_are_preserved(recompressed: Recompressed) -> None:
    """Also the bytes that zarr-python cuts off at the edge of an array, where both sides are Blosc."""
    for path, before, after in recompressed.array_pairs():
        if oracle.blosc_of(before) is None or oracle.blosc_of(after) is None:
            continue
        chunks = zip(
            oracle.stored_chunks(recompressed.source, path),
            oracle.stored_chunks(recompressed.result, path),
            strict=True,
        )
        for old, new in chunks:
            decoded = numcodecs.blosc.decompress(new.frame(after))
            assert decoded == numcodecs.blosc.decompress(old.frame(before)), (path, old.key, old.inner)


def test_metadata_documents_differ_only_in_the_codec(recompressed: Recompressed) -> None:
    """Every document has the same members in the same order, except for what names the codec."""
    before, after = oracle.documents(recompressed.source), oracle.documents(recompressed.result)
    assert list(after) == list(before)
    for key, document in before.items():
        expected = oracle.canonical(without_codecs(key, document))
        assert oracle.canonical(without_codecs(key, after[key])) == expected, key


def without_codecs(key: str, document: dict) -> dict:
    """A metadata document without what a recompression replaces, in itself and in consolidated copies."""
    if key.endswith(".zmetadata"):
        copies = document["metadata"]
        return document | {"metadata": {name: without_codecs(name, copy) for name, copy in copies.items()}}
    if key.endswith(".zattrs"):
        return document
    stripped = {name: value for name, value in document.items() if name not in ("compressor", "codecs")}
    if consolidated := document.get("consolidated_metadata"):
        copies = {name: without_codecs("zarr.json", copy) for name, copy in consolidated["metadata"].items()}
        stripped["consolidated_metadata"] = consolidated | {"metadata": copies}
    return stripped


def test_consolidated_metadata_is_preserved_and_true(recompressed: Recompressed) -> None:
    """It is there if the source had it, and says of the new codecs what the nodes themselves say."""
    assert oracle.consolidated(recompressed.result) == oracle.consolidated(recompressed.source)
    if not oracle.consolidated(recompressed.result):
        return
    copies = oracle.nodes(recompressed.result, use_consolidated=True)
    own = oracle.nodes(recompressed.result, use_consolidated=False)
    assert list(copies) == list(own)
    for path, node in own.items():
        assert oracle.describe(copies[path]) == oracle.describe(node), path
        if isinstance(node, zarr.Array):
            assert oracle.spell(copies[path].compressors) == oracle.spell(node.compressors), path
    run("zinspect", "--check-consolidated", recompressed.result).assert_done()


# --------------------------------------------------------------- what is changed


def test_codecs_are_those_asked_for(recompressed: Recompressed) -> None:
    """A recompressed array has one Blosc with the wanted settings; the codecs of a copied one are untouched."""
    records = recompressed.records()
    for path, before, after in recompressed.array_pairs():
        if records[path]["action"] == "copy":
            assert oracle.spell(after.compressors) == oracle.spell(before.compressors), path
            continue
        old, new = oracle.spell(before.compressors), oracle.spell(after.compressors)
        # A checksum after the compressor stays, everything else before it goes.
        checksum = [{"name": "crc32c"}] if old[-1:] == [{"name": "crc32c"}] else []
        assert new[1:] == checksum, path
        assert_wanted(recompressed.setting, path, oracle.blosc_of(after))


def assert_wanted(setting: Setting, path: str, blosc: dict | None) -> None:
    """An array's Blosc settings are the wanted ones."""
    assert blosc is not None, path
    shuffles = ("shuffle", "bitshuffle") if setting.shuffle == "auto" else (setting.shuffle,)
    assert blosc["shuffle"] in shuffles, path
    found = (blosc["cname"], blosc["clevel"], blosc["blocksize"])
    assert found == (setting.cname, setting.clevel, setting.blocksize), path


def test_only_small_coordinates_and_arrays_already_so_are_copied(recompressed: Recompressed) -> None:
    """Whatever else there is has to be recompressed."""
    records = recompressed.records()
    for path, before, _ in recompressed.array_pairs():
        record = records[path]
        if is_coordinate(path, before) and before.nbytes < recompressed.setting.min_size:
            assert record["action"] == "copy", path
        elif record["action"] == "copy":
            assert_wanted(recompressed.setting, path, oracle.blosc_of(before))
        if record["action"] == "copy":
            assert record["reason"], path
            assert copied_files(recompressed.result, path) == copied_files(recompressed.source, path), path


def is_coordinate(path: str, array: zarr.Array) -> bool:
    """One dimension that bears the array's own name."""
    names = array.attrs.get("_ARRAY_DIMENSIONS", getattr(array.metadata, "dimension_names", None))
    return names is not None and list(names) == [path.rpartition("/")[2]]


def copied_files(root: Path, path: str) -> dict[str, bytes]:
    """The chunk files of an array."""
    return {key: file.read_bytes() for key, file in oracle.chunk_files(root / path.lstrip("/")).items()}


def test_frame_headers_match_the_metadata(recompressed: Recompressed) -> None:
    """Every new frame is what the metadata says: compressor, filter, type size and length."""
    records = recompressed.records()
    for path, _, after in recompressed.array_pairs():
        if records[path]["action"] == "copy":
            continue
        blosc = oracle.blosc_of(after)
        for chunk in oracle.stored_chunks(recompressed.result, path):
            frame = chunk.frame(after)
            header = FrameHeader.of(frame)
            place = (path, chunk.key, chunk.inner)
            assert header.cbytes == len(frame), place
            assert header.complib == {"lz4hc": "lz4"}.get(blosc["cname"], blosc["cname"]), place
            assert header.shuffle == blosc["shuffle"], place
            if recompressed.setting.shuffle == "auto":
                assert (header.shuffle == "bitshuffle") == (header.typesize == 1), place
            expected = expected_typesize(after)
            assert expected in (None, header.typesize), place


def expected_typesize(array: zarr.Array) -> int | None:
    """The type size that frames must have; None where filters decide."""
    if "typesize" in (blosc := oracle.blosc_of(array)):
        if not array.filters and array.dtype.kind not in "OT":
            assert blosc["typesize"] == array.dtype.itemsize, array.path
        return blosc["typesize"]
    return None if array.filters else array.dtype.itemsize


def test_records_tell_the_truth(recompressed: Recompressed) -> None:
    """One record an array, in path order, with the numbers that the files have."""
    records = recompressed.run.of_type("recompress")
    assert [record["path"] for record in records] == [path for path, _, _ in recompressed.array_pairs()]
    for record in records:
        before = sizes(recompressed.source, record["path"])
        after = sizes(recompressed.result, record["path"])
        assert record["objects"] == len(before) == len(after), record["path"]
        assert (record["bytes_before"], record["bytes_after"]) == (sum(before), sum(after)), record["path"]
        assert (record["verified"], record["failed"]) == (len(before), 0), record["path"]
        if after:
            assert record["gain"] == pytest.approx(sum(before) / sum(after), abs=6e-4), record["path"]


def sizes(root: Path, path: str) -> list[int]:
    """The sizes of the stored objects of an array."""
    return [file.stat().st_size for file in oracle.chunk_files(root / path.lstrip("/")).values()]


def test_zinspect_has_no_complaint(recompressed: Recompressed) -> None:
    """Headers, sizes and keys of the result are sound."""
    inspected = run("zinspect", "--sizes", "--sample", "1000", recompressed.result)
    inspected.assert_done()
    assert inspected.of_type("key") == []


def test_doing_it_again_changes_nothing(recompressed: Recompressed, tmp_path: Path) -> None:
    """The same settings on the result give the same store, byte for byte."""
    again = tmp_path / "again.zarr"
    recompress(recompressed.result, again, *recompressed.setting.arguments)
    assert oracle.digest(again) == oracle.digest(recompressed.result)


# ------------------------------------------------------------------------ xarray


@pytest.mark.parametrize("decode_cf", [True, False], ids=["decoded", "raw"])
@pytest.mark.parametrize("store", XARRAY_STORES)
def test_xarray_reads_both_as_identical(
    store: str, decode_cf: bool, setting: Setting, find_store, tmp_path: Path
) -> None:
    """Values, names, attributes and encodings, the compressor excepted."""
    source, result = find_store(store), tmp_path / "result.zarr"
    recompress(source, result, *setting.arguments)
    with open_dataset(source, decode_cf) as before, open_dataset(result, decode_cf) as after:
        xr.testing.assert_identical(before, after)
        for name, variable in before.variables.items():
            assert encoding(after.variables[name]) == encoding(variable), name
            assert after.variables[name].values.tobytes() == variable.values.tobytes(), name


def open_dataset(path: Path, decode_cf: bool) -> xr.Dataset:
    """A store as xarray sees it, without dask."""
    return xr.open_zarr(path, chunks=None, decode_cf=decode_cf, consolidated=oracle.consolidated(path))


def encoding(variable: xr.Variable) -> dict[str, str]:
    """A variable's encoding without the compressor, as text so that NaN equals NaN."""
    return {key: repr(value) for key, value in variable.encoding.items() if key not in ("compressor", "compressors")}


# -------------------------------------------------------------- useless type sizes


# The settings that the metadata of typesize1.zarr names.
TYPESIZE1_SETTINGS = ("--cname", "zstd", "--clevel", "5", "--shuffle", "shuffle")


@pytest.mark.parametrize("arguments", [(), TYPESIZE1_SETTINGS], ids=["default", "as-the-metadata-says"])
def test_a_useless_type_size_is_repaired(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Frames with type size 1 get 4, even if the metadata promised the same codec all along."""
    recompress(FIXTURES / "typesize1.zarr", tmp_path / "result.zarr", *arguments)
    assert {chunk.data[3] for chunk in oracle.stored_chunks(tmp_path / "result.zarr", "/data")} == {4}


def test_a_repaired_type_size_makes_noisy_data_smaller(tmp_path: Path) -> None:
    """With the settings that the metadata promised, measured data take a quarter less."""
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    shutil.copytree(FIXTURES / "typesize1.zarr", source)
    blosc = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
    noise = np.random.default_rng(1).normal(0, 0.05, 512 * 512)
    for number, chunk in enumerate(oracle.chunk_files(source).values()):
        data = (280 + 20 * np.sin(np.arange(512 * 512) / 40_000 + number) + noise).astype("<f4")
        chunk.write_bytes(blosc.encode(data.view("u1")))
    recompress(source, result, *TYPESIZE1_SETTINGS)
    assert sum(sizes(result, "/data")) < 0.75 * sum(sizes(source, "/data"))


def test_the_repair_that_zinspect_suggests_keeps_the_settings() -> None:
    """It promises the same settings with the right type size, so the command has to name them."""
    (record,) = run("zinspect", FIXTURES / "typesize1.zarr").of_type("array")
    assert record["verdict"] == "useless_shuffle"
    command = shlex.split(record["command"])
    assert [word for word in TYPESIZE1_SETTINGS if word not in command] == []


def test_the_command_that_zinspect_suggests_helps(tmp_path: Path) -> None:
    """It runs as printed, and afterwards zinspect has nothing more to suggest."""
    for store in ("typesize1.zarr", "weather-v2.zarr"):
        source = tmp_path / store
        shutil.copytree(FIXTURES / store, source)
        suggestions = [record for record in run("zinspect", source).of_type("array") if record["recompress_helps"]]
        assert suggestions, store
        for suggestion in suggestions:
            tool, old, new, *arguments = shlex.split(suggestion["command"])
            assert (tool, Path(old)) == ("zrecompress", source)
            recompress(source, Path(new), *arguments)
            records = {record["path"]: record for record in run("zinspect", new).of_type("array")}
            assert not records[suggestion["path"]]["recompress_helps"], suggestion["command"]
            shutil.rmtree(new)


# -------------------------------------------------------------------- determinism


@pytest.fixture(scope="session")
def large_store(tmp_path_factory) -> Path:
    """A store with many blocks to a chunk: three chunks of 4 MiB, and the same in one shard."""
    path = tmp_path_factory.mktemp("large") / "large.zarr"
    noise = np.random.default_rng(4).integers(0, 64, size=(3072, 1024))
    data = (280 + np.sin(np.arange(1024) / 100) * 20 + noise / 16).astype("f4")
    group = zarr.create_group(path)
    group.create_array("plain", data=data, chunks=(1024, 1024), compressors=zarr.codecs.ZstdCodec(level=1))
    group.create_array("sharded", data=data, chunks=(512, 512), shards=(3072, 1024))
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cname", "zstd", "--shuffle", "bitshuffle"),
        ("--cname", "lz4", "--shuffle", "shuffle", "--blocksize", "32K"),
        ("--cname", "blosclz", "--shuffle", "shuffle"),
        ("--cname", "lz4hc", "--shuffle", "shuffle"),
        ("--cname", "zlib", "--clevel", "1", "--shuffle", "bitshuffle"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_threads_do_not_change_a_byte(arguments: tuple[str, ...], large_store: Path, tmp_path: Path) -> None:
    """One worker with one thread and four with four write the same store and print the same records."""
    runs = {}
    for threads in ("1", "4"):
        result = tmp_path / threads / "result.zarr"
        result.parent.mkdir()
        runs[threads] = recompress(large_store, result, *arguments, "-j", threads, "--nthreads", threads)
    assert oracle.digest(tmp_path / "1") == oracle.digest(tmp_path / "4")
    assert runs["1"].stdout == runs["4"].stdout
    for path, array in oracle.arrays(tmp_path / "4/result.zarr").items():
        assert oracle.values(array) == oracle.values(zarr.open_array(large_store / path.lstrip("/"), mode="r")), path


@pytest.mark.parametrize("store", FIXTURE_STORES)
def test_threads_do_not_change_a_byte_of_any_store(store: str, tmp_path: Path) -> None:
    """The same for many arrays of few chunks, of every kind."""
    digests, streams = [], []
    for threads in ("1", "4"):
        result = tmp_path / threads / "result.zarr"
        result.parent.mkdir()
        done = recompress(FIXTURES / store, result, "--min-size", "0", "-j", threads, "--nthreads", threads)
        digests.append(oracle.digest(result))
        streams.append(done.stdout)
    assert digests[0] == digests[1]
    assert streams[0] == streams[1]


# -------------------------------------------------------------------------- flags


def test_var_selects_what_is_recompressed(tmp_path: Path) -> None:
    """What --var does not name is copied as it is; all of it is there."""
    source, result = FIXTURES / "weather-v2.zarr", tmp_path / "result.zarr"
    done = recompress(source, result, "--var", "t*m", "--var", "msl", "--min-size", "0")
    actions = {record["path"]: record["action"] for record in done.of_type("recompress")}
    assert [path for path, action in actions.items() if action == "recompress"] == ["/msl", "/t2m"]
    for path in ("/latitude", "/time", "/tp", "/u10"):
        assert copied_files(result, path) == copied_files(source, path), path
    with open_dataset(source, True) as before, open_dataset(result, True) as after:
        xr.testing.assert_identical(before, after)


@pytest.mark.parametrize(("verify", "verified"), [("none", 0), ("sample", 2), ("full", 24)])
def test_verify_says_how_much_was_verified(verify: str, verified: int, tmp_path: Path) -> None:
    """None, the first and every 16th, or all of the 24 chunks; what is written is the same."""
    source = FIXTURES / "weather-v2.zarr"
    done = recompress(source, tmp_path / "result.zarr", "--verify", verify)
    records = {record["path"]: record for record in done.of_type("recompress")}
    assert records["/u10"]["verified"] == verified
    recompress(source, tmp_path / "reference.zarr")
    assert oracle.digest(tmp_path / "result.zarr") == oracle.digest(tmp_path / "reference.zarr")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """One plan record an array, and nothing on the disk."""
    done = run("zrecompress", "--dry-run", FIXTURES / "weather-v2.zarr", tmp_path / "result.zarr")
    done.assert_done()
    plans = {record["path"]: record["action"] for record in done.of_type("plan")}
    assert list(plans) == list(oracle.arrays(FIXTURES / "weather-v2.zarr"))
    assert [path for path, action in plans.items() if action == "copy"] == ["/latitude", "/longitude", "/time"]
    assert list(tmp_path.iterdir()) == []


def test_an_impossible_memory_budget_is_refused_before_anything_is_written(large_store: Path, tmp_path: Path) -> None:
    """Usage, and no trace of an output."""
    done = run("zrecompress", large_store, tmp_path / "result.zarr", "--max-memory", "1M")
    assert done.code == 2, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_left_alone(tmp_path: Path) -> None:
    """Exit 7, whatever it is that bears the name: a store, an empty directory, a file."""
    shutil.copytree(FIXTURES / "deep.zarr", tmp_path / "store")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    before = oracle.digest(tmp_path)
    for name in ("store", "empty", "file"):
        done = run("zrecompress", FIXTURES / "typesize1.zarr", tmp_path / name)
        assert done.code == 7, (name, done.stderr)
        done.assert_ends_well_formed()
    assert oracle.digest(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "store"]


def test_overwrite_replaces_the_output(tmp_path: Path) -> None:
    """Nothing of the old store is left, within the new one or beside it."""
    result, reference = tmp_path / "a/result.zarr", tmp_path / "b/result.zarr"
    shutil.copytree(FIXTURES / "deep.zarr", result)
    reference.parent.mkdir()
    recompress(FIXTURES / "typesize1.zarr", result, "--overwrite")
    recompress(FIXTURES / "typesize1.zarr", reference)
    assert oracle.digest(result) == oracle.digest(reference)
    assert [path.name for path in result.parent.iterdir()] == ["result.zarr"]


def test_a_failed_overwrite_keeps_the_old_output(tmp_path: Path) -> None:
    """The old store goes only when the new one is whole."""
    result = tmp_path / "result.zarr"
    shutil.copytree(FIXTURES / "deep.zarr", result)
    before = oracle.digest(result)
    done = run("zrecompress", BROKEN / "cut-chunk.zarr", result, "--overwrite")
    assert done.code == BROKEN_SOURCES["cut-chunk.zarr"], done.stderr
    assert oracle.digest(result) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.zarr", "result.zarr.plan"]


@pytest.mark.parametrize("place", ["", "inside.zarr", "t2m/inside.zarr"])
def test_the_source_is_never_its_own_output(place: str, tmp_path: Path) -> None:
    """An output that is the source, or lies within it, is refused; --overwrite does not change that."""
    source = tmp_path / "source.zarr"
    shutil.copytree(FIXTURES / "weather-v2.zarr", source)
    before = oracle.digest(tmp_path)
    for arguments in ((), ("--overwrite",)):
        done = run("zrecompress", source, source / place, *arguments)
        assert done.code in (2, 7), (place, arguments, done.stderr)
        assert oracle.digest(tmp_path) == before, (place, arguments)


# ----------------------------------------------------------------- broken sources

BROKEN_SOURCES = {
    "nothing-of-this-name.zarr": 4,
    "not-zarr": 4,
    "truncated-root.zarr": 5,
    "truncated-json.zarr": 5,
    "bad-members.zarr": 5,
    "unknown-codec-v2.zarr": 5,
    "unknown-codec-v3.zarr": 5,
    "huge-chunk.zarr": 5,
    "huge-chunk-v3.zarr": 5,
    # Seen only when the other chunks are on their way already.
    "cut-chunk.zarr": 3,
    "short-header.zarr": 3,
    "zero-chunk.zarr": 3,
    "bitflip-chunk.zarr": 3,
}


@pytest.mark.parametrize(("store", "code"), BROKEN_SOURCES.items())
def test_a_broken_source_gives_no_output(store: str, code: int, tmp_path: Path) -> None:
    """The exit code of the damage, the place of it, and nothing under the final name or beside it."""
    done = run("zrecompress", BROKEN / store, tmp_path / "result.zarr")
    assert done.code == code, done.stderr
    done.assert_ends_well_formed()
    assert done.of_type("error"), done.stdout
    assert all(store in error["path"] for error in done.of_type("error")), done.stdout
    left = [path.name for path in tmp_path.iterdir()]
    # Of a source that is only damaged here and there, what is done is kept to go on with.
    assert left == (["result.zarr.plan"] if done.code == 3 else [])


# Who repairs a store wants the whole list, not only the first fault.
EVERY_FAULT = {
    "bitflip-chunk.zarr": ["blosc_lz4/0.1", "blosc_zstd/0.1", "zlib/0.1"],
    "bad-members.zarr": ["negative_shape", "no_chunks", "string_shape"],
    "huge-chunk.zarr": ["absent", "tiny_blosc", "tiny_zlib"],
}


@pytest.mark.parametrize(("store", "places"), EVERY_FAULT.items())
def test_every_fault_is_named(store: str, places: list[str], tmp_path: Path) -> None:
    """One error record for each damaged chunk and each array that cannot be treated."""
    done = run("zrecompress", BROKEN / store, tmp_path / "result.zarr")
    assert sorted(error["path"].partition(f"{store}/")[2] for error in done.of_type("error")) == places


def test_failures_come_in_input_order_at_any_number_of_workers(tmp_path: Path) -> None:
    """A fault that is found late in a large chunk comes before one that is found at once in a later, small array."""
    source = tmp_path / "source.zarr"
    group = zarr.create_group(source, zarr_format=2)
    zlib = numcodecs.Zlib(level=1)
    for name, size in (("a_large", 4_000_000), ("b_small", 4)):
        data = np.random.default_rng(5).integers(0, 100, size=size, dtype="u1")
        group.create_array(name, data=data, chunks=(size,), compressors=zlib)
        chunk = source / name / "0"
        chunk.write_bytes(chunk.read_bytes()[:-1])
    streams = [run("zrecompress", source, tmp_path / "result.zarr", "-j", jobs).stdout for jobs in ("1", "4")]
    assert streams[0] == streams[1]


@pytest.mark.parametrize("store", ["unknown-codec-v2.zarr", "unknown-codec-v3.zarr"])
def test_arrays_of_unknown_codecs_can_be_copied(store: str, tmp_path: Path) -> None:
    """With --copy-unknown the array is as it was, metadata and chunks; the other one is recompressed."""
    source, result = BROKEN / store, tmp_path / "result.zarr"
    done = recompress(source, result, "--copy-unknown")
    actions = {record["path"]: record["action"] for record in done.of_type("recompress")}
    assert actions == {"/good": "recompress", "/odd": "copy"}
    assert oracle.own_document(result, "/odd") == oracle.own_document(source, "/odd")
    assert copied_files(result, "/odd") == copied_files(source, "/odd")


def test_stale_consolidated_metadata_loses_no_array(tmp_path: Path) -> None:
    """What the consolidated copy forgot or has wrong is carried over as it is in the store."""
    source, result = BROKEN / "stale-consolidated.zarr", tmp_path / "result.zarr"
    recompress(source, result)
    before, after = (oracle.arrays(path, use_consolidated=False) for path in (source, result))
    assert list(after) == list(before) == ["/added", "/kept", "/resized"]
    for path in before:
        assert oracle.describe(after[path]) == oracle.describe(before[path]), path
        assert oracle.values(after[path]) == oracle.values(before[path]), path


def test_strays_are_left_out_and_counted(tmp_path: Path) -> None:
    """Files that belong to no array are not carried over; the summary counts all of them."""
    source, result = BROKEN / "strays.zarr", tmp_path / "result.zarr"
    done = recompress(source, result)
    left_out = set(oracle.files(source)) - set(oracle.files(result))
    assert left_out == {"notes.txt", "t2m/2.7", "t2m/0.0.tmp", "t2m/.0.1.abc.partial"}
    assert done.summary["skipped_keys"] == len(left_out)
    before, after = (zarr.open_array(path / "t2m", mode="r") for path in (source, result))
    assert oracle.values(after) == oracle.values(before)
