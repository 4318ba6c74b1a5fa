"""Answers API requests: admits, reads, and performs each once. Performs no I/O: a call in, an answer out.

The order of checks, which is not documented: gateway, token, rate limit, headers, idempotency key, JSON, fields,
business rules.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from vipps_async._wire.json import NotJson, decode
from vipps_async.config import Credentials
from vipps_async.sandbox._platform import auth
from vipps_async.sandbox._platform.api import ApiDefinition, OpenApi
from vipps_async.sandbox._platform.bodies import parse
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.idempotency import IdempotencyCache, KeyReused, Scope
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.problems import Problem, ProblemError
from vipps_async.sandbox._platform.rate_limits import RateLimits
from vipps_async.sandbox._platform.replies import PROBLEM, GatewayRefusal, HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest, Key, Route
from vipps_async.sandbox._platform.schema import refuse_violations
from vipps_async.sandbox._platform.tokens import Tokens

_RESOURCE = "reference or id in the path"


@attrs.frozen(kw_only=True)
class ServedApi:
    """An API that the gateway passes requests on to."""

    definition: ApiDefinition
    api: OpenApi


@attrs.frozen(kw_only=True)
class ApiCall:
    """A request as it arrived, read to its end.

    Attributes:
        served: whose operation it is for.
        route: the operation.
        path: as it was sent.
        resource: what the path names.
        query: its parameters.
        headers: case-insensitive.
        leniency: what it is let pass with.
        body: the bytes.
        fails: whether what it asks for fails, once the rules have let it through.
    """

    served: ServedApi
    route: Route
    path: str
    resource: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = attrs.field(repr=False)
    leniency: Leniency
    body: bytes = attrs.field(default=b"", repr=False)
    fails: bool = False

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of the body, which was not checked yet, if it is an object."""
        try:
            data = decode(self.body)
        except NotJson:
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def subject(self) -> str:
        """The id of its subject, or an empty text."""
        return self.route.subject_of(self.resource, self.members)


@attrs.frozen
class Answer:
    """A reply, and whether the operation was performed for it: not when refused, repeated, or only reading."""

    reply: HttpReply
    took_effect: bool = False


@attrs.frozen(kw_only=True)
class Gateway:
    """The APIs as one sales unit sees them.

    Attributes:
        apis: what is served.
        word: puts a problem into words.
        credentials: the sales unit's keys.
        clock: the present.
        tokens: the access tokens.
        rate_limits: how often something was called about.
        answers: what idempotency keys were answered.
        strict: whether requests are held to the documents.
    """

    apis: Sequence[ServedApi]
    word: Callable[..., Mapping[str, Any]]
    credentials: Credentials
    clock: Clock
    tokens: Tokens
    rate_limits: RateLimits
    answers: IdempotencyCache
    strict: bool

    def answer(self, call: ApiCall) -> Answer:
        """Do what *call* asks for, unless the rules forbid it, and return what to reply."""
        try:
            self._admit(call)
            return self._answer_once(call)
        except GatewayRefusal as denied:
            return Answer(denied.reply)
        except ProblemError as refused:
            return Answer(self.problem_reply(refused.problem, call.path))

    def problem_reply(self, problem: Problem, path: str) -> HttpReply:
        """Return *problem* in words, as it occurred at *path*."""
        asked = next((each.definition for each in self.apis if _is_below(path, each.definition.prefix)), None)
        instance = path.removeprefix(asked.prefix) if asked else path
        word = (asked.word if asked else None) or self.word
        trace_id = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        return of_json(problem.status, word(problem, instance=instance, trace_id=trace_id), media_type=PROBLEM)

    def expire_due(self) -> None:
        """Do what fell due in each API."""
        for served in self.apis:
            served.api.expire_due(now=self.clock.now())

    def _admit(self, call: ApiCall) -> None:
        now, route = self.clock.now(), call.route
        if route.subscription_required:
            auth.check_subscription(call.headers, self.credentials)
        else:
            auth.check_no_subscription(call.headers, leniency=call.leniency)
        if route.for_client:
            auth.check_client(call.headers, self.credentials, now=now)
        else:
            auth.check_token(call.headers, self.tokens, now=now)
        if route.per_minute is not None:
            subject = "" if route.in_all else call.subject
            self.rate_limits.admit(route.operation, subject, per_minute=route.per_minute, now=now)
        auth.check_headers(call.headers, self.credentials, msn_required=route.msn_required, leniency=call.leniency)

    def _answer_once(self, call: ApiCall) -> Answer:
        key = self._key(call)
        try:
            body = self._body(call)
        except ProblemError as refused:
            refusal = Answer(self.problem_reply(refused.problem, call.path))
            # What cannot be read is repeated byte for byte.
            return self._remembered(call, key, call.body.decode("latin-1"), lambda: refusal)
        return self._remembered(call, key, body, lambda: self._perform(call, body, key))

    def _remembered(self, call: ApiCall, key: str | None, body: Any, answer: Callable[[], Answer]) -> Answer:
        """Return what the key of *call* was answered before, or else a new *answer*."""
        if key is None:
            return answer()
        scope = Scope(call.route.operation, call.resource)
        try:
            given = self.answers.find(scope, key, body)
        except KeyReused:
            raise call.served.definition.error(
                call.route.key_conflict, "The Idempotency-Key belongs to another body."
            ) from None
        if given is not None:
            return Answer(given)
        new = answer()
        self.answers.remember(scope, key, body, new.reply)
        return new

    def _key(self, call: ApiCall) -> str | None:
        if call.route.key is Key.IGNORED:
            return None
        rule = call.served.definition.keys
        return auth.idempotency_key(call.headers, rule, required=call.route.key is Key.REQUIRED)

    def _body(self, call: ApiCall) -> Any:
        if call.route.body is None:
            return None
        return parse(call.body, call.headers, required=call.route.body_required, leniency=call.leniency)

    def _perform(self, call: ApiCall, body: Any, key: str | None) -> Answer:
        route, api, now = call.route, call.served.api, self.clock.now()
        errors = call.served.definition.errors
        if route.body is not None and not self.strict:
            body = route.body.amend(body, "", call.leniency)
        request = ApiRequest(
            resource=call.resource,
            query=call.query,
            headers=call.headers,
            body=body,
            key=key,
            now=now,
            leniency=call.leniency,
            fails=call.fails,
        )
        api.expire_due(now=now)
        try:
            if route.resource is not None:
                refuse_violations(route.resource(call.resource, _RESOURCE), errors)
            if route.body is not None:
                refuse_violations(route.body(body, ""), errors)
            reply = route.handle(api, request)
        except ProblemError as refused:
            return Answer(self.problem_reply(refused.problem, call.path))
        return Answer(reply, took_effect=not route.reads)


def _is_below(path: str, prefix: str) -> bool:
    return bool(prefix) and path.startswith(prefix)
