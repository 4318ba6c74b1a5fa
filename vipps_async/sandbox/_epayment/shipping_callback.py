"""Ask a merchant's server what it costs to ship to the user: Express with dynamic options.

Source: ePayment API, Express and merchant endpoints. How long the answer may take is not documented; here it is as long
as a webhook has.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from vipps_async._wire.json import NotJson, decode, encode
from vipps_async.sandbox._epayment.express import GROUPS, Groups, is_paid_in, repeats_a_kind
from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.schema import explain, record

_log = logging.getLogger("vipps_async.sandbox")

ANSWER_WITHIN = timedelta(seconds=10)
_LIMIT = 1024 * 1024  # bytes of an answer

_ANSWER = record(required={"groups": GROUPS})
# ePayment API 1.8.1, DynamicShippingGroupsRequest.
_LINES = ("addressLine1", "addressLine2", "city", "postCode", "country")


class NotShipped(Exception):
    """The merchant's server offered nothing that the user could choose; the message says what it did instead."""


async def ask(payment: LedgerPayment, address: Mapping[str, str], *, strict: bool) -> Groups:
    """Return the groups of shipping options that the merchant offers to *address* for *payment*.

    Args:
        payment: what is shipped.
        address: where to.
        strict: whether the answer is held to the documents.

    Raises:
        NotShipped: the server could not be reached in time, said no, or its answer is not what the API asks for.
    """
    callback = payment.request["shipping"]["dynamicOptions"]
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            body = await _post(callback, _question(payment, address, strict=strict))
    except TimeoutError:
        raise NotShipped(f"no answer within {ANSWER_WITHIN.total_seconds():g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotShipped(f"{type(error).__name__}: {error}") from error
    leniency = Leniency(strict=strict)
    groups = _read(body, payment.currency, leniency)
    if leniency.notes:
        _log.info("the shipping callback of %s: %s", payment.reference, "; ".join(leniency.notes))
    return groups


def _question(payment: LedgerPayment, address: Mapping[str, str], *, strict: bool) -> bytes:
    documented = {f"{name[0].upper()}{name[1:]}": address.get(name) for name in _LINES}
    if strict:
        given = {name: line for name, line in documented.items() if line is not None}
        return encode({"reference": payment.reference, **given})
    # Without a capital, too, as some shops read them, and each line also where it is empty.
    return encode({"reference": payment.reference, **documented, **{name: address.get(name) for name in _LINES}})


async def _post(callback: Mapping[str, Any], question: bytes) -> bytes:
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    if token := callback.get("callbackAuthorizationToken"):
        headers["Authorization"] = token
    url = URL(callback["callbackUrl"], encoded=True)
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(url, data=question, headers=headers, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise NotShipped(f"it answered {response.status}")
        return await _read_all(response.content)


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _LIMIT:
            raise NotShipped(f"its answer has more than {_LIMIT} bytes")
    return bytes(body)


def _read(body: bytes, currency: str, leniency: Leniency) -> Groups:
    try:
        answer = decode(body)
    except NotJson as error:
        raise NotShipped("its answer is not JSON") from error
    if not leniency.is_strict:
        answer = _ANSWER.amend(answer, "", leniency)
    if violations := list(_ANSWER(answer, "")):
        raise NotShipped(explain(violations))
    groups: Groups = answer["groups"]
    if repeats_a_kind(groups) and not leniency.allows("two groups of one brand and type"):
        raise NotShipped("two groups have the same brand and type")
    if not is_paid_in(currency, groups):
        raise NotShipped(f"an option is not paid in {currency}, the payment's currency")
    return groups
