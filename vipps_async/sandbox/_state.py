"""Everything that one sandbox remembers, wired together, apart from the server that it is reached through."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import attrs

from vipps_async._wire.json import encode
from vipps_async.config import Credentials
from vipps_async.sandbox._epayment.approval import User
from vipps_async.sandbox._epayment.approval_details import DEFAULT_APPROVAL, ApprovalDetails
from vipps_async.sandbox._epayment.dialects import Dialect
from vipps_async.sandbox._epayment.ledger import Ledger
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.operations import Operations
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.redirects import Destination
from vipps_async.sandbox._faults.plan import FaultPlan
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.gateway import Api
from vipps_async.sandbox._platform.idempotency import IdempotencyCache
from vipps_async.sandbox._platform.permissions import Permission
from vipps_async.sandbox._platform.rate_limits import RateLimits
from vipps_async.sandbox._platform.tokens import Tokens
from vipps_async.sandbox._webhooks.deliveries import Deliveries
from vipps_async.sandbox._webhooks.records import RequestLog
from vipps_async.sandbox._webhooks.registrations import Registrations


@attrs.frozen(kw_only=True)
class SandboxState:
    """One sales unit and all that happened to it.

    Attributes:
        api: answers requests.
        deliveries: what is on its way to webhooks.
        faults: what goes wrong.
        requests: the latest requests.
        choices: what the user of a landing page has settled so far, by the token of its payment.
    """

    api: Api
    deliveries: Deliveries
    faults: FaultPlan
    requests: RequestLog = attrs.field(factory=RequestLog)
    choices: dict[str, ApprovalDetails] = attrs.field(factory=dict)

    @property
    def credentials(self) -> Credentials:
        """The sales unit's keys."""
        return self.api.credentials

    @property
    def clock(self) -> Clock:
        """The present."""
        return self.api.clock

    @property
    def tokens(self) -> Tokens:
        """The access tokens."""
        return self.api.tokens

    @property
    def ledger(self) -> Ledger:
        """The payments."""
        return self.api.operations.ledger

    @property
    def registrations(self) -> Registrations:
        """The webhooks."""
        return self.api.operations.registrations

    @property
    def merchant(self) -> str:
        """What pages call the sales unit."""
        return f"Test shop {self.credentials.merchant_serial_number}"

    def landing_page(self, token: str) -> str:
        """Return the URL of the page on which the payment that *token* stands for is approved."""
        return self.api.operations.redirect_url(Destination.LANDING_PAGE, token)

    async def act(self, reference: str, action: Action, choice: ApprovalDetails = DEFAULT_APPROVAL) -> LedgerPayment:
        """Do to a payment what the user, or time, does; return it afterwards.

        Args:
            reference: the payment.
            action: what is done to it.
            choice: what the user settled before, to approve it.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: its state forbids the action, or the attempt to pay failed.
        """
        self.expire_due()
        return await self._user.act(reference, action, choice)

    async def consider(self, reference: str, address: Mapping[str, str]) -> ApprovalDetails:
        """Return what a payment's user can choose from at *address*.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: nothing can be shipped there.
        """
        self.expire_due()
        return await self._user.consider(reference, address)

    @property
    def _user(self) -> User:
        return User(clock=self.clock, ledger=self.ledger)

    def expire_due(self) -> None:
        """Do what fell due: expire payments on which nobody acted in time, release what was not captured in time."""
        self.ledger.expire_due(now=self.clock.now())

    async def reset(self) -> None:
        """Forget everything, and return to the real time."""
        await self.deliveries.reset()
        api = self.api
        remembering = (self.ledger, api.answers, api.rate_limits, self.registrations, self.faults, self.requests)
        for part in (*remembering, self.choices):
            part.clear()
        self.tokens.revoke_all()
        self.clock.reset()


def install(
    *,
    dialect: Dialect,
    credentials: Credentials,
    currency: str | None,
    denied: frozenset[Permission],
    token_lifetime: timedelta,
    rate_limits: bool,
    copies: int,
    retry_delays: Sequence[float],
    seed: int | None,
    redirect_url: Callable[[Destination, str], str],
) -> SandboxState:
    """Return a new installation.

    Args:
        dialect: which version of the API it speaks.
        credentials: the sales unit's keys.
        currency: of its market; ``None``: it takes every one.
        denied: what it may not do.
        token_lifetime: how long an access token is valid.
        rate_limits: whether too many calls about a payment are refused.
        copies: how often each event is delivered successfully.
        retry_delays: seconds between attempts of a delivery, the last one repeated.
        seed: what chance goes by where faults have a probability; ``None`` takes any.
        redirect_url: returns the address of a destination for a token.
    """
    clock, tokens, answers, faults = Clock(), Tokens(token_lifetime), IdempotencyCache(), FaultPlan(seed)
    registrations = Registrations(patience=dialect.patience)
    deliveries = Deliveries(
        clock=clock,
        registrations=registrations,
        faults=faults,
        render=_renderer(dialect, credentials),
        copies=copies,
        retry_delays=retry_delays,
        give_up_after=dialect.give_up_after,
    )
    ledger = Ledger(publish=deliveries.publish, psp_reference=dialect.psp_reference, denied=denied)
    operations = Operations(
        dialect=dialect,
        currency=currency,
        denied=denied,
        redirect_url=redirect_url,
        ledger=ledger,
        tokens=tokens,
        registrations=registrations,
        cancel_deliveries=deliveries.cancel_deliveries,
    )
    return SandboxState(
        api=Api(
            dialect=dialect,
            credentials=credentials,
            clock=clock,
            tokens=tokens,
            rate_limits=RateLimits(enforced=rate_limits),
            answers=answers,
            operations=operations,
        ),
        deliveries=deliveries,
        faults=faults,
    )


def _renderer(dialect: Dialect, credentials: Credentials) -> Callable[[LedgerPayment, LedgerEvent], bytes]:
    return lambda payment, event: encode(dialect.notified(payment, event, credentials.merchant_serial_number))
