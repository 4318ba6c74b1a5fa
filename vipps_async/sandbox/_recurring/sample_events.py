"""The body of an event that did not happen, for whoever wants to see what a receiver does with it. Performs no I/O."""

import uuid

from vipps_async._wire.json import encode
from vipps_async.sandbox._platform.api import SampleFacts
from vipps_async.sandbox._recurring import documents
from vipps_async.sandbox._recurring.charging import new_transaction_id
from vipps_async.sandbox._recurring.lifecycle import AGREEMENT_TRANSITIONS, CREATION_FAILED, ChargeState
from vipps_async.sandbox._recurring.records import AgreementEntry, LedgerCharge

_AGREEMENT, _CHARGE = "agr_0001", "chr-0001"
_AGREEMENTS = uuid.UUID("0f3c7a52-8f0e-4a53-9a5c-7c1f6f1f2f0d")
_OF_AGREEMENTS = frozenset(found.event for found in AGREEMENT_TRANSITIONS.values())
_FAILURES = ("failed", "creation-failed")


def sample_event(event_type: str, facts: SampleFacts) -> bytes:
    """Return the body that the sandbox would deliver for an event of this type."""
    body = _agreement(event_type, facts) if event_type in _OF_AGREEMENTS else _charge(event_type, facts)
    return encode(body)


def _agreement(event_type: str, facts: SampleFacts) -> documents.Document:
    agreement = facts.parent or facts.reference or _AGREEMENT
    return documents.agreement_event(
        event_type,
        agreement,
        agreement_uuid=str(uuid.uuid5(_AGREEMENTS, agreement)),
        external_id=None,
        entry=AgreementEntry(event="", occurred=facts.now, actor="USER"),
        msn=facts.msn,
    )


def _charge(event_type: str, facts: SampleFacts) -> documents.Document:
    what = event_type.removeprefix("recurring.charge-").removesuffix(".v1")
    charge = LedgerCharge(
        id=facts.reference or _CHARGE,
        agreement_id=facts.parent or _AGREEMENT,
        state=ChargeState.CHARGED,
        type="RECURRING",
        transaction_type="DIRECT_CAPTURE",
        amount=facts.amount,
        currency=facts.currency,
        description="",
        due=facts.now.date(),
        captured=facts.amount if what in {"captured", "refunded"} else 0,
        cancelled=facts.amount if what == "canceled" else 0,
        refunded=facts.amount if what == "refunded" else 0,
        failure_reason="user_action_required" if what in _FAILURES else None,
        created_at=facts.now,
    )
    transaction_id = None if event_type == CREATION_FAILED else facts.event_id or new_transaction_id()
    return documents.charge_event(event_type, charge, occurred=facts.now, transaction_id=transaction_id, msn=facts.msn)
