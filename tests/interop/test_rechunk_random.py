"""Random arrays, written by zarr-python and rechunked to random layouts within little memory: the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, TransposeCodec

import compare
from compare import Index
from test_format import TIMES, WORDS
from test_rechunk import is_void, rechunk, shape_text

DTYPES = ("<i2", ">i4", "<u8", "|u1", "<f4", ">f8", "|b1", "<c16", "<M8[s]", "|S5", "<U3", "|V3", str)


def random_shapes(random: np.random.Generator, shape: Index, sharded: bool) -> tuple[Index, Index | None]:
    """Chunks, and shards of a few of them; some of either reach beyond the array."""
    chunks = tuple(int(random.integers(max(1, length // 4), length + 3)) for length in shape)
    shards = tuple(int(chunk * random.integers(1, 4)) for chunk in chunks)
    return chunks, shards if sharded else None


# Values of the types that do not take any bits.
VALUES = {"b": [True, False], "M": TIMES[0], "S": [b"a", b"", b"xyz\xff"], "U": WORDS[0]}


def random_values(random: np.random.Generator, dtype: str | type, shape: Index) -> np.ndarray:
    """Any bits for numbers, a few words for text."""
    if dtype is str:
        return random.choice(np.array(["", "a", "żółw", "long " * 9], dtype=object), size=shape)
    dtype = np.dtype(dtype)
    if dtype.kind in VALUES:
        return random.choice(np.array(VALUES[dtype.kind], dtype=dtype), size=shape)
    bits = random.integers(0, 256, size=(*shape, dtype.itemsize), dtype="u1")
    return bits.view(dtype).reshape(shape)


def write_random(random: np.random.Generator, path: Path) -> zarr.Array:
    """An array of any type, shape, order and layout; some of its chunks are absent."""
    zarr_format = int(random.integers(2, 4))
    dtype = DTYPES[random.integers(len(DTYPES))]
    shape = tuple(int(n) for n in random.integers(1, 24, size=random.integers(1, 4)))
    chunks, shards = random_shapes(random, shape, zarr_format == 3 and dtype != "|V3" and random.random() < 0.5)
    options = {"order": random.choice(["C", "F"])} if zarr_format == 2 else {}
    if zarr_format == 3 and dtype is not str:
        order = tuple(int(n) for n in random.permutation(len(shape)))
        options = {"filters": TransposeCodec(order=order)} if random.random() < 0.5 else {}
        options["serializer"] = BytesCodec(endian=random.choice(["little", "big"]))
    array = zarr.create_array(
        path, shape=shape, chunks=chunks, shards=shards, dtype=dtype, zarr_format=zarr_format, **options
    )  # fmt: skip
    values = random_values(random, dtype, shape)
    for index in compare.grid(shape, shards or chunks):
        if random.random() < 0.7:
            array[compare.box(index, shards or chunks)] = values[compare.box(index, shards or chunks)]
    return array


@pytest.mark.parametrize("seed", range(40))
def test_random_arrays_to_random_layouts(seed: int, tmp_path: Path) -> None:
    """Under a small budget of memory, into another format now and then."""
    random = np.random.default_rng(seed)
    source, result = tmp_path / "source.zarr", tmp_path / "result.zarr"
    array = write_random(random, source)
    sharded = random.random() < 0.5 and not is_void(array)
    chunks, shards = random_shapes(random, array.shape, sharded)
    arguments = ["--chunks", shape_text(chunks), "--max-memory", f"{random.integers(30, 65)}M"]
    arguments += ["--shards", shape_text(shards), "--zarr-format", "3"] if shards else ["--no-shards"]
    rechunk(source, result, *arguments)
    made = zarr.open_array(result, mode="r")
    assert (made.chunks, made.shards) == (chunks, shards)
    compare.assert_same_values(source, result)
    compare.assert_presence(source, result)
    if made.metadata.zarr_format == array.metadata.zarr_format:
        compare.assert_same_nodes(source, result)
