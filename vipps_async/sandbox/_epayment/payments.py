"""Payments, their events and what is wanted of them, as values that never change. Performs no I/O.

Sources: ePayment API, get payment and event log; knowledge base, reservations (the deadlines).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from vipps_async.sandbox._epayment.lifecycle import Action, EventName, State
from vipps_async.sandbox._platform.markets import MARKETS

REFUND_PERIOD = timedelta(days=365)


@attrs.frozen(kw_only=True)
class LedgerEvent:
    """One entry of a payment's event log.

    Attributes:
        name: what happened.
        reference: the payment.
        psp_reference: identifies this one event.
        amount: the event's own amount, in minor units.
        currency: ISO 4217.
        timestamp: when, by the sandbox's clock.
        idempotency_key: of the request that caused it, where it had one.
        success: whether the operation went well.
    """

    name: EventName
    reference: str
    psp_reference: str
    amount: int
    currency: str
    timestamp: datetime
    idempotency_key: str | None = None
    success: bool = True


@attrs.frozen(kw_only=True)
class LedgerPayment:
    """A payment at one moment; the ledger replaces it whenever something happens.

    Attributes:
        reference: unique within the sales unit.
        state: where it is in its life.
        currency: ISO 4217, of every amount here.
        amount: what the payment is about, in minor units.
        authorized_amount: approved by the user.
        captured_amount: running total; refunds do not reduce it.
        refunded_amount: running total.
        cancelled_amount: running total of what was released.
        psp_reference: that of its ``CREATED`` event.
        token: the part of the redirect URL that stands for the payment.
        redirect_url: where the user is sent, if anywhere.
        idempotency_key: the key it was created with.
        created_at: by the sandbox's clock, as the next two.
        expires_at: when it expires unless somebody acts.
        authorized_at: when the user approved.
        processing_until: until when the user's approval is under way, and nobody else can act.
        outcome: what comes of that approval then, if that is settled already.
        request: the create request's body.
        approval: what the user's approval added to replies: profile, user and shipping details.
        events: the event log, oldest first.
    """

    reference: str
    state: State = State.CREATED
    currency: str
    amount: int
    authorized_amount: int = 0
    captured_amount: int = 0
    refunded_amount: int = 0
    cancelled_amount: int = 0
    psp_reference: str
    token: str = attrs.field(repr=False)
    redirect_url: str | None = attrs.field(default=None, repr=False)
    idempotency_key: str
    created_at: datetime
    expires_at: datetime
    authorized_at: datetime | None = None
    processing_until: datetime | None = None
    outcome: "Command | None" = None
    request: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    approval: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    events: tuple[LedgerEvent, ...] = ()

    @property
    def capturable(self) -> int:
        """The amount that is left to capture, or to cancel."""
        return self.authorized_amount - self.captured_amount - self.cancelled_amount

    @property
    def refundable(self) -> int:
        """The amount that is left to refund."""
        return self.captured_amount - self.refunded_amount

    @property
    def capture_until(self) -> datetime | None:
        """When the reservation lapses, once there is one."""
        return self.authorized_at and self.authorized_at + MARKETS[self.currency].reserved_for

    @property
    def refund_until(self) -> datetime | None:
        """When a refund is possible no more, counted from the reservation."""
        return self.authorized_at and self.authorized_at + REFUND_PERIOD

    @property
    def next_deadline(self) -> datetime | None:
        """When time does something to it, unless somebody acts before."""
        if self.state is not State.CREATED:
            return self.capture_until if self.capturable else None
        until = self.processing_until or self.expires_at
        return until if self.outcome else max(until, self.expires_at)

    def is_processing(self, now: datetime) -> bool:
        """Whether the user's approval is under way."""
        return self.state is State.CREATED and self.processing_until is not None and now < self.processing_until


@attrs.frozen(kw_only=True)
class Command:
    """A change that somebody wants of a payment.

    Attributes:
        action: what.
        amount: how much of it, in minor units; ``None``: all that the action can be about.
        currency: of *amount*.
        idempotency_key: of the request.
        unauthorized_only: cancel only what the user has not approved (``cancelTransactionOnly``).
        shipping_cost: what the user's choice of shipping adds to the payment.
        approval: what an approval adds to replies.
        fails: whether the attempt fails once the rules have let it through: an event reports it, no money moves.
    """

    action: Action
    amount: int | None = None
    currency: str | None = None
    idempotency_key: str | None = None
    unauthorized_only: bool = False
    shipping_cost: int = 0
    approval: Mapping[str, Any] = attrs.field(factory=dict)
    fails: bool = False

    @property
    def asked(self) -> int:
        """The amount as a number, 0 where none was given."""
        return self.amount or 0
