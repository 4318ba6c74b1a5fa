"""The agreements of one sales unit and their charges, each step published as an event. Performs no I/O, awaits nothing.

An operation is one synchronous step, so that concurrent requests cannot mix.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import count
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._recurring.ceilings import why_not_taken
from vipps_async.sandbox._recurring.charging import perform
from vipps_async.sandbox._recurring.errors import error, not_found
from vipps_async.sandbox._recurring.lifecycle import (
    AGREEMENT_TRANSITIONS,
    AgreementAction,
    AgreementState,
    ChargeAction,
    ChargeState,
)
from vipps_async.sandbox._recurring.records import AgreementEntry, ChargeEntry, LedgerAgreement, LedgerCharge

_UNTAKEN = (ChargeState.PENDING, ChargeState.DUE)
_RESERVED = (ChargeState.RESERVED, ChargeState.PARTIALLY_CAPTURED)
# What a stop releases depends on who stops: a user's leaves to the merchant what is reserved.
_RELEASED_BY: Mapping[str, tuple[ChargeState, ...]] = MappingProxyType(
    {"MERCHANT": (*_UNTAKEN, *_RESERVED), "USER": _UNTAKEN, "ADMIN": _UNTAKEN}
)
_Deadline = tuple[datetime, int, str, str]


class AgreementLedger:
    """All agreements and charges, and the only way to change one.

    Args:
        publish_agreement: called with an agreement, the type of its event, and its newest entry.
        publish_charge: called with a charge, the type of its event, and its newest entry.
    """

    def __init__(
        self,
        *,
        publish_agreement: Callable[[LedgerAgreement, str, AgreementEntry], None],
        publish_charge: Callable[[LedgerCharge, str, ChargeEntry], None],
    ) -> None:
        self._publish_agreement = publish_agreement
        self._publish_charge = publish_charge
        self._agreements: dict[str, LedgerAgreement] = {}
        self._charges: dict[str, LedgerCharge] = {}
        self._by_state: dict[AgreementState, dict[str, None]] = {state: {} for state in AgreementState}
        self._tokens: dict[str, str] = {}
        self._deadlines: list[_Deadline] = []
        self._numbers = count()

    @property
    def agreements(self) -> Mapping[str, LedgerAgreement]:
        """A read-only view, in the order of creation."""
        return MappingProxyType(self._agreements)

    @property
    def charges(self) -> Mapping[str, LedgerCharge]:
        """A read-only view, in the order of creation."""
        return MappingProxyType(self._charges)

    def latest(self, text: str) -> Iterator[LedgerAgreement]:
        """Yield the agreements whose id, or a charge's, contains *text*, newest first."""
        return (
            agreement
            for agreement in reversed(self._agreements.values())
            if text in agreement.id or any(text in charge for charge in agreement.charge_ids)
        )

    def in_state(self, state: AgreementState) -> Iterator[LedgerAgreement]:
        """Yield the agreements that are in a state."""
        return (self._agreements[identifier] for identifier in self._by_state[state])

    def find(self, agreement_id: str) -> LedgerAgreement:
        """Return an agreement; raises ProblemError if there is none."""
        found = self._agreements.get(agreement_id)
        if found is None:
            raise not_found("Agreement")
        return found

    def find_by_token(self, token: str) -> LedgerAgreement | None:
        """Return the agreement that a confirmation URL's token stands for."""
        found = self._tokens.get(token)
        return None if found is None else self._agreements[found]

    def find_charge(self, charge_id: str, agreement_id: str | None = None) -> LedgerCharge:
        """Return a charge, of this agreement if it is given; raises ProblemError if there is none."""
        found = self._charges.get(charge_id)
        if found is None or agreement_id not in {None, found.agreement_id}:
            raise not_found("Charge")
        return found

    def charges_of(self, agreement: LedgerAgreement) -> Iterator[LedgerCharge]:
        """Yield the charges of an agreement, oldest first."""
        return (self._charges[charge] for charge in agreement.charge_ids)

    def draft(self, agreement: LedgerAgreement, initial: LedgerCharge | None, *, key: str) -> LedgerAgreement:
        """Enter a new agreement, with its initial charge if it has one.

        Raises:
            ProblemError: there is a charge of that id already.
        """
        if initial is not None:
            self.check_new(initial.id)
        entry = AgreementEntry(event="CREATE", occurred=agreement.created_at, actor="MERCHANT")
        self._tokens[agreement.token] = agreement.id
        self._replace(attrs.evolve(agreement, history=(entry,)))
        if initial is not None:
            self.open_charge(initial, key=key)
        return self._agreements[agreement.id]

    def act(
        self, agreement_id: str, action: AgreementAction, *, actor: str, now: datetime, **changes: Any
    ) -> LedgerAgreement:
        """Do something to an agreement, change it, and return it.

        Raises:
            ProblemError: there is none, or its state forbids that.
        """
        agreement = self.find(agreement_id)
        transition = AGREEMENT_TRANSITIONS.get((agreement.state, action))
        if transition is None:
            raise error("illegal-agreement-update")
        if transition.history is None:
            return agreement
        entry = AgreementEntry(event=transition.history, occurred=now, actor=actor)
        changed = attrs.evolve(
            agreement, state=transition.state, history=(*agreement.history, entry), **_times(action, now), **changes
        )
        self._replace(changed)
        if transition.event is not None:
            self._publish_agreement(changed, transition.event, entry)
        if transition.state is AgreementState.STOPPED:
            self._release(changed, actor, now)
        elif transition.state is AgreementState.EXPIRED:
            self._release(changed, "MERCHANT", now)
        return self._agreements[agreement_id]

    def change(self, agreement_id: str, **changes: Any) -> LedgerAgreement:
        """Change what is no part of an agreement's history, such as what its user allows; raises ProblemError."""
        return self._replace(attrs.evolve(self.find(agreement_id), **changes))

    def check_new(self, charge_id: str) -> None:
        """Return if no charge has this id; raises ProblemError."""
        if charge_id in self._charges:
            raise error("conflict")

    def open_charge(self, charge: LedgerCharge, *, key: str) -> LedgerCharge:
        """Enter a new charge, which is due at once if it is soon.

        Raises:
            ProblemError: there is a charge of that id already.
        """
        self.check_new(charge.id)
        entry = ChargeEntry(event="CREATE", occurred=charge.created_at, amount=charge.amount, idempotency_key=key)
        agreement = self.find(charge.agreement_id)
        self._agreements[agreement.id] = attrs.evolve(agreement, charge_ids=(*agreement.charge_ids, charge.id))
        entered = self._replace_charge(attrs.evolve(charge, history=(entry,)))
        if charge.type != "INITIAL" and charge.visible_from <= charge.created_at:
            return self.act_on_charge(charge.id, ChargeAction.FALL_DUE, now=charge.created_at)
        return entered

    def act_on_charge(
        self,
        charge_id: str,
        action: ChargeAction,
        *,
        now: datetime,
        amount: int | None = None,
        key: str | None = None,
        reason: str | None = None,
    ) -> LedgerCharge:
        """Do something to a charge, and return it; raises what `perform` does."""
        charge = self.find_charge(charge_id)
        changed, transition = perform(charge, action, now=now, amount=amount, key=key, reason=reason)
        self._replace_charge(changed)
        if transition.event is not None:
            self._publish_charge(changed, transition.event, changed.history[-1])
        return changed

    def take(self, charge_id: str, *, now: datetime) -> LedgerCharge:
        """Try to take a charge, as at the market's hours."""
        is_last = self.find_charge(charge_id).is_last_attempt
        charge = self.act_on_charge(charge_id, ChargeAction.PROCESS, now=now)
        agreement = self._agreements[charge.agreement_id]
        reason = why_not_taken(agreement, charge, self.charges_of(agreement))
        if reason is None:
            is_direct = charge.transaction_type == "DIRECT_CAPTURE"
            return self.act_on_charge(charge_id, ChargeAction.PAY if is_direct else ChargeAction.RESERVE, now=now)
        action = ChargeAction.FAIL if is_last else ChargeAction.POSTPONE
        return self.act_on_charge(charge_id, action, now=now, reason=reason)

    def expire_due(self, *, now: datetime) -> None:
        """Do what fell due, each thing at its time: expire agreements, take charges, release reservations."""
        while self._deadlines and self._deadlines[0][0] <= now:
            due, _, kind, identifier = heapq.heappop(self._deadlines)
            if kind == "agreement":
                self._expire(identifier, due)
            else:
                self._charge_fell_due(identifier, due)

    def restore(self, agreements: Iterable[LedgerAgreement], charges: Iterable[LedgerCharge]) -> None:
        """Enter agreements and charges as they were saved, without an event.

        Raises:
            ConfigurationError: an id is taken; nothing is entered then.
        """
        restored, theirs = {each.id: each for each in agreements}, {each.id: each for each in charges}
        taken = (restored.keys() & self._agreements.keys()) | (theirs.keys() & self._charges.keys())
        if taken:
            raise ConfigurationError(f"there is {min(taken)!r} already: load into an empty sandbox")
        for agreement in restored.values():
            self._tokens[agreement.token] = agreement.id
            self._replace(agreement)
        for charge in theirs.values():
            self._replace_charge(charge)

    def clear(self) -> None:
        """Forget everything."""
        self._agreements.clear()
        self._charges.clear()
        self._tokens.clear()
        self._deadlines.clear()
        for identifiers in self._by_state.values():
            identifiers.clear()

    def _expire(self, agreement_id: str, due: datetime) -> None:
        agreement = self._agreements.get(agreement_id)
        if agreement is not None and agreement.next_deadline == due:
            self.act(agreement_id, AgreementAction.EXPIRE, actor="ADMIN", now=due)

    def _charge_fell_due(self, charge_id: str, due: datetime) -> None:
        charge = self._charges.get(charge_id)
        if charge is None or charge.next_deadline != due:
            return
        match charge.state:
            case ChargeState.PENDING:
                self.act_on_charge(charge_id, ChargeAction.FALL_DUE, now=due)
            case ChargeState.DUE:
                self.take(charge_id, now=due)
            case _:
                self.act_on_charge(charge_id, ChargeAction.CANCEL, now=due)

    def _release(self, agreement: LedgerAgreement, actor: str, now: datetime) -> None:
        for charge in tuple(self.charges_of(agreement)):
            if charge.state in _RELEASED_BY[actor]:
                self.act_on_charge(charge.id, ChargeAction.CANCEL, now=now)

    def _replace(self, agreement: LedgerAgreement) -> LedgerAgreement:
        before = self._agreements.get(agreement.id)
        if before is None or before.state is not agreement.state:
            if before is not None:
                del self._by_state[before.state][agreement.id]
            self._by_state[agreement.state][agreement.id] = None
        if before is None and agreement.next_deadline is not None:
            self._plan(agreement.next_deadline, "agreement", agreement.id)
        changed = attrs.evolve(agreement, revision=agreement.revision + 1)
        self._agreements[agreement.id] = changed
        return changed

    def _replace_charge(self, charge: LedgerCharge) -> LedgerCharge:
        before = self._charges.get(charge.id)
        deadline = charge.next_deadline
        if deadline is not None and (before is None or before.next_deadline != deadline):
            self._plan(deadline, "charge", charge.id)
        self._charges[charge.id] = charge
        # What is shown of an agreement shows its charges.
        agreement = self._agreements[charge.agreement_id]
        self._agreements[agreement.id] = attrs.evolve(agreement, revision=agreement.revision + 1)
        return charge

    def _plan(self, when: datetime, kind: str, identifier: str) -> None:
        heapq.heappush(self._deadlines, (when, next(self._numbers), kind, identifier))


def _times(action: AgreementAction, now: datetime) -> dict[str, Any]:
    if action is AgreementAction.ACCEPT:
        return {"started_at": now}
    return {"stopped_at": now} if action in {AgreementAction.STOP, AgreementAction.DECLINE} else {}
