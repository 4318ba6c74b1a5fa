"""Shows payments: on the landing page, on which the user acts, on the dashboard, and over the control surface."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async.sandbox._epayment.approval import UserActions
from vipps_async.sandbox._epayment.approval_details import DEFAULT_APPROVAL, ApprovalDetails
from vipps_async.sandbox._epayment.express import ADDRESS
from vipps_async.sandbox._epayment.ledger import Ledger
from vipps_async.sandbox._epayment.lifecycle import Action, State
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.shipping_forms import forms, typed_address
from vipps_async.sandbox._platform.api import Destination, Platform
from vipps_async.sandbox._platform.markets import money
from vipps_async.sandbox._platform.markup import Child, Markup, element, joined
from vipps_async.sandbox._platform.pages import Card, LogEntry, QrForm
from vipps_async.sandbox._platform.schema import Check, nullable, record, text

_OUTCOMES: Mapping[State, str] = MappingProxyType(
    {
        State.AUTHORIZED: "You approved this payment.",
        State.ABORTED: "You rejected this payment, or went back.",
        State.EXPIRED: "Time ran out for this payment.",
        State.TERMINATED: "The merchant cancelled this payment.",
    }
)
_BY_USER: Mapping[str, Action] = MappingProxyType(
    {action.value: action for action in (Action.APPROVE, Action.REJECT, Action.GO_BACK)}
)
_TONES: Mapping[State, str] = MappingProxyType({State.CREATED: "waiting", State.AUTHORIZED: "good"})


class PaymentPage:
    """Shows the payments of one sandbox, and acts on them for whoever looks.

    Args:
        platform: what the sandbox offers.
        ledger: the payments.
        user: acts on them.
    """

    api = "epayment"
    collection = "payments"
    title = "Payments"
    empty = "No payment to show. Create one, and it appears here."
    states = tuple(state.value for state in State)
    details = '{"shippingOption": id, "address": {…}} is what the user of an Express payment chooses'
    actions: Mapping[str, Check] = MappingProxyType(
        {
            Action.APPROVE.value: record(optional={"shippingOption": nullable(text()), "address": nullable(ADDRESS)}),
            Action.REJECT.value: record(),
            Action.GO_BACK.value: record(),
            Action.EXPIRE.value: record(),
        }
    )

    def __init__(self, platform: Platform, ledger: Ledger, user: UserActions) -> None:
        self._platform = platform
        self._ledger = ledger
        self._user = user
        # What the user of a landing page has settled so far, by the payment's token.
        self._settled: dict[str, ApprovalDetails] = {}

    def clear(self) -> None:
        """Forget what users have settled."""
        self._settled.clear()

    def latest(self, text: str, state: str = "") -> Iterator[LedgerPayment]:
        """Yield the payments whose reference contains *text*, and that are in this state, if any, newest first."""
        return (payment for payment in self._ledger.latest(text) if state in {"", payment.state})

    def reference_of(self, item: LedgerPayment) -> str:
        """Return a payment's reference."""
        return item.reference

    def shown(self, item: LedgerPayment) -> dict[str, Any]:
        """Return what is shown of a payment."""
        return {
            "reference": item.reference,
            "state": item.state,
            "currency": item.currency,
            "amount": item.amount,
            "authorizedAmount": item.authorized_amount,
            "capturedAmount": item.captured_amount,
            "refundedAmount": item.refunded_amount,
            "cancelledAmount": item.cancelled_amount,
            "pspReference": item.psp_reference,
            "redirectUrl": item.redirect_url,
            "createdAt": _time(item.created_at),
            "expiresAt": _time(item.expires_at),
            "authorizedAt": _time(item.authorized_at),
            "events": [_event(event) for event in item.events],
        }

    def card(self, item: LedgerPayment) -> Card:
        """Return how the dashboard shows a payment."""
        return Card(
            reference=item.reference,
            state=item.state,
            tone=_TONES.get(item.state, ""),
            figure=money(item.amount, item.currency),
            note=_sums(item),
            actions=[*self.actions] if item.state is State.CREATED else [],
            link=item.redirect_url,
            log=[_log_entry(event, item.currency) for event in item.events],
        )

    async def act(self, reference: str, action: str, details: Mapping[str, Any]) -> LedgerPayment:
        """Approve, reject or expire a payment; raises what `UserActions.act` does."""
        choice = ApprovalDetails(shipping_option=details.get("shippingOption"), address=details.get("address"))
        return await self._user.act(reference, Action(action), choice)

    def reference_of_token(self, token: str) -> str | None:
        """Return the reference of the payment that a redirect URL's token stands for."""
        payment = self._ledger.find_by_token(token)
        return payment.reference if payment else None

    def landing(self, token: str, form: Mapping[str, str], refusal: str | None) -> Markup:
        """Return the page on which the user approves or rejects the payment, or sees what became of it."""
        payment, now = self._payment(token), self._platform.clock.now()
        return joined(
            [
                element("p", payment.request.get("paymentDescription", "Payment")),
                element("p", money(payment.amount, payment.currency), _and_shipping(payment), class_="amount"),
                element("p", "Reference ", element("code", payment.reference)),
                _alert(refusal),
                _rest(payment, now, self._choice(payment, form), typed_address(form)),
            ]
        )

    async def submit(self, token: str, form: Mapping[str, str]) -> str | None:
        """Do what the user did, by a button or by going back; return where the user goes then, if away."""
        payment = self._payment(token)
        if form.get("action") == "ship":
            await self._ship(payment, form)
            return None
        action = _BY_USER[form.get("action", "")]
        choice = self._choice(payment, form) if action is Action.APPROVE else DEFAULT_APPROVAL
        return await self._finish(payment, action, choice)

    def qr_form(self, token: str) -> QrForm | None:
        """Return the QR code of a payment that can still be paid."""
        payment = self._ledger.find_by_token(token)
        if payment is None or payment.state is not State.CREATED:
            return None
        wanted = payment.request.get("qrFormat") or {}
        return QrForm(
            target=self._platform.redirect_url(Destination.LANDING_PAGE, token),
            as_png=wanted.get("format") == "IMAGE/PNG",
            size=wanted.get("size"),
        )

    def _payment(self, token: str) -> LedgerPayment:
        payment = self._ledger.find_by_token(token)
        if payment is None:
            raise LookupError(token)
        return payment

    async def _finish(self, payment: LedgerPayment, action: Action, choice: ApprovalDetails) -> str | None:
        await self._user.act(payment.reference, action, choice)
        self._settled.pop(payment.token, None)
        return payment.request.get("returnUrl")

    async def _ship(self, payment: LedgerPayment, form: Mapping[str, str]) -> None:
        self._settled[payment.token] = await self._user.consider(payment.reference, typed_address(form))

    def _choice(self, payment: LedgerPayment, form: Mapping[str, str]) -> ApprovalDetails:
        settled = self._settled.get(payment.token, DEFAULT_APPROVAL)
        return attrs.evolve(settled, shipping_option=form.get("shippingOption"))


def _time(when: datetime | None) -> str | None:
    return when.isoformat(timespec="milliseconds") if when else None


def _event(event: LedgerEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "pspReference": event.psp_reference,
        "amount": event.amount,
        "timestamp": _time(event.timestamp),
        "idempotencyKey": event.idempotency_key,
        "success": event.success,
    }


def _sums(payment: LedgerPayment) -> str:
    sums = {
        "captured": payment.captured_amount,
        "refunded": payment.refunded_amount,
        "cancelled": payment.cancelled_amount,
    }
    return ", ".join(f"{word} {money(value, payment.currency)}" for word, value in sums.items() if value)


def _log_entry(event: LedgerEvent, currency: str) -> LogEntry:
    outcome = "" if event.success else " failed"
    key = f", key {event.idempotency_key}" if event.idempotency_key else ""
    return LogEntry(
        what=f"{event.name}{outcome} {money(event.amount, currency)}",
        at=event.timestamp,
        details=f"pspReference {event.psp_reference}{key}",
    )


def _and_shipping(payment: LedgerPayment) -> Child:
    is_to_come = "shipping" in payment.request and payment.state is State.CREATED
    return element("small", "and shipping") if is_to_come else None


def _alert(refusal: str | None) -> Child:
    if refusal is None:
        return None
    return element("p", f"That did not work: {refusal.removesuffix('.')}.", class_="refusal", role="alert")


def _rest(payment: LedgerPayment, now: datetime, choice: ApprovalDetails, typed: Mapping[str, str]) -> Markup:
    if payment.is_processing(now):
        return _status(payment, "Your approval of this payment is under way.")
    if payment.state is State.CREATED:
        return forms(payment, choice, typed)
    return _status(payment, _OUTCOMES[payment.state])


def _status(payment: LedgerPayment, said: str) -> Markup:
    state, return_url = payment.state, payment.request.get("returnUrl")
    status = element("p", f"{said} ({state})", class_="state", data_tone=_TONES.get(state, ""), role="status")
    return joined([status, element("a", "Back to the shop", class_="button", href=return_url) if return_url else None])
