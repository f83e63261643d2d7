"""The pipeline as its users write it, with xarray, dask and zarr-python: from the batches of an archive to a table of one point.

    pipeline_peer.py WAY ENDPOINT BUCKET SOURCES BATCHES LAT LON OUT

    loop      one batch after another, each loaded by dask on 32 threads: the program of the article
    threads   the same, 8 batches at a time in a ThreadPoolExecutor

For each of the comma-separated SOURCES: open each batch, select the nearest cell, load it, write it to OUT/cache, read it back
and check that it is neither empty nor NaN; concatenate along file_id, keep the first of each duplicate, write OUT/SOURCE.parquet.
A batch that is in the cache already is only read and checked.
"""

import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import numpy as np
import xarray as xr

DASK_THREADS = 32
BATCHES_AT_A_TIME = {"loop": 1, "threads": 8}
warnings.filterwarnings("ignore", message="Consolidated metadata")


def main() -> None:
    way, endpoint, bucket, sources, batches, lat, lon, out = sys.argv[1:]
    options = {"anon": True, "endpoint_url": endpoint}
    cache = Path(out) / "cache"
    cache.mkdir(parents=True, exist_ok=True)

    def batch(source: str, number: int) -> xr.Dataset:
        url = f"s3://{bucket}/{source}/batch_{number:02}.zarr"
        saved = cache / f"{source}_{number:02}_{lat}_{lon}.zarr"
        if not saved.exists():
            archive = xr.open_zarr(url, storage_options=options, chunks={})
            point = archive.sel(latitude=float(lat), longitude=float(lon), method="nearest").load()
            building = saved.with_suffix(".part")
            shutil.rmtree(building, ignore_errors=True)
            # The packing of the archive would be applied a second time.
            point.drop_encoding().to_zarr(building)
            building.rename(saved)
        dataset = xr.open_zarr(saved).load()
        check(dataset, saved)
        return dataset

    with dask.config.set(scheduler="threads", num_workers=DASK_THREADS):
        for source in sources.split(","):
            with ThreadPoolExecutor(BATCHES_AT_A_TIME[way]) as pool:
                loaded = list(pool.map(lambda number: batch(source, number), range(int(batches))))
            joined = xr.concat(loaded, dim="file_id", data_vars="minimal", coords="minimal", compat="override", join="exact")
            _, first = np.unique(joined.file_id.values, return_index=True)
            unique = joined.isel(file_id=np.sort(first))
            unique.to_dataframe().reset_index().to_parquet(Path(out) / f"{source}.parquet")


def check(dataset: xr.Dataset, path: Path) -> None:
    if not dataset.data_vars:
        sys.exit(f"{path}: no variables")
    for name, values in dataset.data_vars.items():
        if np.isnan(values.values).all():
            sys.exit(f"{path}: {name} is NaN")


if __name__ == "__main__":
    main()
