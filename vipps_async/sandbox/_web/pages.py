"""The landing page, where the user acts. Performs no I/O.

It has no script, and loads nothing but the sandbox's stylesheet.
"""

from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from vipps_async.sandbox._ledger.lifecycle import State
from vipps_async.sandbox._ledger.payments import LedgerPayment

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
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


def landing(payment: LedgerPayment, *, merchant: str) -> str:
    """Return the page on which the user approves or rejects *payment*, or sees what became of it."""
    description = payment.request.get("paymentDescription", "Payment")
    body = (
        f"<h1>{escape(merchant)}</h1><p>{escape(description)}</p>"
        f'<p class="amount">{money(payment.amount, payment.currency)}</p>'
        f"<p>Reference <code>{escape(payment.reference)}</code></p>"
    )
    return _page(merchant, body + (_choice() if payment.state is State.CREATED else _outcome(payment)))


def not_found() -> str:
    """Return the page for a token that stands for no payment."""
    return _page("Not found", "<h1>No such payment</h1><p>This link belongs to no payment in this sandbox.</p>")


def money(value: int, currency: str) -> str:
    """Return an amount for people: minor units in, ``1 234.50 NOK`` out, with spaces that do not break."""
    whole, rest = divmod(value, 100)
    return f"{whole:,}.{rest:02d} {currency}".replace(",", "\N{NO-BREAK SPACE}").replace(" ", "\N{NO-BREAK SPACE}")


def _choice() -> str:
    return (
        '<form method="post">'
        '<button class="primary" name="action" value="approve">Approve</button>'
        '<button name="action" value="reject">Reject</button></form>'
    )


def _outcome(payment: LedgerPayment) -> str:
    return_url = payment.request.get("returnUrl")
    back = f'<a class="button" href="{escape(return_url)}">Back to the shop</a>' if return_url else ""
    state = payment.state
    return f'<p class="state" data-state="{state}" role="status">{_OUTCOMES[state]} ({state})</p>{back}'


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} - sandbox</title><link rel="stylesheet" href="/sandbox/style.css"></head><body>'
        '<header class="banner">Sandbox - no money moves</header>'
        f'<main class="sheet">{body}</main></body></html>'
    )
