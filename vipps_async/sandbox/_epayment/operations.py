"""What each operation of the APIs does once its request is admitted and read. Performs no I/O.

Sources: ePayment API 1.8.1, and its draft 0.9.0; Webhooks API v1; Access Token API.
"""

import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from vipps_async.sandbox._epayment.bodies import moment
from vipps_async.sandbox._epayment.dialects import Dialect
from vipps_async.sandbox._epayment.ledger import Ledger
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.payments import Command, LedgerPayment
from vipps_async.sandbox._epayment.profiles import approval_of
from vipps_async.sandbox._epayment.redirects import Destination, destination_of
from vipps_async.sandbox._epayment.rules import Context, broken_rules, phone_number, refuse_violations
from vipps_async.sandbox._platform.permissions import Permission
from vipps_async.sandbox._platform.problems import error, plain
from vipps_async.sandbox._platform.replies import Reply, of_json
from vipps_async.sandbox._platform.routes import Route
from vipps_async.sandbox._platform.test_user import UNKNOWN_PHONE_NUMBER, is_younger
from vipps_async.sandbox._platform.tokens import Tokens
from vipps_async.sandbox._webhooks.registrations import EVENT_TYPES, Registration, Registrations

_LIFETIME = timedelta(minutes=10)  # knowledge base, timeouts
_TOKEN_BYTES = 24
_RESOURCE = "reference or id in the path"


@attrs.frozen(kw_only=True)
class Request:
    """An admitted request.

    Attributes:
        route: the operation that it is for.
        resource: the reference, or the id of a webhook, in the path.
        body: the decoded body, for what takes one.
        key: the idempotency key.
        now: the present, by the sandbox's clock.
        fails: whether a modification fails once the rules have let it through.
    """

    route: Route
    resource: str
    body: Any
    key: str | None
    now: datetime
    fails: bool = False


@attrs.frozen(kw_only=True)
class Operations:
    """The operations of one sales unit.

    Attributes:
        dialect: which version of the API is spoken.
        currency: of the sales unit's market; ``None``: it takes every one.
        denied: what the sales unit may not do.
        redirect_url: returns the address of a destination for a token.
        ledger: the payments.
        tokens: the access tokens.
        registrations: the webhooks.
        cancel_deliveries: ends the deliveries to a deleted webhook.
    """

    dialect: Dialect
    currency: str | None
    denied: frozenset[Permission]
    redirect_url: Callable[[Destination, str], str]
    ledger: Ledger
    tokens: Tokens
    registrations: Registrations
    cancel_deliveries: Callable[[str], None]

    def perform(self, request: Request) -> Reply:
        """Do what *request* asks for and return the reply.

        Raises:
            ProblemError: its fields or a business rule forbid it.
        """
        self.ledger.expire_due(now=request.now)
        route = request.route
        if route.resource is not None:
            refuse_violations(route.resource(request.resource, _RESOURCE))
        if route.body is not None:
            refuse_violations(route.body(request.body, ""))
        if route.action is not None:
            return self._modify(request, route.action)
        return self._handlers[route.operation](request)

    @property
    def _handlers(self) -> Mapping[str, Callable[[Request], Reply]]:
        return {
            "token": self._issue_token,
            "create": self._create,
            "get": self._get,
            "events": self._events,
            "approve": self._force_approve,
            "register": self._register,
            "list": self._list,
            "delete": self._delete,
        }

    def _issue_token(self, request: Request) -> Reply:
        return of_json(200, self.tokens.issue(now=request.now))

    def _create(self, request: Request) -> Reply:
        body: Mapping[str, Any] = request.body
        context = Context(now=request.now, currency=self.currency, denied=self.denied)
        refuse_violations(broken_rules(self.dialect.rules, body, context))
        payment = self.ledger.open(self._new_payment(body, request.key or "", request.now))
        return of_json(201, self.dialect.created(payment))

    def _new_payment(self, body: Mapping[str, Any], key: str, now: datetime) -> LedgerPayment:
        token, destination = secrets.token_urlsafe(_TOKEN_BYTES), destination_of(body, self.dialect.flows)
        expires_at = moment(body["expiresAt"]).astimezone(UTC) if body.get("expiresAt") else now + _LIFETIME
        return LedgerPayment(
            reference=body["reference"],
            currency=body["amount"]["currency"],
            amount=body["amount"]["value"],
            psp_reference=str(uuid.uuid4()),
            token=token,
            redirect_url=destination and self.redirect_url(destination, token),
            idempotency_key=key,
            created_at=now,
            expires_at=expires_at,
            request=body,
        )

    def _get(self, request: Request) -> Reply:
        return of_json(200, self.dialect.fetched(self.ledger.find(request.resource)))

    def _events(self, request: Request) -> Reply:
        payment = self.ledger.find(request.resource)
        return of_json(200, [self.dialect.logged(payment, event) for event in payment.events])

    def _modify(self, request: Request, action: Action) -> Reply:
        asked = request.body.get("modificationAmount", {})
        command = Command(
            action=action,
            amount=asked.get("value"),
            currency=asked.get("currency"),
            idempotency_key=request.key,
            unauthorized_only=request.body.get("cancelTransactionOnly", False),
            fails=request.fails,
        )
        payment = self.ledger.perform(request.resource, command, now=request.now)
        if request.fails and action in self.dialect.failures:
            raise error(self.dialect.failures[action])
        return self.dialect.modified(payment)

    def _force_approve(self, request: Request) -> Reply:
        payment = self.ledger.find(request.resource)
        body = request.body
        if not body:
            raise error("4140", "Give the customer, or the token of the redirect URL.")
        if body.get("token", payment.token) != payment.token:
            raise error("10010")
        if "shipping" in payment.request:
            raise error("10060", "Express payments cannot be approved here.")
        if phone_number(body) == UNKNOWN_PHONE_NUMBER or is_younger(payment.request.get("minimumUserAge"), request.now):
            raise error("7010")
        self.ledger.perform(payment.reference, approval_of(payment), now=request.now)
        return Reply(status=200)

    def _register(self, request: Request) -> Reply:
        registration = self.registrations.register(request.body["url"], request.body["events"])
        return of_json(201, {"id": registration.id, "secret": registration.secret})

    def _list(self, _: Request) -> Reply:
        return of_json(200, {"webhooks": [registered(webhook) for webhook in self.registrations.all()]})

    def _delete(self, request: Request) -> Reply:
        if not self.registrations.remove(request.resource):
            raise plain(404, "There is no such webhook.")
        self.cancel_deliveries(request.resource)
        return Reply(status=204)


def registered(webhook: Registration) -> dict[str, Any]:
    """Return what a list shows of *webhook*: never its secret."""
    events = EVENT_TYPES.values() if webhook.events is None else webhook.events
    return {"id": webhook.id, "url": webhook.url, "events": list(events)}
