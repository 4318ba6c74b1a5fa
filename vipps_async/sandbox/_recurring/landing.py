"""The page on which a user accepts an agreement, and later sees and stops it. Performs no I/O."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._platform.markets import money
from vipps_async.sandbox._platform.markup import Child, Markup, element, joined
from vipps_async.sandbox._recurring.lifecycle import AgreementState
from vipps_async.sandbox._recurring.records import LedgerAgreement, LedgerCharge

_OUTCOMES: Mapping[AgreementState, str] = MappingProxyType(
    {
        AgreementState.ACTIVE: "You accepted this agreement.",
        AgreementState.STOPPED: "This agreement is stopped.",
        AgreementState.EXPIRED: "Time ran out for this agreement, or its first payment failed.",
    }
)
_LARGEST = 10**9
_MINOR = 100


def price_of(agreement: LedgerAgreement) -> str:
    """Return what an agreement costs, for people."""
    pricing, interval = agreement.pricing, agreement.terms.get("interval")
    every = f" {_every(interval)}" if interval else ""
    if "amount" in pricing:
        return f"{money(pricing['amount'], agreement.currency)}{every}"
    if "suggestedMaxAmount" in pricing:
        allowed = agreement.max_amount or pricing["suggestedMaxAmount"]
        return f"up to {money(allowed, agreement.currency)}{every}"
    return f"by use, in {agreement.currency}"


def typed_maximum(form: Mapping[str, str]) -> int | None:
    """Return the maximum that the user typed, in minor units; ``None``: none.

    Raises:
        ValueError: it is no amount.
    """
    text = form.get("maxAmount", "").strip().replace(",", ".")
    if not text:
        return None
    try:
        amount = Decimal(text) * _MINOR
    except ArithmeticError as error:
        raise ValueError(text) from error
    if not amount.is_finite() or amount != amount.to_integral_value() or not 0 < amount < _LARGEST:
        raise ValueError(text)
    return int(amount)


def landing_page(
    agreement: LedgerAgreement, charges: Sequence[LedgerCharge], form: Mapping[str, str], refusal: str | None
) -> Markup:
    """Return the page.

    Args:
        agreement: the agreement.
        charges: its charges.
        form: what the user sent just now, if that was refused.
        refusal: why.
    """
    terms = agreement.terms
    return joined(
        [
            element("h2", terms["productName"]),
            _paragraph(terms.get("productDescription")),
            element("p", price_of(agreement), class_="amount"),
            _campaign(agreement),
            _initial(charges),
            _alert(refusal),
            _forms(agreement, form),
        ]
    )


def _every(interval: Mapping[str, Any]) -> str:
    unit, count = interval["unit"].lower(), interval["count"]
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _paragraph(text: str | None) -> Child:
    return element("p", text) if text else None


def _campaign(agreement: LedgerAgreement) -> Child:
    campaign = agreement.terms.get("campaign")
    if campaign is None:
        return None
    ends = {
        "PRICE_CAMPAIGN": lambda: f"each time until {campaign['end'][:10]}",
        "PERIOD_CAMPAIGN": lambda: f"for the first {_length(campaign['period'])}",
        "EVENT_CAMPAIGN": lambda: f"until {campaign['eventText']}",
    }
    return element("p", f"Offer: {money(campaign['price'], agreement.currency)} {ends[campaign['type']]()}")


def _length(period: Mapping[str, Any]) -> str:
    unit, count = period["unit"].lower(), period["count"]
    return unit if count == 1 else f"{count} {unit}s"


def _initial(charges: Sequence[LedgerCharge]) -> Child:
    initial = next((charge for charge in charges if charge.type == "INITIAL"), None)
    if initial is None:
        return None
    return element("p", f"You pay {money(initial.amount, initial.currency)} now: {initial.description}")


def _alert(refusal: str | None) -> Child:
    if refusal is None:
        return None
    return element("p", f"That did not work: {refusal.removesuffix('.')}.", class_="refusal", role="alert")


def _forms(agreement: LedgerAgreement, form: Mapping[str, str]) -> Markup:
    maximum = _maximum(agreement, form)
    if agreement.state is AgreementState.PENDING:
        return _form(maximum, _button("Accept", "accept", class_="primary"), _button("Decline", "decline"))
    status = element(
        "p",
        f"{_OUTCOMES[agreement.state]} ({agreement.state})",
        class_="state",
        data_tone="good" if agreement.state is AgreementState.ACTIVE else "",
        role="status",
    )
    back = element("a", "Back to the shop", class_="button", href=agreement.terms["merchantRedirectUrl"])
    if agreement.state is not AgreementState.ACTIVE:
        return joined([status, back])
    change = _form(maximum, _button("Change the maximum", "set-maximum")) if maximum else None
    page = agreement.terms.get("merchantAgreementUrl")
    manage = element("p", element("a", "Manage it at the shop", href=page)) if page else None
    return joined([status, back, manage, change, _form(_button("Stop this agreement", "stop"))])


def _maximum(agreement: LedgerAgreement, form: Mapping[str, str]) -> Child:
    if "suggestedMaxAmount" not in agreement.pricing:
        return None
    allowed = agreement.max_amount or agreement.pricing["suggestedMaxAmount"]
    typed = form.get("maxAmount") or f"{allowed // _MINOR}.{allowed % _MINOR:02d}"
    return element(
        "label",
        f"The most that may be charged, in {agreement.currency}",
        element("input", name="maxAmount", value=typed, inputmode="decimal", required=True),
    )


def _form(*children: Child) -> Markup:
    return element("form", *children, method="post")


def _button(text: str, action: str, **attributes: str) -> Markup:
    return element("button", text, **attributes, name="action", value=action)
