"""Comparisons of a store with what a tool made of it: what zarr-python and xarray see must be the same."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from zarr.abc.codec import ArrayBytesCodec, Codec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata import ArrayV2Metadata

import oracle

# What --chunks, --shards and --codec replace.
REPLACED = ("chunks", "shards", "sharding", "serializer", "filters")

# What xarray keeps of the layout and the codec in a variable's encoding.
ENCODING_OF_CHUNKS = ("chunks", "preferred_chunks", "shards", "compressor", "compressors", "serializer")

OPENINGS = ({}, {"mask_and_scale": False}, {"decode_cf": False})

Index = tuple[int, ...]


# ------------------------------------------------------------------------ values


def native(array: zarr.Array) -> bytes | list:
    """All values of an array, bit for bit, in the machine's byte order, which is the only one of v3 data types."""
    read = np.asarray(array[...])
    return read.tolist() if read.dtype.kind in "OT" else read.astype(read.dtype.newbyteorder("=")).tobytes()


def assert_same_values(before: Path, after: Path) -> None:
    """The same arrays, and in each the same bits."""
    old, new = (oracle.arrays(root, use_consolidated=False) for root in (before, after))
    assert list(new) == list(old)
    for path, array in old.items():
        assert native(new[path]) == native(array), f"values of {path}"


def assert_same_nodes(before: Path, after: Path) -> None:
    """Whatever is neither layout nor compressor is what it was."""
    old, new = (oracle.nodes(root, use_consolidated=False) for root in (before, after))
    assert list(new) == list(old)
    for path, node in old.items():
        assert described(new[path]) == described(node), path


def described(node: oracle.Node) -> dict:
    """A node without the layout of its chunks and without its compressor."""
    text = {key: value for key, value in oracle.describe(node).items() if key not in REPLACED}
    return text | {"kept": kept_codecs(node)} if isinstance(node, zarr.Array) else text


def kept_codecs(array: zarr.Array) -> list[dict]:
    """What comes before the compressor: in v2 the filters, in v3 all up to the codec that makes bytes."""
    if isinstance(array.metadata, ArrayV2Metadata):
        return oracle.spell(array.filters or ())
    chain = inner_codecs(array)
    (serializer,) = [number for number, codec in enumerate(chain) if isinstance(codec, ArrayBytesCodec)]
    return oracle.spell(chain[: serializer + 1])


def inner_codecs(array: zarr.Array) -> list[Codec]:
    """The codecs of a chunk of v3; with sharding, of an inner chunk."""
    codecs = array.metadata.codecs
    return list(codecs if array.shards is None else codecs[-1].codecs)


def compressors(array: zarr.Array) -> list[dict]:
    """What comes after those that are kept: nothing, or a compressor and perhaps a checksum."""
    if isinstance(array.metadata, ArrayV2Metadata):
        return oracle.spell(array.compressors)
    return oracle.spell(inner_codecs(array))[len(kept_codecs(array)) :]


# ---------------------------------------------------------------------- presence


def grid(shape: Index, chunks: Index) -> list[Index]:
    """The index of every chunk of an array."""
    return list(itertools.product(*(range(-(-length // chunk)) for length, chunk in zip(shape, chunks, strict=True))))


def present_chunks(root: Path, path: str, array: zarr.Array) -> set[Index]:
    """The chunks that are stored, inside of shards, too."""
    directory, keys = root / path.lstrip("/"), chunk_keys(array)
    objects = {index: directory / keys(index) for index in grid(array.shape, array.shards or array.chunks)}
    stored = {index: file for index, file in objects.items() if file.is_file()}
    if array.shards is None:
        return set(stored)
    sharding = oracle.sharding_configuration(oracle.own_document(root, path))
    per_shard = tuple(shard // chunk for shard, chunk in zip(array.shards, array.chunks, strict=True))
    inner = list(np.ndindex(per_shard))
    return {
        tuple(int(n) * count + at for n, count, at in zip(shard, per_shard, inner[number], strict=True))
        for shard, file in stored.items()
        for number, (start, _) in enumerate(oracle.shard_index(file.read_bytes(), sharding))
        if start != oracle.EMPTY
    }


def chunk_keys(array: zarr.Array):
    """How an array spells the key of a chunk."""
    metadata = array.metadata
    if isinstance(metadata, ArrayV2Metadata):
        return lambda index: metadata.dimension_separator.join(map(str, index)) or "0"
    return metadata.chunk_key_encoding.encode_chunk_key


def places(array: zarr.Array, present: set[Index]) -> np.ndarray:
    """Which elements lie in a chunk that is stored."""
    mask = np.zeros(array.shape, dtype=bool)
    for index in present:
        mask[box(index, array.chunks)] = True
    return mask


def assert_presence(before: Path, after: Path) -> None:
    """A chunk is stored exactly where one of those was that its elements come from."""
    new = oracle.arrays(after, use_consolidated=False)
    for path, array in oracle.arrays(before, use_consolidated=False).items():
        mask = places(array, present_chunks(before, path, array))
        chunks = new[path].chunks
        expected = {index for index in grid(array.shape, chunks) if mask[box(index, chunks)].any()}
        assert present_chunks(after, path, new[path]) == expected, f"stored chunks of {path}"


def box(index: Index, chunks: Index) -> tuple[slice, ...]:
    """The part of an array that a chunk holds."""
    return tuple(slice(n * chunk, (n + 1) * chunk) for n, chunk in zip(index, chunks, strict=True))


# ---------------------------------------------------------------------- metadata


def assert_consolidated(before: Path, after: Path) -> None:
    """Consolidated metadata are there if they were, and say of every node what it says itself."""
    assert oracle.consolidated(after) == oracle.consolidated(before)
    if not oracle.consolidated(after):
        return
    copies, own = (oracle.nodes(after, use_consolidated=consolidated) for consolidated in (True, False))
    assert list(copies) == list(own)
    for path, node in own.items():
        assert oracle.describe(copies[path]) == oracle.describe(node), path
        if isinstance(node, zarr.Array):
            assert compressors(copies[path]) == compressors(node), path


def as_zarr_writes(root: Path, path: str) -> tuple[str, str]:
    """An array's document as it is, and as zarr-python would write what it read there: members in order."""
    array = zarr.open_array(root / path.lstrip("/"), mode="r")
    name = ".zarray" if isinstance(array.metadata, ArrayV2Metadata) else "zarr.json"
    written = array.metadata.to_buffer_dict(default_buffer_prototype())[name].to_bytes()
    return oracle.canonical(oracle.own_document(root, path)), oracle.canonical(json.loads(written))


# ------------------------------------------------------------------------ xarray


def assert_same_datasets(before: Path, after: Path) -> None:
    """xarray sees no difference, decoded or not; the encoding is the same but for chunks and codecs."""
    consolidated = oracle.consolidated(before)
    for options in OPENINGS:
        kwargs = {"consolidated": consolidated, "chunks": None, **options}
        with xr.open_zarr(before, **kwargs) as old, xr.open_zarr(after, **kwargs) as new:
            xr.testing.assert_identical(old.load(), new.load())
            for name, variable in old.variables.items():
                assert encoding(new.variables[name]) == encoding(variable), name
                assert new.variables[name].values.tobytes() == variable.values.tobytes(), name


def encoding(variable: xr.Variable) -> dict[str, str]:
    """A variable's encoding without chunks and codecs, as text so that NaN equals NaN."""
    return {key: repr(value) for key, value in variable.encoding.items() if key not in ENCODING_OF_CHUNKS}


def assert_same(before: Path, after: Path) -> None:
    """Everything but the layout and the compressor, where both stores have the same Zarr format."""
    assert_same_values(before, after)
    assert_same_nodes(before, after)
    assert_presence(before, after)
    assert_consolidated(before, after)
