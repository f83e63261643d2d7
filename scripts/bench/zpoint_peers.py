"""How Python users read time series at points from a store: one method per run, in the Python that has it.

    zpoint_peers.py WAY STORE POINTS OUT

    xarray        open_zarr without dask, sel with method="nearest", values
    xarray-csv    the same, to_dataframe, to_csv: what most people write (one point only)
    xarray-dask   the same in chunks={}, one compute
    zarr          zarr-python alone; the cell by hand
    zarrs         the same with the codec pipeline of zarrs-python
    tensorstore   TensorStore: all variables requested at once; the cell by hand

STORE is a directory, for xarray (through obstore) and tensorstore also an http:// URL. POINTS is a CSV file: id, lat, lon.
OUT gets a float32 matrix, rows by variables in path order, as .npy; rows are ordered by time, then by point. Prints the
seconds after the imports, as JSON.
"""

import csv
import importlib
import json
import sys
import time
import urllib.request
from pathlib import Path


def main():
    way, store, points, out = sys.argv[1:]
    ways = {
        "xarray": (["numpy", "xarray", "zarr"], by_xarray),
        "xarray-csv": (["numpy", "xarray", "zarr"], xarray_to_csv),
        "xarray-dask": (["numpy", "xarray", "zarr", "dask.array"], xarray_on_dask),
        "zarr": (["numpy", "zarr"], by_zarr),
        "zarrs": (["numpy", "zarr", "zarrs"], by_zarrs),
        "tensorstore": (["numpy", "tensorstore"], by_tensorstore),
    }
    modules, extract = ways[way]
    for module in modules:
        importlib.import_module(module)
    started = time.perf_counter()
    with open(points, newline="") as lines:
        places = [(float(row["lat"]), float(row["lon"])) for row in csv.DictReader(lines)]
    extract(store, places, out)
    print(json.dumps({"inner_seconds": round(time.perf_counter() - started, 4)}))


def save(out, columns):
    import numpy as np

    matrix = np.stack(columns, axis=-1)
    np.save(out, matrix.reshape(-1, len(columns)))


def by_xarray(store, places, out, chunks=None):
    found = selection(store, places, chunks).compute()
    save(out, [found[name].values for name in sorted(found.data_vars)])


def xarray_on_dask(store, places, out):
    by_xarray(store, places, out, chunks={})


def xarray_to_csv(store, places, out):
    selection(store, places, None).drop_vars(["latitude", "longitude"]).to_dataframe().to_csv(out)


def selection(store, places, chunks):
    """Points in one indexer share a dimension; two plain lists would select every latitude with every longitude."""
    import xarray

    latitude, longitude = map(list, zip(*places))
    if len(places) == 1:
        wanted = {"latitude": latitude[0], "longitude": longitude[0]}
    else:
        latitude, longitude = (xarray.DataArray(each, dims="place") for each in (latitude, longitude))
        wanted = {"latitude": latitude, "longitude": longitude}
    return xarray.open_zarr(reachable(store), chunks=chunks).sel(wanted, method="nearest")


def reachable(store):
    if not store.startswith("http"):
        return store
    from obstore.store import HTTPStore
    from zarr.storage import ObjectStore

    return ObjectStore(HTTPStore.from_url(store, client_options={"allow_http": True}), read_only=True)


def by_zarr(store, places, out):
    import numpy as np
    import zarr

    arrays = dict(zarr.open_group(store, mode="r").arrays())
    row, column = cells(arrays["latitude"][:], arrays["longitude"][:], places)
    variables = [array for _, array in sorted(arrays.items()) if array.ndim == 3]
    if len(places) == 1:
        save(out, [array[:, row[0], column[0]] for array in variables])
    else:
        steps = np.arange(variables[0].shape[0])[:, None]
        save(out, [array.vindex[steps, row[None], column[None]] for array in variables])


def by_zarrs(store, places, out):
    import zarr

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    by_zarr(store, places, out)


def by_tensorstore(store, places, out):
    """Array names come from consolidated metadata, which TensorStore does not read; it reads the metadata of each array."""
    import tensorstore

    metadata = json.loads(fetch(f"{store}/.zmetadata"))["metadata"]
    shapes = {path.removesuffix("/.zarray"): node["shape"] for path, node in metadata.items() if path.endswith("/.zarray")}
    variables = sorted(name for name, shape in shapes.items() if len(shape) == 3)
    opened = {
        name: tensorstore.open({"driver": "zarr", "kvstore": kvstore(store, name)}, open=True, read=True)
        for name in [*variables, "latitude", "longitude"]
    }
    row, column = cells(*(opened[axis].result().read().result() for axis in ("latitude", "longitude")), places)
    if len(places) == 1:
        row, column = row[0], column[0]
    reads = [opened[name].result()[:, row, column].read() for name in variables]
    save(out, [read.result() for read in reads])


def kvstore(store, name):
    if store.startswith("http"):
        return {"driver": "http", "base_url": f"{store}/{name}/"}
    return {"driver": "file", "path": f"{store}/{name}/"}


def fetch(address):
    if not address.startswith("http"):
        return Path(address).read_bytes()
    with urllib.request.urlopen(address) as answer:
        return answer.read()


def cells(latitude, longitude, places):
    """Row and column of the nearest cell of each point."""
    import numpy as np

    wanted = np.array(places).T
    return [np.abs(axis[:, None] - each[None]).argmin(axis=0) for axis, each in zip((latitude, longitude), wanted)]


if __name__ == "__main__":
    main()
