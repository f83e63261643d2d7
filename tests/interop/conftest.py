"""Fixtures shared by the tests that judge the tools with zarr-python and xarray."""

from __future__ import annotations

from pathlib import Path

import pytest

import real
from ztools import FIXTURES, REAL_STORES, SHARED_DATA


def pytest_configure(config: pytest.Config) -> None:
    """Data types and codecs outside of the specification are wanted here."""
    for category in ("UnstableSpecificationWarning", "ZarrUserWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::zarr.errors.{category}")
    config.addinivalue_line("filterwarnings", "ignore:Numcodecs codecs are not in the Zarr version 3 specification")


@pytest.fixture(scope="session")
def find_store(tmp_path_factory: pytest.TempPathFactory):
    """A function from a store's name to its path."""
    made = tmp_path_factory.mktemp("real")

    def find(name: str) -> Path:
        if name in REAL_STORES and (SHARED_DATA / name).is_dir():
            return SHARED_DATA / name
        if name not in real.LAYOUTS:
            return FIXTURES / name
        if not (made / name).exists():
            real.LAYOUTS[name](real.FIXTURE, made / name)
        return made / name

    return find
