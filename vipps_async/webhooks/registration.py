"""Register, list and delete webhooks. Source: Webhooks API v1."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import attrs

from vipps_async._http import call
from vipps_async._http.reply import ignore, read_as
from vipps_async._http.session import ApiClient
from vipps_async._wire.secret import Secret
from vipps_async._wire.serializable import Serializable
from vipps_async._wire.urls import CALLED_RULE, is_called, normal_url, shown
from vipps_async.epayment import PaymentEventName
from vipps_async.errors import InvalidRequest

_WEBHOOKS = "/webhooks/v1/webhooks"
_PAYMENT_EVENTS = tuple(name for name in PaymentEventName if name is not PaymentEventName.AUTHORISATION_ADJUSTMENT)


@attrs.frozen(kw_only=True)
class RegisteredWebhook(Serializable):
    """A registration as it is listed: without its secret.

    Attributes:
        id: what `Webhooks.delete` takes.
        url: where deliveries go.
        events: types such as ``epayments.payment.captured.v1``.
        raw: the document as it came.
    """

    id: str
    url: str
    events: tuple[str, ...]
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class NewWebhook:
    """A registration that was just made.

    Attributes:
        id: what `Webhooks.delete` takes.
        secret: what deliveries are signed with, as text. It is given this once: store it before anything else.
        url: where deliveries go, as it was registered.
        events: types such as ``epayments.payment.captured.v1``.
    """

    id: str
    secret: str = attrs.field(converter=Secret, repr=False)
    url: str
    events: tuple[str, ...]


@attrs.frozen
class _RegisterRequest:
    url: str
    events: tuple[str, ...]


@attrs.frozen
class _RegisterReply:
    id: str
    secret: str = attrs.field(repr=False)


@attrs.frozen
class _ListReply:
    webhooks: tuple[RegisteredWebhook, ...]


class Webhooks:
    """Webhook registrations; `VippsClient.webhooks`.

    Args:
        client: sends the calls.
    """

    def __init__(self, client: ApiClient) -> None:
        self._session = client.session

    async def register(self, url: str, events: Iterable[PaymentEventName | str] = _PAYMENT_EVENTS) -> NewWebhook:
        """Have events delivered to *url*.

        Args:
            url: ``https://…``, reachable by everybody, no redirect, port 80, 443 or 8080; a sandbox
                delivers to ``http://`` and any port within a private network too. The host is sent in lower case,
                letters such as ø as ``xn--…``.
            events: `PaymentEventName` members or their texts, or types of other APIs such as
                ``recurring.charge-captured.v1``; every payment event by default.

        Returns:
            The registration with its secret, which is shown this once.

        Raises:
            InvalidRequest: the URL or the events cannot be registered.
            BadRequest: the API refuses them, or 25 registrations of an event exist already.
            OutcomeUnknown: it may be registered; find it with `list`, delete it, and register again for its secret.
            CallError: as another of its subclasses.

        Source: Webhooks API, register webhook.
        """
        if not is_called(url):
            raise InvalidRequest("url", shown(url), CALLED_RULE)
        address = normal_url(url)
        types = tuple(dict.fromkeys(map(_event_type, events))) if isinstance(events, Iterable) else ()
        if not types:
            raise InvalidRequest("events", events, "must name one event or more")
        registration = call.write("register webhook", _WEBHOOKS, _RegisterRequest(address, types), is_sensitive=True)
        reply = await self._session.send(registration, partial(read_as, cls=_RegisterReply))
        return NewWebhook(id=reply.id, secret=reply.secret, url=address, events=types)

    async def list(self) -> list[RegisteredWebhook]:
        """Return the registrations, without their secrets.

        Raises:
            CallError: as one of its subclasses.

        Source: Webhooks API, get all registered webhooks.
        """
        reply = await self._session.send(call.read("list webhooks", _WEBHOOKS), partial(read_as, cls=_ListReply))
        return list(reply.webhooks)

    async def delete(self, id: str) -> None:  # noqa: A002 - the API's word for it
        """Delete a registration; deliveries that are still to be retried end with it.

        Args:
            id: the registration's.

        Raises:
            InvalidRequest: it cannot be an id.
            NotFound: there is no such registration.
            OutcomeUnknown: it may be deleted; look with `list`.
            CallError: as another of its subclasses.

        Source: Webhooks API, delete webhook.
        """
        if not isinstance(id, str) or not id.isascii() or not id.strip("."):
            raise InvalidRequest("id", id, "must be the id of a registration")
        path = f"{_WEBHOOKS}/{quote(id, safe='')}"
        await self._session.send(call.write("delete webhook", path, method="DELETE", expects_body=False), ignore)


def _event_type(event: PaymentEventName | str) -> str:
    if isinstance(event, str) and "." in event and event.isascii():
        return str(event)
    name = PaymentEventName(event)
    if name not in _PAYMENT_EVENTS:
        rule = f"must be an event type, or one of {', '.join(_PAYMENT_EVENTS)}"
        raise InvalidRequest("events", str(event), rule)
    return name.event_type
