"""How Python users rechunk a store: one method per run, in the Python that has it. Every method writes the given codec.

    rechunk_peers.py WAY SRC DST CHUNKS BUDGET CODEC

    rechunker     rechunker on dask's threads, through an intermediate store beside DST
    rechunker-1   the same on one thread, which has the whole budget
    dask          dask.array: from_zarr, rechunk, store, as one graph; dask has no memory limit
    strips        dask.array piece by piece, with pieces that fit the budget: what users write when memory is short
    xarray        open_zarr, chunk, to_zarr: what most people write

CHUNKS and CODEC (cname, clevel, shuffle) are JSON, BUDGET is bytes.
"""

import itertools
import json
import os
import sys

SHUFFLE = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
NAME = "t2m"
CORES = len(os.sched_getaffinity(0))


def main():
    way, src, dst, chunks, budget, codec = sys.argv[1:]
    ways = {
        "rechunker": rechunker,
        "rechunker-fits": rechunker_fits,
        "rechunker-1": rechunker_1,
        "dask": dask_graph,
        "strips": strips,
        "xarray": by_xarray,
    }
    ways[way](src, dst, tuple(json.loads(chunks)), int(budget), json.loads(codec))


def blosc(codec):
    import numcodecs

    return numcodecs.Blosc(codec["cname"], codec["clevel"], SHUFFLE[codec["shuffle"]])


def rechunker(src, dst, chunks, budget, codec):
    """The budget of rechunker applies to one worker, so each thread gets its share."""
    import dask

    plan = rechunker_plan(src, dst, chunks, budget // CORES, codec, "dask")
    with dask.config.set(scheduler="threads", num_workers=CORES):
        plan.execute()


def rechunker_fits(src, dst, chunks, budget, codec):
    """Is given less than half of the budget, because rechunker uses twice its limit."""
    rechunker(src, dst, chunks, budget * 2 // 5, codec)


def rechunker_1(src, dst, chunks, budget, codec):
    rechunker_plan(src, dst, chunks, budget, codec, "python").execute()


def rechunker_plan(src, dst, chunks, memory, codec, executor):
    import zarr  # 2
    from rechunker import rechunk

    source = zarr.open_group(src, mode="r")
    cheap = {NAME: {"compressor": blosc({"cname": "lz4", "clevel": 5, "shuffle": "shuffle"})}}
    return rechunk(
        source,
        {NAME: chunks},
        memory,
        dst,
        target_options={NAME: {"compressor": blosc(codec)}},
        temp_store=dst + ".intermediate",
        temp_options=cheap,
        executor=executor,
    )


def dask_graph(src, dst, chunks, budget, codec):
    import dask
    import dask.array as da
    import zarr

    source, target = zarr.open_group(src, mode="r")[NAME], create(dst, src, chunks, codec)
    with dask.config.set(scheduler="threads", num_workers=CORES):
        da.from_zarr(source).rechunk(chunks).store(target, lock=False)


def strips(src, dst, chunks, budget, codec):
    """A piece is one target chunk deep and as many rows of target chunks high as fit; source chunks are decoded again for
    every piece that overlaps them. A piece is held three times: as slices, combined, and the part being encoded."""
    import dask
    import dask.array as da
    import zarr

    source, target = zarr.open_group(src, mode="r")[NAME], create(dst, src, chunks, codec)
    steps, rows, columns = source.shape
    row = chunks[0] * chunks[1] * columns * source.dtype.itemsize
    high = max(1, (budget - OVERHEAD) // 3 // row) * chunks[1]
    whole = da.from_zarr(source)
    with dask.config.set(scheduler="threads", num_workers=CORES):
        for t, y in itertools.product(range(0, steps, chunks[0]), range(0, rows, high)):
            region = (slice(t, t + chunks[0]), slice(y, y + high), slice(None))
            piece = whole[region].rechunk((chunks[0], chunks[1], -1))
            piece.store(target, regions=region, lock=False)


OVERHEAD = 150_000_000  # the interpreter and its libraries


def by_xarray(src, dst, chunks, budget, codec):
    import dask
    import xarray

    data = xarray.open_zarr(src, consolidated=False)
    data = data.chunk(dict(zip(data[NAME].dims, chunks)))
    data[NAME].encoding = {}
    encoding = {NAME: {"chunks": chunks, "compressors": blosc(codec)}}
    with dask.config.set(scheduler="threads", num_workers=CORES):
        data.to_zarr(dst, zarr_format=2, consolidated=False, encoding=encoding)


def create(dst, src, chunks, codec):
    import zarr  # 3

    source = zarr.open_group(src, mode="r")[NAME]
    return zarr.create_group(dst, zarr_format=2).create_array(
        NAME,
        shape=source.shape,
        chunks=chunks,
        dtype=source.dtype,
        compressors=blosc(codec),
        attributes=dict(source.attrs),
    )


if __name__ == "__main__":
    main()
