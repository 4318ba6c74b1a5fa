"""The sandbox's own surface over HTTP, under ``/sandbox``: what a person or another language does to it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import attrs
from aiohttp import web

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.plan import InjectedFault
from vipps_async.sandbox._faults.rules import OPTIONS, FaultRule, fault_rule
from vipps_async.sandbox._faults.targets import DELIVERIES
from vipps_async.sandbox._platform.bodies import parse
from vipps_async.sandbox._platform.clock import LIMIT
from vipps_async.sandbox._platform.pages import ApiPage
from vipps_async.sandbox._platform.problems import ActionRefused, UnknownReference, plain
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.schema import (
    Check,
    Violation,
    nullable,
    number,
    record,
    refuse_violations,
    sequence,
    text,
)
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import read_body, to_response
from vipps_async.sandbox._webhooks.records import UnknownDelivery


def _anything(_value: Any, _path: str) -> Iterator[Violation]:
    return iter(())


_FIELDS: Mapping[str, str] = MappingProxyType({**{name: name for name in OPTIONS}, "retry_after": "retryAfter"})
_OPTIONS: Mapping[str, str] = MappingProxyType({field: name for name, field in _FIELDS.items()})

_CLOCK = record(required={"advance": number(least=0, most=LIMIT.total_seconds())})
_FAULT = record(required={"operation": text(), "fault": text()}, optional=dict.fromkeys(_OPTIONS, Check(_anything)))
_DELIVERY_FAULT = record(optional={"fault": nullable(text())})
_WEBHOOK = record(
    required={"url": text()}, optional={"events": nullable(sequence(text())), "secret": nullable(text(least=1))}
)


@attrs.frozen
class Control:
    """Serves the control surface of a sandbox."""

    state: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [
            *(route for page in self.state.pages for route in self._routes_of(page)),
            web.get("/sandbox/deliveries", self._list_deliveries, allow_head=False),
            web.post(r"/sandbox/deliveries/{id:\d{1,18}}/redeliver", self._redeliver),
            web.get("/sandbox/requests", self._list_requests, allow_head=False),
            web.post("/sandbox/reset", self._reset),
            web.get("/sandbox/state", self._save, allow_head=False),
            web.post("/sandbox/state", self._load),
            web.get("/sandbox/clock", self._show_time, allow_head=False),
            web.post("/sandbox/clock", self._advance),
            web.get("/sandbox/faults", self._list_faults, allow_head=False),
            web.post("/sandbox/faults", self._add_fault),
            web.delete("/sandbox/faults", self._clear_faults),
            web.delete(r"/sandbox/faults/{number:\d{1,18}}", self._remove_fault),
            web.delete("/sandbox/tokens", self._revoke_tokens),
            web.post("/sandbox/webhooks", self._add_webhook),
            web.delete("/sandbox/webhooks/{id}", self._remove_webhook),
        ]

    def _routes_of(self, page: ApiPage) -> list[web.RouteDef]:
        place = f"/sandbox/{page.collection}"
        return [
            web.get(place, self._listing(page), allow_head=False),
            *(web.post(f"{place}/{{reference}}/{action}", self._acting(page, action)) for action in page.actions),
        ]

    def _listing(self, page: ApiPage) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def show(_: web.Request) -> web.Response:
            self.state.expire_due()
            shown = [page.shown(item) for item in page.latest("")]
            return _json(200, {page.collection: shown[::-1]})

        return show

    def _acting(self, page: ApiPage, action: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        check = page.actions[action]

        async def act(request: web.Request) -> web.Response:
            reference, body = request.match_info["reference"], await _body(request, Check(_object), required=False)
            rule = self._delivery_fault(body)
            details = {name: value for name, value in body.items() if name != "fault"}
            refuse_violations(check(details, ""))
            self.state.expire_due()
            try:
                with self.state.deliveries.injecting(reference, rule):
                    after = await page.act(reference, action, details)
            except UnknownReference as unknown:
                raise plain(404, f"{unknown}.") from None
            except ActionRefused as refused:
                raise plain(409, str(refused)) from refused
            return _json(200, page.shown(after))

        return act

    async def _list_deliveries(self, _: web.Request) -> web.Response:
        shown = [delivery.to_dict() for delivery in self.state.deliveries.records]
        return _json(200, {"deliveries": shown, "pending": self.state.deliveries.pending})

    async def _redeliver(self, request: web.Request) -> web.Response:
        fault = self._delivery_fault(await _body(request, _DELIVERY_FAULT))
        try:
            self.state.deliveries.redeliver(int(request.match_info["id"]), fault)
        except UnknownDelivery as unknown:
            raise plain(404, f"{unknown}.") from unknown
        return to_response(HttpReply(status=202))

    async def _list_requests(self, _: web.Request) -> web.Response:
        return _json(200, {"requests": [request.to_dict() for request in self.state.requests]})

    async def _reset(self, _: web.Request) -> web.Response:
        await self.state.reset()
        return to_response(HttpReply(status=204))

    async def _save(self, _: web.Request) -> web.Response:
        return _json(200, self.state.save())

    async def _load(self, request: web.Request) -> web.Response:
        try:
            self.state.restore(await _body(request, Check(_object)))
        except ConfigurationError as refused:
            raise plain(400, str(refused)) from refused
        return to_response(HttpReply(status=204))

    async def _show_time(self, _: web.Request) -> web.Response:
        clock = self.state.clock
        now = clock.now().isoformat(timespec="milliseconds")
        return _json(200, {"now": now, "ahead": clock.offset.total_seconds()})

    async def _advance(self, request: web.Request) -> web.Response:
        body = await _body(request, _CLOCK)
        try:
            self.state.clock.advance(timedelta(seconds=body["advance"]))
        except ValueError as refused:
            raise plain(400, str(refused)) from refused
        return await self._show_time(request)

    async def _list_faults(self, _: web.Request) -> web.Response:
        return _json(200, self._faults())

    async def _add_fault(self, request: web.Request) -> web.Response:
        body = await _body(request, _FAULT)
        options = {name: body[field] for field, name in _OPTIONS.items() if field in body}
        self.state.faults.add([self._rule(body["operation"], body["fault"], **options)])
        return _json(201, self._faults())

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.state.faults.clear()
        return to_response(HttpReply(status=204))

    async def _remove_fault(self, request: web.Request) -> web.Response:
        if not self.state.faults.remove(int(request.match_info["number"])):
            raise plain(404, "There is no such fault to come.")
        return to_response(HttpReply(status=204))

    def _delivery_fault(self, body: Mapping[str, Any]) -> FaultRule | None:
        name = body.get("fault")
        refuse_violations(nullable(text())(name, "fault"))
        return None if name is None else self._rule(DELIVERIES, name)

    def _rule(self, operation: str, fault: str, **options: Any) -> FaultRule:
        try:
            return fault_rule(self.state.faults.targets, operation, fault, spell=_FIELDS.__getitem__, **options)
        except ConfigurationError as refused:
            raise plain(400, str(refused)) from refused

    def _faults(self) -> dict[str, Any]:
        plan = self.state.faults
        return {
            "seed": plan.seed,
            "faults": [shown_rule(rule) for rule in plan.rules],
            "done": [_done(done) for done in plan.done],
        }

    async def _revoke_tokens(self, _: web.Request) -> web.Response:
        self.state.gateway.tokens.revoke_all()
        return to_response(HttpReply(status=204))

    async def _add_webhook(self, request: web.Request) -> web.Response:
        body = await _body(request, _WEBHOOK)
        webhooks = self.state.webhooks
        added = webhooks.registrations.add(body["url"], body.get("events"), secret=body.get("secret"))
        return _json(201, webhooks.document(added))

    async def _remove_webhook(self, request: web.Request) -> web.Response:
        if not self.state.webhooks.delete(request.match_info["id"]):
            raise plain(404, "There is no such webhook.")
        return to_response(HttpReply(status=204))


def _object(value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield from record()(value, path)


async def _body(request: web.Request, check: Check, *, required: bool = True) -> Any:
    body = parse(await read_body(request), request.headers, required=required)
    refuse_violations(check(body, ""))
    return body


def _json(status: int, data: Any) -> web.Response:
    return to_response(of_json(status, data))


def shown_rule(rule: FaultRule) -> dict[str, Any]:
    """Return what is shown of a fault to come."""
    options = {field: getattr(rule, name) for field, name in _OPTIONS.items() if name not in {"times", "secret"}}
    given = {field: value for field, value in options.items() if value is not None}
    facts = {"number": rule.number, "operation": rule.operation, "fault": rule.fault, "times": rule.times}
    return {**facts, **given}


def _done(done: InjectedFault) -> dict[str, Any]:
    return {"operation": done.operation, "fault": done.fault, "reference": done.reference, "event": done.event}
