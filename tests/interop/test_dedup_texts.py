"""zdedup: text in shards, in the other order of dimensions, and with other fill values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from ztools import run


def write(path: Path, first: int, count: int, zarr_format: int = 3, **name) -> Path:
    """A store with the coordinate id and labels along it, of which there are two for each."""
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    add(root, "id", np.arange(first, first + count), ["id"], (2,))
    labels = np.array([[f"s{number}", f"{number}" * 3] for number in range(first, first + count)], dtype=object)
    add(root, "name", labels, ["id", "k"], (2, 2), **name)
    return path


def add(root: zarr.Group, name: str, values: np.ndarray, dims: list, chunks: tuple, **more) -> None:
    three = root.metadata.zarr_format == 3
    named = {"dimension_names": dims} if three else {"attributes": {"_ARRAY_DIMENSIONS": dims}}
    dtype = str if values.dtype == object else values.dtype
    root.create_array(name, shape=values.shape, dtype=dtype, chunks=chunks, **named, **more)[:] = values


def labels_of(path: Path) -> list:
    return zarr.open_group(path, mode="r")["name"][:].tolist()


def wanted(count: int) -> list:
    return [[f"s{number}", f"{number}" * 3] for number in range(count)]


@pytest.mark.parametrize("more", [["-n"], []])
def test_shards_of_text_that_must_be_assembled_are_refused_before_anything_is_written(tmp_path: Path, more: list) -> None:
    paths = [write(tmp_path / "a.zarr", 0, 3, shards=(4, 2)), write(tmp_path / "b.zarr", 3, 4, shards=(4, 2))]
    command = ["--dim", "id", "-o", tmp_path / "all.zarr", *paths]
    refused = run("zdedup", *more, *command)
    assert refused.code == 5 and "a.zarr/name: " in refused.stderr and "hint: use --no-shards" in refused.stderr
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.zarr", "b.zarr"]
    # The hint works.
    run("zdedup", *more, *command, "--no-shards").assert_done()
    assert more or labels_of(tmp_path / "all.zarr") == wanted(7)


def test_shards_of_text_that_fit_are_copied(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.zarr", 0, 4, shards=(4, 2)), write(tmp_path / "b.zarr", 4, 3, shards=(4, 2))]
    run("zdedup", "--dim", "id", "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert labels_of(tmp_path / "all.zarr") == wanted(7)


def test_an_append_of_text_in_shards_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.zarr", 0, 3, shards=(4, 2)), write(tmp_path / "b.zarr", 3, 4, shards=(4, 2))]
    refused = run("zdedup", "--dim", "id", "--append-to", *paths)
    assert refused.code == 5 and "-o" in refused.stderr and "--no-shards" in refused.stderr
    assert labels_of(paths[0]) == wanted(3)
    run("zdedup", "--dim", "id", "-o", tmp_path / "all.zarr", "--no-shards", *paths).assert_done()


def test_coordinates_of_text_in_shards_become_plain_chunks(tmp_path: Path) -> None:
    paths = []
    for number, labels in enumerate((["a", "bb", "c"], ["dd", "e"])):
        root = zarr.open_group(tmp_path / f"{number}.zarr", mode="w", zarr_format=3)
        add(root, "station", np.array(labels, dtype=object), ["station"], (2,), shards=(4,))
        add(root, "x", np.arange(len(labels), dtype="f4"), ["station"], (2,))
        paths.append(tmp_path / f"{number}.zarr")
    run("zdedup", "--dim", "station", "-o", tmp_path / "all.zarr", *paths).assert_done()
    found = zarr.open_group(tmp_path / "all.zarr", mode="r")
    assert found["station"][:].tolist() == ["a", "bb", "c", "dd", "e"] and found["station"].shards is None
    np.testing.assert_array_equal(found["x"][:], [0, 1, 2, 0, 1])


@pytest.mark.parametrize("chunks", [[], ["--chunks", "name:id=3"]])
def test_text_in_fortran_order_is_assembled(tmp_path: Path, chunks: list) -> None:
    paths = [write(tmp_path / "a.zarr", 0, 3, 2, order="F"), write(tmp_path / "b.zarr", 3, 4, 2, order="F")]
    run("zdedup", "--dim", "id", *chunks, "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert labels_of(tmp_path / "all.zarr") == wanted(7)
    assert zarr.open_group(tmp_path / "all.zarr", mode="r")["name"].metadata.order == "F"


@pytest.mark.parametrize("fills", [("zz", "yy"), ("", "yy"), ("zz", "")])
@pytest.mark.parametrize("how", [[], ["--copy", "recode"], ["--chunks", "name:id=4"], ["--append-to"]])
def test_missing_chunks_are_read_with_the_fill_value_of_their_store(tmp_path: Path, fills: tuple, how: list) -> None:
    paths = []
    for number, (fill, count) in enumerate(zip(fills, (4, 6))):
        root = zarr.open_group(tmp_path / f"{number}.zarr", mode="w", zarr_format=3)
        add(root, "id", np.arange(4 * number, 4 * number + count), ["id"], (2,))
        labels = root.create_array("name", shape=(count, 2), dtype=str, chunks=(2, 2), dimension_names=["id", "k"], fill_value=fill)
        labels[0] = "a"
        paths.append(tmp_path / f"{number}.zarr")
    expected = [label for path in paths for label in labels_of(path)]
    output = paths[0] if how == ["--append-to"] else tmp_path / "all.zarr"
    flags = [*how, *paths] if how == ["--append-to"] else [*how, "-o", output, *paths]
    run("zdedup", "--dim", "id", *flags).assert_done()
    assert labels_of(output) == expected
