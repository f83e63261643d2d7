"""Fixtures shared by the tests that judge the tools with zarr-python and xarray."""

from __future__ import annotations

from pathlib import Path

import pytest

from ztools import FIXTURES, SHARED_DATA, SHARED_STORES


def pytest_configure(config: pytest.Config) -> None:
    """Data types and codecs outside of the specification are wanted here."""
    for category in ("UnstableSpecificationWarning", "ZarrUserWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::zarr.errors.{category}")
    config.addinivalue_line("filterwarnings", "ignore:Numcodecs codecs are not in the Zarr version 3 specification")


@pytest.fixture(scope="session")
def find_store():
    """A function from a store's name to its path; it skips where the shared data are absent."""

    def find(name: str) -> Path:
        path = (SHARED_DATA if name in SHARED_STORES else FIXTURES) / name
        if name in SHARED_STORES and not path.is_dir():
            pytest.skip(f"{path} is not here")
        return path

    return find
