"""The API over HTTP: each request is read, meets the fault that it is to suffer, is answered and recorded."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vipps_async._wire.json import NotJson, decode
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.faults import AnyFault, RequestFaultEffect, Transmission, effect_of, with_retry_after
from vipps_async.sandbox._faults.rules import FaultContext, FaultRule
from vipps_async.sandbox._platform.auth import presented_token
from vipps_async.sandbox._platform.gateway import Answer, Call
from vipps_async.sandbox._platform.problems import ProblemError, error, plain
from vipps_async.sandbox._platform.replies import Reply
from vipps_async.sandbox._platform.routes import Route
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import hold_back, read_body, send
from vipps_async.sandbox._webhooks.records import RecordedRequest

_log = logging.getLogger("vipps_async.sandbox")

_NOTHING = Answer(Reply(status=500))  # what is not sent when a connection is reset
_AMOUNTS = ("amount", "modificationAmount")


@attrs.frozen(kw_only=True)
class _Outcome:
    answer: Answer
    effect: RequestFaultEffect = attrs.field(factory=RequestFaultEffect)
    fault: AnyFault | None = None
    seconds: float = 0.0


@attrs.frozen
class ApiEndpoints:
    """Serves the API's routes of an installation.

    Attributes:
        installation: what requests act on.
        refuse_connections: has every connection refused for so many seconds.
    """

    installation: SandboxState
    refuse_connections: Callable[[float], None]

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [
            web.route(route.method, route.path, self._endpoint(route)) for route in self.installation.api.dialect.routes
        ]

    def _endpoint(self, route: Route) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            call = Call(
                route=route,
                path=request.rel_url.raw_path,
                resource=next(iter(request.match_info.values()), ""),
                headers=request.headers,
            )
            try:
                call = attrs.evolve(call, body=await read_body(request))
                outcome = self._decide(call)
            except ProblemError as refused:
                outcome = _Outcome(answer=Answer(self.installation.api.tell(refused.problem, call.path)))
            self._record(call, outcome)
            return await self._send(request, outcome)

        return serve

    def _decide(self, call: Call) -> _Outcome:
        try:
            rule = self.installation.faults.take(_occasion(call))
        except ConfigurationError as unknown:
            raise plain(400, f"The reference asks for a fault that is not known: {unknown}") from unknown
        if rule is None:
            return _Outcome(answer=self.installation.api.answer(call))
        return self._suffer(call, rule)

    def _suffer(self, call: Call, rule: FaultRule) -> _Outcome:
        effect = effect_of(rule.fault)
        failing = attrs.evolve(call, fails=effect.fails)
        answer = self.installation.api.answer(failing) if effect.takes_effect else _NOTHING
        if effect.revokes_token:
            self.installation.tokens.revoke(presented_token(call.headers))
        reply = with_retry_after(self._instead(effect, call) or answer.reply, rule.retry_after)
        answer = attrs.evolve(answer, reply=reply)
        return _Outcome(answer=answer, effect=effect, fault=rule.fault, seconds=rule.seconds or 0.0)

    def _instead(self, effect: RequestFaultEffect, call: Call) -> Reply | None:
        if effect.error is None:
            return effect.reply
        return self.installation.api.tell(error(effect.error).problem, call.path)

    async def _send(self, request: web.Request, outcome: _Outcome) -> web.StreamResponse:
        if outcome.effect.is_outage:
            self.refuse_connections(outcome.seconds)
        if outcome.effect.is_late:
            await hold_back(request, outcome.seconds)
        return await send(request, outcome.answer.reply, outcome.effect.transmission)

    def _record(self, call: Call, outcome: _Outcome) -> None:
        key = call.headers.get("Idempotency-Key")
        record = RecordedRequest(
            received_at=self.installation.clock.now(),
            method=call.route.method,
            path=call.path,
            operation=call.route.operation,
            # A header may hold bytes that are no text.
            idempotency_key=key and key.encode("utf-8", "replace").decode(),
            body=call.body,
            status=outcome.answer.reply.status if outcome.effect.transmission is Transmission.WHOLE else None,
            took_effect=outcome.answer.took_effect,
            fault=outcome.fault,
        )
        self.installation.requests.append(record)
        # The record itself travels along for whoever formats what is logged.
        _log.debug(
            "%s %s: %s %s",
            record.method,
            record.path,
            record.status or "cut",
            record.fault or "",
            extra={"record": record},
        )


def _occasion(call: Call) -> FaultContext:
    """Return what *call* is about; its body was not looked at yet, so it may be anything."""
    body = _body(call)
    amount = next((body[name].get("value") for name in _AMOUNTS if isinstance(body.get(name), dict)), None)
    reference = call.resource if "{reference}" in call.route.path else body.get("reference")
    return FaultContext(
        operation=call.route.operation,
        reference=reference if isinstance(reference, str) else "",
        amount=amount if type(amount) is int else None,
    )


def _body(call: Call) -> Mapping[str, Any]:
    try:
        data = decode(call.body)
    except NotJson:
        return {}
    return data if isinstance(data, dict) else {}
