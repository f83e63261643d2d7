"""zpoint against zarr-python: codecs outside of the fast path, filters of Zarr v2 and numcodecs' codecs in Zarr v3."""

from __future__ import annotations

from pathlib import Path

import numcodecs
import numpy as np
import pytest
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec
from zarr.codecs import numcodecs as in_v3

import points
from test_point_codecs import ASKED, PARTIAL, SHAPE, add, assert_selected, smooth, store_of

BLOSC = numcodecs.Blosc(cname="lz4", clevel=4)
SHARDS = (14, 18, 46)


def truths() -> np.ndarray:
    """Values of one bit."""
    return smooth("u1") % 3 == 0


def floats() -> np.ndarray:
    """Values whose differences have roundings of their own."""
    return np.random.default_rng(1).normal(280, 20, SHAPE).astype("f4")


@pytest.fixture(scope="module")
def v2(tmp_path_factory) -> Path:
    """Filters that change more than each element by itself, one after the other, in both orders."""
    store = store_of(tmp_path_factory.mktemp("v2") / "v2.zarr", 2)
    delta = numcodecs.Delta
    chains = {
        "delta_i4": (smooth("i4"), [delta("i4")], BLOSC),
        "delta_narrow": (smooth("i4") % 100, [delta("i4", "i1")], numcodecs.Zlib()),
        "delta_big": (smooth(">i2"), [delta(">i2")], None),
        "delta_mixed": (smooth("<i4"), [delta("<i4", ">i2")], BLOSC),
        "delta_u1": (smooth("u1"), [delta("u1")], BLOSC),
        "delta_f4": (floats(), [delta("f4")], BLOSC),
        "delta_f8": (floats().astype("f8"), [delta("f8")], BLOSC),
        "scaled_delta": (floats(), [numcodecs.FixedScaleOffset(280, 10, "f4", "i2"), delta("i2")], BLOSC),
        "rounded_delta": (floats(), [numcodecs.BitRound(9), delta("f4")], BLOSC),
        "cast_delta": (smooth("i4"), [numcodecs.AsType("i2", "i4"), delta("i2")], BLOSC),
        "packbits": (truths(), [numcodecs.PackBits()], BLOSC),
        "packbits_plain": (truths(), [numcodecs.PackBits()], None),
        "shuffle": (smooth("f4"), [numcodecs.Shuffle(4)], numcodecs.Zlib()),
        "delta_shuffle": (smooth("i4"), [delta("i4"), numcodecs.Shuffle(4)], numcodecs.LZ4()),
        "fletcher": (smooth("f4"), [numcodecs.Fletcher32()], BLOSC),
        "adler": (smooth(">f4"), [numcodecs.Adler32()], BLOSC),
        "adler_end": (smooth("f8"), [numcodecs.Adler32(location="end")], None),
        "crc32c": (smooth("i2"), [numcodecs.get_codec({"id": "crc32c"})], BLOSC),
        "zlib_filter": (smooth("f4"), [numcodecs.Zlib()], BLOSC),
        "pcodec": (floats(), None, numcodecs.PCodec()),
        "pcodec_filter": (smooth("i2"), [numcodecs.PCodec(level=4, delta_spec="none")], BLOSC),
        "delta_pcodec": (smooth("i4"), [delta("i4")], numcodecs.PCodec(mode_spec="classic")),
    }
    for number, (name, (values, filters, compressor)) in enumerate(chains.items()):
        add(store, name, values, filters=filters, compressors=compressor, order="CF"[number % 2])
    return store


@pytest.fixture(scope="module")
def v3(tmp_path_factory) -> Path:
    """numcodecs' codecs, in chunks and in shards."""
    store = store_of(tmp_path_factory.mktemp("v3") / "v3.zarr", 3)
    big, flipped = BytesCodec(endian="big"), TransposeCodec(order=(2, 0, 1))
    chains = {
        "delta": (smooth("i4"), {"filters": (in_v3.Delta(dtype="<i4"),)}),
        "delta_narrow": (smooth("i4"), {"filters": (in_v3.Delta(dtype="<i4", astype="<i2"),)}),
        "delta_f4": (floats(), {"filters": (in_v3.Delta(dtype="<f4"),), "compressors": (BloscCodec(), Crc32cCodec())}),
        "scaled_delta": (
            floats(),
            {
                "filters": (
                    in_v3.FixedScaleOffset(dtype="<f4", astype="<i2", scale=10, offset=280),
                    in_v3.Delta(dtype="<i2"),
                )
            },
        ),
        "packbits": (truths(), {"filters": (in_v3.PackBits(),), "compressors": (GzipCodec(),)}),
        "pcodec": (floats(), {"serializer": in_v3.PCodec()}),
        "pcodec_i2": (smooth("i2"), {"serializer": in_v3.PCodec(level=3), "compressors": (GzipCodec(),)}),
        "fletcher": (smooth("f4"), {"serializer": big, "filters": (flipped,), "compressors": (in_v3.Fletcher32(),)}),
        "fletcher_blosc": (smooth("f4"), {"compressors": (in_v3.Fletcher32(), BloscCodec(typesize=4))}),
        "adler": (smooth("f8"), {"compressors": (BloscCodec(typesize=8), in_v3.Adler32())}),
        "crc32c": (smooth("f4"), {"serializer": big, "compressors": (in_v3.CRC32C(), GzipCodec())}),
    }
    for name, (values, options) in chains.items():
        for suffix, shards in (("", None), ("_sharded", SHARDS)):
            add(store, name + suffix, values, shards=shards, **{"compressors": (), **options})
    return store


@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("select", [None, "5:16"], ids=str)
def test_filters_of_v2(partial: str, select: str | None, v2: Path, tmp_path: Path) -> None:
    """Bit for bit, all of them: none is left out."""
    assert_all_selected(tmp_path, v2, partial, select)


@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("select", [None, "5:16"], ids=str)
def test_codecs_of_v3(partial: str, select: str | None, v3: Path, tmp_path: Path) -> None:
    """Bit for bit, all of them: none is left out."""
    assert_all_selected(tmp_path, v3, partial, select)


def assert_all_selected(directory: Path, store: Path, partial: str, select: str | None) -> None:
    """The values that xarray reads."""
    assert_selected(directory, store, partial, select)
    table = points.extract(directory, store, ASKED[:1], "--isel", "time=0")
    with points.opened(store) as dataset:
        assert set(dataset.data_vars) <= set(table.column_names)


def test_an_absent_chunk_has_the_fill_value(tmp_path: Path) -> None:
    """As it is before the filters."""
    store = store_of(tmp_path / "absent.zarr", 2)
    values = np.full(SHAPE, 7, "i4")
    values[0] = smooth("i4")[0]
    add(store, "sparse", values, filters=[numcodecs.Delta("i4")], fill_value=7, compressors=BLOSC)
    assert not (store / "sparse/2.0.0").exists()
    table = points.extract(tmp_path, store, ASKED, "--decode", "raw")
    chosen = values[:, [0, 16, 8, 9, 4, 4], [0, 22, 22, 0, 11, 11]]
    assert np.array_equal(table["sparse"].to_numpy(), chosen.reshape(-1))


@pytest.mark.parametrize(
    ("dtype", "filters"),
    [
        ("<i4", [numcodecs.JenkinsLookup3()]),
        ("<f4", [numcodecs.Delta("f4", "i2")]),
    ],
)
def test_what_is_not_known_is_left_out_and_named(dtype: str, filters: list, tmp_path: Path) -> None:
    """And everything else is read."""
    store = store_of(tmp_path / "unknown.zarr", 2)
    add(store, "known", smooth("f4"))
    add(store, "unknown", smooth(dtype), filters=filters, compressors=None)
    run = points.zpoint(store, *points.arguments(ASKED), "-f", "jsonl")
    assert filters[-1].codec_id in run.stderr
    assert not any("unknown" in record for record in run.records)
    assert any("known" in record for record in run.records)
