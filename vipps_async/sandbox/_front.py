"""The API over HTTP: each request is read, meets the fault that is on order for it, is answered and recorded."""

import logging

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vipps_async.sandbox._api import Answer, Call
from vipps_async.sandbox._auth import presented_token
from vipps_async.sandbox._faults import COURSES, Course, Fault, Transmission, with_retry_after
from vipps_async.sandbox._http import read_body, send
from vipps_async.sandbox._installation import Installation
from vipps_async.sandbox._problems import Refused, error
from vipps_async.sandbox._records import RecordedRequest
from vipps_async.sandbox._replies import Reply
from vipps_async.sandbox._routes import Route

_log = logging.getLogger("vipps_async.sandbox")

_NOTHING = Answer(Reply(status=500))  # what is not sent when a connection is reset


@attrs.frozen(kw_only=True)
class _Outcome:
    answer: Answer
    transmission: Transmission = Transmission.WHOLE
    fault: Fault | None = None


@attrs.frozen
class Front:
    """Serves the API's routes of an installation."""

    installation: Installation

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
            except Refused as refused:
                outcome = _Outcome(answer=Answer(self.installation.api.tell(refused.problem, call.path)))
            else:
                outcome = self._decide(call)
            self._record(call, outcome)
            return await send(request, outcome.answer.reply, outcome.transmission)

        return serve

    def _decide(self, call: Call) -> _Outcome:
        order = self.installation.faults.take(call.route.operation)
        if order is None:
            return _Outcome(answer=self.installation.api.answer(call))
        course = COURSES[order.fault]
        answer = self.installation.api.answer(call) if course.takes_effect else _NOTHING
        if course.revokes_token:
            self.installation.tokens.revoke(presented_token(call.headers))
        reply = with_retry_after(self._instead(course, call) or answer.reply, order.retry_after)
        return _Outcome(answer=attrs.evolve(answer, reply=reply), transmission=course.transmission, fault=order.fault)

    def _instead(self, course: Course, call: Call) -> Reply | None:
        if course.error is None:
            return course.reply
        return self.installation.api.tell(error(course.error).problem, call.path)

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
            status=outcome.answer.reply.status if outcome.transmission is Transmission.WHOLE else None,
            took_effect=outcome.answer.took_effect,
            fault=outcome.fault,
        )
        self.installation.requests.append(record)
        _log.debug("%s %s: %s %s", record.method, record.path, record.status or "cut", record.fault or "")
