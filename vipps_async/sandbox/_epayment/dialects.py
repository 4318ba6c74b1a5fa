"""How the two versions of the ePayment API speak, each as one value: the current one, and the draft of January 2022."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import attrs

from vipps_async.sandbox._epayment import documents as wire
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.redirects import DRAFT_FLOWS, FLOWS
from vipps_async.sandbox._epayment.rules import CREATE_RULES, DRAFT_CREATE_RULES, Rule
from vipps_async.sandbox._platform.api import Destination
from vipps_async.sandbox._platform.replies import HttpReply, of_json

_PSP_REFERENCES = 9_000_000_000
# Counting from a random start: unique here, and hardly ever equal to one that a receiver's store knows from before.
_numbers = count(secrets.randbelow(_PSP_REFERENCES))


def _number() -> str:
    """Return ten digits, the form that the current API gives to most events."""
    return str(1_000_000_000 + next(_numbers) % _PSP_REFERENCES)


def _uuid() -> str:
    return str(uuid.uuid4())


@attrs.frozen(kw_only=True)
class Dialect:
    """The wire forms of one version of the API.

    Attributes:
        rules: the rules of a create request that join several fields.
        flows: where each user flow sends the user.
        psp_reference: makes the ``pspReference`` of an event after the creation.
        created: the answer to create.
        fetched: the answer to get.
        modified: the answer to every modification.
        failures: the code of the answer to one that fails; none where the event alone tells.
        logged: an entry of the event log.
        notified: the body of a delivery; takes the MSN too.
    """

    rules: tuple[Rule, ...]
    flows: Mapping[str, Destination]
    psp_reference: Callable[[], str]
    created: Callable[[LedgerPayment], Mapping[str, Any]]
    fetched: Callable[[LedgerPayment], Mapping[str, Any]]
    modified: Callable[[LedgerPayment], HttpReply]
    failures: Mapping[Action, str]
    logged: Callable[[LedgerPayment, LedgerEvent], Mapping[str, Any]]
    notified: Callable[[LedgerPayment, LedgerEvent, str], Mapping[str, Any]]


CURRENT = Dialect(
    rules=CREATE_RULES,
    flows=FLOWS,
    psp_reference=_number,
    created=wire.created,
    fetched=wire.fetched,
    modified=lambda payment: of_json(200, wire.modified(payment)),
    failures={Action.CAPTURE: "6280", Action.REFUND: "3010", Action.CANCEL: "3010"},
    logged=wire.logged,
    notified=lambda payment, event, msn: wire.notified(payment, event, msn=msn),
)

DRAFT = Dialect(
    rules=DRAFT_CREATE_RULES,
    flows=DRAFT_FLOWS,
    psp_reference=_uuid,
    created=wire.draft_payment,
    fetched=wire.draft_payment,
    modified=lambda _: HttpReply(status=202),
    failures={},
    logged=wire.draft_logged,
    notified=lambda payment, event, _: wire.draft_notified(payment, event),
)
