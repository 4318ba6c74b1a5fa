"""``demo --api recurring``: walk a subscription's life against a sandbox on this machine, months in a second."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TextIO

import aiohttp
import attrs
from aiohttp import web

from vipps_async._cli.steps import StepPrinter, expect
from vipps_async.client import VippsClient
from vipps_async.money import Amount
from vipps_async.recurring import (
    AgreementEvent,
    AgreementEventType,
    AgreementStatus,
    ChargeEvent,
    ChargeEventType,
    ChargeStatus,
    InitialCharge,
    Interval,
    Pricing,
)
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

_COPIES = 2  # each event is delivered twice
_PRICE, _REGISTRATION = Amount(49900, "NOK"), Amount(10000, "NOK")
_EVENTS = (*AgreementEventType, *ChargeEventType)
_MONTH = timedelta(days=31)


@attrs.define
class _Gym:
    """The merchant's side: what its handlers noted of the one member."""

    url: str
    paid: dict[str, Amount] = attrs.field(factory=dict)
    status: str = "none"
    handled: int = 0

    def listen(self, receiver: WebhookReceiver) -> None:
        @receiver.on(ChargeEventType.CAPTURED)
        async def pay(event: ChargeEvent) -> None:
            self.paid[event.charge_id] = event.amount_captured
            self.handled += 1

        @receiver.on(ChargeEventType.REFUNDED)
        async def repay(event: ChargeEvent) -> None:
            self.paid[event.charge_id] = event.amount_captured - event.amount_refunded
            self.handled += 1

        @receiver.on(AgreementEventType.ACTIVATED, AgreementEventType.STOPPED)
        async def note(event: AgreementEvent) -> None:
            actor = f" by the {event.actor.lower()}" if event.actor else ""
            self.status = f"{event.event_type.partition('agreement-')[2].removesuffix('.v1')}{actor}"
            self.handled += 1


async def run_subscription(out: TextIO) -> None:
    """Walk the whole job and tell it on *out*.

    Raises:
        DemoFailed: something differs from what it should be.
        VippsError: a call failed.
    """
    narrator = StepPrinter(out)
    narrator.title("A subscription from end to end")
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(copies=_COPIES))
        narrator.step("Start a sandbox: Vipps MobilePay on this machine", sandbox.base_url)
        vipps = await stack.enter_async_context(VippsClient(sandbox.credentials, environment=sandbox.environment))
        gym = await stack.enter_async_context(_open_gym(vipps, narrator))
        await _Walk(sandbox, vipps, gym, narrator).run()
    narrator.end("Everything is as it should be.")


@asynccontextmanager
async def _open_gym(vipps: VippsClient, narrator: StepPrinter) -> AsyncIterator[_Gym]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    gym = _Gym(url)
    registration = await vipps.webhooks.register(f"{url}/vipps/events", _EVENTS)
    receiver = WebhookReceiver(url=registration.url, secrets=[registration.secret], store=MemoryStore())
    gym.listen(receiver)
    app = web.Application()
    app.router.add_get("/welcome", _welcome)
    receiver.setup(app, "/vipps/events")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        narrator.step("Open a gym that listens", f"{len(registration.events)} event types, signed")
        yield gym
    finally:
        await runner.cleanup()


async def _welcome(_: web.Request) -> web.Response:
    return web.Response(text="Welcome to the gym")


@attrs.frozen
class _Walk:
    """The steps."""

    sandbox: Sandbox
    vipps: VippsClient
    gym: _Gym
    narrator: StepPrinter

    async def run(self) -> None:
        agreement_id = await self._accept(await self._draft())
        for month, fails in enumerate((False, True, False), start=1):
            await self._month(agreement_id, f"member-7-month-{month}", fails=fails)
        await self._refund(agreement_id, "member-7-month-3")
        await self._stop(agreement_id)

    async def _draft(self) -> tuple[str, str]:
        drafted = await self.vipps.recurring.agreements.create(
            pricing=Pricing.legacy(_PRICE),
            interval=Interval("MONTH"),
            product_name="Gym membership",
            merchant_redirect_url=f"{self.gym.url}/welcome?member=7",
            merchant_agreement_url="https://gym.example/members/7",
            initial_charge=InitialCharge(
                amount=_REGISTRATION,
                description="Registration",
                transaction_type="DIRECT_CAPTURE",
                order_id="member-7-registration",
            ),
        )
        self.narrator.step(f"Draft an agreement of {_PRICE} a month", f"{drafted.agreement_id}, PENDING")
        return drafted.agreement_id, drafted.confirmation_url

    async def _accept(self, drafted: tuple[str, str]) -> str:
        agreement_id, url = drafted
        async with aiohttp.ClientSession() as browser, browser.post(url, data={"action": "accept"}) as returned:
            welcome = await returned.text()
        expect("the page the member returns to", welcome, "Welcome to the gym")
        agreement = await self.vipps.recurring.agreements.wait(agreement_id, timeout=30)
        expect("the status", agreement.status, AgreementStatus.ACTIVE)
        await self.sandbox.settled()
        expect("what the gym was told", self.gym.status, "activated")
        expect("the registration that was paid", self.gym.paid, {"member-7-registration": _REGISTRATION})
        self.narrator.step("The member accepts, and pays the registration", f"{agreement.status}, {_REGISTRATION} paid")
        return agreement_id

    async def _month(self, agreement_id: str, order_id: str, *, fails: bool) -> None:
        if fails:
            await self.sandbox.recurring.decline_charges(agreement_id)
        due = (self.sandbox.clock.now() + timedelta(days=2)).date()
        await self.vipps.recurring.charges.create(
            agreement_id,
            amount=_PRICE,
            description="Membership",
            transaction_type="DIRECT_CAPTURE",
            due=due,
            retry_days=5,
            order_id=order_id,
        )
        self.narrator.step(f"Create a charge of {_PRICE}", f"{order_id}, due on {due}")
        self.sandbox.clock.advance(timedelta(days=4))
        if fails:
            charge = await self.vipps.recurring.charges.get(agreement_id, order_id)
            expect("the status of a charge that cannot be taken", charge.status, ChargeStatus.DUE)
            self.narrator.step("The member's card is empty", f"{charge.status}: it is tried again each day")
            await self.sandbox.recurring.pay_charges(agreement_id)
            self.sandbox.clock.advance(timedelta(days=1))
        charge = await self.vipps.recurring.charges.get(agreement_id, order_id)
        expect("the status of the charge", charge.status, ChargeStatus.CHARGED)
        await self.sandbox.settled()
        expect("what the gym booked", self.gym.paid.get(order_id), _PRICE)
        self.narrator.step("It is taken at the market's hours", f"{charge.status}, {charge.summary.captured}")
        self.sandbox.clock.advance(_MONTH - timedelta(days=4))

    async def _refund(self, agreement_id: str, order_id: str) -> None:
        half = Amount(_PRICE.value // 2, "NOK")
        await self.vipps.recurring.charges.refund(agreement_id, order_id, half, description="Closed for two weeks")
        await self.sandbox.settled()
        expect("what is left of the charge", self.gym.paid[order_id], _PRICE - half)
        self.narrator.step(f"Refund {half}", f"{self.gym.paid[order_id]} left of {order_id}")

    async def _stop(self, agreement_id: str) -> None:
        await self.sandbox.recurring.stop(agreement_id)
        await self.sandbox.settled()
        expect("what the gym was told", self.gym.status, "stopped by the user")
        self.narrator.step("The member stops the agreement in the app", f"the gym knows: {self.gym.status}")
        charges = [charge async for charge in self.vipps.recurring.charges.list(agreement_id)]
        booked = {charge.id: charge.summary.captured - charge.summary.refunded for charge in charges}
        expect("the gym's books", self.gym.paid, booked)
        delivered = sum(delivery.status == 200 for delivery in self.sandbox.deliveries)
        expect("the deliveries answered 200", delivered, self.gym.handled * _COPIES)
        told = f"{delivered} deliveries, {self.gym.handled} effects: each event once"
        self.narrator.step("Compare the books with the charges", f"they agree; {told}")
