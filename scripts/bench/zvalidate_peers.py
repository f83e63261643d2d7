"""How xarray users compare two stores under dask: zvalidate_peers.py STORE OTHER VARIABLE

The exit code is 1 if the values differ.
"""

import sys

import xarray as xr


def main():
    store, other, variable = sys.argv[1:]
    ours, theirs = (xr.open_zarr(path, chunks={})[variable] for path in (store, other))
    is_equal = ours.equals(theirs)
    print(is_equal)
    sys.exit(0 if is_equal else 1)


main()
