"""Every codec of numcodecs and zarr-python, in both formats and for many data types: zpoint, and `zrecompress --chunks`.

One store holds all cases of a format, so that one run of a tool tries them all.
"""

from __future__ import annotations

from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.codecs import numcodecs as in_v3

import points
from points import Point
from test_point_codecs import LAT, LON, SHAPE, add, smooth, store_of
from ztools import run

ASKED = [Point(40, -10), Point(56, 12), Point(48, 12), Point(49, -10), Point(44, 1)]

# Chunks of an odd number of bytes, where elements are single bytes.
CHUNKS = (7, 9, 23)
SHARDS = (14, 18, 46)
INTEGERS = ("i1", "<i2", ">i4", "i8", "u1", "<u2", "u4", ">u8")
FLOATS = ("<f4", ">f4", "f8")
LITTLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


def noisy(dtype: str) -> np.ndarray:
    """Numbers of every size that the type holds; floating-point ones with roundings of their own."""
    random = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        return random.normal(280, 20, SHAPE).astype(dtype)
    return random.integers(0, 256, (*SHAPE, np.dtype(dtype).itemsize), "u1").view(dtype)[..., 0]


def truths() -> np.ndarray:
    """Values of one bit."""
    return smooth("u1") % 3 == 0


def cases_v2() -> dict[str, tuple[np.ndarray, dict]]:
    """Filters and compressors, by name."""
    cases: dict[str, tuple[np.ndarray, dict]] = {}

    def case(name: str, values: np.ndarray, *filters, compressor=None) -> None:
        order = "CF"[len(cases) % 2]
        cases[name] = values, {"filters": list(filters), "compressors": compressor, "order": order}

    zlib, blosc = numcodecs.Zlib(), numcodecs.Blosc(cname="lz4", clevel=4)
    for number, dtype in enumerate((*INTEGERS, *FLOATS)):
        name = dtype.replace("<", "l").replace(">", "b")
        compressor = (zlib, blosc, None)[number % 3]
        values = noisy(dtype)
        case(f"delta_{name}", values, numcodecs.Delta(dtype), compressor=compressor)
        case(f"shuffle_{name}", values, numcodecs.Shuffle(values.itemsize), compressor=compressor)
        for checksum in (numcodecs.Fletcher32(), numcodecs.Adler32(), numcodecs.CRC32(), numcodecs.CRC32C()):
            case(f"{checksum.codec_id}_{name}", values, checksum, compressor=compressor)
        if values.itemsize > 1 and not dtype.startswith(">"):
            case(f"pcodec_{name}", values, compressor=numcodecs.PCodec())
            case(f"pcodec_filter_{name}", values, numcodecs.PCodec(level=4), compressor=compressor)
    for end in (numcodecs.Adler32(location="end"), numcodecs.CRC32(location="end"), numcodecs.CRC32C(location="start")):
        case(f"{end.codec_id}_{end.location}", noisy("u1"), end, compressor=blosc)
    for dtype in ("<f4", ">f4", "f8"):
        name = dtype.replace("<", "l").replace(">", "b")
        case(f"bitround_{name}", noisy(dtype).astype(dtype[-2:]), numcodecs.BitRound(9), compressor=blosc)
        case(f"quantize_{name}", noisy(dtype), numcodecs.Quantize(2, dtype), compressor=zlib)
        scaled = numcodecs.FixedScaleOffset(280, 10, dtype, "<i2")
        case(f"scaled_{name}", noisy(dtype), scaled, compressor=blosc)
        case(f"scaled_delta_{name}", noisy(dtype), scaled, numcodecs.Delta("<i2"), compressor=zlib)
    case("packbits", truths(), numcodecs.PackBits(), compressor=zlib)
    case("delta_narrow", smooth("i4") % 100, numcodecs.Delta("i4", "i1"), compressor=blosc)
    case("delta_shuffle_crc", smooth("i4"), numcodecs.Delta("i4"), numcodecs.Shuffle(4), numcodecs.CRC32())
    hours = np.datetime64("2020-01-01", "ns") + np.arange(np.prod(SHAPE)).reshape(SHAPE) * np.timedelta64(1, "h")
    case("delta_times", hours.astype("<M8[ns]"), numcodecs.Delta("<i8"), compressor=blosc)
    case("delta_durations", (hours - hours[0, 0, 0]).astype("<m8[ns]"), numcodecs.Delta("<i8"), compressor=zlib)
    return cases


def cases_v3() -> dict[str, tuple[np.ndarray, dict]]:
    """numcodecs' codecs in Zarr v3, codecs around a shard, nested shards."""
    cases: dict[str, tuple[np.ndarray, dict]] = {}
    for number, dtype in enumerate(LITTLE):
        values, size = noisy(dtype), np.dtype(dtype).itemsize
        tail = ((), (GzipCodec(),), (BloscCodec(typesize=size),))[number % 3]
        short = np.dtype(dtype).str
        cases[f"delta_{dtype}"] = values, {"filters": (in_v3.Delta(dtype=short),), "compressors": tail}
        cases[f"shuffle_{dtype}"] = values, {"compressors": (in_v3.Shuffle(elementsize=size), *tail)}
        for checksum in (in_v3.Fletcher32(), in_v3.Adler32(), in_v3.CRC32(), in_v3.CRC32C(), Crc32cCodec()):
            name = type(checksum).__name__.lower()
            cases[f"{name}_{dtype}"] = values, {"compressors": (checksum, *tail)}
            cases[f"{name}_last_{dtype}"] = values, {"compressors": (*tail, checksum)}
        if size > 1:
            cases[f"pcodec_{dtype}"] = values, {"serializer": in_v3.PCodec(), "compressors": tail}
    cases["packbits"] = truths(), {"filters": (in_v3.PackBits(),), "compressors": (GzipCodec(),)}
    cases["bitround"] = noisy("f4"), {"filters": (in_v3.BitRound(keepbits=9),), "compressors": (ZstdCodec(),)}
    scaled = in_v3.FixedScaleOffset(dtype="<f4", astype="<i2", scale=10, offset=280)
    cases["scaled"] = noisy("f4"), {"filters": (scaled,), "compressors": (ZstdCodec(),)}
    return cases


def shard(chunks: tuple[int, ...], *codecs, inside=(BytesCodec(), ZstdCodec()), location: str = "end") -> tuple:
    """A sharding codec, and those around it."""
    return (ShardingCodec(chunk_shape=chunks, codecs=inside, index_location=location), *codecs)


def cases_of_shards() -> dict[str, tuple]:
    """Codec chains over shards of SHARDS."""
    nested = (ShardingCodec(chunk_shape=(7, 9, 23), codecs=(BytesCodec(), GzipCodec())),)
    return {
        "compressed": shard(CHUNKS, ZstdCodec()),
        "checked": shard(CHUNKS, Crc32cCodec(), location="start"),
        "blosc_around": shard(CHUNKS, BloscCodec(typesize=4), inside=(BytesCodec(),)),
        "fletcher_around": shard(CHUNKS, in_v3.Fletcher32(), GzipCodec()),
        "turned_inside": shard(CHUNKS, GzipCodec(), inside=(TransposeCodec(order=(2, 0, 1)), BytesCodec())),
        "turned_outside": (TransposeCodec(order=(2, 0, 1)), *shard((2, 2, 2))),
        "delta_inside": shard(CHUNKS, ZstdCodec(), inside=(in_v3.Delta(dtype="<f4"), BytesCodec(), GzipCodec())),
        "nested": shard((14, 9, 23), inside=nested),
        "nested_compressed": shard((14, 9, 23), ZstdCodec(), inside=nested),
    }


@pytest.fixture(scope="module")
def v2(tmp_path_factory) -> Path:
    """All cases of Zarr v2."""
    store = store_of(tmp_path_factory.mktemp("matrix2") / "v2.zarr", 2)
    for name, (values, options) in cases_v2().items():
        add(store, name, values, chunks=CHUNKS, **options)
    return store


@pytest.fixture(scope="module")
def v3(tmp_path_factory) -> Path:
    """All cases of Zarr v3, in chunks and in shards."""
    store = store_of(tmp_path_factory.mktemp("matrix3") / "v3.zarr", 3)
    for number, (name, (values, options)) in enumerate(cases_v3().items()):
        shards = SHARDS if number % 3 == 0 else None
        add(store, name, values, chunks=CHUNKS, shards=shards, **{"compressors": (), **options})
    return store


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """Codecs around shards, and shards in shards, one of them without some of its inner chunks."""
    store = store_of(tmp_path_factory.mktemp("matrix_shards") / "shards.zarr", 3)
    for name, codecs in cases_of_shards().items():
        metadata = zarr.open_group(store, mode="a").create_array(
            name, shape=SHAPE, chunks=SHARDS, dtype="f4", dimension_names=("time", "lat", "lon"), fill_value=7
        )
        document = metadata.metadata.to_dict()
        document["codecs"] = [codec.to_dict() for codec in codecs]
        path = store / name / "zarr.json"
        path.write_bytes(zarr.core.metadata.v3.ArrayV3Metadata.from_dict(document).to_buffer_dict(
            zarr.core.buffer.default_buffer_prototype())["zarr.json"].to_bytes())
        array = zarr.open_array(store / name)
        array[...] = smooth("f4")
        array[:9, :9, :] = 7
    return store


STORES = ("v2", "v3", "shards")


@pytest.mark.parametrize("partial", ["auto", "off"])
@pytest.mark.parametrize("stored", STORES)
def test_points(stored: str, partial: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The stored values of every case, bit for bit; none is left out."""
    store = request.getfixturevalue(stored)
    table = points.extract(tmp_path, store, ASKED, "--decode", "raw", "--partial-decode", partial)
    rows = [int(np.abs(LAT - point.lat).argmin()) for point in ASKED]
    columns = [int(np.abs(LON - point.lon).argmin()) for point in ASKED]
    wrong = []
    for name, array in zarr.open_group(store, mode="r").arrays():
        if array.ndim != 3:
            continue
        expected = array[...][:, rows, columns].reshape(-1)
        if name not in table.column_names or not same(points.values(table[name]), expected):
            wrong.append(name)
    assert not wrong


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether the numbers are the same; times are shown in microseconds."""
    if expected.dtype.kind == "M":
        expected = expected.astype("M8[us]")
    return np.array_equal(found.astype(expected.dtype.newbyteorder("=")), expected)


@pytest.mark.parametrize("chunks", ["4,17,5", "18,17,23"])
@pytest.mark.parametrize("stored", STORES)
def test_other_chunks(stored: str, chunks: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """zarr-python reads the same values of the result, whose codecs it knows."""
    store = request.getfixturevalue(stored)
    result = tmp_path / "result.zarr"
    run("zrecompress", store, result, "--chunks", chunks, "--no-shards", "--cname", "lz4").assert_done()
    wrong = []
    for name, array in zarr.open_group(store, mode="r").arrays():
        new = zarr.open_array(result / name, mode="r")
        expected_chunks = tuple(map(int, chunks.split(",")))
        if not np.array_equal(array[...], new[...]) or (array.ndim == 3 and new.chunks != expected_chunks):
            wrong.append(name)
    assert not wrong


@pytest.mark.parametrize("stored", ["v2", "v3"])
def test_inspection_finds_no_damage(stored: str, request: pytest.FixtureRequest) -> None:
    """Whatever the codecs are."""
    run("zinspect", request.getfixturevalue(stored)).assert_done()


def test_codecs_around_shards_are_no_damage(shards: Path) -> None:
    """The index of a shard that is compressed as a whole cannot be read, and is not missed."""
    done = run("zinspect", shards, "--sizes")
    done.assert_done()
    assert not any(chunk["problems"] for chunk in done.of_type("chunk"))
    assert all("damaged" != array["verdict"] for array in done.of_type("array"))


def test_what_no_library_knows_is_named_and_copied(tmp_path: Path) -> None:
    """An unknown array-to-bytes codec: exit 5 where values are needed, the stored bytes where they are not."""
    store = store_of(tmp_path / "grib.zarr", 3)
    add(store, "t2m", smooth("f4"), compressors=())
    path = store / "t2m/zarr.json"
    path.write_text(path.read_text().replace('"name": "bytes"', '"name": "gribberish"'))
    for arguments in ((), ("--chunks", "18,17,23")):
        refused = run("zrecompress", store, tmp_path / "refused.zarr", *arguments)
        assert refused.code == 5
        assert "gribberish" in refused.stderr
    for number, arguments in enumerate(((), ("--chunks", "18,17,23"))):
        result = tmp_path / f"copied{number}.zarr"
        run("zrecompress", store, result, "--copy-unknown", *arguments).assert_done()
        assert (result / "t2m/zarr.json").read_bytes() == path.read_bytes()
        assert (result / "t2m/c/0/0/0").read_bytes() == (store / "t2m/c/0/0/0").read_bytes()
