"""How agreements, charges and their events look on the wire. Performs no I/O.

Sources: Recurring API v3, responses; Webhooks API, Recurring events.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.markets import MARKETS
from vipps_async.sandbox._recurring.calendar import later
from vipps_async.sandbox._recurring.lifecycle import AgreementState
from vipps_async.sandbox._recurring.records import AgreementEntry, ChargeEntry, LedgerAgreement, LedgerCharge

Document = dict[str, Any]

_USERINFO = "/vipps-userinfo-api/userinfo/"


def _seconds(when: datetime) -> str:
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _optional(when: datetime | None) -> str | None:
    return None if when is None else _seconds(when)


def _seven_decimals(when: datetime) -> str:
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}0000Z"


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def drafted(agreement: LedgerAgreement, charge_id: str | None) -> Document:
    """Return the answer to a draft."""
    return {
        "agreementId": agreement.id,
        "uuid": agreement.uuid,
        "vippsConfirmationUrl": agreement.confirmation_url,
        "chargeId": charge_id,
    }


def agreement_document(agreement: LedgerAgreement, base_url: str) -> Document:
    """Return an agreement, of a service at *base_url*."""
    terms = agreement.terms
    sub = _sub_of(agreement)
    external = {"externalId": terms["externalId"]} if terms.get("externalId") else {}
    return {
        "id": agreement.id,
        "uuid": agreement.uuid,
        "status": agreement.state,
        "created": _seconds(agreement.created_at),
        "start": _optional(agreement.started_at),
        "stop": _optional(agreement.stopped_at),
        "productName": terms["productName"],
        "productDescription": terms.get("productDescription") or "",
        "pricing": _pricing(agreement),
        **({"interval": _interval(terms["interval"])} if terms.get("interval") else {}),
        "campaign": _campaign(agreement),
        "merchantAgreementUrl": terms.get("merchantAgreementUrl", ""),
        "merchantRedirectUrl": terms["merchantRedirectUrl"],
        "vippsConfirmationUrl": agreement.confirmation_url,
        "countryCode": MARKETS[agreement.currency].country,
        **external,
        "paymentMethod": terms.get("paymentMethod"),
        "sub": sub,
        "userinfoUrl": sub and f"{base_url}{_USERINFO}{sub}",
        "history": [_agreement_entry(entry) for entry in agreement.history],
    }


def _sub_of(agreement: LedgerAgreement) -> str | None:
    is_known = agreement.scopes and agreement.started_at is not None
    return test_user.sub_of(agreement.phone_number) if is_known else None


def _pricing(agreement: LedgerAgreement) -> Document:
    maximum = {} if agreement.max_amount is None else {"maxAmount": agreement.max_amount}
    return {"type": "LEGACY", **agreement.pricing, **maximum}


def _interval(interval: Mapping[str, Any]) -> Document:
    unit, count = interval["unit"].lower(), interval["count"]
    return {**interval, "text": f"every {unit}" if count == 1 else f"every {count} {unit}s"}


def _campaign(agreement: LedgerAgreement) -> Document | None:
    campaign = agreement.terms.get("campaign")
    if campaign is None:
        return None
    explanation = f"{campaign['price'] / 100:.2f} {agreement.currency} at first"
    end = {"end": _end_of(agreement, campaign["period"])} if campaign["type"] == "PERIOD_CAMPAIGN" else {}
    return {**campaign, **end, "explanation": explanation}


def _end_of(agreement: LedgerAgreement, period: Mapping[str, Any]) -> str:
    start = agreement.started_at or agreement.created_at
    return _midnight(later(MARKETS[agreement.currency].day_of(start), period, 1))


def _agreement_entry(entry: AgreementEntry) -> Document:
    actor = {"actor": entry.actor} if entry.actor else {}
    return {"occurred": _seconds(entry.occurred), "event": entry.event, **actor}


def charge_document(charge: LedgerCharge, agreement: LedgerAgreement) -> Document:
    """Return a charge of an agreement."""
    external = agreement.terms.get("externalId")
    failure = charge.failure_reason
    return {
        "id": charge.id,
        "agreementId": charge.agreement_id,
        "externalId": charge.external_id,
        **({"externalAgreementId": external} if external else {}),
        "status": charge.state,
        "type": charge.type,
        "transactionType": charge.transaction_type,
        "transactionId": charge.transaction_id,
        "amount": charge.amount,
        "currency": charge.currency,
        "description": charge.description,
        "due": _midnight(charge.due),
        "retryDays": charge.retry_days,
        "processingMode": charge.processing_mode,
        **({"failureReason": failure, "failureDescription": failure.replace("_", " ").capitalize()} if failure else {}),
        "summary": {"captured": charge.captured, "refunded": charge.refunded, "cancelled": charge.cancelled},
        "history": [_charge_entry(entry) for entry in charge.history],
    }


def _charge_entry(entry: ChargeEntry) -> Document:
    transaction = {"transactionId": entry.transaction_id} if entry.transaction_id else {}
    return {
        "occurred": _seconds(entry.occurred),
        "event": entry.event,
        "amount": entry.amount,
        "idempotencyKey": entry.idempotency_key,
        "success": True,
        **transaction,
    }


def agreement_event(
    event_type: str, agreement_id: str, *, agreement_uuid: str, external_id: str | None, entry: AgreementEntry, msn: str
) -> Document:
    """Return the document that tells of an agreement's *entry*; who did it is told of a stop alone."""
    is_stopped = AgreementState.STOPPED.lower() in event_type
    return {
        "agreementId": agreement_id,
        "agreementUUID": agreement_uuid,
        **({"agreementExternalId": external_id} if external_id else {}),
        "eventType": event_type,
        "occurred": _seven_decimals(entry.occurred),
        **({"actor": entry.actor} if is_stopped else {}),
        "msn": msn,
    }


def charge_event(
    event_type: str, charge: LedgerCharge, *, occurred: datetime, transaction_id: str | None, msn: str
) -> Document:
    """Return the document that tells what happened to a charge."""
    return {
        "agreementId": charge.agreement_id,
        "chargeId": charge.id,
        **({"chargeExternalId": charge.external_id} if charge.external_id else {}),
        "transactionId": transaction_id,
        "amount": charge.amount,
        "currency": charge.currency,
        "chargeType": charge.type,
        "amountCaptured": charge.captured,
        "amountCanceled": charge.cancelled,
        "amountRefunded": charge.refunded,
        **({"failureReason": charge.failure_reason} if charge.failure_reason else {}),
        "eventType": event_type,
        "occurred": _seven_decimals(occurred),
        "msn": msn,
    }
