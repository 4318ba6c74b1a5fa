"""Draw a QR code as an image. Performs no I/O; needs segno, which the extra ``qr`` brings.

Source: ePayment API, create payment (``qrFormat``).
"""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import segno

_QUIET = 4  # modules of white around the code, without which scanners do not find it: ISO/IEC 18004
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS_A_PIXEL, _GREY = 1, 0


class NotInstalled(Exception):
    """Segno is not installed."""


def as_svg(text: str) -> bytes:
    """Return *text* as an SVG image that scales to any size.

    Raises:
        NotInstalled: segno is not there.
    """
    out = io.BytesIO()
    _encode(text).save(out, kind="svg", border=_QUIET, light="#fff", omitsize=True)
    return out.getvalue()


def as_png(text: str, *, size: int) -> bytes:
    """Return *text* as a PNG image of exactly *size* by *size* pixels.

    Raises:
        NotInstalled: segno is not there.
    """
    matrix = _encode(text).matrix
    scale = size // (len(matrix) + 2 * _QUIET)
    margin = (size - scale * len(matrix)) // 2
    blank = _scanline([], size, margin, scale)
    lines = [line for row in matrix for line in [_scanline(row, size, margin, scale)] * scale]
    pixels = b"".join([blank] * margin + lines + [blank] * (size - margin - len(lines)))
    header = struct.pack(">IIBBBBB", size, size, _BITS_A_PIXEL, _GREY, 0, 0, 0)
    return b"".join((_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(pixels)), _chunk(b"IEND", b"")))


def _encode(text: str) -> "segno.QRCode":
    try:
        import segno  # noqa: PLC0415 - an extra, loaded where it is used
    except ImportError as error:
        raise NotInstalled from error
    return segno.make_qr(text)


def _scanline(row: Sequence[int], size: int, margin: int, scale: int) -> bytes:
    white = "1"
    dark = "".join("10"[module] * scale for module in row)
    pixels = (white * margin + dark).ljust(-(-size // 8) * 8, white)
    # Every line of a PNG begins with its filter, and 0 is none.
    return b"\x00" + int(pixels, 2).to_bytes(len(pixels) // 8, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
