"""The QR flow: an image that leads a phone to the payment; and the push flow, which needs none."""

import re
import struct
import sys
import zlib
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import segno

from tests.support.sandbox.merchant import REFERENCE, Got, Merchant, Shop
from vipps_async.sandbox._epayment.lifecycle import State

QR: dict[str, Any] = {"userFlow": "QR", "returnUrl": None}
PUSH: dict[str, Any] = {"userFlow": "PUSH_MESSAGE", "returnUrl": None, "customer": {"phoneNumber": "4712345678"}}

Matrix = list[list[int]]


def expected(merchant: Merchant) -> Matrix:
    """The modules of the code that leads to the payment's landing page, dark ones 1."""
    token = merchant.sandbox.payments[REFERENCE].token
    return [list(row) for row in segno.make_qr(f"{merchant.sandbox.base_url}/landing?token={token}").matrix]


def read_png(image: bytes) -> list[str]:
    """Return the rows of a PNG of one bit a pixel, white ones "1"."""
    chunks, at = {}, 8
    while at < len(image):
        length, kind = struct.unpack_from(">I4s", image, at)
        data = image[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", image, at + 8 + length)[0] == zlib.crc32(kind + data)
        chunks[kind], at = data, at + 12 + length
    width, height, depth, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (image[:8], depth, list(chunks)[-1]) == (b"\x89PNG\r\n\x1a\n", 1, b"IEND")
    pixels, stride = zlib.decompress(chunks[b"IDAT"]), 1 + (width + 7) // 8
    rows = [pixels[start + 1 : start + stride] for start in range(0, len(pixels), stride)]
    assert (len(rows), set(pixels[::stride])) == (height, {0})
    return ["".join(f"{byte:08b}" for byte in row)[:width] for row in rows]


def modules_of_png(rows: list[str]) -> Matrix:
    """Return the modules of a code, found as a scanner does: by its frame, and the width of its first finder."""
    dark = [number for number, row in enumerate(rows) if "0" in row]
    top, bottom = dark[0], dark[-1] + 1
    left = rows[top].index("0")
    step, rest = divmod(rows[top].index("1", left) - left, 7)
    assert rest == 0
    assert min(left, top, len(rows) - bottom) >= 4 * step
    return [[1 - int(rows[y][x]) for x in range(left, left + bottom - top, step)] for y in range(top, bottom, step)]


def modules_of_svg(image: bytes) -> Matrix:
    """Return the modules of a code that is drawn with horizontal strokes, without its quiet zone."""
    root = ET.fromstring(image)  # noqa: S314 - made a moment ago by the sandbox itself
    size = int(root.attrib["viewBox"].split()[2])
    matrix = [[0] * size for _ in range(size)]
    (strokes,) = [path.attrib["d"] for path in root.iter() if "stroke" in path.attrib]
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", strokes):
        first, *rest = (float(number) for number in numbers.split())
        if command == "M":
            x, y = first, rest[0]
        elif command == "m":
            x, y = x + first, y + rest[0]
        else:
            matrix[int(y)][int(x) : int(x + first)] = [1] * int(first)
            x += first
    assert not any(any(row[:4] + row[-4:]) for row in matrix)
    return [row[4:-4] for row in matrix[4:-4]]


async def image_of(merchant: Merchant, **changes: Any) -> Got:
    """Create a payment, and fetch what its redirect URL leads to, without any credentials."""
    created = await merchant.create(**QR, **changes)
    return await merchant.send("GET", created.json["redirectUrl"])


@pytest.mark.parametrize("qr_format", [None, {"format": "IMAGE/SVG+XML"}, {"format": "IMAGE/SVG+XML", "size": 200}])
async def test_an_svg_image_leads_to_the_payment(merchant: Merchant, qr_format: Any) -> None:
    """It is the default, scales by itself, and is the QR code of the landing page's address."""
    got = await image_of(merchant, qrFormat=qr_format)
    assert (got.status, got.headers["Content-Type"]) == (200, "image/svg+xml")
    assert modules_of_svg(got.body) == expected(merchant)


@pytest.mark.parametrize(
    ("asked", "size"), [({}, 1024), ({"size": None}, 1024), ({"size": 100}, 100), ({"size": 2000}, 2000)]
)
async def test_a_png_image_has_the_size_that_was_asked_for(merchant: Merchant, asked: Any, size: int) -> None:
    """Exactly, with modules of whole pixels and the quiet zone that scanners need; 1024 pixels by default."""
    got = await image_of(merchant, qrFormat={"format": "IMAGE/PNG", **asked})
    assert (got.status, got.headers["Content-Type"]) == (200, "image/png")
    rows = read_png(got.body)
    assert {len(row) for row in rows} | {len(rows)} == {size}
    assert modules_of_png(rows) == expected(merchant)


async def test_the_target_can_be_had_as_text(merchant: Merchant) -> None:
    """`TEXT/TARGETURL` gives the address that the image would hold, for those who draw it themselves."""
    created = await merchant.create(**QR, qrFormat={"format": "TEXT/TARGETURL"})
    assert created.json["redirectUrl"].startswith(f"{merchant.sandbox.base_url}/landing?token=")
    assert "Approve" in (await merchant.send("GET", created.json["redirectUrl"])).body.decode()


async def test_the_user_scans_and_pays(merchant: Merchant) -> None:
    """What the image leads to approves the payment."""
    await image_of(merchant)
    landing = f"/landing?token={merchant.sandbox.payments[REFERENCE].token}"
    await merchant.send("POST", landing, data={"action": "approve"})
    assert merchant.sandbox.payments[REFERENCE].state is State.AUTHORIZED


async def test_a_code_lives_as_long_as_its_payment(merchant: Merchant) -> None:
    """When time ran out, and for a token that stands for nothing, there is no image."""
    created = await merchant.create(**QR)
    merchant.sandbox.clock.advance(timedelta(minutes=10))
    assert (await merchant.send("GET", created.json["redirectUrl"])).status == 404
    assert (await merchant.send("GET", "/qr?token=unknown")).status == 404
    assert (await merchant.send("GET", "/qr")).status == 404


async def test_without_the_extra_the_image_says_what_to_install(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payment is there and can be approved; only the image is missing."""
    monkeypatch.setitem(sys.modules, "segno", None)
    got = await image_of(merchant)
    assert (got.status, "pip install 'vipps-async[qr]'" in got.json["detail"]) == (501, True)
    await merchant.sandbox.approve(REFERENCE)


async def test_a_push_message_needs_no_address(merchant: Merchant, shop: Shop) -> None:
    """There is no redirect URL, neither at once nor later; the user who was asked approves, and is disclosed."""
    await merchant.sandbox.add_webhook(shop.url)
    created = await merchant.create(**PUSH, profile={"scope": "phoneNumber"})
    assert created.json == {"reference": REFERENCE}
    assert "redirectUrl" not in (await merchant.get()).json
    await merchant.sandbox.approve(REFERENCE)
    await merchant.sandbox.settled()
    assert [body["name"] for body in shop.bodies] == ["CREATED", "AUTHORIZED"]
    assert shop.bodies[-1]["userDetails"]["mobileNumber"] == "4712345678"


async def test_a_push_message_that_nobody_answers_runs_out(merchant: Merchant) -> None:
    """Like any payment, after ten minutes; and it can be approved by force before."""
    await merchant.create(**PUSH)
    merchant.sandbox.clock.advance(timedelta(minutes=10))
    assert (await merchant.get()).json["state"] == "EXPIRED"
    await merchant.create(**PUSH, reference="second-payment")
    path = "/epayment/v1/test/payments/second-payment/approve"
    assert (await merchant.call("POST", path, {"customer": PUSH["customer"]})).status == 200
