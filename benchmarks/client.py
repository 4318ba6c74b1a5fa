"""What a call costs this client, against aiohttp and httpx as their best users write it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import orjson

from benchmarks.children import child
from benchmarks.pairs import Row, Work, compare
from vipps_async import Amount, Credentials, Environment, VippsClient

WIDTH = 50
CALLS = 100
MANY = 2_000  # calls, so that there are enough to have 1,000 in flight
MANY_ROUNDS = 15

PAYMENTS = "/epayment/v1/payments"
KEYS = Credentials(
    client_id="id-of-nobody",
    client_secret="secret-of-nobody",
    subscription_key="key-of-nobody",
    merchant_serial_number="123456",
)
# What Vipps MobilePay asks of every request, and this client sends too.
HEADERS = {
    "Authorization": "Bearer a-token-of-nobody",
    "Ocp-Apim-Subscription-Key": "key-of-nobody",
    "Merchant-Serial-Number": "123456",
    "Vipps-System-Name": "acme",
    "Vipps-System-Version": "1.0",
    "Vipps-System-Plugin-Name": "acme-pay",
    "Vipps-System-Plugin-Version": "1.0",
}

# An operation, given a reference.
Operation = Callable[[str], Awaitable[Any]]
Operations = dict[str, Operation]


def return_url(reference: str) -> str:
    """Where the user comes back to, another address for each payment."""
    return f"https://shop.example/return/{reference}"


def creation(reference: str) -> dict[str, Any]:
    """The body that creates a payment."""
    return {
        "amount": {"currency": "NOK", "value": 49900},
        "paymentMethod": {"type": "WALLET"},
        "reference": reference,
        "userFlow": "WEB_REDIRECT",
        "returnUrl": return_url(reference),
    }


MODIFICATION = {"modificationAmount": {"currency": "NOK", "value": 49900}}


@asynccontextmanager
async def with_aiohttp(url: str) -> AsyncIterator[Operations]:
    """Dictionaries through a plain session."""
    async with aiohttp.ClientSession(url, headers=HEADERS, json_serialize_bytes=orjson.dumps) as session:

        async def post(path: str, document: Any) -> Any:
            key = {"Idempotency-Key": str(uuid4())}
            async with session.post(path, json=document, headers=key, raise_for_status=True) as response:
                return await response.json(loads=orjson.loads)

        async def get(reference: str) -> Any:
            async with session.get(f"{PAYMENTS}/{reference}", raise_for_status=True) as response:
                return await response.json(loads=orjson.loads)

        yield {
            "create": lambda reference: post(PAYMENTS, creation(reference)),
            "get": get,
            "capture": lambda reference: post(f"{PAYMENTS}/{reference}/capture", MODIFICATION),
        }


@asynccontextmanager
async def with_httpx(url: str) -> AsyncIterator[Operations]:
    """Dictionaries through a plain httpx client."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)  # as aiohttp has them
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, limits=limits) as http:

        async def post(path: str, document: Any) -> Any:
            key = {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
            response = await http.post(path, content=orjson.dumps(document), headers=key)
            return orjson.loads(response.raise_for_status().content)

        async def get(reference: str) -> Any:
            response = await http.get(f"{PAYMENTS}/{reference}")
            return orjson.loads(response.raise_for_status().content)

        yield {
            "create": lambda reference: post(PAYMENTS, creation(reference)),
            "get": get,
            "capture": lambda reference: post(f"{PAYMENTS}/{reference}/capture", MODIFICATION),
        }


@asynccontextmanager
async def with_vipps_async(url: str) -> AsyncIterator[Operations]:
    """This package's client."""
    async with VippsClient(KEYS, environment=Environment(url)) as vipps:
        amount = Amount(49900, "NOK")
        yield {
            "create": lambda reference: vipps.epayment.create(
                amount=amount, reference=reference, return_url=return_url(reference)
            ),
            "get": vipps.epayment.get,
            "capture": lambda reference: vipps.epayment.capture(reference, amount),
        }


# Each with the limit of the ratio, and as many rounds as it takes that the ratio comes out the same again.
OTHERS = {"aiohttp": (with_aiohttp, 1.15, 101), "httpx": (with_httpx, 0.6, 11)}
_numbers = itertools.count()


async def fly(operation: Operation, *, width: int, calls: int) -> None:
    """Call *operation* for new references, *width* at a time."""
    numbers = itertools.islice(_numbers, calls)

    async def call_on() -> None:
        for number in numbers:
            await operation(f"acme-shop-123-{number:011}")

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(call_on())


async def compare_clients() -> list[Row]:
    """Compare this client with each of the others, operation by operation."""
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(child("benchmarks.answering"))
        url = f"http://127.0.0.1:{await server.hear()}"
        own = await opened.enter_async_context(with_vipps_async(url))
        rows: list[Row] = []
        for name, (connect, limit, rounds) in OTHERS.items():
            others = await opened.enter_async_context(connect(url))
            for what, operation in own.items():
                base, other = (Work(partial(fly, one, width=WIDTH, calls=CALLS)) for one in (others[what], operation))
                figures = await compare(base, other, rounds=rounds, units=CALLS)
                rows.append({"work": what, "base": name, "CPU at most": limit, **figures})
        return rows


async def compare_flights() -> list[Row]:
    """Compare a read among few and among many with one among ten; aiohttp's tells what is the event loop's share."""
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(child("benchmarks.answering"))
        url = f"http://127.0.0.1:{await server.hear()}"
        rows: list[Row] = []
        for name, connect, limit in (("vipps_async", with_vipps_async, "1.2"), ("aiohttp", with_aiohttp, "")):
            get = (await opened.enter_async_context(connect(url)))["get"]
            for width in (1, 100, 1_000):
                base, other = (Work(partial(fly, get, width=one, calls=MANY)) for one in (10, width))
                figures = await compare(base, other, rounds=MANY_ROUNDS, units=MANY)
                rows.append({"client": name, "in flight": f"{width:,}", "CPU at most": limit, **figures})
        return rows
