"""How xarray users concatenate batches without duplicates.

    zdedup_peers.py concat DIM DST VARIABLES STORE...   concat, drop_duplicates, to_zarr
    zdedup_peers.py ids DIM STORE...                    the coordinate of all batches, and its duplicates

VARIABLES are separated by commas.
"""

import sys

import numpy as np
import xarray as xr


def main():
    job, dim, *rest = sys.argv[1:]
    if job == "concat":
        output, variables, *paths = rest
        batches = [xr.open_zarr(path)[variables.split(",")] for path in paths]
        joined = xr.concat(batches, dim=dim, data_vars="minimal", coords="minimal", compat="override", join="exact")
        unique = joined.drop_duplicates(dim)
        chunks = {name: (batches[0][name].encoding["chunks"]) for name in variables.split(",")}
        for name, shape in chunks.items():
            unique[name] = unique[name].chunk(dict(zip(unique[name].dims, shape)))
            unique[name].encoding = {key: batches[0][name].encoding[key] for key in ("compressors", "chunks")}
        unique.to_zarr(output, zarr_format=2)
    else:
        ids = np.concatenate([xr.open_zarr(path)[dim].values for path in rest])
        print(len(ids), len(np.unique(ids)))


main()
