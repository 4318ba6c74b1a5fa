"""Decoded replies -> models, each about the agreement or charge that was asked for. Performs no I/O."""

from typing import Any

from vipps_async._http.reply import read_as
from vipps_async._wire.bare_amounts import with_amounts
from vipps_async.errors import InvalidReply, printable, shorten
from vipps_async.recurring._agreement import Agreement, DraftedAgreement
from vipps_async.recurring._charge import Charge, ChargeVerdict, CreatedCharge
from vipps_async.recurring._request import NewCharge

_PRICES = ("amount", "suggestedMaxAmount", "maxAmount")
_TOTALS = ("captured", "refunded", "cancelled")


def read_drafted(document: Any, key: str) -> DraftedAgreement:
    """Read the reply to a draft."""
    return read_as({**_object(document), "idempotencyKey": key}, DraftedAgreement, raw=document)


def read_agreement(document: Any, agreement_id: str | None = None) -> Agreement:
    """Read an agreement; *agreement_id* is the one that was asked for, if it was one."""
    told = _object(document)
    pricing = with_amounts(told.get("pricing"), *_PRICES)
    currency = pricing.get("currency") if isinstance(pricing, dict) else None
    campaign = with_amounts(told.get("campaign"), "price", currency=currency)
    agreement = read_as({**told, "pricing": pricing, "campaign": campaign}, Agreement, raw=document)
    _check_same("agreement", agreement.id, agreement_id)
    return agreement


def read_agreements(document: Any) -> list[Agreement]:
    """Read a page of agreements."""
    return [read_agreement(each) for each in _list(document)]


def read_created(document: Any, agreement_id: str, order_id: str | None, key: str) -> CreatedCharge:
    """Read the reply to the creation of a charge, which is called by its order id if it was given one."""
    members = {**_object(document), "agreementId": agreement_id, "idempotencyKey": key}
    created = read_as(members, CreatedCharge, raw=document)
    _check_same("charge", created.charge_id, order_id)
    return created


def read_charge(document: Any, agreement_id: str | None = None, charge_id: str | None = None) -> Charge:
    """Read a charge; the ids are those that were asked for, as far as they were."""
    told = _object(document)
    currency = told.get("currency")
    history = told.get("history")
    entries = history if isinstance(history, list) else []
    adapted = {
        **with_amounts(told, "amount"),
        "summary": with_amounts(told.get("summary"), *_TOTALS, currency=currency),
        "history": [with_amounts(entry, "amount", currency=currency) for entry in entries],
        "due": _day_of(told.get("due")),
    }
    charge = read_as(adapted, Charge, raw=document)
    _check_same("charge", charge.id, charge_id)
    _check_same("agreement", charge.agreement_id, agreement_id)
    return charge


def read_charges(document: Any, agreement_id: str) -> list[Charge]:
    """Read a page of the charges of an agreement."""
    return [read_charge(each, agreement_id) for each in _list(document)]


def read_verdicts(document: Any, asked: tuple[NewCharge, ...], key: str) -> list[ChargeVerdict]:
    """Read what became of many charges, in the order in which they were asked for.

    Raises:
        InvalidReply: what became of one of them is not told, or told in two ways.
    """
    told = _object(document)
    valid = set(_texts(told.get("validCharges")))
    invalid = dict(map(_refused, _list(told.get("invalidCharges"))))
    open_ = [each.order_id for each in asked if (each.order_id in valid) is (each.order_id in invalid)]
    if open_:
        raise InvalidReply(f"the reply does not tell what became of charge {open_[0]}")
    return [
        ChargeVerdict(
            agreement_id=each.agreement_id,
            order_id=each.order_id,
            is_accepted=each.order_id in valid,
            errors=invalid.get(each.order_id, ()),
            idempotency_key=key,
        )
        for each in asked
    ]


def _refused(document: Any) -> tuple[str, tuple[str, ...]]:
    told = _object(document)
    order_id = _object(told.get("chargeBatchItemDto")).get("orderId")
    if not isinstance(order_id, str):
        raise InvalidReply("the reply does not name a charge that it refuses")
    return order_id, tuple(printable(text, 500) for text in _texts(told.get("errors")))


def _day_of(due: Any) -> Any:
    # It comes back as midnight of the day that was asked for.
    return due[:10] if isinstance(due, str) else due


def _texts(document: Any) -> list[str]:
    return [text for text in _list(document) if isinstance(text, str)]


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InvalidReply("the reply is not an object")
    return document


def _list(document: Any) -> list[Any]:
    if not isinstance(document, list):
        raise InvalidReply("the reply is not a list")
    return document


def _check_same(kind: str, told: str, asked: str | None) -> None:
    # A reply that was left over on a connection, or crossed in a proxy, is about another one.
    if asked is not None and told != asked:
        raise InvalidReply(f"the reply is about {kind} {shorten(told)} instead of {asked}")
