"""The API over HTTP: each request is read, has its fault injected, is answered and recorded."""

import logging
import re
from collections.abc import Callable, Iterator
from functools import cache

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.faults import AnyFault, RequestFaultEffect, Transmission, effect_of, with_retry_after
from vipps_async.sandbox._faults.rules import FaultContext, FaultRule
from vipps_async.sandbox._platform.auth import presented_token
from vipps_async.sandbox._platform.gateway import Answer, ApiCall, ServedApi
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.problems import ProblemError, plain
from vipps_async.sandbox._platform.replies import HttpReply
from vipps_async.sandbox._platform.routes import Route
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import hold_back, read_body, send
from vipps_async.sandbox._webhooks.records import RecordedRequest

_log = logging.getLogger("vipps_async.sandbox")

_VARIABLE = re.compile(r"\{[^}]*\}")
_KEPT = 4096  # bytes of an answer
_NOTHING = Answer(HttpReply(status=500))  # what is not sent when a connection is reset


@attrs.frozen(kw_only=True)
class _Outcome:
    answer: Answer
    effect: RequestFaultEffect = attrs.field(factory=RequestFaultEffect)
    fault: AnyFault | None = None
    seconds: float = 0.0


@attrs.frozen
class ApiEndpoints:
    """Serves the APIs of a sandbox.

    Attributes:
        state: what requests act on.
        refuse_connections: has every connection refused for so many seconds.
    """

    state: SandboxState
    refuse_connections: Callable[[float], None]

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        exact = [
            web.route(route.method, route.path, self._endpoint(served, route)) for served, route in self._operations()
        ]
        if self.state.gateway.strict:
            return exact
        beginnings = sorted({route.path.split("/")[1].lower() for _, route in self._operations()})
        return [*exact, web.route("*", f"/{{path:(?i:{'|'.join(beginnings)})/.*}}", self._serve_other_spelling)]

    def _operations(self) -> Iterator[tuple[ServedApi, Route]]:
        return ((served, route) for served in self.state.gateway.apis for route in served.definition.routes)

    def _endpoint(self, served: ServedApi, route: Route) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            leniency = Leniency(strict=self.state.gateway.strict)
            return await self._serve(request, served, route, "/".join(request.match_info.values()), leniency)

        return serve

    async def _serve_other_spelling(self, request: web.Request) -> web.StreamResponse:
        """Serve a path in other letters or with a slash at its end, as servers that do not mind have let clients."""
        found = {
            route.method: (served, route, "/".join(match.groups()))
            for served, route in self._operations()
            if (match := _spelling_of(route).fullmatch(request.path))
        }
        if not found:
            raise web.HTTPNotFound
        if request.method not in found:
            raise web.HTTPMethodNotAllowed(request.method, found)
        served, route, resource = found[request.method]
        leniency = Leniency(strict=False)
        leniency.note(f"path read as {route.path}")
        return await self._serve(request, served, route, resource, leniency)

    async def _serve(
        self, request: web.Request, served: ServedApi, route: Route, resource: str, leniency: Leniency
    ) -> web.StreamResponse:
        call = ApiCall(
            served=served,
            route=route,
            path=request.rel_url.raw_path,
            resource=resource,
            query=request.query,
            headers=request.headers,
            leniency=leniency,
        )
        try:
            call = attrs.evolve(call, body=await read_body(request))
            outcome = self._decide(call)
        except ProblemError as refused:
            outcome = _Outcome(answer=Answer(self.state.gateway.problem_reply(refused.problem, call.path)))
        self._record(call, outcome)
        return await self._send(request, outcome)

    def _decide(self, call: ApiCall) -> _Outcome:
        try:
            rule = self.state.faults.draw(_context(call))
        except ConfigurationError as unknown:
            raise plain(400, f"The reference asks for a fault that is not known: {unknown}") from unknown
        if rule is None:
            return _Outcome(answer=self.state.gateway.answer(call))
        return self._inject(call, rule)

    def _inject(self, call: ApiCall, rule: FaultRule) -> _Outcome:
        effect = effect_of(rule.fault)
        failing = attrs.evolve(call, fails=effect.fails)
        answer = self.state.gateway.answer(failing) if effect.takes_effect else _NOTHING
        if effect.revokes_token:
            self.state.gateway.tokens.revoke(presented_token(call.headers))
        reply = with_retry_after(self._instead(effect, call) or answer.reply, rule.retry_after)
        answer = attrs.evolve(answer, reply=reply)
        return _Outcome(answer=answer, effect=effect, fault=rule.fault, seconds=rule.seconds or 0.0)

    def _instead(self, effect: RequestFaultEffect, call: ApiCall) -> HttpReply | None:
        if effect.code is not None:
            refused = call.served.definition.error(effect.code)
        elif effect.status is not None:
            refused = call.served.definition.error_of_status(effect.status)
        else:
            return effect.reply
        return self.state.gateway.problem_reply(refused.problem, call.path)

    async def _send(self, request: web.Request, outcome: _Outcome) -> web.StreamResponse:
        if outcome.effect.is_outage:
            self.refuse_connections(outcome.seconds)
        if outcome.effect.is_late:
            await hold_back(request, outcome.seconds)
        return await send(request, outcome.answer.reply, outcome.effect.transmission)

    def _record(self, call: ApiCall, outcome: _Outcome) -> None:
        key = call.headers.get("Idempotency-Key")
        answered = outcome.answer.reply.body or b""
        record = RecordedRequest(
            id=self.state.requests.next_id(),
            received_at=self.state.clock.now(),
            method=call.route.method,
            path=call.path,
            operation=call.route.operation,
            reference=call.subject,
            # A header may hold bytes that are no text.
            idempotency_key=key and key.encode("utf-8", "replace").decode(),
            body=call.body,
            status=outcome.answer.reply.status if outcome.effect.transmission is Transmission.WHOLE else None,
            took_effect=outcome.answer.took_effect,
            fault=outcome.fault,
            response_body=b"" if call.route.answers_secret else answered[:_KEPT],
            notes=call.leniency.notes,
        )
        self.state.requests.append(record)
        # The record itself travels along for whoever formats what is logged.
        _log.debug(
            "%s %s: %s %s%s",
            record.method,
            record.path,
            record.status or "cut",
            record.fault or "",
            f" ({'; '.join(record.notes)})" if record.notes else "",
            extra={"record": record},
        )


@cache
def _spelling_of(route: Route) -> re.Pattern[str]:
    """Return what matches the route's path in any letters; what resources are called is matched as it is."""
    parts = _VARIABLE.split(route.path)
    return re.compile("([^/]+)".join(f"(?i:{re.escape(part)})" for part in parts) + "/?")


def _context(call: ApiCall) -> FaultContext:
    return FaultContext(
        operation=call.route.operation, reference=call.subject, amount=call.route.amount_of(call.members)
    )
