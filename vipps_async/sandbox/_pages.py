"""The pages that a person sees: the landing page, where the user acts, and an index. Performs no I/O.

They need no script and load nothing.
"""

from collections.abc import Iterable, Mapping
from html import escape
from types import MappingProxyType

from vipps_async.sandbox._lifecycle import State
from vipps_async.sandbox._payments import LedgerPayment

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
    }
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1f1a24; --soft: #6b6472; --paper: #fff; --ground: #f4f0f6; --line: #ded6e3;
  --go: #a8430c; --good: #17693b; }
@media (prefers-color-scheme: dark) { :root { --ink: #f4f0f6; --soft: #b5adbb; --paper: #2a242f; --ground: #19151d;
  --line: #463d4d; --go: #ffa97a; --good: #7fd6a3; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; font: 1.0625rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); }
.banner { padding: .6rem 1rem; text-align: center; font-size: .9375rem; font-weight: 600; background: #ffd36b;
  color: #2b2000; }
main { max-width: 26rem; margin: 2rem auto; padding: 2rem 1.5rem; background: var(--paper); border-radius: 1.25rem;
  border: 1px solid var(--line); }
main.wide { max-width: 60rem; }
h1 { margin: 0 0 .25rem; font-size: 1.25rem; }
p { margin: .25rem 0 1rem; color: var(--soft); overflow-wrap: anywhere; }
.amount { margin: 1rem 0; font-size: 2.5rem; font-weight: 700; color: var(--ink); font-variant-numeric: tabular-nums; }
form { display: grid; gap: .75rem; margin-top: 1.5rem; }
button, .button { display: block; width: 100%; min-height: 3.25rem; padding: .8rem 1rem; border: 2px solid var(--go);
  border-radius: 999px; font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer;
  color: var(--go); background: transparent; }
button.primary { color: var(--paper); background: var(--go); }
:focus-visible { outline: 3px solid var(--good); outline-offset: 3px; }
.state { font-weight: 700; color: var(--good); }
table { width: 100%; border-collapse: collapse; margin: 1rem 0 2rem; }
th, td { padding: .5rem .5rem .5rem 0; text-align: left; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
a { color: var(--go); }
code { font-size: .9375em; }
"""

_OUTCOMES: Mapping[State, str] = MappingProxyType(
    {
        State.AUTHORIZED: "You approved this payment.",
        State.ABORTED: "You rejected this payment.",
        State.EXPIRED: "Time ran out for this payment.",
        State.TERMINATED: "The merchant cancelled this payment.",
    }
)

_ENDPOINTS = (
    ("POST", "/accesstoken/get", "Access Token API"),
    ("POST", "/epayment/v1/payments", "ePayment API: create; then GET, /events, /capture, /refund, /cancel"),
    ("POST", "/epayment/v1/test/payments/{reference}/approve", "ePayment API: force approve"),
    ("POST", "/webhooks/v1/webhooks", "Webhooks API: register; also GET and DELETE"),
    ("GET", "/sandbox/payments", "every payment"),
    ("POST", "/sandbox/payments/{reference}/{approve|reject|expire}", "act as the user"),
    ("GET", "/sandbox/deliveries", "every webhook delivery"),
    ("GET", "/sandbox/requests", "every API request"),
    ("POST", "/sandbox/webhooks", "register an unsigned webhook, as in the merchant portal"),
    ("POST", "/sandbox/clock", 'move the clock: {"advance": seconds}; also GET'),
    ("POST", "/sandbox/faults", "order a fault; DELETE withdraws all"),
    ("POST", "/sandbox/reset", "forget everything"),
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


def index(payments: Iterable[LedgerPayment], *, merchant: str) -> str:
    """Return the page that lists *payments*, each with its landing page, and what else is here."""
    rows = "".join(
        f'<tr><td><a href="{_landing_link(payment)}">{escape(payment.reference)}</a></td>'
        f"<td>{payment.state}</td><td>{money(payment.amount, payment.currency)}</td></tr>"
        for payment in payments
    )
    endpoints = "".join(
        f"<tr><td>{method}</td><td><code>{escape(path)}</code></td><td>{escape(what)}</td></tr>"
        for method, path, what in _ENDPOINTS
    )
    none = '<tr><td colspan="3">None yet.</td></tr>'
    return _page(
        "Vipps MobilePay",
        f"<h1>Sandbox of {escape(merchant)}</h1><h2>Latest payments</h2>"
        f'<table><tr><th scope="col">Reference</th><th scope="col">State</th><th scope="col">Amount</th></tr>'
        f"{rows or none}</table><h2>What is here</h2>"
        f'<table><tr><th scope="col">Method</th><th scope="col">Path</th><th scope="col">For</th></tr>'
        f"{endpoints}</table>",
        wide=' class="wide"',
    )


def money(value: int, currency: str) -> str:
    """Return an amount for people: minor units in, ``1 234.50 NOK`` out, with spaces that do not break."""
    whole, rest = divmod(value, 100)
    return f"{whole:,}.{rest:02d} {currency}".replace(",", "\N{NO-BREAK SPACE}").replace(" ", "\N{NO-BREAK SPACE}")


def _landing_link(payment: LedgerPayment) -> str:
    return escape(f"/landing?token={payment.token}")


def _choice() -> str:
    return (
        '<form method="post">'
        '<button class="primary" name="action" value="approve">Approve</button>'
        '<button name="action" value="reject">Reject</button></form>'
    )


def _outcome(payment: LedgerPayment) -> str:
    return_url = payment.request.get("returnUrl")
    back = f'<a class="button" href="{escape(return_url)}">Back to the shop</a>' if return_url else ""
    return f'<p class="state" role="status">{_OUTCOMES[payment.state]} ({payment.state})</p>{back}'


def _page(title: str, body: str, *, wide: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - sandbox</title><style>{_STYLE}</style></head><body>"
        '<div class="banner" role="note">Sandbox - no money moves</div>'
        f"<main{wide}>{body}</main></body></html>"
    )
