"""Does what each operation of the ePayment API asks for, once its request is admitted and read. Performs no I/O.

Sources: ePayment API 1.8.1, and its draft 0.9.0.
"""

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from vipps_async._wire.json import encode
from vipps_async.sandbox._epayment.approval import UserActions
from vipps_async.sandbox._epayment.bodies import moment
from vipps_async.sandbox._epayment.dialects import Dialect
from vipps_async.sandbox._epayment.errors import ERRORS, error
from vipps_async.sandbox._epayment.ledger import Ledger
from vipps_async.sandbox._epayment.lifecycle import EVENT_TYPES, Action, EventName
from vipps_async.sandbox._epayment.page import PaymentPage
from vipps_async.sandbox._epayment.payments import Command, LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.permissions import permissions
from vipps_async.sandbox._epayment.profiles import consent_of
from vipps_async.sandbox._epayment.redirects import destination_of
from vipps_async.sandbox._epayment.remarks import remarks_on
from vipps_async.sandbox._epayment.rules import Context, broken_rules, phone_number
from vipps_async.sandbox._platform.api import Platform
from vipps_async.sandbox._platform.events import SandboxEvent
from vipps_async.sandbox._platform.problems import ActionRefused
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest
from vipps_async.sandbox._platform.saving import restored, saved
from vipps_async.sandbox._platform.schema import refuse_violations
from vipps_async.sandbox._platform.test_user import UNKNOWN_PHONE_NUMBER, is_younger

_LIFETIME = timedelta(minutes=10)  # knowledge base, timeouts
_TOKEN_BYTES = 24


class EPaymentApi:
    """The payments of one sandbox.

    Args:
        platform: what the sandbox offers.
        dialect: which version of the API is spoken.

    Attributes:
        ledger: the payments.
        user: what their users do.
        page: what people see of them.
    """

    def __init__(self, platform: Platform, dialect: Dialect) -> None:
        self._platform = platform
        self._dialect = dialect
        self._denied = permissions(platform.denied)
        self.ledger = Ledger(publish=self._publish, psp_reference=dialect.psp_reference, denied=self._denied)
        self.user = UserActions(clock=platform.clock, ledger=self.ledger, strict=platform.strict)
        self.page = PaymentPage(platform, self.ledger, self.user)

    def expire_due(self, *, now: datetime) -> None:
        """Expire payments on which nobody acted in time, and release what was not captured in time."""
        self.ledger.expire_due(now=now)

    def clear(self) -> None:
        """Forget every payment."""
        self.ledger.clear()
        self.page.clear()

    def save(self) -> Any:
        """Return every payment, ready for JSON."""
        return {"payments": saved(tuple(self.ledger.payments.values()))}

    def restore(self, data: Any) -> None:
        """Enter payments that were saved; raises ConfigurationError."""
        payments = restored(data["payments"], tuple[LedgerPayment, ...])
        # Wherever that sandbox was, the users of these payments come here.
        self.ledger.restore(
            attrs.evolve(payment, redirect_url=self._redirect_url(payment.request, payment.token))
            for payment in payments
        )
        for payment in payments:
            self._note_consent(payment)

    def create(self, request: ApiRequest) -> HttpReply:
        """Create a payment."""
        body: Mapping[str, Any] = request.body
        context = Context(now=request.now, currency=self._platform.currency, denied=self._denied)
        refuse_violations(broken_rules(self._dialect.rules, body, context, request.leniency), ERRORS)
        for remark in remarks_on(body, self.ledger.market):
            request.leniency.note(remark)
        payment = self.ledger.open(self._new_payment(body, request.key or "", request.now))
        return of_json(201, self._dialect.created(payment))

    def get(self, request: ApiRequest) -> HttpReply:
        """Return a payment."""
        return of_json(200, self._dialect.fetched(self.ledger.find(request.resource)))

    def events(self, request: ApiRequest) -> HttpReply:
        """Return a payment's event log."""
        payment = self.ledger.find(request.resource)
        return of_json(200, [self._dialect.logged(payment, event) for event in payment.events])

    def capture(self, request: ApiRequest) -> HttpReply:
        """Capture some of what is reserved."""
        return self._modify(request, Action.CAPTURE)

    def refund(self, request: ApiRequest) -> HttpReply:
        """Refund some of what was captured."""
        return self._modify(request, Action.REFUND)

    def cancel(self, request: ApiRequest) -> HttpReply:
        """Release what was not captured."""
        return self._modify(request, Action.CANCEL)

    def adjust(self, request: ApiRequest) -> HttpReply:
        """Change what is reserved, as the draft can."""
        return self._modify(request, Action.ADJUST)

    def force_approve(self, request: ApiRequest) -> HttpReply:
        """Approve a payment as its user would, as in the test environment."""
        payment = self.ledger.find(request.resource)
        body = request.body
        if not body and not request.leniency.allows("taken for the test user: the customer"):
            raise error("4140", "Give the customer, or the token of the redirect URL.")
        # A customer decides where there is one: clients send a template's token beside it.
        if "customer" not in body and body.get("token", payment.token) != payment.token:
            raise error("10010")
        if "shipping" in payment.request:
            raise error("10060", "Express payments cannot be approved here.")
        if phone_number(body) == UNKNOWN_PHONE_NUMBER or is_younger(payment.request.get("minimumUserAge"), request.now):
            raise error("7010")
        try:
            self.user.pay(payment.reference, number=phone_number(body))
        except ActionRefused as declined:
            raise error("10040", f"The attempt to pay failed: {declined.reason}.") from declined
        return HttpReply(status=200)

    def _new_payment(self, body: Mapping[str, Any], key: str, now: datetime) -> LedgerPayment:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        expires_at = moment(body["expiresAt"]).astimezone(UTC) if body.get("expiresAt") else now + _LIFETIME
        return LedgerPayment(
            reference=body["reference"],
            currency=body["amount"]["currency"],
            amount=body["amount"]["value"],
            psp_reference=str(uuid.uuid4()),
            token=token,
            redirect_url=self._redirect_url(body, token),
            idempotency_key=key,
            created_at=now,
            expires_at=expires_at,
            request=body,
        )

    def _note_consent(self, payment: LedgerPayment) -> None:
        consent = consent_of(payment)
        if consent is not None:
            self._platform.consents.give(consent)

    def _redirect_url(self, body: Mapping[str, Any], token: str) -> str | None:
        destination = destination_of(body, self._dialect.flows)
        return destination and self._platform.redirect_url(destination, token)

    def _modify(self, request: ApiRequest, action: Action) -> HttpReply:
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
        if request.fails and action in self._dialect.failures:
            raise error(self._dialect.failures[action])
        return self._dialect.modified(payment)

    def _publish(self, payment: LedgerPayment, event: LedgerEvent) -> None:
        if event.name is EventName.AUTHORIZED:
            self._note_consent(payment)
        msn = self._platform.credentials.merchant_serial_number
        self._platform.publish(
            SandboxEvent(
                type=EVENT_TYPES[event.name],
                name=event.name,
                reference=event.reference,
                id=event.psp_reference,
                amount=event.amount,
                occurred_at=event.timestamp,
                render=lambda: encode(self._dialect.notified(payment, event, msn)),
            )
        )
