"""Listings of zip and tar files, distrusted: nothing is unpacked, counts and sizes are checked first."""

import io
import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from searches.nash.imagefolder.source import (
    MAX_ENTRIES,
    MAX_UNPACKED_BYTES,
    BadArchive,
    Beat,
    Entry,
    Listing,
    Source,
    is_bomb,
    list_folder,
    refuse_special,
    shown,
    unwatched,
)

END_RECORD = struct.Struct("<4s4H2LH")
END_RECORD_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
MAX_TAR_READ = 2**16  # bytes tarfile may ask for at once: extended headers are small
MAX_DIRECTORY_BYTES = 64 * 2**20  # of a zip: MAX_ENTRIES with names of 100 characters take 50 MB
ENTRY_BYTES = 4096  # an entry of a zip's directory has fewer, on the average
CHUNK_BYTES = 2**20
KEPT_FREE_BYTES = 256 * 2**20  # of the disk, while a tar.gz is unpacked: others write there, too
ENCRYPTED, UTF8 = 0x1, 0x800  # flag bits of a zip's entry
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ArithmeticError,
    ValueError, RecursionError,
)  # fmt: skip


def open_source(path: Path, scratch: Path, beat: Beat = unwatched) -> tuple[Source, Listing]:
    """The source at path and its listing; a tar.gz is first unpacked to a plain tar in the folder scratch.

    Raises BadArchive if path is no folder, zip, tar or tar.gz, or a damaged, encrypted or hostile one.
    """
    if not path.name:  # "."
        path = path.resolve()
    if path.is_dir():
        return Source("folder", path), list_folder(path, beat)
    if not path.is_file():
        raise BadArchive(f"There is no file or folder {shown(str(path))}.")
    try:
        with path.open("rb") as file:
            start = file.read(tarfile.BLOCKSIZE)
        if start.startswith(b"\x1f\x8b"):
            plain = _gunzip(path, scratch / "unpacked.tar", beat)
            return Source("tar", plain), _list_tar(plain, path.name, beat)
        if start[257:262] == b"ustar":  # before zip: a tar may end with a zip
            return Source("tar", path), _list_tar(path, path.name, beat)
        if zipfile.is_zipfile(path):
            return Source("zip", path), _list_zip(path, beat)
    except DAMAGED as error:
        raise BadArchive(f"{path.name} is damaged or cut short: {error}.") from error
    raise BadArchive(f"{path.name} is neither a zip, a tar, a tar.gz nor a folder, or it is cut short.")


def _list_zip(path: Path, beat: Beat) -> Listing:
    listing = Listing(path.name, beat)
    with path.open("rb") as file:
        check_directory(file, listing.label)
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                listing.count()
                _take_zip_entry(listing, info)
    packed_bytes = path.stat().st_size
    if sum(entry.packed for entry in listing.files.values()) > packed_bytes:
        raise BadArchive(f"{path.name} has entries that overlap, as archives made to fill a disk do.")
    listing.check_unpacked(packed_bytes)
    return listing


def _take_zip_entry(listing: Listing, info: zipfile.ZipInfo) -> None:
    name = _zip_name(info)
    if info.flag_bits & ENCRYPTED:
        raise BadArchive(f"{listing.label} is encrypted ({shown(name)}); unpack it and leave the password out.")
    refuse_special(listing.label, name, info.external_attr >> 16)
    if name.endswith("/"):
        listing.add_folder(name)
        return
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive(
            f"{listing.label} is packed by method {info.compress_type} ({shown(name)});"
            " pack it again by the usual one (deflate)."
        )
    is_deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if not is_deflated and info.compress_size != info.file_size:
        raise BadArchive(f"{listing.label} contradicts itself about the size of {shown(name)}.")
    entry = Entry(name, info.header_offset, info.compress_size, info.file_size, is_deflated, info.CRC)
    listing.add_file(name, entry)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name; UTF-8 where the archive forgot to say so (macOS, old packers), backslashes as slashes."""
    name = info.filename
    if not info.flag_bits & UTF8 and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass  # a real cp437 name
    return name.replace("\\", "/")


def check_directory(file: BinaryIO, label: str, most: int = MAX_ENTRIES) -> None:
    """Raises BadArchive if a zip's directory is too large or holds too many entries, BadZipFile if it is damaged.

    zipfile would read the whole directory at once and make an object of each entry. The end record's count is a
    claim, so the directory's entries are also walked through, headers only.
    """
    n_declared, n_bytes, position = _end_record(file)
    if n_declared > most:
        raise BadArchive(f"{label} has {n_declared:,} entries, more than the {most:,} allowed.")
    if n_bytes > (limit := min(MAX_DIRECTORY_BYTES, most * ENTRY_BYTES)):
        raise BadArchive(
            f"{label} has a directory of {n_bytes / 2**20:,.0f} MB, more than the {limit / 2**20:,.0f} MB that its"
            " names can need."
        )
    n_entries = 0
    left = n_bytes
    with io.BufferedReader(io.FileIO(file.fileno(), closefd=False), CHUNK_BYTES) as directory:
        directory.seek(max(0, position - n_bytes))  # of `file`, a seek within its buffer moves no descriptor
        while left >= 46:
            header = directory.read(46)
            if header[:4] != b"PK\x01\x02":
                raise zipfile.BadZipFile("its directory has something else between its entries")
            n_rest = sum(struct.unpack_from("<3H", header, 28))
            directory.read(n_rest)
            left -= 46 + n_rest
            n_entries += 1
            if n_entries > most:
                raise BadArchive(f"{label} has more than the {most:,} entries allowed.")


def _end_record(file: BinaryIO) -> tuple[int, int, int]:
    """Entries declared, bytes of the directory, and where it ends, by the zip's end record."""
    file.seek(0, io.SEEK_END)
    n_file = file.tell()
    n_tail = min(n_file, END_RECORD.size + 2**16)
    file.seek(n_file - n_tail)
    tail = file.read(n_tail)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + END_RECORD.size > n_tail:
        raise zipfile.BadZipFile("no end record")
    _, _, _, _, n_entries, n_bytes, _, _ = END_RECORD.unpack_from(tail, at)
    position = n_file - n_tail + at
    at_64 = position - LOCATOR_64.size - END_RECORD_64.size
    if at_64 >= 0:
        file.seek(at_64)
        both = file.read(END_RECORD_64.size + LOCATOR_64.size)
        if both[:4] == b"PK\x06\x06" and both[END_RECORD_64.size :][:4] == b"PK\x06\x07":
            n_entries, n_bytes = END_RECORD_64.unpack_from(both)[7:9]
            position = at_64
    return n_entries, n_bytes, position


def _gunzip(path: Path, target: Path, beat: Beat) -> Path:
    """Unpack a tar.gz to a plain tar, counting what really comes out. Raises BadArchive: a bomb, a full disk."""
    n_in = n_out = 0
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    with path.open("rb") as packed, target.open("wb") as plain:
        while chunk := packed.read(CHUNK_BYTES):
            n_in += len(chunk)
            while chunk:
                beat()
                if shutil.disk_usage(target.parent).free < KEPT_FREE_BYTES:
                    raise BadArchive(f"The disk is too full to unpack {path.name}; make room or give it as a zip.")
                if unpacker.eof:  # a further member of the same file, or zeros that fill a tape's last block
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
                out = unpacker.decompress(chunk, CHUNK_BYTES)
                n_out += plain.write(out)
                if n_out > MAX_UNPACKED_BYTES or is_bomb(n_out, n_in):
                    raise BadArchive(
                        f"{path.name} unpacks to more than {n_out / 2**20:,.0f} MB from the first"
                        f" {n_in / 2**20:,.1f} MB, as archives made to fill a disk do."
                    )
                chunk = unpacker.unconsumed_tail or unpacker.unused_data
        plain.write(unpacker.flush())
    if not unpacker.eof:
        raise EOFError("it ends in the middle")
    return target


class _TarFile(io.FileIO):
    """A tar opened for tarfile, which reads an extended header of any declared size at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > MAX_TAR_READ:
            raise tarfile.ReadError(f"a header of {size or 0:,} bytes, more than a name can need")
        return super().read(size) or b""


def _list_tar(path: Path, label: str, beat: Beat) -> Listing:
    listing = Listing(label, beat)
    with _TarFile(path, "r") as file, tarfile.open(fileobj=file, mode="r:") as archive:
        while info := archive.next():
            archive.members.clear()  # type: ignore[attr-defined]
            # Of all entries to come: each may add to them, and each entry copies them.
            archive.pax_headers.clear()  # type: ignore[attr-defined]
            listing.count()
            if info.isdir():
                listing.add_folder(info.name)
                continue
            if info.issym() or info.islnk():
                raise BadArchive(f"{label} has a link ({shown(info.name)}); put the file itself in its place.")
            if not info.isreg() or info.issparse():
                raise BadArchive(f"{label} has an entry that is no plain file: {shown(info.name)}.")
            listing.add_file(info.name, Entry(info.name, info.offset_data, info.size, info.size))
        # tarfile takes a damaged header, or none, for the end; the real end is a block of zeros.
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it has no end")
    return listing
