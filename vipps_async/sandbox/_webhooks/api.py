"""The Webhooks API: registers, lists and deletes. Performs no I/O. Source: Webhooks API v1."""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from vipps_async._wire.urls import is_private, parsed
from vipps_async.sandbox._platform.api import ApiDefinition, Stateless
from vipps_async.sandbox._platform.problems import plain
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest, Route
from vipps_async.sandbox._platform.schema import UUID, record, sequence, text
from vipps_async.sandbox._webhooks.registrations import Registration, Registrations

_PATH = "/webhooks/v1/webhooks"
_REGISTRATION = record(required={"url": text(), "events": sequence(text(), least=1)})


@attrs.frozen
class SalesUnitWebhooks:
    """The webhooks of a sales unit, as the API changes and shows them.

    Attributes:
        registrations: which there are.
        cancel_deliveries: ends the deliveries to one that was deleted.
        sent_types: the event types that the sandbox sends, which one that was not registered for any is shown with.
    """

    registrations: Registrations
    cancel_deliveries: Callable[[str], None]
    sent_types: tuple[str, ...]

    def register(self, url: str, events: Iterable[str]) -> Registration:
        """Register one, within the limits; raises what `Registrations.register` does."""
        return self.registrations.register(url, events)

    def delete(self, identifier: str) -> bool:
        """Remove one, and end its deliveries; return whether there was one."""
        if not self.registrations.remove(identifier):
            return False
        self.cancel_deliveries(identifier)
        return True

    def documents(self) -> list[dict[str, Any]]:
        """Return what a list shows of them."""
        return [self.document(registration) for registration in self.registrations.all()]

    def document(self, registration: Registration) -> dict[str, Any]:
        """Return what a list shows of one: never its secret."""
        events = self.sent_types if registration.events is None else registration.events
        return {"id": registration.id, "url": registration.url, "events": list(events)}


def _register(api: Stateless, request: ApiRequest) -> HttpReply:
    registration = api.platform.webhooks.register(request.body["url"], request.body["events"])
    if is_private(parsed(registration.url).hostname):
        request.leniency.note("out of Vipps MobilePay's reach: url")
    return of_json(201, {"id": registration.id, "secret": registration.secret})


def _list(api: Stateless, _: ApiRequest) -> HttpReply:
    return of_json(200, {"webhooks": api.platform.webhooks.documents()})


def _delete(api: Stateless, request: ApiRequest) -> HttpReply:
    if not api.platform.webhooks.delete(request.resource):
        raise plain(404, "There is no such webhook.")
    return HttpReply(status=204)


WEBHOOKS = ApiDefinition(
    name="webhooks",
    prefix="/webhooks",
    routes=(
        Route(
            "webhooks.register",
            "POST",
            _PATH,
            handle=_register,
            body=_REGISTRATION,
            msn_required=False,
            answers_secret=True,
        ),
        Route("webhooks.list", "GET", _PATH, handle=_list, reads=True, msn_required=False),
        Route("webhooks.delete", "DELETE", f"{_PATH}/{{id}}", handle=_delete, resource=UUID, msn_required=False),
    ),
)
