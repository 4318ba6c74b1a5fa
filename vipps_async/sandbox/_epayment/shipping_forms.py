"""The forms of the landing page: how and where to an Express payment is shipped, and the two buttons.

Performs no I/O.
"""

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._epayment.approval_details import ApprovalDetails
from vipps_async.sandbox._epayment.express import Groups, groups_of, options_of, ranked
from vipps_async.sandbox._epayment.money import money
from vipps_async.sandbox._epayment.payments import LedgerPayment

# member of the address -> label, what HTML's autocomplete calls it, what else its input needs
_INPUTS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "addressLine1": ("Address", "address-line1", "required"),
        "addressLine2": ("Second line, if any", "address-line2", ""),
        "postCode": ("Post code", "postal-code", "required"),
        "city": ("City", "address-level2", "required"),
        "country": ("Country, two letters", "country", 'required pattern="[A-Z]{2}" title="such as NO"'),
    }
)
_APPROVE = '<button class="primary" name="action" value="approve">Approve</button>'
_REJECT = '<button name="action" value="reject">Reject</button>'


def typed_address(form: Mapping[str, str]) -> dict[str, str]:
    """Return the address that a user typed into the form for it."""
    return {name: form[name] for name in _INPUTS if name in form}


def forms(payment: LedgerPayment, choice: ApprovalDetails, typed: Mapping[str, str]) -> str:
    """Return the forms by which the user acts on *payment*.

    Args:
        payment: one that nobody has acted on.
        choice: what the user has settled so far.
        typed: the address that was just refused, if one was.
    """
    if "shipping" not in payment.request:
        return _form(_APPROVE + _REJECT)
    groups = groups_of(payment.request) if choice.groups is None else choice.groups
    if not groups:
        return _address(typed or choice.address) + _form(_REJECT)
    elsewhere = f"<details{' open' if typed else ''}><summary>Ship elsewhere</summary>"
    return (
        f"<p>Ships to {escape(_in_one_line(choice.address))}</p>"
        f"{_form(_options(payment, groups, choice) + _APPROVE + _REJECT)}"
        f"{elsewhere}{_address(typed or choice.address)}</details>"
    )


def _form(body: str) -> str:
    return f'<form method="post">{body}</form>'


def _address(address: Mapping[str, str]) -> str:
    inputs = "".join(_input(name, address.get(name, "")) for name in _INPUTS)
    return _form(f'{inputs}<button name="action" value="ship">Show what shipping costs</button>')


def _input(name: str, value: str) -> str:
    label, token, rest = _INPUTS[name]
    return f'<label>{label}<input name="{name}" value="{escape(value)}" autocomplete="{token}" {rest}></label>'


def _in_one_line(address: Mapping[str, str]) -> str:
    lines = (address["addressLine1"], address.get("addressLine2"), f"{address['postCode']} {address['city']}")
    return ", ".join(line for line in (*lines, address["country"]) if line)


def _options(payment: LedgerPayment, groups: Groups, choice: ApprovalDetails) -> str:
    chosen = choice.shipping_option or options_of(groups)[0]["id"]
    return "".join(_group(payment, group, chosen) for group in ranked(groups))


def _group(payment: LedgerPayment, group: Mapping[str, Any], chosen: str) -> str:
    options = "".join(_option(payment, option, is_chosen=option["id"] == chosen) for option in ranked(group["options"]))
    kind = f"{group['brand'].title()}, {group['type'].replace('_', ' ').lower()}"
    return f"<fieldset><legend>{kind}</legend>{options}</fieldset>"


def _option(payment: LedgerPayment, option: Mapping[str, Any], *, is_chosen: bool) -> str:
    cost, currency = option["amount"]["value"], payment.currency
    facts = (money(cost, currency), option.get("estimatedDelivery"), option.get("meta"))
    return (
        f'<label class="option"><input type="radio" name="shippingOption" value="{escape(option["id"])}" required'
        f"{' checked' if is_chosen else ''}><span>{escape(option['name'])}</span>"
        f"<small>{escape(', '.join(fact for fact in facts if fact))}</small>"
        f"<strong>Total {money(payment.amount + cost, currency)}</strong></label>"
    )
