"""Makes agreements and charges of what requests ask for. Performs no I/O. Source: Recurring API v3, requests."""

import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.markets import MARKETS
from vipps_async.sandbox._recurring.bodies import day
from vipps_async.sandbox._recurring.lifecycle import ChargeState
from vipps_async.sandbox._recurring.records import LedgerAgreement, LedgerCharge
from vipps_async.sandbox._recurring.rules import USUAL_RETRY_DAYS

_LIFETIME = timedelta(minutes=10)  # of a draft: Recurring API, agreement states
_TOKEN_BYTES, _ID_BYTES = 24, 5


def new_token() -> str:
    """Return what stands for an agreement in the address that its user is sent to."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_agreement(body: Mapping[str, Any], token: str, confirmation_url: str, *, now: datetime) -> LedgerAgreement:
    """Return the agreement that a request drafts."""
    return LedgerAgreement(
        id=f"agr_{secrets.token_hex(_ID_BYTES)}",
        uuid=str(uuid.uuid4()),
        terms=body,
        currency=body["pricing"]["currency"],
        token=token,
        confirmation_url=confirmation_url,
        created_at=now,
        expires_at=now + _LIFETIME,
        phone_number=body.get("phoneNumber") or test_user.PHONE_NUMBER,
    )


def new_charge(body: Mapping[str, Any], agreement: LedgerAgreement, *, now: datetime) -> LedgerCharge:
    """Return the charge that a request creates."""
    kind = body.get("type", "RECURRING")
    is_scheduled = kind == "RECURRING"
    usual_mode = "MULTIPLE_ATTEMPTS" if is_scheduled else "SINGLE_ATTEMPT"
    return LedgerCharge(
        id=body.get("orderId") or f"chr-{secrets.token_hex(_ID_BYTES)}",
        agreement_id=agreement.id,
        state=ChargeState.PENDING,
        type=kind,
        transaction_type=body["transactionType"],
        amount=body["amount"],
        currency=agreement.currency,
        description=body["description"],
        due=day(body["due"]) if is_scheduled else MARKETS[agreement.currency].day_of(now),
        retry_days=body.get("retryDays", USUAL_RETRY_DAYS) if is_scheduled else 0,
        processing_mode=body.get("processingMode", usual_mode),
        external_id=body.get("externalId"),
        created_at=now,
    )


def changed_terms(terms: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the terms of an agreement as a request changes them."""
    changed = {**terms, **{name: value for name, value in body.items() if name not in {"pricing", "interval"}}}
    if "pricing" in body:
        changed["pricing"] = {**terms["pricing"], **body["pricing"]}
    if "interval" in body:
        changed["interval"] = body["interval"].get("period")
    return changed
