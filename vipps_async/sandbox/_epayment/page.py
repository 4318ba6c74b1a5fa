"""The landing page, where the user acts. Performs no I/O.

It has no script, and loads nothing but the sandbox's stylesheet.
"""

from collections.abc import Mapping
from datetime import datetime
from html import escape
from types import MappingProxyType

from vipps_async.sandbox._epayment.approval_details import ApprovalDetails
from vipps_async.sandbox._epayment.lifecycle import State
from vipps_async.sandbox._epayment.money import money
from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._epayment.shipping_forms import forms

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
)

_OUTCOMES: Mapping[State, str] = MappingProxyType(
    {
        State.AUTHORIZED: "You approved this payment.",
        State.ABORTED: "You rejected this payment.",
        State.EXPIRED: "Time ran out for this payment.",
        State.TERMINATED: "The merchant cancelled this payment.",
    }
)


def landing(
    payment: LedgerPayment,
    *,
    merchant: str,
    now: datetime,
    choice: ApprovalDetails,
    typed: Mapping[str, str],
    refusal: str | None,
) -> str:
    """Return the page on which the user approves or rejects *payment*, or sees what became of it.

    Args:
        payment: the payment.
        merchant: what the sales unit is called.
        now: the present, by the sandbox's clock.
        choice: what the user has settled so far.
        typed: the address that the user typed just now, if it was refused.
        refusal: why what the user did just now failed, if it did.
    """
    description = payment.request.get("paymentDescription", "Payment")
    body = (
        f"<h1>{escape(merchant)}</h1><p>{escape(description)}</p>"
        f'<p class="amount">{money(payment.amount, payment.currency)}{_and_shipping(payment)}</p>'
        f"<p>Reference <code>{escape(payment.reference)}</code></p>"
    )
    return _page(merchant, body + _alert(refusal) + _rest(payment, now, choice, typed))


def not_found() -> str:
    """Return the page for a token that stands for no payment."""
    return _page("Not found", "<h1>No such payment</h1><p>This link belongs to no payment in this sandbox.</p>")


def _and_shipping(payment: LedgerPayment) -> str:
    is_to_come = "shipping" in payment.request and payment.state is State.CREATED
    return "<small>and shipping</small>" if is_to_come else ""


def _alert(refusal: str | None) -> str:
    if refusal is None:
        return ""
    return f'<p class="refusal" role="alert">That did not work: {escape(refusal.removesuffix("."))}.</p>'


def _rest(payment: LedgerPayment, now: datetime, choice: ApprovalDetails, typed: Mapping[str, str]) -> str:
    if payment.is_processing(now):
        return _status(payment, "Your approval of this payment is under way.")
    is_open = payment.state is State.CREATED
    return forms(payment, choice, typed) if is_open else _status(payment, _OUTCOMES[payment.state])


def _status(payment: LedgerPayment, text: str) -> str:
    return_url = payment.request.get("returnUrl")
    back = f'<a class="button" href="{escape(return_url)}">Back to the shop</a>' if return_url else ""
    state = payment.state
    return f'<p class="state" data-state="{state}" role="status">{text} ({state})</p>{back}'


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} - sandbox</title><link rel="stylesheet" href="/sandbox/style.css"></head><body>'
        '<header class="banner">Sandbox - no money moves</header>'
        f'<main class="sheet">{body}</main></body></html>'
    )
