"""Zip archives as others write them: zarr-python's ZipStore, the zip program, Python's zipfile."""

from __future__ import annotations

import shutil
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from points import Point, extract
from ztools import FIXTURES, run

WEATHER = FIXTURES / "weather-v2.zarr"


def by_zip_store(path: Path, *, zarr_format: int, shards: tuple[int, ...] | None = None, consolidate: bool = False) -> None:
    """A hierarchy of zarr-python, whose documents it writes more than once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate name")
        with ZipStore(path, mode="w") as store:
            root = zarr.create_group(store, zarr_format=zarr_format, attributes={"title": "first"})
            values = np.random.default_rng(3).normal(280, 9, (7, 20, 30)).astype("f4")
            more = {"shards": shards} if shards else {}
            array = root.create_array("g/t2m", shape=values.shape, chunks=(3, 10, 10), dtype="f4", fill_value=-1, **more)
            array[:6] = values[:6]
            array.attrs["units"] = "K"
            root.create_array("g/n", data=np.arange(50), chunks=(20,))
            root.attrs["title"] = "second"
            array[0] = -values[0]
            if consolidate:
                zarr.consolidate_metadata(store, zarr_format=zarr_format)


def assert_same(found: zarr.Group, expected: zarr.Group) -> None:
    """Groups, attributes and values are equal."""
    assert dict(found.attrs) == dict(expected.attrs)
    names = [name for name, _ in expected.members(max_depth=None)]
    assert sorted(name for name, _ in found.members(max_depth=None)) == sorted(names)
    for name in names:
        one, other = found[name], expected[name]
        assert dict(one.attrs) == dict(other.attrs)
        if isinstance(other, zarr.Array):
            np.testing.assert_array_equal(one[...], other[...])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("consolidate", [False, True])
@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, None), (3, (6, 20, 20))])
def test_archives_of_zarr_python(zarr_format: int, shards: tuple[int, ...] | None, consolidate: bool, tmp_path: Path) -> None:
    """A copy to a directory has what zarr-python reads in the archive; the sizes are those of the objects."""
    archive = tmp_path / "x.zarr.zip"
    by_zip_store(archive, zarr_format=zarr_format, shards=shards, consolidate=consolidate)
    run("zrecompress", "--cname", "zstd", archive, tmp_path / "copy.zarr").assert_done()
    with ZipStore(archive, mode="r") as store:
        assert_same(zarr.open_group(tmp_path / "copy.zarr", mode="r"), zarr.open_group(store, mode="r"))
    inspected = run("zinspect", "--sizes", "--sample", "9", archive)
    inspected.assert_done()
    with zipfile.ZipFile(archive) as members:
        last = {member.filename: member.file_size for member in members.infolist()}
    chunks = {name: size for name, size in last.items() if name.startswith("g/t2m/") and name[-1].isdigit()}
    (array,) = [record for record in inspected.of_type("array") if record["path"] == "/g/t2m"]
    assert array["stored_bytes"] == sum(chunks.values())


def by_program(store: Path, archive: Path) -> None:
    """The zip program deflates, and its local headers have other extra fields than its directory."""
    if shutil.which("zip") is None:
        pytest.skip("there is no zip program")
    subprocess.run(["zip", "-qr", archive, "."], cwd=store, check=True)


def by_zipfile(compression: int, *, zip64: bool) -> Callable[[Path, Path], None]:
    """Python's zipfile, in one folder."""

    def write(store: Path, archive: Path) -> None:
        with zipfile.ZipFile(archive, "w", compression) as members:
            for path in sorted(store.rglob("*")):
                name = f"{store.name}/{path.relative_to(store)}"
                if path.is_dir():
                    members.write(path, name)
                else:
                    with members.open(name, "w", force_zip64=zip64) as member:
                        member.write(path.read_bytes())

    return write


WRITERS = {
    "zip -r": by_program,
    "stored": by_zipfile(zipfile.ZIP_STORED, zip64=False),
    "deflated": by_zipfile(zipfile.ZIP_DEFLATED, zip64=False),
    "zip64": by_zipfile(zipfile.ZIP_STORED, zip64=True),
    "deflated zip64": by_zipfile(zipfile.ZIP_DEFLATED, zip64=True),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_points_of_archives(writer: str, tmp_path: Path) -> None:
    """A point has the values that the directory has."""
    archive = tmp_path / "weather.ozx"
    WRITERS[writer](WEATHER, archive)
    asked = [Point(50, 1), Point(40.3, 10)]
    assert extract(tmp_path, [archive], asked).equals(extract(tmp_path, [WEATHER], asked))


def test_other_methods_are_refused_by_name(tmp_path: Path) -> None:
    """What is compressed by bzip2 or LZMA is named; the rest is read."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        archive = tmp_path / f"{method}.zip"
        by_zipfile(method, zip64=False)(WEATHER, archive)
        done = run("zinspect", archive)
        assert done.code == 5
        assert "method that is not supported" in done.stderr, done.stderr


def test_more_entries_than_the_old_format_counts(tmp_path: Path) -> None:
    """From 65,536 entries on, the end record is that of zip64."""
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(".zarray", '{"zarr_format":2,"shape":[70000],"chunks":[1],"dtype":"|u1","fill_value":0,'
                         '"order":"C","filters":null,"compressor":null}')
        for number in range(70_000):
            members.writestr(str(number), bytes([number % 251]))
    inspected = run("zinspect", "--sizes", archive)
    inspected.assert_done()
    (array,) = inspected.of_type("array")
    assert array["stored_bytes"] == 70_000
    run("zrecompress", "--cname", "lz4", "--chunks", "70000", archive, tmp_path / "copy.zarr").assert_done()
    expected = np.arange(70_000) % 251
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "copy.zarr", mode="r")[:], expected)
