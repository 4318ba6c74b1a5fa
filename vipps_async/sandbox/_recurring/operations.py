"""Does what each operation of the Recurring API asks for, once its request is admitted and read. Performs no I/O.

Source: Recurring API v3.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from vipps_async._wire.json import encode
from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.api import Destination, Platform
from vipps_async.sandbox._platform.events import SandboxEvent
from vipps_async.sandbox._platform.problems import ActionRefused, ProblemError, invalid
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest
from vipps_async.sandbox._platform.saving import restored, saved
from vipps_async.sandbox._recurring import documents
from vipps_async.sandbox._recurring.ceilings import exceeds_ceiling
from vipps_async.sandbox._recurring.charging import capture_of, refund_of
from vipps_async.sandbox._recurring.errors import error
from vipps_async.sandbox._recurring.ledger import AgreementLedger
from vipps_async.sandbox._recurring.lifecycle import (
    CREATION_FAILED,
    AgreementAction,
    AgreementState,
    ChargeAction,
    ChargeState,
)
from vipps_async.sandbox._recurring.lists import agreements_page, charges_page
from vipps_async.sandbox._recurring.new_records import changed_terms, new_agreement, new_charge, new_token
from vipps_async.sandbox._recurring.page import AgreementPage
from vipps_async.sandbox._recurring.records import AgreementEntry, ChargeEntry, LedgerAgreement, LedgerCharge
from vipps_async.sandbox._recurring.rules import check_charge, check_draft, check_update
from vipps_async.sandbox._recurring.user import UserActions

_DONE = HttpReply(status=204)


class RecurringApi:
    """The agreements and charges of one sandbox.

    Args:
        platform: what the sandbox offers.

    Attributes:
        ledger: the agreements and charges.
        user: what their users do.
        page: what people see of them.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.ledger = AgreementLedger(publish_agreement=self._publish_agreement, publish_charge=self._publish_charge)
        self.user = UserActions(clock=platform.clock, ledger=self.ledger, consents=platform.consents)
        self.page = AgreementPage(self.ledger, self.user)

    def expire_due(self, *, now: datetime) -> None:
        """Expire agreements that nobody accepted, take charges that are due, release what was not captured."""
        self.ledger.expire_due(now=now)

    def clear(self) -> None:
        """Forget everything."""
        self.ledger.clear()

    def save(self) -> Any:
        """Return every agreement and charge, ready for JSON."""
        return {
            "agreements": saved(tuple(self.ledger.agreements.values())),
            "charges": saved(tuple(self.ledger.charges.values())),
        }

    def restore(self, data: Any) -> None:
        """Enter what was saved; raises ConfigurationError."""
        agreements = restored(data["agreements"], tuple[LedgerAgreement, ...])
        # Wherever that sandbox was, the users of these agreements come here.
        here = [attrs.evolve(each, confirmation_url=self._confirmation_url(each.token)) for each in agreements]
        self.ledger.restore(here, restored(data["charges"], tuple[LedgerCharge, ...]))
        for agreement in here:
            self.user.note_consent(agreement)

    def create_agreement(self, request: ApiRequest) -> HttpReply:
        """Draft an agreement."""
        body: Mapping[str, Any] = request.body
        check_draft(
            body,
            now=request.now,
            currency=self._platform.currency,
            denied=self._platform.denied,
            leniency=request.leniency,
        )
        token = new_token()
        agreement = new_agreement(body, token, self._confirmation_url(token), now=request.now)
        initial: LedgerCharge | None = None
        if body.get("initialCharge") is not None:
            terms = {**body["initialCharge"], "type": "INITIAL"}
            initial = new_charge(terms, agreement, now=request.now)
        drafted = self.ledger.draft(agreement, initial, key=request.key or "")
        return of_json(201, documents.drafted(drafted, None if initial is None else initial.id))

    def list_agreements(self, request: ApiRequest) -> HttpReply:
        """List agreements of one status, a page of them."""
        page = agreements_page(self.ledger, request.query)
        return of_json(200, [self._agreement(agreement) for agreement in page])

    def get_agreement(self, request: ApiRequest) -> HttpReply:
        """Return an agreement."""
        return of_json(200, self._agreement(self.ledger.find(request.resource)))

    def update_agreement(self, request: ApiRequest) -> HttpReply:
        """Change an agreement, or stop it."""
        agreement, body = self.ledger.find(request.resource), dict(request.body)
        is_stop = body.pop("status", None) is not None
        if is_stop and body:
            raise invalid([("status", "An agreement is stopped by its status alone.")])
        if is_stop:
            self.ledger.act(agreement.id, AgreementAction.STOP, actor="MERCHANT", now=request.now)
            return _DONE
        if agreement.state is not AgreementState.ACTIVE:
            raise error("illegal-agreement-update")
        check_update(body, agreement)
        terms = changed_terms(agreement.terms, body)
        self.ledger.act(agreement.id, AgreementAction.UPDATE, actor="MERCHANT", now=request.now, terms=terms)
        return _DONE

    def force_accept(self, request: ApiRequest) -> HttpReply:
        """Accept an agreement as its user would, as in the test environment."""
        agreement, number = self.ledger.find(request.resource), request.body["phoneNumber"]
        if number == test_user.UNKNOWN_PHONE_NUMBER:
            raise invalid([("phoneNumber", "There is no test user of this number.")])
        try:
            if agreement.state is AgreementState.PENDING:
                self.ledger.change(agreement.id, phone_number=number)
            self.user.act(agreement.id, "accept", {})
        except ActionRefused as refused:
            raise error("illegal-agreement-update", f"Cannot be accepted: {refused.reason}.") from refused
        return _DONE

    def list_charges(self, request: ApiRequest) -> HttpReply:
        """List the charges of an agreement, a page of them."""
        agreement = self.ledger.find(request.resource)
        token = request.headers.get("Continuation-Token")
        if token == "" and request.leniency.allows("ignored: Continuation-Token, which is empty"):
            token = None
        page, following = charges_page(self.ledger, agreement, request.query, token, now=request.now)
        reply = of_json(200, [documents.charge_document(charge, agreement) for charge in page])
        return attrs.evolve(reply, headers={"Continuation-Token": following} if following else {})

    def create_charge(self, request: ApiRequest) -> HttpReply:
        """Create a charge."""
        agreement = self.ledger.find(request.resource)
        charge = self._open_charge(request.body, agreement, request)
        return of_json(201, {"chargeId": charge.id})

    def create_charges(self, request: ApiRequest) -> HttpReply:
        """Create many charges: those that pass the first check, some of which fail all the same."""
        accepted: dict[str, Any] = {}
        refused: list[dict[str, Any]] = []
        for item in request.body:
            errors = self._first_check(item, accepted)
            if errors:
                refused.append({"chargeBatchItemDto": item, "errors": errors})
            else:
                accepted[item["orderId"]] = item
        for item in accepted.values():
            self._create_or_tell(item, request)
        return of_json(202, {"validCharges": [*accepted], "invalidCharges": refused})

    def get_charge(self, request: ApiRequest) -> HttpReply:
        """Return a charge of an agreement."""
        return self._charge_reply(self._charge(request))

    def find_charge(self, request: ApiRequest) -> HttpReply:
        """Return a charge by its id alone."""
        return self._charge_reply(self.ledger.find_charge(request.resource))

    def capture_charge(self, request: ApiRequest) -> HttpReply:
        """Capture some of what is reserved."""
        charge, amount = self._charge(request), request.body["amount"]
        return self._act(charge, capture_of(charge, amount), request, amount)

    def refund_charge(self, request: ApiRequest) -> HttpReply:
        """Refund some of what was captured."""
        charge, amount = self._charge(request), request.body["amount"]
        return self._act(charge, refund_of(charge, amount, now=request.now), request, amount)

    def cancel_charge(self, request: ApiRequest) -> HttpReply:
        """Cancel a charge, or release what was not captured."""
        return self._act(self._charge(request), ChargeAction.CANCEL, request, None)

    def _act(self, charge: LedgerCharge, action: ChargeAction, request: ApiRequest, amount: int | None) -> HttpReply:
        self.ledger.act_on_charge(charge.id, action, now=request.now, amount=amount, key=request.key)
        return _DONE

    def _charge(self, request: ApiRequest) -> LedgerCharge:
        agreement_id, _, charge_id = request.resource.partition("/")
        self.ledger.find(agreement_id)
        return self.ledger.find_charge(charge_id, agreement_id)

    def _charge_reply(self, charge: LedgerCharge) -> HttpReply:
        return of_json(200, documents.charge_document(charge, self.ledger.find(charge.agreement_id)))

    def _agreement(self, agreement: LedgerAgreement) -> dict[str, Any]:
        return documents.agreement_document(agreement, self._platform.base_url())

    def _first_check(self, item: Any, accepted: Mapping[str, Any]) -> list[str]:
        if item["agreementId"] not in self.ledger.agreements:
            return ["Agreement not found."]
        if item["orderId"] in self.ledger.charges or item["orderId"] in accepted:
            return ["There is a charge with this orderId."]
        return []

    def _create_or_tell(self, item: Mapping[str, Any], request: ApiRequest) -> None:
        agreement = self.ledger.find(item["agreementId"])
        try:
            self._open_charge(item, agreement, request)
        except ProblemError:
            charge = attrs.evolve(
                new_charge(item, agreement, now=request.now), state=ChargeState.FAILED, failure_reason="technical_error"
            )
            entry = ChargeEntry(event="FAIL", occurred=request.now, amount=charge.amount, idempotency_key="")
            self._publish_charge(charge, CREATION_FAILED, entry)

    def _open_charge(self, body: Mapping[str, Any], agreement: LedgerAgreement, request: ApiRequest) -> LedgerCharge:
        if agreement.state is not AgreementState.ACTIVE:
            raise error("charge-creation-failed", f"The agreement is {agreement.state}.")
        check_charge(body, agreement, now=request.now, denied=self._platform.denied)
        charge = new_charge(body, agreement, now=request.now)
        if exceeds_ceiling(agreement, charge, self.ledger.charges_of(agreement)):
            raise error("charge-amount-too-high")
        return self.ledger.open_charge(charge, key=request.key or "")

    def _confirmation_url(self, token: str) -> str:
        return self._platform.redirect_url(Destination.LANDING_PAGE, token)

    def _publish_agreement(self, agreement: LedgerAgreement, event_type: str, entry: AgreementEntry) -> None:
        msn = self._platform.credentials.merchant_serial_number
        self._platform.publish(
            SandboxEvent(
                type=event_type,
                name=event_type,
                reference=agreement.id,
                id=f"{agreement.id}-{entry.event}",
                amount=None,
                occurred_at=entry.occurred,
                render=lambda: encode(
                    documents.agreement_event(
                        event_type,
                        agreement.id,
                        agreement_uuid=agreement.uuid,
                        external_id=agreement.terms.get("externalId"),
                        entry=entry,
                        msn=msn,
                    )
                ),
            )
        )

    def _publish_charge(self, charge: LedgerCharge, event_type: str, entry: ChargeEntry) -> None:
        msn = self._platform.credentials.merchant_serial_number
        self._platform.publish(
            SandboxEvent(
                type=event_type,
                name=event_type,
                # In order with its agreement's: the first charge of one comes before its activation.
                reference=charge.agreement_id,
                id=entry.transaction_id or charge.id,
                amount=entry.amount,
                occurred_at=entry.occurred,
                render=lambda: encode(
                    documents.charge_event(
                        event_type, charge, occurred=entry.occurred, transaction_id=entry.transaction_id, msn=msn
                    )
                ),
            )
        )
