"""Every test of the application gets an empty data folder, so that one's files never answer for another."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path: Path) -> Path:
    settings.NASH_DATA_DIR = tmp_path / "data"
    settings.NASH_DATA_DIR.mkdir(mode=0o700)
    return settings.NASH_DATA_DIR
