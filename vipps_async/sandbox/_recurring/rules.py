"""The rules of requests that join several fields, or depend on the present. Performs no I/O.

They are checked once every field is well-formed by itself. Source: Recurring API, guide and problems.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.markets import MARKETS
from vipps_async.sandbox._platform.problems import ProblemError, invalid
from vipps_async.sandbox._platform.schema import Violation
from vipps_async.sandbox._recurring.bodies import day, moment
from vipps_async.sandbox._recurring.ceilings import LARGEST, SMALLEST
from vipps_async.sandbox._recurring.errors import error
from vipps_async.sandbox._recurring.permissions import RecurringPermission
from vipps_async.sandbox._recurring.records import LedgerAgreement

_MSISDN = re.compile("[0-9]{9,15}")
_SCOPES = frozenset({"name", "address", "email", "phoneNumber", "birthDate", "nin"})
_LATEST = timedelta(days=2 * 365 + 1)
USUAL_RETRY_DAYS = 14


def check_draft(
    body: Mapping[str, Any],
    *,
    now: datetime,
    currency: str | None,
    denied: frozenset[str],
    leniency: Leniency,
) -> None:
    """Return if an agreement can be drafted so.

    Args:
        body: of the request.
        now: the present.
        currency: of the sales unit's market; ``None``: it takes every one.
        denied: what the sales unit may not do.
        leniency: what it is let pass with.

    Raises:
        ProblemError: it cannot.
    """
    if RecurringPermission.RECURRING in denied:
        raise error("invalid-sale-unit")
    if body.get("skipLandingPage") and RecurringPermission.SKIP_LANDING_PAGE in denied:
        raise error("unsupported-feature", "skipLandingPage is not enabled for the sales unit.")
    _refuse([*_draft_violations(body, now, currency, leniency)])
    suggested = body["pricing"].get("suggestedMaxAmount")
    if suggested is not None and not SMALLEST <= suggested <= LARGEST[body["pricing"]["currency"]]:
        raise error("invalid-suggested-max-amount")
    initial = body.get("initialCharge")
    if initial is not None:
        check_transaction(initial, denied)
        _check_size(initial["amount"], body["pricing"]["currency"], "initialCharge.amount")


def _draft_violations(
    body: Mapping[str, Any], now: datetime, currency: str | None, leniency: Leniency
) -> Iterator[Violation]:
    pricing, campaign, phone = body["pricing"], body.get("campaign"), body.get("phoneNumber")
    if currency not in {None, pricing["currency"]}:
        yield Violation("pricing.currency", f"The sales unit's currency is {currency}.")
    if "amount" in pricing and pricing["amount"] < SMALLEST:
        yield Violation("pricing.amount", f"The amount must be {SMALLEST} or more.")
    if campaign is not None and pricing.get("type", "LEGACY") != "LEGACY":
        yield Violation("campaign", "A campaign goes with LEGACY pricing only.")
    if campaign is not None and "end" in campaign and moment(campaign["end"]) <= now:
        yield Violation("campaign.end", "The campaign must not end in the past.")
    if phone is not None and not _MSISDN.fullmatch(phone):
        if body.get("skipLandingPage"):
            yield Violation("phoneNumber", "Invalid phone number")
        else:
            leniency.note("ignored: phoneNumber, which is no MSISDN")
    if body.get("skipLandingPage") and phone is None:
        yield Violation("phoneNumber", "Invalid phone number")
    unknown = set((body.get("scope") or "").split()) - _SCOPES
    if unknown:
        yield Violation("scope", f"Not known: {', '.join(sorted(unknown))}.")
    needs_page = pricing["currency"] == "NOK" and not body.get("merchantAgreementUrl")
    if needs_page and not leniency.allows("missing: merchantAgreementUrl, which Norwegian merchants give"):
        yield Violation("merchantAgreementUrl", "The MerchantAgreementUrl field is required for Norwegian merchants.")


def check_transaction(body: Mapping[str, Any], denied: frozenset[str]) -> None:
    """Return if the sales unit may take money so; raises ProblemError."""
    if body["transactionType"] == "DIRECT_CAPTURE" and RecurringPermission.DIRECT_CAPTURE in denied:
        raise error("unsupported-feature", "DIRECT_CAPTURE is not enabled for the sales unit.")


def check_update(body: Mapping[str, Any], agreement: LedgerAgreement) -> None:
    """Return if an agreement can be changed so; raises ProblemError."""
    given, pricing = set(body.get("pricing") or {}), agreement.pricing
    foreign = given - set(pricing)
    if foreign:
        raise invalid([(f"pricing.{min(foreign)}", "The pricing of the agreement is of another type.")])
    amount = (body.get("pricing") or {}).get("amount")
    if amount is not None and amount < SMALLEST:
        raise invalid([("pricing.amount", f"The amount must be {SMALLEST} or more.")])
    suggested = (body.get("pricing") or {}).get("suggestedMaxAmount")
    if suggested is not None and not SMALLEST <= suggested <= LARGEST[agreement.currency]:
        raise error("invalid-suggested-max-amount")


def check_charge(body: Mapping[str, Any], agreement: LedgerAgreement, *, now: datetime, denied: frozenset[str]) -> None:
    """Return if a charge can be created so, apart from the agreement's ceiling; raises ProblemError."""
    if body.get("type") == "UNSCHEDULED":
        if RecurringPermission.UNSCHEDULED in denied:
            raise invalid([("type", "Cannot create a charge with type 'UNSCHEDULED'")])
        given = [name for name in ("due", "retryDays", "processingMode") if body.get(name) is not None]
        _refuse([Violation(name, "An UNSCHEDULED charge has none.") for name in given])
    else:
        _refuse([*_schedule_violations(body)])
        _check_due(body, agreement, now)
    check_transaction(body, denied)
    _check_size(body["amount"], agreement.currency, "amount")


def _check_size(amount: int, currency: str, field: str) -> None:
    if amount < SMALLEST:
        raise invalid([(field, f"The amount must be {SMALLEST} or more.")])
    if amount > LARGEST[currency]:
        raise error("charge-amount-too-high")


def _schedule_violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    if body.get("due") is None:
        yield Violation("due", "The Due field is required.")
    if body.get("processingMode") == "SINGLE_ATTEMPT" and body.get("retryDays", USUAL_RETRY_DAYS) != 0:
        yield Violation("retryDays", "SINGLE_ATTEMPT needs retryDays 0.")


def _check_due(body: Mapping[str, Any], agreement: LedgerAgreement, now: datetime) -> None:
    due, today = day(body["due"]), MARKETS[agreement.currency].day_of(now)
    if due <= today:
        raise error("charge-due-too-soon")
    if due > today + _LATEST:
        raise error("charge-due-in-too-long")


def _refuse(violations: list[Violation]) -> None:
    if violations:
        found: ProblemError = invalid((violation.field, violation.reason) for violation in violations)
        raise found
