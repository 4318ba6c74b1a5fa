"""Answers Vipps MobilePay when it asks which shipping an Express payment can have, once it knows the user's address.

Source: ePayment API, Express and merchant endpoints. How long an answer may take is not documented; a user is waiting.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from vipps_async._wire.converter import Malformed, structure, unstructure
from vipps_async._wire.durations import checked_duration
from vipps_async._wire.json import NotJson, decode, encode
from vipps_async._wire.secret import hides_arguments
from vipps_async.epayment import Address, DynamicOptions, Shipping, ShippingGroup
from vipps_async.errors import ConfigurationError, printable, shorten
from vipps_async.webhooks import IncomingRequest, Reply
from vipps_async.webhooks._handlers import is_async
from vipps_async.webhooks._requests import TOO_LARGE, refusal_by_form
from vipps_async.webhooks.asgi_app import AsgiApp

if TYPE_CHECKING:
    from aiohttp import web

_logger = logging.getLogger("vipps_async.express")

_BODY_LIMIT = 64 * 1024
_TIMEOUT = timedelta(seconds=8)
_JSON = {"Content-Type": "application/json"}
_NO_TOKEN = Reply(401, body=b"the Authorization header does not have the token")
_NOT_SHIPPED = Reply(400, body=b"nothing is shipped there")
_TOO_SLOW = Reply(503, body=b"the options took too long")
_FAILED = Reply(500, body=b"the options failed")


@attrs.frozen(kw_only=True)
class ShippingRequest:
    """A question for shipping options.

    Attributes:
        reference: the payment's.
        address: the user's; each line is ``None`` where the question has none.
        raw: the question as it came.
    """

    reference: str
    address: Address
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


OptionsFor = Callable[[ShippingRequest], Awaitable[Iterable[ShippingGroup]]]


class ShippingEndpoint:
    """The endpoint of a shop that tells the shipping options of Express payments; mounted as a `WebhookReceiver` is.

    Args:
        options: an ``async def`` that takes a `ShippingRequest` and returns the groups of options, each price in the
            payment's currency; no group where nothing is shipped to that address.
        url: where Vipps MobilePay finds it: ``https://`` on port 80, 443 or 8080.
        token: 1 to 50 letters, digits and ``-`` that each question has to carry, as `shipping` tells Vipps MobilePay.
        timeout: seconds, or a timedelta, that *options* may take; the user is waiting.

    Raises:
        InvalidRequest: the URL or the token cannot be one.
        ConfigurationError: *options* is not async, or the timeout no time.

    ::

        async def options(request: ShippingRequest) -> list[ShippingGroup]: ...

        shipping = ShippingEndpoint(options, url="https://shop.example/vipps/shipping", token="a1b2-c3d4")
        shipping.setup(app, "/vipps/shipping")
        await vipps.epayment.create(…, profile_scope="name address", shipping=shipping.shipping)
    """

    @hides_arguments
    def __init__(self, options: OptionsFor, *, url: str, token: str, timeout: float | timedelta = _TIMEOUT) -> None:
        if not is_async(options):
            raise ConfigurationError(f"options={shorten(options)} must be an `async def`: the endpoint awaits it")
        self._options = options
        self._asked = DynamicOptions(callback_url=url, callback_authorization_token=token)
        self._token = token.encode()
        self._timeout = checked_duration("timeout", timeout)

    @property
    def shipping(self) -> Shipping:
        """What a payment is created with, so that its options are asked for here."""
        return Shipping(dynamic_options=self._asked)

    @property
    def max_body(self) -> int:
        """Bytes that a question may have."""
        return _BODY_LIMIT

    @property
    def path(self) -> None:
        """None: it does not matter by which path a question arrives."""

    def setup(self, app: "web.Application", path: str) -> None:
        """Route *path* of an aiohttp application here.

        Args:
            app: the application, not yet started.
            path: where questions arrive, which behind a proxy need not be the URL's path.
        """
        from vipps_async.webhooks import aiohttp_app  # noqa: PLC0415 - aiohttp.web is slow to import; only servers need it

        aiohttp_app.setup(self, app, path)

    def asgi_app(self) -> AsgiApp:
        """Return an ASGI application that takes ``POST`` at every path; in Starlette and FastAPI, give it a route."""
        return AsgiApp(self)

    def start(self) -> None:
        """Do nothing: nothing runs in the background."""

    async def close(self) -> None:
        """Do nothing: an answer that is under way is its server's to end."""

    def refuse(self, reply: Reply) -> Reply:
        """Return *reply*: refusals are not counted."""
        return reply

    def refusal(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer to what need not be read, ``None`` for a question; names of *headers* in lower case."""
        by_form = refusal_by_form(method, headers, max_body=_BODY_LIMIT)
        if by_form is not None:
            return by_form
        given = headers.get("authorization", "").encode("utf-8", "surrogateescape")
        return None if hmac.compare_digest(given, self._token) else _NO_TOKEN

    async def handle(self, request: IncomingRequest) -> Reply:
        """Answer a question; never raises for what arrives.

        Returns:
            What to send: 200 with the groups; 400 where nothing is shipped, and for what is no question; 401 without
            the token; 405, 413, 415 no question at all; 500 *options* raised; 503 it took too long.
        """
        refused = self.refusal(request.method, request.headers)
        if refused is not None:
            return refused
        if len(request.body) > _BODY_LIMIT:
            return TOO_LARGE
        try:
            question = _read(request.body)
        except (NotJson, Malformed) as error:
            _logger.warning("what asks for shipping options is no question: %s", printable(str(error), 500))
            return Reply(400, body=b"the body is no question for shipping options")
        return await self._answered(question)

    async def _answered(self, question: ShippingRequest) -> Reply:
        reference, limit = printable(question.reference), asyncio.timeout(self._timeout.total_seconds())
        try:
            async with limit:
                groups = tuple(await self._options(question))
            body = _written(groups)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                _logger.error("the shipping options of %s took longer than %s", reference, self._timeout)  # noqa: TRY400 - where it was cut off tells nothing
                return _TOO_SLOW
            _logger.exception("the shipping options of %s failed", reference)
            return _FAILED
        return Reply(200, _JSON, body) if groups else _NOT_SHIPPED


@attrs.frozen(kw_only=True)
class _Question:
    reference: str
    raw: Mapping[str, Any]


def _read(body: bytes) -> ShippingRequest:
    document = decode(body)
    if not isinstance(document, dict):
        raise Malformed(f"expected an object, not {shorten(document)}")
    # Members begin with a capital, or do not: documents and integrations differ. What is not null counts.
    members: dict[str, Any] = {}
    for name, value in document.items():
        small = name[:1].lower() + name[1:]
        members[small] = value if members.get(small) is None else members[small]
    question, address = structure(members, _Question), structure(members, Address)
    return ShippingRequest(reference=question.reference, address=address, raw=document)


def _written(groups: tuple[ShippingGroup, ...]) -> bytes:
    if not all(isinstance(group, ShippingGroup) for group in groups):
        raise ConfigurationError(f"options must return ShippingGroup objects, not {shorten(groups)}")
    return encode({"groups": unstructure(groups)})
