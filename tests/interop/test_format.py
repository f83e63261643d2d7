"""zrecompress --zarr-format against zarr-python and xarray: other documents, the same chunks, the same values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from numcodecs import AsType, BitRound, Delta, FixedScaleOffset, PackBits, Quantize, Shuffle
from zarr.dtype import VariableLengthBytes

import oracle
from ztools import FIXTURES, REAL_STORES, Run, run

# Why a format cannot hold an array is no usage error and no fault of the disk.
REFUSED = 5

NUMBERS = np.arange(30).reshape(6, 5)
TIMES = np.array([["2020-01-01", "NaT", "1969-12-31T23:59:59"]] * 6, dtype="M8[s]")
WORDS = np.array([["a", "", "läng"], ["x", "yy", "zzz"]] * 3)
RECORDS = np.array([(1, 2.5, b"ab"), (-3, np.nan, b"")] * 3, dtype=[("a", "<i4"), ("b", "<f8"), ("c", "S2")])


@dataclass(frozen=True)
class Written:
    """An array of Zarr v2 as zarr-python is told to write it. Of its chunks, those at the end are left out."""

    data: np.ndarray
    fill: object = None
    options: dict = field(default_factory=dict)

    def write(self, group: zarr.Group, name: str) -> None:
        """Write all but the second half of the rows."""
        chunks = tuple(max(1, length // 2) for length in self.data.shape)
        is_text = self.data.dtype.kind == "O"
        defaults = {
            "dtype": str if is_text else self.data.dtype,
            "filters": "auto" if is_text else None,
            "compressors": numcodecs.Zlib(1),
        }
        options = defaults | self.options
        array = group.create_array(name, shape=self.data.shape, chunks=chunks, fill_value=self.fill, **options)
        array.attrs["note"] = f"of {name}"
        stored = slice(chunks[0]) if self.data.ndim else ...
        array[stored] = self.data[stored]


def numbers(dtype: str, fill: object = None, **options) -> Written:
    """Small numbers of any type."""
    return Written(NUMBERS.astype(dtype), fill, options)


def types() -> Iterator[tuple[str, Written]]:
    """Every data type in both byte orders, with fill values that are hard to spell."""
    for order in "<>":
        for kind in ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"):
            yield f"{kind}_{'little' if order == '<' else 'big'}", numbers(order + kind, 3)
        yield f"M8_{order == '>'}", Written(TIMES.astype(order + "M8[s]"), np.datetime64("2000-01-01"))
        yield f"M8_25us_{order == '>'}", Written(TIMES.astype(order + "M8[25us]"))
        yield f"m8_{order == '>'}", Written(NUMBERS.astype(order + "m8[10ms]"), np.timedelta64("NaT"))
        yield f"U_{order == '>'}", Written(WORDS.astype(order + "U4"), "füll")
    for kind in ("b1", "i1", "u1"):
        yield kind, numbers(kind, 1)
    for name, fill in (("nan", np.nan), ("inf", np.inf), ("minus_inf", -np.inf), ("big", 1e20), ("minus_zero", -0.0)):
        yield f"f4_{name}", numbers("<f4", fill)
    yield "f8_tenth", numbers("<f8", 0.1)
    yield "i8_least", numbers("<i8", -(2**63))
    yield "u8_most", numbers("<u8", 2**64 - 1)
    yield "c16_nan", numbers("<c16", complex(np.nan, -np.inf))
    yield "null", numbers("<f8")
    yield "S", Written(WORDS.astype("U1").astype("S4"), b"\xff\x00z")
    yield "V", Written(NUMBERS.astype("<i8").view("V8"), np.void(b"12345678"))
    yield "struct", Written(RECORDS, np.array((7, -0.5, b"zz"), dtype=RECORDS.dtype)[()])
    # With a field of text, zarr-python takes null for the digit 0 there.
    yield "struct_null", Written(RECORDS[["a", "b"]].astype([("a", "<i4"), ("b", "<f8")]))
    yield "string", Written(WORDS.astype(object), "none")
    yield "vlen_bytes", Written(WORDS.astype("U1").astype("S").astype(object), b"x", {"dtype": VariableLengthBytes()})
    yield "string_blosc", Written(WORDS.astype(object), "", {"compressors": numcodecs.Blosc()})


def layouts() -> Iterator[tuple[str, Written]]:
    """Orders, separators, ranks."""
    for order in "CF":
        for separator in "./":
            keys = {"name": "v2", "separator": separator}
            yield f"order_{order}_{ord(separator)}", numbers(">f4", -1, order=order, chunk_key_encoding=keys)
    yield "F_cube", Written(np.arange(24, dtype="i2").reshape(2, 3, 4), 0, {"order": "F"})
    yield "F_line", Written(np.arange(4, dtype="i2"), 0, {"order": "F"})
    yield "scalar", Written(np.array(2.5), 0.0)
    yield "scalar_string", Written(np.array("word", dtype=object), "")
    yield "empty", Written(np.zeros((0, 5), dtype="f4"), 0)


def codecs() -> Iterator[tuple[str, Written]]:
    """Every compressor and every filter, alone and in chains."""
    compressors = {
        "none": None,
        "blosc": numcodecs.Blosc(cname="lz4", clevel=5, shuffle=1),
        "blosc_auto": numcodecs.Blosc(cname="zstd", clevel=1, shuffle=-1, blocksize=256),
        "zstd": numcodecs.Zstd(level=3, checksum=True),
        "gzip": numcodecs.GZip(level=1),
        "zlib": numcodecs.Zlib(level=1),
        "bz2": numcodecs.BZ2(level=1),
        "lzma": numcodecs.LZMA(preset=1),
        "lz4": numcodecs.LZ4(acceleration=2),
    }
    for name, compressor in compressors.items():
        yield f"compressor_{name}", numbers(">f8", 0, compressors=compressor)
    for name, (dtype, *filters) in {
        "delta": ("<i4", Delta("<i4")),
        "delta_narrow": ("<i4", Delta("<i4", "<i1")),
        "delta_big": (">i4", Delta(">i4")),
        "delta_to_big": ("<i4", Delta("<i4", ">i2")),
        "delta_bytes": ("|u1", Delta("|u1")),
        "delta_times": ("<M8[s]", Delta("<i8")),
        "scale": ("<f8", FixedScaleOffset(offset=1, scale=2, dtype="<f8", astype="|u1")),
        "scale_big": (">f8", FixedScaleOffset(offset=1, scale=2, dtype=">f8", astype="<i2")),
        "scale_delta": ("<f4", FixedScaleOffset(offset=0, scale=2, dtype="<f4", astype=">i4"), Delta(">i4", ">i2")),
        "quantize": (">f4", Quantize(digits=2, dtype=">f4")),
        "bitround": ("<f4", BitRound(5)),
        "packbits": ("|b1", PackBits()),
        "astype": ("<i8", AsType(encode_dtype="<i2", decode_dtype="<i8")),
        "astype_big": (">f8", AsType(encode_dtype=">f4", decode_dtype=">f8")),
        "shuffle": ("<i4", Shuffle(4)),
        "shuffle_8": ("<f8", Shuffle(8)),
        "delta_shuffle": ("<i4", Delta("<i4", "<i2"), Shuffle(2)),
        "crc32": ("<i4", numcodecs.CRC32()),
        "crc32_end": ("<i4", numcodecs.CRC32(location="end")),
        "crc32c": ("<i4", numcodecs.registry.get_codec({"id": "crc32c"})),
        "crc32c_start": ("<i4", numcodecs.registry.get_codec({"id": "crc32c", "location": "start"})),
        "adler32": ("<i4", numcodecs.Adler32()),
        "fletcher32": ("<i4", numcodecs.Fletcher32()),
        "jenkins": ("<i4", numcodecs.JenkinsLookup3()),
        "zlib_bz2": ("<i4", numcodecs.Zlib(1), numcodecs.BZ2(1)),
    }.items():
        yield f"filter_{name}", numbers(dtype, None, filters=filters)
        yield f"filter_{name}_blosc_F", numbers(dtype, None, filters=filters, compressors=numcodecs.Blosc(), order="F")


ARRAYS = dict([*types(), *layouts(), *codecs()])


def migrate(source: Path, result: Path, zarr_format: int) -> Run:
    """A run that has to succeed."""
    done = run("zrecompress", source, result, "--zarr-format", str(zarr_format))
    done.assert_done()
    return done


def native_dtype(dtype: np.dtype) -> np.dtype:
    """A type in the machine's byte order: v3 arrays have no other."""
    return dtype if dtype.kind == "T" else dtype.newbyteorder("=")


def native(array: zarr.Array) -> bytes | list:
    """All values of an array in the machine's byte order."""
    read = np.asarray(array[...])
    return read.tolist() if read.dtype.kind in "OT" else read.astype(native_dtype(read.dtype)).tobytes()


@dataclass(frozen=True)
class Migrated:
    """A store of v2, the same in v3, and that in v2 again."""

    v2: Path
    v3: Path
    again: Path

    @classmethod
    def of(cls, source: Path, directory: Path) -> Migrated:
        """There and back."""
        migrate(source, directory / "v3.zarr", 3)
        migrate(directory / "v3.zarr", directory / "again.zarr", 2)
        return cls(source, directory / "v3.zarr", directory / "again.zarr")


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Migrated:
    """All arrays, in nested groups."""
    directory = tmp_path_factory.mktemp("generated")
    attributes = {"title": "größer", "nested": {"x": [1]}}
    root = zarr.create_group(directory / "v2.zarr", zarr_format=2, attributes=attributes)
    for number, (name, written) in enumerate(ARRAYS.items()):
        parts = ("", "g", "g/h")[number % 3]
        written.write(root.require_group(parts) if parts else root, name)
    zarr.consolidate_metadata(directory / "v2.zarr")
    return Migrated.of(directory / "v2.zarr", directory)


def find(store: Path, name: str, mode: str = "r") -> zarr.Array:
    """The array of a name, in whatever group it lies."""
    parts = ("", "g/", "g/h/")[list(ARRAYS).index(name) % 3]
    return zarr.open_array(store / f"{parts}{name}", mode=mode)


# ------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("name", ARRAYS)
def test_values_are_the_same(name: str, generated: Migrated) -> None:
    """Bit for bit, of stored and of absent chunks, there and back."""
    before, after, again = (find(store, name) for store in (generated.v2, generated.v3, generated.again))
    assert [array.metadata.zarr_format for array in (before, after, again)] == [2, 3, 2]
    assert native(after) == native(before)
    assert native(again) == native(before)


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_not_the_format_survives(name: str, generated: Migrated) -> None:
    """Shapes, chunks, types, attributes; fill values, where v2 has one."""
    before, after, again = (find(store, name) for store in (generated.v2, generated.v3, generated.again))
    for array in (after, again):
        assert (array.shape, array.chunks) == (before.shape, before.chunks)
        assert native_dtype(array.dtype) == native_dtype(before.dtype)
        # xarray names the dimensions of a scalar in v2 only, and any scalar of v3 may be its own.
        if before.ndim > 0 or array is after:
            assert dict(array.attrs) == dict(before.attrs)
            assert before.fill_value is None or repr(array.fill_value) == repr(before.fill_value)
    # Behind a filter only the byte order of what it stores is left, and a line has no order.
    if not name.startswith("filter_"):
        assert again.metadata.dtype == before.metadata.dtype
    if before.ndim > 1:
        assert again.metadata.order == before.metadata.order
    assert again.metadata.dimension_separator == before.metadata.dimension_separator


@pytest.mark.parametrize("name", ARRAYS)
def test_documents_are_those_of_zarr_python(name: str, generated: Migrated) -> None:
    """zarr-python reads each document and would write the very same one, in the same order."""
    for store, document in ((generated.v3, "zarr.json"), (generated.again, ".zarray")):
        array = find(store, name)
        written = array.metadata.to_buffer_dict(zarr.core.buffer.default_buffer_prototype())[document].to_bytes()
        text = (store / array.path / document if array.path else Path(str(array.store.root)) / document).read_text()
        assert json.dumps(json.loads(text)) == json.dumps(json.loads(written))


@pytest.mark.parametrize("name", [name for name in ARRAYS if not name.endswith("_F")])
def test_what_is_written_later_can_be_read(name: str, generated: Migrated, tmp_path: Path) -> None:
    """New chunks of the array in v3 are encoded as the old ones are.

    Filters after a transposition are left out: zarr-python hands them elements in another order than it takes them in.
    """
    shutil.copytree(Path(str(find(generated.v3, name).store.root)), tmp_path / "array")
    expected = native(find(generated.v2, name))
    array = zarr.open_array(tmp_path / "array", mode="r+")
    values = array[...]
    array[...] = values
    assert native(zarr.open_array(tmp_path / "array", mode="r")) == expected


def test_no_chunk_changes(generated: Migrated) -> None:
    """Neither its bytes nor its key, there and back."""
    before, after, again = (
        {key: path.read_bytes() for key, path in oracle.chunk_files(store).items()}
        for store in (generated.v2, generated.v3, generated.again)
    )
    assert after == before
    assert again == before


def test_groups_survive(generated: Migrated) -> None:
    """All nodes with all attributes, and no document of the other format."""
    stores = (generated.v2, generated.v3, generated.again)
    before, after, again = (oracle.nodes(store, use_consolidated=False) for store in stores)
    assert list(after) == list(before) == list(again)
    for path, node in before.items():
        if isinstance(node, zarr.Group):
            assert after[path].attrs.asdict() == again[path].attrs.asdict() == node.attrs.asdict(), path
    assert {path.name for path in oracle.files(generated.v3).values()}.isdisjoint(oracle.METADATA_NAMES[:4])
    assert "zarr.json" not in {path.name for path in oracle.files(generated.again).values()}


def test_consolidated_metadata_is_what_zarr_python_writes(generated: Migrated, tmp_path: Path) -> None:
    """The same copies in the same order, and v2 with copies of all documents."""
    shutil.copytree(generated.v3, tmp_path / "v3.zarr")
    zarr.consolidate_metadata(tmp_path / "v3.zarr")
    ours, theirs = (oracle.load(store / "zarr.json") for store in (generated.v3, tmp_path / "v3.zarr"))
    assert oracle.canonical(ours) == oracle.canonical(theirs)
    copies = oracle.load(generated.again / ".zmetadata")["metadata"]
    documents = {key: value for key, value in oracle.documents(generated.again).items() if key != ".zmetadata"}
    assert {key: oracle.canonical(copy) for key, copy in copies.items()} == {
        key: oracle.canonical(document) for key, document in documents.items()
    }
    for store in (generated.v3, generated.again):
        listed = oracle.nodes(store, use_consolidated=True)
        assert list(listed) == list(oracle.nodes(store, use_consolidated=False))


V2_FIXTURES = ("v2-codecs.zarr", "v2-dtypes.zarr", "v2-layout.zarr", "v2-layout-plain.zarr", "weather-v2.zarr")
V3_FIXTURES = ("v3-codecs.zarr", "deep.zarr", "typesize1.zarr")


@pytest.mark.parametrize("store", V2_FIXTURES + V3_FIXTURES)
def test_fixtures(store: str, tmp_path: Path) -> None:
    """The stores of the other tests, each to the other format."""
    source, result = FIXTURES / store, tmp_path / "result.zarr"
    migrate(source, result, 3 if store in V2_FIXTURES else 2)
    before, after = (oracle.arrays(path, use_consolidated=False) for path in (source, result))
    assert list(after) == list(before)
    assert oracle.consolidated(result) == oracle.consolidated(source)
    for path, array in before.items():
        assert after[path].metadata.zarr_format != array.metadata.zarr_format
        assert native(after[path]) == native(array), path


# ------------------------------------------------------------------------ xarray


def masked_dataset() -> xr.Dataset:
    """What weather archives hold: packed, masked, times, strings, scalars, names in other alphabets."""
    time, x = np.arange("2020-01-01", "2020-01-07", dtype="M8[D]").astype("M8[ns]"), np.linspace(0, 1, 5)
    values = np.where(NUMBERS % 7 == 3, np.nan, NUMBERS / 10)
    dims = ("time", "x")
    dataset = xr.Dataset(
        {
            "nan": (dims, values),
            "big": (dims, values.astype("f4"), {"units": "K", "long_name": "größe", "valid_range": [0.5, 1e3]}),
            "unmasked": (dims, NUMBERS.astype("f4")),
            "packed": (dims, values),
            "packed_unsigned": (dims, values),
            "zeros": (dims, NUMBERS.astype("i4")),
            "zero_is_missing": (dims, NUMBERS.astype("i4")),
            "flag": (dims, NUMBERS % 2 == 0),
            "flag_masked": (dims, NUMBERS % 2 == 0),
            "complex": (dims, NUMBERS.astype("c8") * 1j),
            "half": (dims, values.astype("f2")),
            "fixed": ("time", np.array(["a", "", "c"] * 2)),
            "bytes": ("time", np.array([b"a", b"", b"c"] * 2)),
            "words": ("time", np.array(["a", "", "ccc"] * 2, dtype=object)),
            "when": ("time", np.where(np.arange(6) == 2, np.datetime64("NaT"), time).astype("M8[ns]")),
            "lead": ("time", np.arange(6).astype("m8[h]").astype("m8[ns]")),
            "scalar": ((), 2.5),
        },
        {"time": time, "x": x, "height": ((), 2.0), "cell": ("x", [1.0, np.nan, 2.0, 3.0, 4.0])},
        {"Conventions": "CF-1.8", "missing": 0.1},
    )
    encodings = {
        "big": {"_FillValue": np.float32(1e20), "missing_value": np.float32(1e20)},
        "unmasked": {"_FillValue": None},
        "packed": {"dtype": "i2", "scale_factor": 0.1, "add_offset": 1.0, "_FillValue": -32768},
        "packed_unsigned": {"dtype": "u1", "scale_factor": 0.1, "_FillValue": 255},
        "zero_is_missing": {"_FillValue": 0},
        "flag_masked": {"_FillValue": False},
        "complex": {"_FillValue": np.complex64(3j)},
        "half": {"_FillValue": np.float16(0.1)},
        "cell": {"_FillValue": -1.0},
    }
    for name, encoding in encodings.items():
        dataset[name].encoding = encoding
    return dataset


# How datasets are opened: as users do, without masks, and as they are stored.
OPENINGS = [{}, {"mask_and_scale": False}, {"decode_cf": False}]


def assert_same_datasets(before: Path, after: Path, openings: list[dict] = OPENINGS) -> None:
    """xarray sees no difference, with and without consolidated metadata."""
    for options in openings:
        for consolidated in (True, False):
            kwargs = {"consolidated": consolidated, "chunks": None, **options}
            with xr.open_zarr(before, **kwargs) as one, xr.open_zarr(after, **kwargs) as other:
                xr.testing.assert_identical(one.load(), other.load())
                for name in one.variables:
                    assert native_dtype(one[name].dtype) == native_dtype(other[name].dtype), name


@pytest.fixture(params=[2, 3])
def written_by_xarray(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """The dataset in either format."""
    path = tmp_path / "source.zarr"
    dataset = masked_dataset()
    if request.param == 3:
        # xarray stores two complex numbers for two purposes there, and attributes of v2 hold none.
        dataset["complex"].encoding = {}
    dataset.to_zarr(path, zarr_format=request.param, consolidated=True, write_empty_chunks=False)
    return path, request.param


def test_datasets_are_identical(written_by_xarray: tuple[Path, int], tmp_path: Path) -> None:
    """There and back, decoded in every way."""
    source, zarr_format = written_by_xarray
    other, again = tmp_path / "other.zarr", tmp_path / "again.zarr"
    migrate(source, other, 5 - zarr_format)
    migrate(other, again, zarr_format)
    with xr.open_zarr(source) as opened, xr.open_zarr(other) as migrated:
        assert opened.sizes == migrated.sizes
        assert opened["big"].encoding["_FillValue"] == migrated["big"].encoding["_FillValue"]
    # Stored as v3, NaN that xarray leaves in place is no _FillValue: in v2 it is one.
    openings = OPENINGS if zarr_format == 2 else [{}]
    assert_same_datasets(source, other, openings)
    assert_same_datasets(source, again, openings)


def test_a_migrated_dataset_can_be_written_again(written_by_xarray: tuple[Path, int], tmp_path: Path) -> None:
    """What xarray keeps of encodings does not stand in its own way."""
    source, zarr_format = written_by_xarray
    migrate(source, tmp_path / "other.zarr", 5 - zarr_format)
    with xr.open_zarr(tmp_path / "other.zarr", chunks=None) as migrated:
        # xarray itself does not write strings of any length again that it read from v2.
        migrated.load().drop_vars("words").to_zarr(tmp_path / "rewritten.zarr", zarr_format=5 - zarr_format)
    with xr.open_zarr(source, chunks=None) as one, xr.open_zarr(tmp_path / "rewritten.zarr", chunks=None) as other:
        xr.testing.assert_identical(one.load().drop_vars("words"), other.load())


def test_absent_chunks_of_a_dataset(tmp_path: Path) -> None:
    """Missing where they were missing, zero where they were zero."""
    dims = ("time", "x")
    dataset = xr.Dataset(
        {
            "float": (dims, np.full((4, 4), np.nan, "f4")),
            "packed": (dims, np.full((4, 4), np.nan)),
            "zero": (dims, np.zeros((4, 4), "i2")),
            "zero_packed": (dims, np.zeros((4, 4))),
        }
    )
    dataset["float"].encoding = {"_FillValue": np.float32(-9999)}
    dataset["packed"].encoding = {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}
    dataset["zero_packed"].encoding = {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}
    for zarr_format in (2, 3):
        source, result = tmp_path / f"source{zarr_format}.zarr", tmp_path / f"result{zarr_format}.zarr"
        dataset.to_zarr(source, zarr_format=zarr_format, consolidated=True, write_empty_chunks=False)
        for chunk in oracle.chunk_files(source / "float").values():
            chunk.unlink()
        migrate(source, result, 5 - zarr_format)
        assert_same_datasets(source, result, [{}])


@pytest.mark.parametrize("store", REAL_STORES)
def test_real_archives(store: str, find_store, tmp_path: Path) -> None:
    """Real ERA5: values and datasets are the same; a sharded array has no place in v2."""
    source, other, again = find_store(store), tmp_path / "other.zarr", tmp_path / "again.zarr"
    zarr_format = zarr.open_group(source, mode="r").metadata.zarr_format
    if zarr_format == 3:
        done = run("zrecompress", source, other, "--zarr-format", "2")
        assert done.code == REFUSED
        assert "sharded" in done.stderr
        assert not other.exists()
        return
    migrate(source, other, 3)
    migrate(other, again, 2)
    consolidated = oracle.consolidated(source)
    assert oracle.consolidated(other) == oracle.consolidated(again) == consolidated
    for options in OPENINGS:
        kwargs = {"consolidated": consolidated, "chunks": None, **options}
        with xr.open_zarr(source, **kwargs) as one, xr.open_zarr(other, **kwargs) as two:
            xr.testing.assert_identical(one.load(), two.load())
        with xr.open_zarr(source, **kwargs) as one, xr.open_zarr(again, **kwargs) as two:
            xr.testing.assert_identical(one.load(), two.load())


def edit(path: Path, **members) -> None:
    """Change members of a document."""
    path.write_text(json.dumps(oracle.load(path) | members), encoding="utf-8")


def small(path: Path, **options) -> Path:
    """A store of v2 with one array."""
    group = zarr.create_group(path, zarr_format=2)
    group.create_array("a", data=np.arange(6, dtype="f4").reshape(2, 3), chunks=(1, 3), **options)
    edit(path / "a/.zattrs", _ARRAY_DIMENSIONS=["y", "x"])
    return path


def test_attributes_keep_their_spelling(tmp_path: Path) -> None:
    """Bare NaN, long integers and trailing zeros, which no JSON parser brings through."""
    source = small(tmp_path / "source.zarr")
    spelled = '"missing_value": NaN, "x": 1.50, "n": 123456789012345678901234567890, "u": "\\u00e9"'
    (source / "a/.zattrs").write_text('{"_ARRAY_DIMENSIONS": ["y", "x"], ' + spelled + "}", encoding="utf-8")
    migrate(source, tmp_path / "v3.zarr", 3)
    migrate(tmp_path / "v3.zarr", tmp_path / "again.zarr", 2)
    for document in ("v3.zarr/a/zarr.json", "again.zarr/a/.zattrs"):
        text = " ".join((tmp_path / document).read_text(encoding="utf-8").split())
        assert spelled in text, document


@pytest.mark.parametrize("stated", ["-1.0", "NaN"])
def test_a_fill_value_in_the_attributes_counts_where_zarr_has_none(stated: str, tmp_path: Path) -> None:
    """xarray takes it in v2, and has to be told in its own way in v3."""
    source = small(tmp_path / "source.zarr", fill_value=None)
    text = f'{{"_ARRAY_DIMENSIONS": ["y", "x"], "_FillValue": {stated}}}'
    (source / "a/.zattrs").write_text(text, encoding="utf-8")
    edit(source / "a/.zarray", fill_value=None)
    migrate(source, tmp_path / "v3.zarr", 3)
    migrate(tmp_path / "v3.zarr", tmp_path / "again.zarr", 2)
    with xr.open_zarr(source, consolidated=False) as expected:
        for result in ("v3.zarr", "again.zarr"):
            with xr.open_zarr(tmp_path / result, consolidated=False) as migrated:
                xr.testing.assert_identical(migrated.load(), expected.load())


def test_dimensions_of_netcdf_c(tmp_path: Path) -> None:
    """NetCDF-C keeps them in a member of its own, which xarray reads in v2."""
    source, result = small(tmp_path / "source.zarr"), tmp_path / "result.zarr"
    (source / "a/.zattrs").unlink()
    edit(source / "a/.zarray", _NCZARR_ARRAY={"dimrefs": ["/y", "/g/x"], "storage": "chunked"})
    migrate(source, result, 3)
    assert zarr.open_array(result / "a", mode="r").metadata.dimension_names == ("y", "x")
    migrate(result, tmp_path / "again.zarr", 2)
    member = oracle.load(tmp_path / "again.zarr/a/.zarray")["_NCZARR_ARRAY"]
    assert member == {"dimrefs": ["/y", "/g/x"], "storage": "chunked"}


def test_in_place_touches_no_chunk(tmp_path: Path) -> None:
    """The same files under the same names, not written again; only the documents are others."""
    source = tmp_path / "store.zarr"
    masked_dataset().to_zarr(source, zarr_format=2, consolidated=True)
    shutil.copytree(source, tmp_path / "before.zarr")
    before = {key: path.stat() for key, path in oracle.chunk_files(source).items()}
    for zarr_format in (3, 2):
        run("zrecompress", "--in-place", source, "--zarr-format", str(zarr_format)).assert_done()
        after = {key: path.stat() for key, path in oracle.chunk_files(source).items()}
        assert after.keys() == before.keys()
        for key, stat in before.items():
            assert (after[key].st_ino, after[key].st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns), key
        assert_same_datasets(tmp_path / "before.zarr", source)


# -------------------------------------------------------------------- from v3 only


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("shape", [(), (4,), (4, 6)])
def test_default_keys_lose_their_prefix(separator: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """v2 cannot spell the `c` in front."""
    data = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    group = zarr.create_group(tmp_path / "source.zarr")
    keys = {"name": "default", "separator": separator}
    chunks = tuple(length // 2 for length in shape)
    array = group.create_array("a", shape=shape, dtype="i8", chunks=chunks, chunk_key_encoding=keys, fill_value=-5)
    array[...] = data
    migrate(tmp_path / "source.zarr", tmp_path / "result.zarr", 2)
    result = zarr.open_array(tmp_path / "result.zarr/a", mode="r")
    assert (result[...] == data).all()
    assert (result.metadata.zarr_format, result.fill_value) == (2, -5)
    chunks_before, chunks_after = (oracle.chunk_files(tmp_path / store) for store in ("source.zarr", "result.zarr"))
    assert len(chunks_after) == len(chunks_before)


def test_filters_of_v3_become_filters_of_v2(tmp_path: Path) -> None:
    """As zarr-python spells them when it is asked for them by type names."""
    from zarr.codecs import numcodecs as extensions  # noqa: PLC0415 - warns when it is imported

    data = np.arange(12, dtype="f8").reshape(3, 4)
    group = zarr.create_group(tmp_path / "source.zarr")
    scale = extensions.FixedScaleOffset(offset=0, scale=2, dtype="float64", astype="int32")
    filters = [scale, extensions.Delta(dtype="int32")]
    group.create_array("a", data=data, chunks=(3, 2), filters=filters, compressors=extensions.LZ4(acceleration=1))
    group.create_array("b", data=data, chunks=(3, 2), compressors=[zarr.codecs.BloscCodec(), zarr.codecs.Crc32cCodec()])
    group.create_array("t", data=data, chunks=(3, 2), filters=zarr.codecs.TransposeCodec(order=(1, 0)))
    group.create_array("s", data=data.astype("U3"), chunks=(3, 2))
    migrate(tmp_path / "source.zarr", tmp_path / "result.zarr", 2)
    result = zarr.open_group(tmp_path / "result.zarr", mode="r")
    assert result["t"].order == "F"
    for name in "abt":
        assert (result[name][...] == data).all(), name
    assert (result["s"][...] == data.astype("U3")).all()


# ----------------------------------------------------------------------- refusals

UNSAYABLE_IN_V3 = {
    "pickled": ({"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}], "fill_value": None}, "objects"),
    "reinterpreted": ({"filters": [{"id": "delta", "dtype": "<i4"}]}, "reinterprets <f4 as <i4"),
    "quantize to half": (
        {"filters": [{"id": "quantize", "digits": 2, "dtype": "<f4", "astype": "<f2"}]},
        "does not pass this data type on",
    ),
    "categorize": ({"filters": [{"id": "categorize", "dtype": "<f4", "labels": [], "astype": "|u1"}]}, "categorize"),
    "late filter": (
        {"filters": [{"id": "shuffle"}, {"id": "bitround", "keepbits": 2}]},
        "after a bytes-to-bytes filter",
    ),
    "compressor": ({"compressor": {"id": "imagecodecs_jpeg"}}, "imagecodecs_jpeg"),
    "member": ({"writer": "me"}, '"writer"'),
    "fill value": ({"fill_value": "0x7fc00001"}, "NaN"),
    "big fields": ({"dtype": [["a", ">i4"]], "fill_value": None}, "big-endian"),
}


@pytest.mark.parametrize("case", UNSAYABLE_IN_V3)
def test_what_v3_cannot_say_is_refused(case: str, tmp_path: Path) -> None:
    """With a sentence that names the array and what it is about, and without an output."""
    members, word = UNSAYABLE_IN_V3[case]
    source = small(tmp_path / "source.zarr")
    edit(source / "a/.zarray", **members)
    assert_refused(source, 3, word)


def test_wrong_dimension_names_are_refused(tmp_path: Path) -> None:
    """One name for two dimensions."""
    source = small(tmp_path / "source.zarr")
    edit(source / "a/.zattrs", _ARRAY_DIMENSIONS=["x"])
    assert_refused(source, 3, "_ARRAY_DIMENSIONS has 1 names, but the array has 2 dimensions")


UNSAYABLE_IN_V2 = {
    "sharded": ({"shards": (2, 4)}, "sharded"),
    "half-named": ({"dimension_names": ["y", None]}, "only some dimensions are named"),
    "data that is fill": ({"dimension_names": ["y", "x"], "fill_value": 7}, "is valid data in Zarr v3"),
    "turned": (
        {"shape": (2, 4, 6), "chunks": (1, 2, 3), "filters": zarr.codecs.TransposeCodec(order=(1, 2, 0))},
        "transpose has order",
    ),
}


@pytest.mark.parametrize("case", UNSAYABLE_IN_V2)
def test_what_v2_cannot_say_is_refused(case: str, tmp_path: Path) -> None:
    """The same in the other direction."""
    options, word = UNSAYABLE_IN_V2[case]
    group = zarr.create_group(tmp_path / "source.zarr")
    group.create_array("a", **({"shape": (2, 4), "chunks": (1, 2), "dtype": "i4"} | options))
    assert_refused(tmp_path / "source.zarr", 2, word)


def assert_refused(source: Path, zarr_format: int, word: str) -> None:
    """No output, the source as it was, the array and the reason named; in place, too."""
    before = oracle.digest(source)
    for arguments in ((source, source.parent / "result.zarr"), ("--in-place", source)):
        done = run("zrecompress", *arguments, "--zarr-format", str(zarr_format))
        assert done.code == REFUSED, done.stderr
        assert word in done.stderr
        assert done.of_type("error"), done.stdout
        assert not (source.parent / "result.zarr").exists()
        assert oracle.digest(source) == before
