"""Shows agreements: on the landing page, on which the user acts, on the dashboard, and over the control surface."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._platform.markets import money
from vipps_async.sandbox._platform.markup import Markup
from vipps_async.sandbox._platform.pages import Card, LogEntry, QrForm
from vipps_async.sandbox._platform.problems import ActionRefused
from vipps_async.sandbox._platform.schema import Check, choice, integer, nullable, record
from vipps_async.sandbox._recurring.landing import landing_page, price_of, typed_maximum
from vipps_async.sandbox._recurring.ledger import AgreementLedger
from vipps_async.sandbox._recurring.lifecycle import AgreementState
from vipps_async.sandbox._recurring.records import AgreementEntry, ChargeEntry, LedgerAgreement, LedgerCharge
from vipps_async.sandbox._recurring.user import ACTIONS, ACTORS, FAILURES, KIND, UserActions

_TONES: Mapping[AgreementState, str] = MappingProxyType(
    {AgreementState.PENDING: "waiting", AgreementState.ACTIVE: "good"}
)
_MAXIMUM = integer(least=1)
_DETAILS: Mapping[str, Check] = MappingProxyType(
    {
        "accept": record(optional={"maxAmount": nullable(_MAXIMUM)}),
        "stop": record(optional={"actor": nullable(choice(*ACTORS))}),
        "set-maximum": record(required={"maxAmount": _MAXIMUM}),
        "decline-charges": record(optional={"reason": nullable(choice(*FAILURES))}),
    }
)
_OF_PENDING = ("accept", "decline", "expire")
_SHOWN = 50  # entries of a log


class AgreementPage:
    """Shows the agreements of one sandbox, and acts on them for whoever looks.

    Args:
        ledger: the agreements.
        user: acts on them.
    """

    api = "recurring"
    collection = "agreements"
    title = "Agreements"
    empty = "No agreement to show. Draft one, and it appears here."
    states = tuple(state.value for state in AgreementState)
    details = '{"maxAmount": minor units} is what the user of a variable price allows, {"actor": …} who stops'
    actions: Mapping[str, Check] = MappingProxyType({action: _DETAILS.get(action, record()) for action in ACTIONS})

    def __init__(self, ledger: AgreementLedger, user: UserActions) -> None:
        self._ledger = ledger
        self._user = user

    def latest(self, text: str, state: str = "") -> Iterator[LedgerAgreement]:
        """Yield the agreements whose id, or a charge's, contains *text*, and that are in this state, newest first."""
        return (agreement for agreement in self._ledger.latest(text) if state in {"", agreement.state})

    def reference_of(self, item: LedgerAgreement) -> str:
        """Return an agreement's id."""
        return item.id

    def shown(self, item: LedgerAgreement) -> dict[str, Any]:
        """Return what is shown of an agreement."""
        return {
            "reference": item.id,
            "state": item.state,
            "currency": item.currency,
            "pricing": dict(item.pricing),
            "maxAmount": item.max_amount,
            "confirmationUrl": item.confirmation_url,
            "createdAt": _time(item.created_at),
            "startedAt": _time(item.started_at),
            "stoppedAt": _time(item.stopped_at),
            "declines": item.declines,
            "charges": [_charge(charge) for charge in self._ledger.charges_of(item)],
            "history": [_entry(entry) for entry in item.history],
        }

    def card(self, item: LedgerAgreement) -> Card:
        """Return how the dashboard shows an agreement."""
        charges = [*self._ledger.charges_of(item)]
        return Card(
            reference=item.id,
            state=item.state,
            tone=_TONES.get(item.state, ""),
            figure=price_of(item),
            note=_sums(item, charges),
            actions=_actions_of(item),
            link=item.confirmation_url,
            log=_log(item, charges),
        )

    async def act(self, reference: str, action: str, details: Mapping[str, Any]) -> LedgerAgreement:
        """Do something to an agreement; raises what `UserActions.act` does."""
        return self._user.act(reference, action, details)

    def reference_of_token(self, token: str) -> str | None:
        """Return the id of the agreement that a confirmation URL's token stands for."""
        agreement = self._ledger.find_by_token(token)
        return agreement.id if agreement else None

    def landing(self, token: str, form: Mapping[str, str], refusal: str | None) -> Markup:
        """Return the page on which the user accepts or declines the agreement, and manages it later."""
        agreement = self._agreement(token)
        return landing_page(agreement, [*self._ledger.charges_of(agreement)], form, refusal)

    async def submit(self, token: str, form: Mapping[str, str]) -> str | None:
        """Do what the button says that the user pressed; return where the user goes then, if away."""
        agreement, action = self._agreement(token), form.get("action", "")
        if action not in {"accept", "decline", "stop", "set-maximum"}:
            raise KeyError(action)
        try:
            maximum = typed_maximum(form)
        except ValueError:
            raise ActionRefused(KIND, agreement.id, action, "the maximum must be an amount, such as 500.00") from None
        if action == "set-maximum" and maximum is None:
            raise ActionRefused(KIND, agreement.id, action, "the maximum must be an amount, such as 500.00")
        details = {"maxAmount": maximum} if action in {"accept", "set-maximum"} else {}
        try:
            self._user.act(agreement.id, action, details)
        except ActionRefused:
            if self._ledger.agreements[agreement.id].state is AgreementState.EXPIRED:
                return None  # the page says so
            raise
        return str(agreement.terms["merchantRedirectUrl"]) if action in {"accept", "decline"} else None

    def qr_form(self, token: str) -> QrForm | None:  # noqa: ARG002 - no agreement has one
        """Return nothing: agreements have no QR codes."""
        return None

    def _agreement(self, token: str) -> LedgerAgreement:
        agreement = self._ledger.find_by_token(token)
        if agreement is None:
            raise LookupError(token)
        return agreement


def _actions_of(agreement: LedgerAgreement) -> list[str]:
    if agreement.state is AgreementState.PENDING:
        return [*_OF_PENDING]
    if agreement.state is not AgreementState.ACTIVE:
        return []
    return ["stop", "pay-charges" if agreement.declines else "decline-charges"]


def _sums(agreement: LedgerAgreement, charges: list[LedgerCharge]) -> str:
    captured = sum(charge.captured for charge in charges)
    refunded = sum(charge.refunded for charge in charges)
    told = [f"{len(charges)} charges" if len(charges) != 1 else "1 charge"]
    told += [f"captured {money(captured, agreement.currency)}"] if captured else []
    told += [f"refunded {money(refunded, agreement.currency)}"] if refunded else []
    return ", ".join([*told, *([f"charges are declined: {agreement.declines}"] if agreement.declines else [])])


def _log(agreement: LedgerAgreement, charges: list[LedgerCharge]) -> list[LogEntry]:
    entries = [
        *(LogEntry(what=entry.event, at=entry.occurred, details=entry.actor or "") for entry in agreement.history),
        *(_log_entry(charge, entry) for charge in charges for entry in charge.history),
    ]
    return sorted(entries, key=lambda entry: entry.at)[-_SHOWN:]


def _log_entry(charge: LedgerCharge, entry: ChargeEntry) -> LogEntry:
    details = f"{charge.id}: {money(entry.amount, charge.currency)}"
    reason = f", {charge.failure_reason}" if entry.event == "FAIL" else ""
    return LogEntry(what=f"charge {entry.event}", at=entry.occurred, details=f"{details}{reason}")


def _charge(charge: LedgerCharge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "state": charge.state,
        "type": charge.type,
        "amount": charge.amount,
        "captured": charge.captured,
        "refunded": charge.refunded,
        "cancelled": charge.cancelled,
        "due": charge.due.isoformat(),
        "failureReason": charge.failure_reason,
        "history": [_entry(entry) for entry in charge.history],
    }


def _entry(entry: AgreementEntry | ChargeEntry) -> dict[str, Any]:
    amount = {"amount": entry.amount} if isinstance(entry, ChargeEntry) else {"actor": entry.actor}
    return {"event": entry.event, "occurred": _time(entry.occurred), **amount}


def _time(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds")
