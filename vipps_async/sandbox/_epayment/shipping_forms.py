"""The forms of the landing page: how and where to an Express payment is shipped, and the two buttons.

Performs no I/O.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._epayment.approval_details import ApprovalDetails
from vipps_async.sandbox._epayment.express import Groups, groups_of, options_of, ranked
from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._platform.markets import money
from vipps_async.sandbox._platform.markup import Child, Markup, element, joined

# member of the address -> label, what HTML's autocomplete calls it, what else its input needs
_INPUTS: Mapping[str, tuple[str, str, Mapping[str, str | bool]]] = MappingProxyType(
    {
        "addressLine1": ("Address", "address-line1", {"required": True}),
        "addressLine2": ("Second line, if any", "address-line2", {}),
        "postCode": ("Post code", "postal-code", {"required": True}),
        "city": ("City", "address-level2", {"required": True}),
        "country": (
            "Country, two letters",
            "country",
            {"required": True, "pattern": "[A-Z]{2}", "title": "such as NO"},
        ),
    }
)


def typed_address(form: Mapping[str, str]) -> dict[str, str]:
    """Return the address that a user typed into the form for it."""
    return {name: form[name] for name in _INPUTS if name in form}


def forms(payment: LedgerPayment, choice: ApprovalDetails, typed: Mapping[str, str]) -> Markup:
    """Return the forms by which the user acts on *payment*.

    Args:
        payment: one that nobody has acted on.
        choice: what the user has settled so far.
        typed: the address that was just refused, if one was.
    """
    return joined([_buttons(payment, choice, typed), element("script", src="/sandbox/landing.js", defer=True)])


def _buttons(payment: LedgerPayment, choice: ApprovalDetails, typed: Mapping[str, str]) -> Markup:
    approve, reject = _button("Approve", "approve", class_="primary"), _button("Reject", "reject")
    if "shipping" not in payment.request:
        return _form(approve, reject)
    groups = groups_of(payment.request) if choice.groups is None else choice.groups
    address = _address(typed or choice.address)
    if not groups:
        return joined([address, _form(reject)])
    elsewhere = element("details", element("summary", "Ship elsewhere"), address, open=bool(typed))
    ships_to = element("p", f"Ships to {_in_one_line(choice.address)}")
    return joined([ships_to, _form(_options(payment, groups, choice), approve, reject), elsewhere])


def _button(text: str, action: str, **attributes: str) -> Markup:
    return element("button", text, **attributes, name="action", value=action)


def _form(*children: Child) -> Markup:
    return element("form", *children, method="post")


def _address(address: Mapping[str, str]) -> Markup:
    inputs = (_input(name, address.get(name, "")) for name in _INPUTS)
    return _form(*inputs, _button("Show what shipping costs", "ship"))


def _input(name: str, value: str) -> Markup:
    label, autocomplete, rest = _INPUTS[name]
    return element("label", label, element("input", name=name, value=value, autocomplete=autocomplete, **rest))


def _in_one_line(address: Mapping[str, str]) -> str:
    lines = (address["addressLine1"], address.get("addressLine2"), f"{address['postCode']} {address['city']}")
    return ", ".join(line for line in (*lines, address["country"]) if line)


def _options(payment: LedgerPayment, groups: Groups, choice: ApprovalDetails) -> Markup:
    chosen = choice.shipping_option or options_of(groups)[0]["id"]
    return joined(_group(payment, group, chosen) for group in ranked(groups))


def _group(payment: LedgerPayment, group: Mapping[str, Any], chosen: str) -> Markup:
    options = (_option(payment, option, is_chosen=option["id"] == chosen) for option in ranked(group["options"]))
    kind = f"{group['brand'].title()}, {group['type'].replace('_', ' ').lower()}"
    return element("fieldset", element("legend", kind), *options)


def _option(payment: LedgerPayment, option: Mapping[str, Any], *, is_chosen: bool) -> Markup:
    cost, currency = option["amount"]["value"], payment.currency
    facts = (money(cost, currency), option.get("estimatedDelivery"), option.get("meta"))
    return element(
        "label",
        element("input", type="radio", name="shippingOption", value=option["id"], required=True, checked=is_chosen),
        element("span", option["name"]),
        element("small", ", ".join(fact for fact in facts if fact)),
        element("strong", f"Total {money(payment.amount + cost, currency)}"),
        class_="option",
    )
