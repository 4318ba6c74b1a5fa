"""The pages of lists. Performs no I/O.

Source: Recurring API, pagination. How long a page of charges is, and how long a token lives, is chosen here.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from vipps_async.sandbox._platform.problems import invalid
from vipps_async.sandbox._recurring.ledger import AgreementLedger
from vipps_async.sandbox._recurring.lifecycle import AgreementState, ChargeState
from vipps_async.sandbox._recurring.records import LedgerAgreement, LedgerCharge

_MOST_ON_A_PAGE, _USUAL_PAGE = 2000, 500
_CHARGES_ON_A_PAGE = 100
_SECONDS = 2**64  # more than any clock will show
_TOKEN_LIVES = timedelta(minutes=5)


def agreements_page(ledger: AgreementLedger, query: Mapping[str, str]) -> Sequence[LedgerAgreement]:
    """Return the agreements that a query asks for; raises ProblemError."""
    status = _one_of("status", query.get("status", AgreementState.ACTIVE), AgreementState)
    size = _whole("pageSize", query.get("pageSize", str(_USUAL_PAGE)), 1, _MOST_ON_A_PAGE)
    number = _whole("pageNumber", query.get("pageNumber", "1"), 1, 10**9)
    after = _whole("createdAfter", query.get("createdAfter", "0"), 0, 10**15)
    found = ledger.in_state(AgreementState(status))
    if after:
        since = datetime.fromtimestamp(after / 1000, UTC) if after < 10**14 else datetime.max.replace(tzinfo=UTC)
        found = (agreement for agreement in found if agreement.created_at > since)
    return [*islice(found, (number - 1) * size, number * size)]


def charges_page(
    ledger: AgreementLedger, agreement: LedgerAgreement, query: Mapping[str, str], token: str | None, *, now: datetime
) -> tuple[Sequence[LedgerCharge], str]:
    """Return a page of an agreement's charges, and the token of the following one, empty if there is none.

    Raises:
        ProblemError: the status is not known, or the token is not one that lives.
    """
    status = query.get("status")
    if status is not None:
        _one_of("status", status, ChargeState)
    first = _place_of(token, now, most=len(agreement.charge_ids))
    found = (charge for charge in ledger.charges_of(agreement) if status in {None, charge.state})
    page = [*islice(found, first, first + _CHARGES_ON_A_PAGE + 1)]
    if len(page) <= _CHARGES_ON_A_PAGE:
        return page, ""
    # The document's form of a token, which holds where the page begins and when it was given.
    following = (first + _CHARGES_ON_A_PAGE) * _SECONDS + int(now.timestamp())
    return page[:_CHARGES_ON_A_PAGE], str(uuid.UUID(int=following))


def _place_of(token: str | None, now: datetime, *, most: int) -> int:
    if token is None:
        return 0
    try:
        place, given = divmod(uuid.UUID(token).int, _SECONDS)
    except ValueError:
        place, given = 0, 0
    if place > most or now.timestamp() - given > _TOKEN_LIVES.total_seconds():
        raise invalid([("Continuation-Token", "The token is not known, or not any more.")])
    return place


def _one_of(name: str, value: str, values: type[AgreementState] | type[ChargeState]) -> str:
    if value not in [*values]:
        raise invalid([(name, f"The parameter must be one of {', '.join(values)}.")])
    return value


def _whole(name: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) < 20 and least <= int(value) <= most):
        raise invalid([(name, f"The parameter must be a whole number from {least} to {most}.")])
    return int(value)
