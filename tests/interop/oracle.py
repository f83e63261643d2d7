"""What a store holds according to zarr-python, numcodecs and Python's json."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numcodecs.blosc
import numpy as np
import zarr
from zarr.core.metadata import ArrayV2Metadata

METADATA_NAMES = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")

# An entry of a shard's index that says "not stored".
EMPTY = 2**64 - 1

CRC32C_BYTES = 4

# Zarr v2 and frame headers have numbers for what Zarr v3 names.
SHUFFLE_NAMES = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle", -1: "autoshuffle"}

Node = zarr.Array | zarr.Group


# ----------------------------------------------------------------- the hierarchy


def nodes(root: Path, **kwargs) -> dict[str, Node]:
    """Every node by its absolute path, in path order: component by component."""
    top = zarr.open(root, mode="r", **kwargs)
    members = top.members(max_depth=None) if isinstance(top, zarr.Group) else ()
    below = sorted(members, key=lambda item: item[0].split("/"))
    return {"/": top} | {f"/{name}": node for name, node in below}


def arrays(root: Path, **kwargs) -> dict[str, zarr.Array]:
    """Every array by its absolute path, in path order."""
    return {path: node for path, node in nodes(root, **kwargs).items() if isinstance(node, zarr.Array)}


def describe(node: Node) -> dict:
    """What must survive a recompression: everything but the compressor and the values."""
    common = {"kind": type(node).__name__, "attributes": json.dumps(node.attrs.asdict(), sort_keys=True)}
    if isinstance(node, zarr.Group):
        return common | {"zarr_format": node.metadata.zarr_format}
    metadata = node.metadata
    return common | {
        "zarr_format": metadata.zarr_format,
        "shape": node.shape,
        "chunks": node.chunks,
        "shards": node.shards,
        "dtype": metadata.dtype,
        "fill_value": repr(metadata.fill_value),
        "dimension_names": getattr(metadata, "dimension_names", None),
        "order": node.order,
        "keys": chunk_key_encoding(metadata),
        "filters": spell(node.filters),
        "serializer": spell(node.serializer),
        "sharding": sharding_settings(node),
    }


def sharding_settings(array: zarr.Array) -> dict | None:
    """How shards are laid out, the codecs of inner chunks left out."""
    if array.shards is None:
        return None
    (codec,) = [codec for codec in spell(array.metadata.codecs) if codec["name"] == "sharding_indexed"]
    return {key: value for key, value in codec["configuration"].items() if key != "codecs"}


def chunk_key_encoding(metadata) -> object:
    """How chunk keys are spelled."""
    if isinstance(metadata, ArrayV2Metadata):
        return metadata.dimension_separator
    return metadata.chunk_key_encoding


def spell(codec) -> object:
    """A codec, or several, in the words of the metadata."""
    if codec is None:
        return None
    if isinstance(codec, tuple | list):
        return [spell(one) for one in codec]
    return codec.to_dict() if hasattr(codec, "to_dict") else codec.get_config()


def values(array: zarr.Array) -> bytes | list:
    """All values of an array: its bytes, or the objects themselves."""
    read = np.asarray(array[...])
    return read.tolist() if read.dtype.kind in "OT" else read.tobytes()


def consolidated(root: Path) -> bool:
    """Whether the store holds consolidated metadata."""
    v3 = root / "zarr.json"
    if v3.is_file():
        return load(v3).get("consolidated_metadata") is not None
    return (root / ".zmetadata").is_file()


# --------------------------------------------------------------------- the files


def files(root: Path) -> dict[str, Path]:
    """Every file by its key."""
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}


def chunk_files(root: Path) -> dict[str, Path]:
    """Every file that is not metadata, by its key."""
    return {key: path for key, path in files(root).items() if path.name not in METADATA_NAMES}


def digest(root: Path) -> dict[str, str]:
    """A hash of every file by its key: equal for equal trees."""
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files(root).items()}


def load(path: Path) -> dict:
    """A metadata document. Python's json reads bare NaN and Infinity, too."""
    return json.loads(path.read_text(encoding="utf-8"))


def documents(root: Path) -> dict[str, dict]:
    """Every metadata document by its key."""
    return {key: load(path) for key, path in files(root).items() if path.name in METADATA_NAMES}


def canonical(value) -> str:
    """JSON as text that is equal for equal values, NaN included; the order of members counts."""
    return json.dumps(value)


def own_document(root: Path, path: str) -> dict:
    """The document that describes the array at `path`."""
    directory = root / path.lstrip("/")
    v3 = directory / "zarr.json"
    return load(v3 if v3.is_file() else directory / ".zarray")


# -------------------------------------------------------------------- the chunks


@dataclass(frozen=True)
class StoredChunk:
    """The stored bytes of one chunk: of a file, or of a part of a shard."""

    key: str
    inner: int | None
    data: bytes

    def frame(self, array: zarr.Array) -> bytes:
        """The chunk without the checksum that may stand behind the frame."""
        checksummed = [type(codec).__name__ for codec in array.compressors][-1:] == ["Crc32cCodec"]
        return self.data[:-CRC32C_BYTES] if checksummed else self.data


def stored_chunks(root: Path, path: str) -> Iterator[StoredChunk]:
    """Every chunk of an array that is stored, shards taken apart."""
    sharding = sharding_configuration(own_document(root, path))
    prefix = path.lstrip("/")
    for key, file in chunk_files(root / prefix).items():
        data = file.read_bytes()
        full_key = f"{prefix}/{key}" if prefix else key
        if sharding is None:
            yield StoredChunk(full_key, None, data)
            continue
        for number, (start, length) in enumerate(shard_index(data, sharding)):
            if start != EMPTY:
                yield StoredChunk(full_key, number, data[start : start + length])


def sharding_configuration(document: dict) -> dict | None:
    """The configuration of the sharding codec with the number of its inner chunks, if there is one."""
    for codec in document.get("codecs", []):
        if codec["name"] == "sharding_indexed":
            configuration = codec["configuration"]
            shard_shape = document["chunk_grid"]["configuration"]["chunk_shape"]
            pairs = zip(shard_shape, configuration["chunk_shape"], strict=True)
            return configuration | {"count": math.prod(shard // chunk for shard, chunk in pairs)}
    return None


def shard_index(shard: bytes, sharding: dict) -> list[tuple[int, int]]:
    """Start and length of every inner chunk of a shard."""
    length = 16 * sharding["count"]
    checksum = CRC32C_BYTES * any(codec["name"] == "crc32c" for codec in sharding["index_codecs"])
    start = 0 if sharding.get("index_location") == "start" else len(shard) - length - checksum
    pairs = np.frombuffer(shard, dtype="<u8", count=2 * sharding["count"], offset=start)
    return [(int(start), int(length)) for start, length in pairs.reshape(-1, 2)]


def blosc_of(array: zarr.Array) -> dict | None:
    """The settings of an array's Blosc compressor, shuffle as a name; v3 has a type size, too."""
    for codec in spell(array.compressors):
        settings = codec.get("configuration", codec)
        if "blosc" in (codec.get("name"), codec.get("id")):
            shuffle = settings["shuffle"]
            plain = {key: value for key, value in settings.items() if key != "id"}
            return plain | {"shuffle": SHUFFLE_NAMES.get(shuffle, shuffle)}
    return None


@dataclass(frozen=True)
class FrameHeader:
    """The header of a Blosc frame as numcodecs reads it."""

    nbytes: int
    cbytes: int
    blocksize: int
    typesize: int
    shuffle: str
    memcpyed: bool
    complib: str

    @classmethod
    def of(cls, frame: bytes) -> FrameHeader:
        """Let c-blosc parse the frame."""
        nbytes, cbytes, blocksize = numcodecs.blosc._cbuffer_sizes(frame)
        typesize, shuffle, memcpyed = numcodecs.blosc._cbuffer_metainfo(frame)
        complib = numcodecs.blosc.cbuffer_complib(frame).lower()
        return cls(nbytes, cbytes, blocksize, typesize, SHUFFLE_NAMES[shuffle], bool(memcpyed), complib)
