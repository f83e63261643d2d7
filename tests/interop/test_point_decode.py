"""zpoint against xarray: masks, packing, times, calendars, types, and chunks that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

import points
from points import Point

LAT, LON = np.arange(40, 44.0), np.arange(-2, 4.0)
SHAPE = (5, len(LAT), len(LON))
VALUE = ("time", "lat", "lon")
# Every cell, so that each value of an array is judged.
EVERYWHERE = [Point(float(lat), float(lon)) for lat in LAT for lon in LON]


def base(directory: Path, zarr_format: int) -> Path:
    """A store with the coordinates that every test here has."""
    dataset = points.grid(LAT, LON, times=SHAPE[0]).drop_vars("t2m")
    return points.write(dataset, directory / "store.zarr", zarr_format, consolidated=False)


def add(store: Path, name: str, values: np.ndarray, attributes: dict, dims: tuple[str, ...] = VALUE, **options) -> None:
    """One more array with attributes of its own, past xarray, which would check and change them."""
    group = zarr.open_group(store, mode="a")
    zarr_format = group.metadata.zarr_format
    if zarr_format == 3:
        options["dimension_names"] = dims
    else:
        attributes = {"_ARRAY_DIMENSIONS": list(dims), **attributes}
    options = {"chunks": tuple(max(1, n - 1) for n in values.shape), "dtype": values.dtype, **options}
    array = group.create_array(name, shape=values.shape, attributes=attributes, overwrite=True, **options)
    array[...] = values


def packed(dtype: str = "i2") -> np.ndarray:
    """Packed values from one end of the type to the other, a few of them often."""
    values = points.numbers(SHAPE, dtype)
    flat = values.reshape(-1)
    flat[::5], flat[1::7], flat[2::11] = 100, 101, 7
    return values


FLOAT_FILL = {2: float("nan"), 3: "AAAAAAAA+H8="}

MASKS = {
    "fill": {"_FillValue": 100},
    "missing": {"missing_value": 100},
    "both": {"_FillValue": 100, "missing_value": 101},
    "several": {"missing_value": [100, 101, 7]},
    "none": {},
}

PACKINGS = {
    "none": {},
    "scale": {"scale_factor": 0.1},
    "offset": {"add_offset": 273.15},
    "both": {"scale_factor": 0.01, "add_offset": 250.0},
    "whole": {"scale_factor": 2, "add_offset": 10},
}


@pytest.mark.filterwarnings("ignore:.*multiple fill values")
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("mask", MASKS)
def test_masks_and_packing_of_every_integer(mask: str, packing: str, zarr_format: int, tmp_path: Path) -> None:
    """Types of the result and every bit as xarray has them."""
    store = base(tmp_path, zarr_format)
    for dtype in ("i1", "u1", "i2", "u2", "i4", "u4", "i8"):
        values = packed(dtype)
        # Beyond 53 bits xarray rounds twice where it masks.
        values = values // 2**12 if dtype == "i8" else values
        add(store, dtype, values, {**MASKS[mask], **PACKINGS[packing]})
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time")


@pytest.mark.filterwarnings("ignore:.*multiple fill values")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_vector_of_missing_values_and_a_fill_value_that_is_nan(zarr_format: int, tmp_path: Path) -> None:
    """int16 with a scale; NaN is not among the packed values and masks nothing."""
    store = base(tmp_path, zarr_format)
    nan = float("nan")
    add(store, "v", packed(), {"missing_value": [100, 7], "scale_factor": 0.5})
    add(store, "w", packed(), {"missing_value": [100, 7], "scale_factor": 0.5, "_FillValue": FLOAT_FILL[zarr_format]})
    expected = np.where(np.isin(packed(), [100, 7]), nan, packed() * 0.5)
    table = points.extract(tmp_path, store, EVERYWHERE)
    for name in ("v", "w"):
        found = points.columns(table)[name]
        np.testing.assert_array_equal(found, expected.ravel(), err_msg=name)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_masks_of_floats_as_xarray_writes_them(dtype: str, zarr_format: int, tmp_path: Path) -> None:
    """In Zarr v3, _FillValue is base64; NaN with other bits stays NaN, infinities stay."""
    values = points.numbers(SHAPE, dtype)
    values[0, 0, :4] = [np.nan, -np.inf, np.inf, -0.0]
    values[1, 1, 1:3] = np.nan
    variables = {name: (VALUE, values) for name in ("nan", "number", "both", "plain", "scaled")}
    dataset = points.grid(LAT, LON, times=SHAPE[0], **variables)
    fills = {
        "nan": {"_FillValue": np.nan},
        "number": {"_FillValue": -9999.0},
        "both": {"_FillValue": -9999.0, "missing_value": -9999.0},
        "plain": {"_FillValue": None},
        "scaled": {"_FillValue": 1e20, "scale_factor": 2.0, "add_offset": 1.0},
    }
    store = points.write(dataset, tmp_path / "store.zarr", zarr_format, fills)
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time")
    options = ("--fill-value-as-mask", "true")
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time", options=options, fill_value_as_mask=True)


@pytest.mark.parametrize("as_mask", [None, True, False])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_fill_value_of_the_metadata_is_a_mask_as_in_xarray(zarr_format: int, as_mask, tmp_path: Path) -> None:
    """In Zarr v2 unless told otherwise, in v3 only when told so."""
    store = base(tmp_path, zarr_format)
    add(store, "i", packed(), {}, fill_value=100)
    add(store, "f", points.numbers(SHAPE).round(-1), {}, fill_value=280.0)
    if zarr_format == 2:
        add(store, "n", packed(), {}, fill_value=None)
    options = () if as_mask is None else ("--fill-value-as-mask", str(as_mask).lower())
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time", options=options, fill_value_as_mask=as_mask)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_that_is_not_stored_is_not_one_of_nan(zarr_format: int, tmp_path: Path) -> None:
    """It has the fill value of the metadata, and is counted."""
    store = base(tmp_path, zarr_format)
    values = points.numbers(SHAPE)
    values[0] = np.nan
    add(store, "v", values, {}, chunks=(1, 4, 6), fill_value=7.5, config={"write_empty_chunks": True})
    add(store, "i", packed(), {}, chunks=(1, 4, 6), fill_value=3)
    for name in ("v", "i"):
        chunk = store / name / ("c/1/0/0" if zarr_format == 3 else "1.0.0")
        chunk.unlink()
    output = tmp_path / "out.parquet"
    options = ("--fill-value-as-mask", "false")
    done = points.zpoint(store, *points.arguments(EVERYWHERE), "-o", output, *options)
    assert done.summary["chunks_missing"] == 2
    found = points.columns(pq.read_table(output))
    assert np.isnan(found["v"][:24]).all()
    assert (found["v"][24:48] == 7.5).all()
    assert (found["i"][24:48] == 3).all()
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time", options=options, fill_value_as_mask=False)
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time")


@pytest.mark.parametrize("packing", [{}, {"scale_factor": 0.5}], ids=["plain", "scaled"])
@pytest.mark.parametrize("mask", [{}, {"_FillValue": -1}], ids=["unmasked", "masked"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_unsigned_integers_in_signed_types(zarr_format: int, mask: dict, packing: dict, tmp_path: Path) -> None:
    """As _Unsigned says, and the other way round."""
    store = base(tmp_path, zarr_format)
    add(store, "i1", packed("i1"), {"_Unsigned": "true", **mask, **packing})
    add(store, "i2", packed("i2"), {"_Unsigned": "true", **mask, **packing})
    add(store, "u1", packed("u1"), {"_Unsigned": "false", **packing})
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_lies_outside_of_the_valid_range_is_missing(zarr_format: int, tmp_path: Path) -> None:
    """As CF says, though xarray leaves valid_min and its like alone; it is counted."""
    store, values, packing = base(tmp_path, zarr_format), points.numbers(SHAPE), {"scale_factor": 0.5}
    add(store, "v", values, {"valid_min": 270.0, "valid_max": 300.0})
    add(store, "w", packed(), {"valid_range": [-1000, 100], **packing}, fill_value=None if zarr_format == 2 else 0)
    output = tmp_path / "out.parquet"
    done = points.zpoint(store, *points.arguments(EVERYWHERE), "-o", output)
    outside = {"v": (values < 270) | (values > 300), "w": (packed() < -1000) | (packed() > 100)}
    assert done.summary["values_out_of_range"] == sum(int(mask.sum()) for mask in outside.values())
    found = points.columns(pq.read_table(output))
    points.assert_same_bits(found["v"], np.where(outside["v"], np.float32("nan"), values).ravel(), "v")
    points.assert_same_bits(found["w"], np.where(outside["w"], np.nan, packed() * 0.5).ravel(), "w")


# --------------------------------------------------------------------------- types


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_number_type_and_bool(zarr_format: int, tmp_path: Path) -> None:
    """Types stay what they are, in either byte order."""
    store = base(tmp_path, zarr_format)
    for dtype in ("b1", "i1", "u1", "<i2", ">i2", "<u2", ">u4", "<i4", ">i8", "<u8", "<f4", ">f4", ">f8"):
        values = points.numbers(SHAPE, dtype)
        add(store, dtype.strip("<").replace(">", "be_"), values, {}, fill_value=values.dtype.type(0))
    options = ("--fill-value-as-mask", "false")
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time", options=options, fill_value_as_mask=False)


def test_halves_become_singles(tmp_path: Path) -> None:
    """16-bit floats are 32-bit ones with the same values."""
    store, values = base(tmp_path, 3), points.numbers(SHAPE, "f2")
    add(store, "v", values, {})
    found = points.columns(points.extract(tmp_path, store, EVERYWHERE))["v"]
    points.assert_same_bits(found, values.astype("f4").ravel(), "v")


def test_any_bits_of_floats_survive(tmp_path: Path) -> None:
    """Denormals, infinities and signed zeros."""
    bits = np.random.default_rng(6).integers(0, 2**32, size=SHAPE, dtype="u4")
    bits[0, 0, :] = [0x80000000, 0x7F800000, 0xFF800000, 1, 0x807FFFFF, 0x7F7FFFFF]
    store = base(tmp_path, 3)
    add(store, "v", bits.view("f4"), {})
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time")
