"""The data folder: where it is, who may read it, and the secret key inside it."""

import os
import secrets
import tempfile
from pathlib import Path


def data_folder(path: Path) -> Path:
    """Make `path` if need be, readable by its owner only, and return it resolved."""
    path = path.expanduser().resolve()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid == os.getuid():
        path.chmod(0o700)
    return path


def write_once(path: Path, text: str) -> str:
    """Write `text` to `path` (mode 0600) unless the file exists; return what the file then holds.

    Many processes may do this at once: the file is written under another name and linked into place, so
    that all of them read the same whole text.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            pass
    finally:
        Path(name).unlink()
    return path.read_text(encoding="utf-8")


def secret_key(folder: Path) -> str:
    """Return the key in `folder`/secret-key, made at the first call."""
    path = folder / "secret-key"
    try:
        key = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        key = write_once(path, secrets.token_urlsafe(64)).strip()
    if len(key) < 50:
        raise ValueError(
            f"{path} holds {len(key)} characters, at least 50 are needed: delete it and a new key is made "
            "(all who are signed in must sign in again)"
        )
    return key
