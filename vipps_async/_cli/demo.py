"""``demo``: walk the whole life of a payment, or of a subscription, against a sandbox on this machine."""

import argparse
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, TextIO

import aiohttp
import attrs
from aiohttp import web

from vipps_async._cli.arguments import DIALECTS
from vipps_async._cli.process import write
from vipps_async._cli.steps import DemoFailed, StepPrinter, expect
from vipps_async._cli.subscription_demo import run_subscription
from vipps_async.client import VippsClient
from vipps_async.epayment import Adjustment, Payment, PaymentEvent, PaymentEventName, PaymentState, UserFlow
from vipps_async.errors import ConfigurationError, VippsError
from vipps_async.money import Amount
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands

Dialect = Literal["current", "draft"]
_APIS = ("epayment", "recurring")

_COPIES = 2  # each event is delivered twice, as happens with any delivery that is made at least once
_EXPECTED_EVENTS = {
    PaymentEventName.CREATED: 1,
    PaymentEventName.AUTHORIZED: 1,
    PaymentEventName.CAPTURED: 2,
    PaymentEventName.REFUNDED: 1,
}


@attrs.frozen(kw_only=True)
class _Script:
    """The arguments that differ between the dialects: those of the draft's quick start, and of the current one."""

    amount: Amount
    part: Amount
    refunded: Amount
    reference: str
    user_flow: UserFlow
    description: str
    only_accepts: bool


_SCRIPTS = {
    "current": _Script(
        amount=Amount(49900, "NOK"),
        part=Amount(19900, "NOK"),
        refunded=Amount(5000, "NOK"),
        reference="acme-shop-123-order123abc",
        user_flow=UserFlow.WEB_REDIRECT,
        description="One pair of socks",
        only_accepts=False,
    ),
    "draft": _Script(
        amount=Amount(1000, "NOK"),
        part=Amount(400, "NOK", type="PURCHASE"),
        refunded=Amount(100, "NOK", type="PURCHASE"),
        reference="UNIQUE-PAYMENT-REFERENCE",
        user_flow=UserFlow.NATIVE_REDIRECT,
        description="A simple payment",
        only_accepts=True,
    ),
}


async def run(dialect: Dialect, out: TextIO) -> None:
    """Walk the whole job and tell it on *out*.

    Args:
        dialect: ``"current"`` or ``"draft"``.
        out: where the story goes.

    Raises:
        DemoFailed: something differs from what it should be.
        VippsError: a call failed.
    """
    narrator = StepPrinter(out)
    narrator.title(f"A payment from end to end, in the {dialect} API")
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(dialect=dialect, copies=_COPIES))
        narrator.step("Start a sandbox: Vipps MobilePay on this machine", sandbox.base_url)
        vipps = await stack.enter_async_context(VippsClient(sandbox.credentials, environment=sandbox.environment))
        shop = await stack.enter_async_context(_open_shop(sandbox, vipps, dialect, narrator))
        await _Walk(_SCRIPTS[dialect], sandbox, vipps, shop, narrator).run()
    narrator.end("Everything is as it should be.")


class _Shop:
    """The merchant's side: what its handlers did."""

    def __init__(self, url: str, receiver: WebhookReceiver) -> None:
        self.url = url
        self.receiver = receiver
        self.effects: Counter[tuple[str, str]] = Counter()
        receiver.on(PaymentEvent)(self.book)

    async def book(self, event: PaymentEvent) -> None:
        self.effects[event.name, event.psp_reference] += 1

    async def welcome_back(self, request: web.Request) -> web.Response:
        return web.Response(text=f"Thank you for your order {request.query['reference']}")


@asynccontextmanager
async def _open_shop(sandbox: Sandbox, vipps: VippsClient, dialect: str, narrator: StepPrinter) -> AsyncIterator[_Shop]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    shop = _Shop(url, await _register(sandbox, vipps, dialect, f"{url}/vipps/events", narrator))
    app = web.Application()
    app.router.add_get("/return", shop.welcome_back)
    app.add_subapp("/vipps", shop.receiver.aiohttp_app())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        narrator.step("Start a web shop with the receiver mounted in it", f"{url}/vipps/events")
        yield shop
    finally:
        await runner.cleanup()


async def _register(
    sandbox: Sandbox, vipps: VippsClient, dialect: str, url: str, narrator: StepPrinter
) -> WebhookReceiver:
    if dialect == "draft":
        # The draft has no API for it: a webhook is set up in the merchant portal, and is not signed.
        await sandbox.add_webhook(url)
        narrator.step("Set up a webhook in the merchant portal", "unsigned, as the draft has it")
        return WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    registration = await vipps.webhooks.register(url)
    narrator.step("Register a webhook", f"{len(registration.events)} event types, signed with a secret of its own")
    return WebhookReceiver(url=url, secrets=[registration.secret], store=MemoryStore())


class _Walk:
    """The steps."""

    def __init__(
        self, script: _Script, sandbox: Sandbox, vipps: VippsClient, shop: _Shop, narrator: StepPrinter
    ) -> None:
        self._script = script
        self._sandbox = sandbox
        self._vipps = vipps
        self._shop = shop
        self._narrator = narrator

    async def run(self) -> None:
        redirect_url = await self._create()
        await self._approve(redirect_url)
        await self._authorized()
        await self._capture()
        await self._refund()
        await self._deliveries()
        await self._read_back()

    async def _create(self) -> str:
        script = self._script
        create = partial(
            self._vipps.epayment.create,
            amount=script.amount,
            reference=script.reference,
            user_flow=script.user_flow,
            return_url=f"{self._shop.url}/return?reference={script.reference}",
            payment_description=script.description,
        )
        created = await create()
        self._narrator.step(f"Create a payment of {script.amount}", f"{created.reference}, CREATED")
        repeated = await create()
        expect("the payment of a repeated creation", repeated.redirect_url, created.redirect_url)
        self._narrator.step("Create it again, as after a crash", "the same payment: the key comes from the request")
        return created.redirect_url

    async def _approve(self, redirect_url: str) -> None:
        async with aiohttp.ClientSession() as browser:
            async with browser.get(redirect_url) as page:
                expect("the landing page's status", page.status, 200)
            async with browser.post(redirect_url, data={"action": "approve"}) as returned:
                welcome = await returned.text()
        expect("the page the shopper returns to", welcome, f"Thank you for your order {self._script.reference}")
        self._narrator.step("The shopper approves on the landing page", f"back at the shop: “{welcome}”")

    async def _authorized(self) -> None:
        payment = await self._vipps.epayment.wait(self._script.reference, timeout=30, signal=self._shop.receiver)
        expect("the state", payment.state, PaymentState.AUTHORIZED)
        expect("the authorized amount", payment.aggregate.authorized_amount, self._script.amount)
        self._narrator.step("Wait for the payment", f"{payment.state}, {payment.aggregate.authorized_amount}")

    async def _capture(self) -> None:
        script, epayment = self._script, self._vipps.epayment
        first = await epayment.capture(script.reference, script.part)
        total = await self._total(first, lambda payment: payment.aggregate.captured_amount)
        expect("the amount captured first", total, script.part)
        self._narrator.step(f"Capture {script.part}", _summary(first, total))
        rest = await epayment.capture(script.reference)
        total = await self._total(rest, lambda payment: payment.aggregate.captured_amount)
        expect("the amount captured in all", total, script.amount)
        self._narrator.step("Capture all that remains", _summary(rest, total))

    async def _refund(self) -> None:
        reply = await self._vipps.epayment.refund(self._script.reference, self._script.refunded)
        total = await self._total(reply, lambda payment: payment.aggregate.refunded_amount)
        expect("the refunded amount", total, self._script.refunded)
        self._narrator.step(f"Refund {self._script.refunded}", _summary(reply, total, "refunded"))

    async def _total(self, reply: Adjustment, total: Callable[[Payment], Amount]) -> Amount:
        expect("whether the result is still to come", reply.is_accepted_only, self._script.only_accepts)
        return total(await self._vipps.epayment.get(self._script.reference))

    async def _deliveries(self) -> None:
        await self._sandbox.settled()
        delivered = sum(delivery.status == 200 for delivery in self._sandbox.deliveries)
        events = sum(_EXPECTED_EVENTS.values())
        expect("the deliveries answered 200", delivered, events * _COPIES)
        expect("the events that took effect", sorted(self._shop.effects.values()), [1] * events)
        self._narrator.step("Receive every event twice", f"{delivered} deliveries, {events} effects: each event once")

    async def _read_back(self) -> None:
        events = await self._vipps.epayment.events(self._script.reference)
        expect("the event log", Counter(event.name for event in events), Counter(_EXPECTED_EVENTS))
        logged = {(str(event.name), event.psp_reference) for event in events}
        expect("the events handled, compared with the log", set(self._shop.effects), logged)
        self._narrator.step("Read the event log back", "the shop's books agree with it")
        for event in events:
            self._narrator.detail(f"{event.timestamp:%H:%M:%S}  {event.name:<10} {event.amount!s:>11}")


def _summary(reply: Adjustment, total: Amount, verb: str = "captured") -> str:
    accepted = "accepted, and by event: " if reply.is_accepted_only else ""
    return f"{accepted}{total} {verb} in all"


def add_to(commands: "Commands") -> None:
    """Add the command."""
    demo = commands.add_parser("demo", help="walk a payment's, or a subscription's, whole life against a sandbox")
    demo.add_argument("--api", choices=_APIS, default="epayment", help="what to walk through (default: epayment)")
    demo.add_argument("--dialect", choices=DIALECTS, default="current", help="which API to speak (default: current)")
    demo.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
    if options.api != "epayment" and options.dialect == "draft":
        raise ConfigurationError(f"the draft has payments alone: leave out --dialect draft, or --api {options.api}")
    try:
        await (run(options.dialect, sys.stdout) if options.api == "epayment" else run_subscription(sys.stdout))
    except (DemoFailed, VippsError) as error:
        write(sys.stderr, f"The demo failed: {error}\n")
        return 1
    return 0
