"""From a reply's lines to bytes on the wire: blocks, compression, framing. Each step streams.

A `BrokenOff` raised by the lines passes through every step, after what was sent before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from sandbox.messages import BrokenOff

BLOCK = 64 * 1024
"""Bytes gathered before they are written."""

MISSING = 1024
"""Bytes that a chunk announces beyond those sent when the connection breaks off inside it."""

GZIP = 31
"""zlib's `wbits` for the gzip format."""


def blocks(lines: Iterable[bytes], size: int = BLOCK) -> Iterator[bytes]:
    """Joins lines into blocks of at least `size` bytes, the last one excepted."""
    pending: list[bytes] = []
    held = 0
    try:
        for line in lines:
            pending.append(line)
            held += len(line)
            if held >= size:
                yield b"".join(pending)
                pending, held = [], 0
    except BrokenOff:
        yield b"".join(pending)
        raise
    yield b"".join(pending)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=GZIP)
    try:
        for piece in pieces:
            yield compressor.compress(piece)
    except BrokenOff as broken:
        yield compressor.flush(zlib.Z_SYNC_FLUSH)
        if broken.tail is not None:
            broken.tail = compressor.compress(broken.tail) + compressor.flush(zlib.Z_SYNC_FLUSH)
        raise
    yield compressor.flush()


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """HTTP/1.1 chunks with the terminator, which a reply that breaks off lacks."""
    try:
        for piece in filter(None, pieces):
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    except BrokenOff as broken:
        if broken.tail is not None:
            yield b"%x\r\n%b" % (len(broken.tail) + MISSING, broken.tail)
        raise
    yield b"0\r\n\r\n"


def unframed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bare bytes, whose end is the end of the connection."""
    try:
        yield from pieces
    except BrokenOff as broken:
        if broken.tail:
            yield broken.tail
        raise
