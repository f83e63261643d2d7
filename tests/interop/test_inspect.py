"""zinspect compared with zarr-python: the same hierarchy, metadata and bytes on disk."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path

import pytest
import zarr

import oracle
from oracle import FrameHeader
from ztools import BROKEN, FIXTURE_STORES, FIXTURES, REAL_STORES, Run, run

# More than any array here has.
EVERY_CHUNK = "1000"


@dataclass(frozen=True)
class Inspected:
    """A store and the output of zinspect."""

    path: Path
    run: Run

    def pairs(self) -> list[tuple[dict, zarr.Array]]:
        """Each array record with the array of zarr-python."""
        found = oracle.arrays(self.path, use_consolidated=False)
        records = {record["path"]: record for record in self.run.of_type("array")}
        assert list(records) == list(found)
        return [(records[path], found[path]) for path in found]


@pytest.fixture(scope="session", params=(*FIXTURE_STORES, *REAL_STORES))
def inspected(request: pytest.FixtureRequest, find_store) -> Inspected:
    """Each valid store, inspected with all options."""
    path = find_store(request.param)
    return Inspected(path, run("zinspect", "--sizes", "--attributes", "--sample", EVERY_CHUNK, path))


# ------------------------------------------------------------------ valid stores


def test_the_run_succeeds(inspected: Inspected) -> None:
    """A valid store is inspected without errors, problems or stray keys."""
    inspected.run.assert_done()
    assert inspected.run.of_type("key") == []
    assert [chunk["problems"] for chunk in inspected.run.of_type("chunk") if chunk["problems"]] == []


def test_nodes_come_in_path_order(inspected: Inspected) -> None:
    """Groups and arrays are those of zarr-python, sorted component by component."""
    expected = [
        ("array" if isinstance(node, zarr.Array) else "group", path)
        for path, node in oracle.nodes(inspected.path, use_consolidated=False).items()
    ]
    records = [record for record in inspected.run.records if record["type"] in ("array", "group")]
    assert [(record["type"], record["path"]) for record in records] == expected


def test_attributes(inspected: Inspected) -> None:
    """Attributes are those of zarr-python, except that NaN and the infinities are strings."""
    nodes = oracle.nodes(inspected.path, use_consolidated=False)
    for record in inspected.run.of_type("group") + inspected.run.of_type("array"):
        expected = without_bare_numbers(nodes[record["path"]].attrs.asdict())
        # In v2, the dimension names are an attribute, which is kept.
        assert record["attributes"] == expected, record["path"]


def test_shapes(inspected: Inspected) -> None:
    """Shapes and numbers of chunks and shards."""
    for record, array in inspected.pairs():
        sharded = array.shards is not None
        assert record["zarr_format"] == array.metadata.zarr_format, record["path"]
        assert tuple(record["shape"]) == array.shape, record["path"]
        assert tuple(record["chunk_shape"]) == array.chunks, record["path"]
        assert record.get("shard_shape") == (list(array.shards) if sharded else None), record["path"]
        assert record["chunks"] == array.nchunks, record["path"]
        assert record.get("shards") == (object_count(array) if sharded else None), record["path"]
        assert record["objects_expected"] == object_count(array), record["path"]


def test_data_type_and_fill_value(inspected: Inspected) -> None:
    """Both as in the metadata, as zarr-python writes them."""
    for record, array in inspected.pairs():
        metadata = array.metadata
        spelled = metadata.dtype.to_json(zarr_format=metadata.zarr_format)
        name = spelled["name"] if metadata.zarr_format == 2 else spelled
        assert record["dtype"] == name, record["path"]
        document = oracle.own_document(inspected.path, record["path"])
        assert record["fill_value"] == without_bare_numbers(document["fill_value"]), record["path"]


def test_codecs_order_and_keys(inspected: Inspected) -> None:
    """The codec chain, dimension names, memory order and separator as in the metadata."""
    for record, array in inspected.pairs():
        document = oracle.own_document(inspected.path, record["path"])
        if record["zarr_format"] == 2:
            compressor = document["compressor"]
            codecs = (document["filters"] or []) + ([compressor] if compressor else [])
            names = array.attrs.get("_ARRAY_DIMENSIONS")
            separator = document.get("dimension_separator", ".")
        else:
            codecs, names = document["codecs"], document.get("dimension_names")
            separator = array.metadata.chunk_key_encoding.separator
        assert record["codecs"] == codecs, record["path"]
        assert record.get("dimension_names") == names, record["path"]
        assert record.get("order") == document.get("order"), record["path"]
        assert record["separator"] == separator, record["path"]


def test_uncompressed_bytes(inspected: Inspected) -> None:
    """nbytes of zarr-python, if elements have a fixed size."""
    for record, array in inspected.pairs():
        if not fixed_size(array):
            assert "uncompressed_bytes" not in record, record["path"]
            continue
        assert record["itemsize_bytes"] == array.dtype.itemsize or array.filters, record["path"]
        assert record["uncompressed_bytes"] == array.nbytes, record["path"]


def test_stored_objects(inspected: Inspected) -> None:
    """Number and size of stored objects, compared with the files on disk."""
    for record, array in inspected.pairs():
        files = oracle.chunk_files(inspected.path / record["path"].lstrip("/"))
        sizes = sorted(path.stat().st_size for path in files.values())
        assert record["objects_present"] == len(sizes), record["path"]
        assert record["stored_bytes"] == sum(sizes), record["path"]
        assert record.get("object_min_bytes") == (sizes[0] if sizes else None), record["path"]
        assert record.get("object_max_bytes") == (sizes[-1] if sizes else None), record["path"]
        median = statistics.median_low(sizes) if sizes else None
        assert record.get("object_median_bytes") == median, record["path"]
        if sizes and fixed_size(array) and not array.filters:
            decoded = len(sizes) * math.prod(array.shards or array.chunks) * array.dtype.itemsize
            assert record["ratio"] == pytest.approx(decoded / sum(sizes), abs=6e-4), record["path"]


def test_every_stored_chunk_is_sampled_once(inspected: Inspected) -> None:
    """A sample larger than the array contains every stored chunk once."""
    sampled: dict[str, list] = {}
    for record in inspected.run.of_type("chunk"):
        sampled.setdefault(record["path"], []).append((record["key"], record.get("inner_chunk") or 0))
    for record in inspected.run.of_type("array"):
        chunks = oracle.stored_chunks(inspected.path, record["path"])
        expected = sorted((chunk.key, chunk.inner or 0) for chunk in chunks)
        assert sorted(sampled.get(record["path"], [])) == expected, record["path"]
        assert record.get("sampled", 0) == len(expected), record["path"]


def test_frame_headers(inspected: Inspected) -> None:
    """zinspect and c-blosc read the same values from Blosc headers."""
    arrays = oracle.arrays(inspected.path, use_consolidated=False)
    stored = {
        (path, chunk.key, chunk.inner): chunk
        for path, array in arrays.items()
        if oracle.blosc_of(array)
        for chunk in oracle.stored_chunks(inspected.path, path)
    }
    for record in inspected.run.of_type("chunk"):
        is_blosc = oracle.blosc_of(arrays[record["path"]]) is not None
        assert (record["format"] == "blosc") == is_blosc, record["key"]
        if is_blosc:
            chunk = stored[record["path"], record["key"], record.get("inner_chunk")]
            assert record["stored_bytes"] == len(chunk.data), record["key"]
            compare_header(record, chunk.frame(arrays[record["path"]]))


def compare_header(record: dict, frame: bytes) -> None:
    """Compares the fields of a chunk record with the header."""
    header = FrameHeader.of(frame)
    assert header.cbytes == len(frame)
    assert record["format_version"] == frame[0]
    assert record["compressor"] == header.complib, record["key"]
    assert record["shuffle"] == header.shuffle, record["key"]
    assert record["typesize"] == header.typesize, record["key"]
    assert record["stored_raw"] == header.memcpyed, record["key"]
    assert record["uncompressed_bytes"] == header.nbytes, record["key"]
    assert record["block_bytes"] == header.blocksize, record["key"]
    assert record["blocks"] == math.ceil(header.nbytes / header.blocksize), record["key"]
    # Bit 4 of the flags: "do not split".
    assert record["split"] == (frame[2] & 0x10 == 0), record["key"]


def test_totals(inspected: Inspected) -> None:
    """The summary contains the sums of the array records."""
    summary, records = inspected.run.summary, inspected.run.of_type("array")
    assert summary["arrays"] == len(records)
    assert summary["groups"] == len(inspected.run.of_type("group"))
    for key in ("chunks", "uncompressed_bytes", "objects_present", "objects_expected", "stored_bytes"):
        assert summary[key] == sum(record.get(key, 0) for record in records), key
    metadata = oracle.documents(inspected.path)
    assert summary["metadata_bytes"] == sum((inspected.path / key).stat().st_size for key in metadata)


def test_consolidated_metadata_is_true(inspected: Inspected) -> None:
    """Consolidated metadata of a valid store is up to date or absent."""
    checked = run("zinspect", "--check-consolidated", inspected.path)
    checked.assert_done()
    assert checked.of_type("consolidated") == []


def test_consolidated_metadata_changes_no_record(inspected: Inspected) -> None:
    """The records are the same with consolidated metadata and with a walk of the store."""
    arguments = ("--attributes", "--sizes", inspected.path)
    assert run("zinspect", *arguments).records == run("zinspect", "--no-consolidated", *arguments).records


def test_a_single_array_can_be_inspected(inspected: Inspected) -> None:
    """An array given as the store is described as within its store."""
    names = ("shape", "dtype", "chunk_shape", "fill_value", "codecs", "attributes", "stored_bytes")
    record = inspected.run.of_type("array")[0]
    alone = run("zinspect", "--sizes", "--attributes", inspected.path / record["path"].lstrip("/"))
    alone.assert_done()
    (only,) = alone.of_type("array")
    assert only["path"] == "/"
    assert {name: only[name] for name in names} == {name: record[name] for name in names}


def without_bare_numbers(value):
    """JSON with NaN and infinities as strings."""
    if isinstance(value, dict):
        return {key: without_bare_numbers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [without_bare_numbers(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def fixed_size(array: zarr.Array) -> bool:
    """Whether elements have a fixed size."""
    return array.dtype.kind not in "OT"


def object_count(array: zarr.Array) -> int:
    """Number of stored objects if the array is complete."""
    objects = array.shards or array.chunks
    return math.prod(-(-length // size) for length, size in zip(array.shape, objects, strict=True))


# ----------------------------------------------------------------- broken stores

ABSENT = "nothing-of-this-name.zarr"

# The store, further arguments, and the expected exit code.
BROKEN_STORES = [
    (ABSENT, (), 4),
    ("not-zarr", (), 4),
    ("truncated-root.zarr", (), 5),
    ("truncated-json.zarr", (), 3),
    ("bad-members.zarr", (), 3),
    ("cut-chunk.zarr", ("--sample", EVERY_CHUNK), 1),
    ("short-header.zarr", ("--sample", EVERY_CHUNK), 1),
    ("zero-chunk.zarr", ("--sample", EVERY_CHUNK), 1),
    # Damage after the header is not detected, because only headers are sampled.
    ("bitflip-chunk.zarr", ("--sample", EVERY_CHUNK), 0),
    # Without samples, damaged chunks are not detected.
    ("cut-chunk.zarr", ("--sample", "0"), 0),
    ("unknown-codec-v2.zarr", (), 0),
    ("unknown-codec-v3.zarr", (), 0),
    ("wrong-separator.zarr", (), 0),
    ("strays.zarr", (), 0),
    ("stale-consolidated.zarr", (), 0),
    ("stale-consolidated.zarr", ("--check-consolidated",), 1),
    ("huge-chunk.zarr", (), 1),
    ("huge-chunk-v3.zarr", (), 0),
]


@pytest.mark.parametrize("sizes", [(), ("--sizes",)], ids=["plain", "sizes"])
@pytest.mark.parametrize(("store", "arguments", "code"), BROKEN_STORES)
def test_exit_codes(store: str, arguments: tuple[str, ...], code: int, sizes: tuple[str, ...]) -> None:
    """Each kind of damage has its exit code, and the stream still ends with the summary."""
    result = run("zinspect", *arguments, *sizes, BROKEN / store)
    assert result.code == code, result.stdout + result.stderr
    result.assert_ends_well_formed()


def test_a_failed_node_does_not_hide_the_others() -> None:
    """Each malformed node is one error record that names it; the good array is still described."""
    result = run("zinspect", BROKEN / "bad-members.zarr")
    assert [record["path"] for record in result.of_type("array")] == ["/good"]
    places = sorted(Path(error["path"]).name for error in result.of_type("error"))
    assert places == ["negative_shape", "no_chunks", "string_shape"]
    assert {error["exit"] for error in result.of_type("error")} == {5}


def test_a_failed_store_does_not_hide_the_others() -> None:
    """One of two stores is missing: exit code 3, and the other is described."""
    result = run("zinspect", BROKEN / ABSENT, FIXTURES / "deep.zarr")
    assert result.code == 3
    result.assert_ends_well_formed()
    assert len(result.of_type("array")) == 1


def test_damaged_chunks_are_named() -> None:
    """The truncated chunk is the one with a problem."""
    for store in ("cut-chunk.zarr", "short-header.zarr", "zero-chunk.zarr"):
        result = run("zinspect", "--sample", EVERY_CHUNK, BROKEN / store)
        faulty = [chunk["key"] for chunk in result.of_type("chunk") if chunk["problems"]]
        assert faulty == ["t2m/0.1"], store


def test_stray_keys_are_named() -> None:
    """Every key that belongs to no array, with its kind."""
    result = run("zinspect", "--sizes", BROKEN / "strays.zarr")
    assert {record["key"]: record["kind"] for record in result.of_type("key")} == {
        "notes.txt": "unknown",
        "t2m/.0.1.abc.partial": "temporary",
        "t2m/0.0.tmp": "temporary",
        "t2m/2.7": "outside_grid",
    }


def test_wrong_separator_is_named() -> None:
    """Keys with the other separator are reported as such, and not counted as chunks."""
    result = run("zinspect", "--sizes", BROKEN / "wrong-separator.zarr")
    assert {record["kind"] for record in result.of_type("key")} == {"wrong_separator"}
    assert result.of_type("array")[0]["objects_present"] == 0


def test_stale_consolidated_metadata_is_named() -> None:
    """The node missing from consolidated metadata and the member that differs."""
    result = run("zinspect", "--check-consolidated", BROKEN / "stale-consolidated.zarr")
    found = [(item["path"], item["difference"], item.get("members")) for item in result.of_type("consolidated")]
    assert found == [("/added", "missing", None), ("/resized", "differs", ["shape"])]


def test_unknown_codecs_are_described() -> None:
    """An array with an unknown codec is described in full."""
    for store in ("unknown-codec-v2.zarr", "unknown-codec-v3.zarr"):
        records = {record["path"]: record for record in run("zinspect", BROKEN / store).of_type("array")}
        assert list(records) == ["/good", "/odd"], store
        assert records["/odd"]["shape"] == records["/good"]["shape"] == [32, 32], store
        assert "nobody_knows" in records["/odd"]["codec"], store
