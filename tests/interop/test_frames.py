"""Blosc frames of every kind that zrecompress writes, decoded by c-blosc through zarr-python."""

from __future__ import annotations

import itertools
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

import oracle
from ztools import run

# c-blosc stores buffers below 128 bytes; filters treat what is left over after 8 or 32 elements on their own.
LENGTHS = (1, 7, 31, 33, 127, 129, 1000, 4096, 40_001)

# Type sizes with a filter of their own, and others; above 16 blocks are not split, above 255 there is no filter.
DTYPES = ("u1", "<i2", "V3", "<f4", ">f4", "<f8", "V12", "<c16", "S17", "V255", "S300")

CNAMES = ("zstd", "lz4", "lz4hc", "blosclz", "zlib")
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")

# Block size in bytes; of this one, most chunks have several, and the last of them is short.
BLOCKSIZE = 3000


def bytes_of(kind: str, length: int) -> np.ndarray:
    """Bytes that compress well, badly, or in part."""
    smooth = (np.arange(length) // 64 % 251).astype("u1")
    noise = np.random.default_rng(length).integers(0, 256, size=length, dtype="u1")
    mixed = np.where(np.arange(length) % 4096 < 2048, smooth, noise)
    return {"smooth": smooth, "noise": noise, "mixed": mixed}[kind]


@pytest.fixture(scope="session")
def kinds(tmp_path_factory) -> Path:
    """A store with an array of one chunk for each data type, length and kind of bytes."""
    path = tmp_path_factory.mktemp("kinds") / "kinds.zarr"
    group = zarr.create_group(path, zarr_format=2)
    for dtype, length, kind in itertools.product(DTYPES, LENGTHS, ("smooth", "noise", "mixed")):
        itemsize = np.dtype(dtype).itemsize
        if itemsize * length > 1_000_000:
            continue
        name = f"{dtype.strip('<>')}{'be' * (dtype[0] == '>')}_{length}_{kind}"
        array = group.create_array(
            name, shape=(length,), chunks=(length,), dtype=dtype, compressors=numcodecs.Zlib(level=1)
        )
        chunk = bytes_of(kind, itemsize * length).tobytes()
        # Written by hand, so that every pattern of bits gets there.
        (path / array.path / "0").write_bytes(numcodecs.Zlib(level=1).encode(chunk))
    return path


def decoded(root: Path) -> dict[str, bytes]:
    """Every chunk of a store, decoded by numcodecs alone."""
    chunks = {}
    for path in oracle.arrays(root):
        compressor = numcodecs.get_codec(oracle.own_document(root, path)["compressor"])
        for chunk in oracle.stored_chunks(root, path):
            chunks[path] = bytes(compressor.decode(chunk.data))
    return chunks


@pytest.fixture(scope="session")
def expected(kinds: Path) -> dict[str, bytes]:
    """The decoded chunks of the store."""
    return decoded(kinds)


@pytest.mark.parametrize("blocksize", [0, BLOCKSIZE])
@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("cname", CNAMES)
def test_c_blosc_decodes_what_was_written(
    cname: str, shuffle: str, blocksize: int, kinds: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """Every compressor, filter, type size and length, in one block and in many."""
    result = tmp_path / "result.zarr"
    settings = ("--cname", cname, "--shuffle", shuffle, "--blocksize", str(blocksize), "--nthreads", "2")
    run("zrecompress", kinds, result, *settings).assert_done()
    assert differing(decoded(result), expected) == []


@pytest.mark.parametrize("cname", CNAMES)
@pytest.mark.parametrize("clevel", ["0", "1", "9"])
def test_every_level_decodes(cname: str, clevel: str, kinds: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """From stored to the highest level."""
    result = tmp_path / "result.zarr"
    run("zrecompress", kinds, result, "--cname", cname, "--clevel", clevel).assert_done()
    assert differing(decoded(result), expected) == []


@pytest.mark.parametrize("cname", CNAMES)
def test_frames_of_every_compressor_are_read(
    cname: str, kinds: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """There and back again."""
    there, back = tmp_path / "there.zarr", tmp_path / "back.zarr"
    run("zrecompress", kinds, there, "--cname", cname, "--blocksize", str(BLOCKSIZE)).assert_done()
    run("zrecompress", there, back, "--cname", "lz4" if cname == "zstd" else "zstd").assert_done()
    assert differing(decoded(back), expected) == []


def differing(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """The arrays whose bytes are not the expected ones."""
    assert list(found) == list(expected)
    return [path for path in expected if found[path] != expected[path]]
