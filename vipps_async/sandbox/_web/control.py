"""The sandbox's own surface over HTTP, under ``/sandbox``: what a person or another language does to it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import attrs
from aiohttp import web

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._epayment.approval_details import ApprovalDetails
from vipps_async.sandbox._epayment.express import ADDRESS
from vipps_async.sandbox._epayment.ledger import ActionRefused, UnknownReference
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.operations import registered
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.rules import refuse_violations
from vipps_async.sandbox._faults.plan import InjectedFault
from vipps_async.sandbox._faults.rules import DELIVERIES, OPTIONS, FaultRule, fault_rule
from vipps_async.sandbox._platform.bodies import parse
from vipps_async.sandbox._platform.clock import LIMIT
from vipps_async.sandbox._platform.problems import error, plain
from vipps_async.sandbox._platform.replies import Reply, of_json
from vipps_async.sandbox._platform.schema import Check, Violation, nullable, number, record, sequence, text
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import read_body, to_response
from vipps_async.sandbox._webhooks.records import Delivery, RecordedRequest, UnknownDelivery

_ACTIONS: Mapping[str, Action] = MappingProxyType(
    {"approve": Action.APPROVE, "reject": Action.REJECT, "expire": Action.EXPIRE}
)


def _anything(_value: Any, _path: str) -> Iterator[Violation]:
    return iter(())


_FIELDS: Mapping[str, str] = MappingProxyType({**{name: name for name in OPTIONS}, "retry_after": "retryAfter"})
_OPTIONS: Mapping[str, str] = MappingProxyType({field: name for name, field in _FIELDS.items()})

_CLOCK = record(required={"advance": number(least=0, most=LIMIT.total_seconds())})
_FAULT = record(required={"operation": text(), "fault": text()}, optional=dict.fromkeys(_OPTIONS, _anything))
_SUFFERING = {"fault": nullable(text())}
_DELIVERY_FAULT = record(optional=_SUFFERING)
_APPROVAL = record(optional={**_SUFFERING, "shippingOption": nullable(text()), "address": nullable(ADDRESS)})
_WEBHOOK = record(
    required={"url": text()}, optional={"events": nullable(sequence(text())), "secret": nullable(text(least=1))}
)
_SIGNATURES = frozenset({"Authorization", "X-Vipps-Authorization"})


@attrs.frozen
class Control:
    """Serves the control surface of an installation."""

    installation: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [
            web.get("/sandbox/payments", self._list_payments, allow_head=False),
            *(
                web.post(f"/sandbox/payments/{{reference}}/{name}", self._acting(action))
                for name, action in _ACTIONS.items()
            ),
            web.get("/sandbox/deliveries", self._list_deliveries, allow_head=False),
            web.post(r"/sandbox/deliveries/{id:\d{1,18}}/redeliver", self._redeliver),
            web.get("/sandbox/requests", self._list_requests, allow_head=False),
            web.post("/sandbox/reset", self._forget),
            web.get("/sandbox/clock", self._tell_time, allow_head=False),
            web.post("/sandbox/clock", self._advance),
            web.get("/sandbox/faults", self._list_faults, allow_head=False),
            web.post("/sandbox/faults", self._order_fault),
            web.delete("/sandbox/faults", self._withdraw_faults),
            web.delete("/sandbox/tokens", self._revoke_tokens),
            web.post("/sandbox/webhooks", self._add_webhook),
            web.delete("/sandbox/webhooks/{id}", self._remove_webhook),
        ]

    async def _list_payments(self, _: web.Request) -> web.Response:
        self.installation.expire_due()
        shown = [shown_payment(payment) for payment in self.installation.ledger.payments.values()]
        return _json(200, {"payments": shown})

    def _acting(self, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        check = _APPROVAL if action is Action.APPROVE else _DELIVERY_FAULT

        async def act(request: web.Request) -> web.Response:
            reference, body = request.match_info["reference"], await _body(request, check, required=False)
            choice = ApprovalDetails(shipping_option=body.get("shippingOption"), address=body.get("address"))
            try:
                with self.installation.deliveries.injecting(reference, _delivery_fault(body)):
                    after = await self.installation.act(reference, action, choice)
            except UnknownReference:
                raise error("5090") from None
            except ActionRefused as refused:
                raise plain(409, str(refused)) from refused
            return _json(200, shown_payment(after))

        return act

    async def _list_deliveries(self, _: web.Request) -> web.Response:
        shown = [shown_delivery(delivery) for delivery in self.installation.deliveries.records]
        return _json(200, {"deliveries": shown, "pending": self.installation.deliveries.pending})

    async def _redeliver(self, request: web.Request) -> web.Response:
        fault = _delivery_fault(await _body(request, _DELIVERY_FAULT))
        try:
            self.installation.deliveries.redeliver(int(request.match_info["id"]), fault)
        except UnknownDelivery as unknown:
            raise plain(404, f"{unknown}.") from unknown
        return to_response(Reply(status=202))

    async def _list_requests(self, _: web.Request) -> web.Response:
        return _json(200, {"requests": [_request(request) for request in self.installation.requests]})

    async def _forget(self, _: web.Request) -> web.Response:
        await self.installation.reset()
        return to_response(Reply(status=204))

    async def _tell_time(self, _: web.Request) -> web.Response:
        return _json(
            200, {"now": _time(self.installation.clock.now()), "ahead": self.installation.clock.offset.total_seconds()}
        )

    async def _advance(self, request: web.Request) -> web.Response:
        body = await _body(request, _CLOCK)
        try:
            self.installation.clock.advance(timedelta(seconds=body["advance"]))
        except ValueError as refused:
            raise plain(400, str(refused)) from refused
        return await self._tell_time(request)

    async def _list_faults(self, _: web.Request) -> web.Response:
        return _json(200, self._faults())

    async def _order_fault(self, request: web.Request) -> web.Response:
        body = await _body(request, _FAULT)
        options = {name: body[field] for field, name in _OPTIONS.items() if field in body}
        self.installation.faults.add([_fault_rule(body["operation"], body["fault"], **options)])
        return _json(201, self._faults())

    async def _withdraw_faults(self, _: web.Request) -> web.Response:
        self.installation.faults.clear()
        return to_response(Reply(status=204))

    def _faults(self) -> dict[str, Any]:
        plan = self.installation.faults
        return {
            "seed": plan.seed,
            "faults": [_rule(rule) for rule in plan.rules],
            "done": [_done(done) for done in plan.done],
        }

    async def _revoke_tokens(self, _: web.Request) -> web.Response:
        self.installation.tokens.revoke_all()
        return to_response(Reply(status=204))

    async def _add_webhook(self, request: web.Request) -> web.Response:
        body = await _body(request, _WEBHOOK)
        webhook = self.installation.registrations.add(body["url"], body.get("events"), secret=body.get("secret"))
        return _json(201, registered(webhook))

    async def _remove_webhook(self, request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        if not self.installation.registrations.remove(identifier):
            raise plain(404, "There is no such webhook.")
        self.installation.deliveries.cancel_deliveries(identifier)
        return to_response(Reply(status=204))


async def _body(request: web.Request, check: Check, *, required: bool = True) -> Any:
    body = parse(await read_body(request), request.headers, required=required)
    refuse_violations(check(body, ""))
    return body


def _delivery_fault(body: Mapping[str, Any]) -> FaultRule | None:
    name = body.get("fault")
    return None if name is None else _fault_rule(DELIVERIES, name)


def _fault_rule(operation: str, fault: str, **options: Any) -> FaultRule:
    try:
        return fault_rule(operation, fault, spell=_FIELDS.__getitem__, **options)
    except ConfigurationError as refused:
        raise plain(400, str(refused)) from refused


def _json(status: int, data: Any) -> web.Response:
    return to_response(of_json(status, data))


def _time(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="milliseconds")


def shown_payment(payment: LedgerPayment) -> dict[str, Any]:
    """Return what is shown of a payment."""
    return {
        "reference": payment.reference,
        "state": payment.state,
        "currency": payment.currency,
        "amount": payment.amount,
        "authorizedAmount": payment.authorized_amount,
        "capturedAmount": payment.captured_amount,
        "refundedAmount": payment.refunded_amount,
        "cancelledAmount": payment.cancelled_amount,
        "pspReference": payment.psp_reference,
        "redirectUrl": payment.redirect_url,
        "createdAt": _time(payment.created_at),
        "expiresAt": _time(payment.expires_at),
        "authorizedAt": _time(payment.authorized_at),
        "events": [_event(event) for event in payment.events],
    }


def _event(event: LedgerEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "pspReference": event.psp_reference,
        "amount": event.amount,
        "timestamp": _time(event.timestamp),
        "idempotencyKey": event.idempotency_key,
        "success": event.success,
    }


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return what is shown of a delivery: all but the signature, which a reader could send again."""
    return {
        "id": delivery.id,
        "registrationId": delivery.registration_id,
        "url": delivery.url,
        "event": delivery.event,
        "reference": delivery.reference,
        "pspReference": delivery.psp_reference,
        "attempt": delivery.attempt,
        "copy": delivery.copy,
        "fault": delivery.fault,
        "status": delivery.status,
        "error": delivery.error,
        "startedAt": _time(delivery.started_at),
        "duration": delivery.duration.total_seconds(),
        "requestHeaders": {
            name: "(hidden)" if name in _SIGNATURES else value for name, value in delivery.request_headers.items()
        },
        "requestBody": delivery.request_body.decode(),
        "responseHeaders": delivery.response_headers,
        "responseBody": delivery.response_body.decode("utf-8", "replace"),
    }


def _rule(rule: FaultRule) -> dict[str, Any]:
    options = {field: getattr(rule, name) for field, name in _OPTIONS.items() if name not in {"times", "secret"}}
    given = {field: value for field, value in options.items() if value is not None}
    return {"operation": rule.operation, "fault": rule.fault, "times": rule.times, **given}


def _done(done: InjectedFault) -> dict[str, Any]:
    return {"operation": done.operation, "fault": done.fault, "reference": done.reference, "event": done.event}


def _request(request: RecordedRequest) -> dict[str, Any]:
    return {
        "receivedAt": _time(request.received_at),
        "method": request.method,
        "path": request.path,
        "operation": request.operation,
        "idempotencyKey": request.idempotency_key,
        "body": request.body.decode("utf-8", "replace"),
        "status": request.status,
        "tookEffect": request.took_effect,
        "fault": request.fault,
    }
