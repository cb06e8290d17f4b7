"""What lies in a folder, zip or tar: a safe listing of its files, and their bytes."""

import re
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import splitext
from typing import Literal, NamedTuple

MAX_ENTRIES = 300_000  # files and folders; a listing then stays below 300 MB of memory
MAX_NAME = 4096  # characters of a name with its folders
MAX_FILE_BYTES = 64 * 2**20  # of one image, unpacked
MAX_UNPACKED_BYTES = 64 * 2**30  # of a whole archive
MAX_RATIO = 100  # unpacked to packed bytes, beyond FREE_BYTES; images hardly compress
FREE_BYTES = 64 * 2**20

JUNK = re.compile(r"(?:^|/)(?:\.|(?:__macosx|thumbs\.db|desktop\.ini|@eadir)(?:/|$))", re.IGNORECASE)
LEADS_OUT = re.compile(r"/|[A-Za-z]:/|(?:.*/)?\.\.(?:/|$)|.*\0", re.DOTALL)
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


Beat = Callable[[], None]
"""Called often where nothing can be counted; what it raises ends the work."""


def unwatched() -> None:
    """Nobody waits for a sign of life."""


class BadArchive(Exception):
    """An archive or folder that cannot become a data set; its message is one plain sentence."""


class BrokenFile(Exception):
    """One file that cannot be read or decoded; up to one in a hundred is left out."""


class Entry(NamedTuple):
    """One file of a source: where its bytes lie. Sizes in bytes; name relative, with slashes."""

    name: str
    offset: int  # zip: of the local header; tar: of the data; folder: 0
    packed: int
    size: int
    deflated: bool = False
    crc: int | None = None


@dataclass
class Listing:
    """Files and folders of a source, junk left out; a name that occurs twice counts once, as unpacked."""

    label: str
    beat: Beat = unwatched
    files: dict[str, Entry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    n_entries: int = 0
    unpacked_bytes: int = 0

    def count(self, n: int = 1) -> None:
        """Count n more entries. Raises BadArchive beyond MAX_ENTRIES."""
        self.beat()
        self.n_entries += n
        if self.n_entries > MAX_ENTRIES:
            raise BadArchive(f"{self.label} has more than {MAX_ENTRIES:,} entries; leave some out or split it.")

    def add_folder(self, raw_name: str) -> None:
        """Take a folder. Raises BadArchive for a name that leads out of the source."""
        name = clean_name(self.label, raw_name)
        if name and not is_junk(name):
            self.folders.add(name)

    def add_file(self, raw_name: str, entry: Entry) -> None:
        """Take a file. Raises BadArchive for a name that leads out, an archive inside or one too large."""
        name = clean_name(self.label, raw_name)
        self.unpacked_bytes += entry.size
        if not name or is_junk(name):
            return
        if suffix_of(name) in ARCHIVE_SUFFIXES:
            raise BadArchive(
                f"{self.label} holds another archive ({shown(name)}); unpack it and leave the inner one out."
            )
        self.files[name] = entry if entry.name == name else entry._replace(name=name)

    def check_unpacked(self, packed_bytes: int) -> None:
        """Raises BadArchive if the files would unpack to far more than packed_bytes hold."""
        if self.unpacked_bytes > MAX_UNPACKED_BYTES:
            raise BadArchive(
                f"{self.label} would unpack to {self.unpacked_bytes / 2**30:,.0f} GB, more than the"
                f" {MAX_UNPACKED_BYTES / 2**30:,.0f} GB allowed."
            )
        if is_bomb(self.unpacked_bytes, packed_bytes):
            raise BadArchive(
                f"{self.label} would unpack to {self.unpacked_bytes / 2**20:,.0f} MB from"
                f" {packed_bytes / 2**20:,.1f} MB, as archives made to fill a disk do."
            )


@dataclass(frozen=True)
class Source:
    """Where the bytes of a listing's entries are read from: a folder, or one zip or plain tar file."""

    kind: Literal["folder", "zip", "tar"]
    path: Path

    def reader(self) -> "Reader":
        """An open reader; close it."""
        return Reader(self)


class Reader:
    """Reads entries of one source; a context manager."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._file = None if source.kind == "folder" else source.path.open("rb", buffering=0)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, entry: Entry) -> bytes:
        """The entry's bytes, never more than it declares.

        Raises BrokenFile if they are damaged, BadArchive if they are more than declared or allowed.
        """
        if entry.size > MAX_FILE_BYTES:
            raise BadArchive(
                f"{shown(entry.name)} has {entry.size / 2**20:,.0f} MB; an image may have"
                f" {MAX_FILE_BYTES / 2**20:,.0f} MB."
            )
        if self._file is None:
            return self._read_file(self._source.path / entry.name)
        self._file.seek(self._data_offset(entry))
        packed = self._file.read(entry.packed)
        if len(packed) < entry.packed:
            raise BrokenFile("cut short")
        data = _inflate(entry, packed) if entry.deflated else packed
        if entry.crc is not None and zlib.crc32(data) != entry.crc:
            raise BrokenFile("checksum does not match")
        return data

    def _read_file(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(MAX_FILE_BYTES)
        except OSError as error:
            raise BrokenFile(error.strerror or "cannot be read") from error

    def _data_offset(self, entry: Entry) -> int:
        if self._source.kind == "tar":
            return entry.offset
        assert self._file is not None
        self._file.seek(entry.offset)
        header = self._file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise BrokenFile("no file where the archive's directory says")
        name_bytes = int.from_bytes(header[26:28], "little")
        extra_bytes = int.from_bytes(header[28:30], "little")
        return entry.offset + 30 + name_bytes + extra_bytes


def _inflate(entry: Entry, packed: bytes) -> bytes:
    """The unpacked bytes. Raises BadArchive if they are more than the entry declares."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = unpacker.decompress(packed, entry.size + 1)
    except zlib.error as error:
        raise BrokenFile("compressed data are damaged") from error
    if len(data) > entry.size:
        raise BadArchive(
            f"{shown(entry.name)} unpacks to more than the {entry.size:,} bytes that the archive declares."
        )
    return data


def is_bomb(unpacked_bytes: int, packed_bytes: int) -> bool:
    """True if so many bytes cannot come from honest images packed into so few."""
    return unpacked_bytes > FREE_BYTES + MAX_RATIO * packed_bytes


def clean_name(label: str, raw_name: str) -> str:
    """The name with slashes, without empty and "." parts. Raises BadArchive if it leads out or is too long."""
    if len(raw_name) > MAX_NAME:
        raise BadArchive(
            f"{label} has a name of {len(raw_name):,} characters ({shown(raw_name[-MAX_NAME:])}); at most"
            f" {MAX_NAME:,} are possible."
        )
    if LEADS_OUT.match(raw_name):
        raise BadArchive(f"{label} has an entry that leads out of it: {shown(raw_name)}.")
    return "/".join([part for part in raw_name.split("/") if part not in ("", ".")])


def counted(n: int, thing: str) -> str:
    """1 image, 2 images, 1,000 images."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def suffix_of(name: str) -> str:
    """The file name's ending in lower case, with its dot; "" without one."""
    return splitext(name)[1].lower()


def is_junk(name: str) -> bool:
    """True for what operating systems leave in archives: __MACOSX, dotfiles, Thumbs.db."""
    return JUNK.search(name) is not None


def shown(name: str) -> str:
    """The name as it may stand in a message: printable, quoted, at most 80 characters."""
    printable = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
    return f"'{printable if len(printable) <= 80 else '…' + printable[-79:]}'"


def refuse_special(label: str, name: str, mode: int) -> None:
    """Raises BadArchive unless the file mode is of a plain file or folder, or says nothing."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise BadArchive(f"{label} has a link ({shown(name)}); put the file itself in its place.")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"{label} has an entry that is neither file nor folder: {shown(name)}.")


def list_folder(path: Path, beat: Beat = unwatched) -> Listing:
    """Files and folders below path, links not followed. Raises BadArchive."""
    listing = Listing(path.name, beat)
    pending = [(path, "")]
    while pending:
        folder, prefix = pending.pop()
        for child in folder.iterdir():
            if is_junk(child.name):
                continue
            listing.count()
            name = f"{prefix}{child.name}"
            status = child.lstat()
            refuse_special(listing.label, name, status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                listing.add_folder(name)
                pending.append((child, f"{name}/"))
            else:
                listing.add_file(name, Entry(name, 0, status.st_size, status.st_size))
    return listing
