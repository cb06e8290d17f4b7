"""Reading the environment: flags, lists, and the file `.env`."""

import os
from pathlib import Path


def flag(name: str) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off and nothing. Raises ValueError for the rest."""
    value = os.environ.get(name, "").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError(f"{name}={value!r}: write 1 or 0")


def words(name: str) -> list[str]:
    """Return the comma-separated words of variable `name`."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def read_env_file(path: Path) -> None:
    """Take NAME=value lines of `path` into the environment, where the environment does not say otherwise."""
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals:
            raise ValueError(f"{path}, line {number}: {line!r} is not NAME=value")
        os.environ.setdefault(name.strip(), value.strip().strip("'\""))
