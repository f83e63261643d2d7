"""What a user of xarray and zarr-python measures for lessons.py: prints the seconds, as JSON.

    lessons_peers.py read STORE              all values of t2m, by zarr-python
    lessons_peers.py batches STORE SIZE      one cell of all variables, SIZE file_ids at a time, by xarray and dask
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore", message="Consolidated metadata")


def read(store: str) -> None:
    import zarr

    zarr.open_group(store, mode="r")["t2m"][:]


def batches(store: str, size: int) -> None:
    import xarray as xr

    with xr.open_zarr(store, chunks={}) as archive:
        point = archive.sel(latitude=0, longitude=10, method="nearest")
        parts = [point.isel(file_id=slice(at, at + size)).load() for at in range(0, point.sizes["file_id"], size)]
        xr.concat(parts, dim="file_id")


def main() -> None:
    job, store, *rest = sys.argv[1:]
    started = time.perf_counter()
    read(store) if job == "read" else batches(store, int(rest[0]))
    print(json.dumps({"seconds": round(time.perf_counter() - started, 4)}))


main()
