"""Event files as TensorBoard reads them, written by hand: the format is a few lines, its own packages 60 MB.

A file is records of TFRecord (length, its checksum, bytes, their checksum; masked CRC-32C), each holding one Event
of tensorflow/core/util/event.proto as protocol buffers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

POLYNOMIAL = 0x82F63B78
MASK_DELTA = 0xA282EAD8
VERSION = "brain.Event:2"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


TABLE = _table()


def crc32c(content: bytes) -> int:
    """CRC-32C (Castagnoli) of the bytes, as in RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def first_record(wall_time: float) -> bytes:
    """What every event file begins with; `wall_time` in seconds since 1970."""
    return _record(_double(1, wall_time) + _bytes(3, VERSION.encode()))


def scalars_record(wall_time: float, step: int, values: Mapping[str, float]) -> bytes:
    """Values by their tags at one step, a whole number from 0 on. TensorBoard keeps them as float32."""
    summary = b"".join(_bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in values.items())
    return _record(_double(1, wall_time) + (_varint_field(2, step) if step else b"") + _bytes(5, summary))


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF)


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _varint_field(field: int, number: int) -> bytes:
    return _varint(field << 3 | VARINT) + _varint(number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | BYTES) + _varint(len(content)) + content


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | FIXED64) + struct.pack("<d", number)


def _float(field: int, number: float) -> bytes:
    return _varint(field << 3 | FIXED32) + struct.pack("<f", number)
