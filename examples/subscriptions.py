"""A gym whose members pay by the month, against a sandbox on this machine.

Run it with ``python examples/subscriptions.py``, open http://127.0.0.1:8080, join, and accept. Each day,
`charge_members` creates the charges that are due soon; here a day takes a second. A process may die between any two
lines of it: what is to be charged is written down before it is sent, under an order id that is charged once, whoever
asks again.
"""

import asyncio
import html
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import aiosqlite
import attrs
from aiohttp import web

from vipps_async import Amount, BadRequest, NotFound, VippsClient, WaitTimeout
from vipps_async.recurring import (
    AgreementEvent,
    AgreementEventType,
    AgreementStatus,
    ChargeEvent,
    ChargeEventType,
    Interval,
    Pricing,
)
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.sqlite import SQLiteClaim, SQLiteStore

PRICE = Amount(49900, "NOK")
NOTICE = timedelta(days=3)  # before it is due, a charge is created
MONTH = timedelta(days=30)
EVENTS = (*AgreementEventType, *ChargeEventType)
TABLES = """
CREATE TABLE IF NOT EXISTS members (
    member TEXT PRIMARY KEY, agreement TEXT UNIQUE, status TEXT NOT NULL DEFAULT 'PENDING', next_due TEXT
);
CREATE TABLE IF NOT EXISTS charges (
    order_id TEXT PRIMARY KEY, member TEXT NOT NULL, due TEXT NOT NULL, is_sent INTEGER NOT NULL DEFAULT 0,
    captured INTEGER NOT NULL DEFAULT 0, refunded INTEGER NOT NULL DEFAULT 0, failure TEXT
);
"""
STATUSES = {
    AgreementEventType.ACTIVATED: "ACTIVE",
    AgreementEventType.REJECTED: "STOPPED",
    AgreementEventType.STOPPED: "STOPPED",
    AgreementEventType.EXPIRED: "EXPIRED",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 3rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: .7rem 1.4rem; border: 0; border-radius: .5rem; background: #ff5b24; color: #000 }}
</style>
<h1>{title}</h1>
{content}
"""


async def charge_members(vipps: VippsClient, path: Path, today: date) -> None:
    """Create every charge that is due soon; run it daily, and again after a crash.

    It has the books open by itself, so that no page's commit comes in between.
    """
    async with open_books(path) as books:
        await _write_down(books, today)
        unsent = await books.execute_fetchall(
            "SELECT order_id, agreement, due FROM charges JOIN members USING (member)"
            " WHERE NOT is_sent ORDER BY order_id"
        )
        for order_id, agreement, due in unsent:
            refusal = await _refusal(vipps, agreement, order_id, date.fromisoformat(due))
            if refusal == "charge-due-too-soon":  # no run came to it in time: on another day, with another key
                await books.execute("UPDATE charges SET due = ? WHERE order_id = ?", [_soon(today), order_id])
            else:  # it is there, or the member has just left
                await books.execute(
                    "UPDATE charges SET is_sent = 1, failure = coalesce(?, failure) WHERE order_id = ?",
                    [refusal, order_id],
                )
            await books.commit()


async def _refusal(vipps: VippsClient, agreement: str, order_id: str, due: date) -> str | None:
    """Send a charge as it was written down; return why it is refused, unless it is there from an earlier run."""
    try:
        await vipps.recurring.charges.create(
            agreement,
            amount=PRICE,
            description="Membership",
            transaction_type="DIRECT_CAPTURE",
            due=due,
            retry_days=5,
            order_id=order_id,
            idempotency_key=f"{order_id}-{due:%m%d}",
        )
    except BadRequest as refused:
        return None if await _is_there(vipps, agreement, order_id) else refused.code
    return None


async def _is_there(vipps: VippsClient, agreement: str, order_id: str) -> bool:
    try:
        await vipps.recurring.charges.get(agreement, order_id)
    except NotFound:
        return False
    return True


def _soon(today: date) -> str:
    # Two days ahead: what is tomorrow here may be today in the market.
    return (today + timedelta(days=2)).isoformat()


async def _write_down(books: aiosqlite.Connection, today: date) -> None:
    """Write down what is to be charged, and when the next charge is due, in one transaction."""
    soon = (today + NOTICE).isoformat()
    due_members = await books.execute_fetchall(
        "SELECT member, next_due FROM members WHERE status = 'ACTIVE' AND next_due <= ?", [soon]
    )
    for member, next_due in due_members:
        await books.execute(
            "INSERT INTO charges (order_id, member, due) VALUES (?, ?, ?)",
            [f"{member}-{next_due}", member, max(next_due, _soon(today))],
        )
        following = (date.fromisoformat(next_due) + MONTH).isoformat()
        await books.execute("UPDATE members SET next_due = ? WHERE member = ?", [following, member])
    await books.commit()


async def book_charge(event: ChargeEvent, claim: SQLiteClaim) -> None:
    """Book what became of a charge; its event tells totals, so that the order of events does not matter."""
    await claim.connection.execute(
        "UPDATE charges SET captured = max(captured, ?), refunded = max(refunded, ?), failure = coalesce(?, failure)"
        " WHERE order_id = ?",
        [event.amount_captured.value, event.amount_refunded.value, event.failure_reason, event.charge_id],
    )


async def book_agreement(event: AgreementEvent, claim: SQLiteClaim) -> None:
    """Book what became of an agreement; one that ended does not become active by an event that comes late."""
    await claim.connection.execute(
        "UPDATE members SET status = ? WHERE agreement = ? AND status IN ('PENDING', 'ACTIVE')",
        [STATUSES[event.event_type], event.agreement_id],
    )


@attrs.frozen
class Gym:
    """The members, and their pages."""

    vipps: VippsClient
    url: str
    receiver: WebhookReceiver
    books: aiosqlite.Connection
    path: Path
    today: Callable[[], date]

    def make_app(self) -> web.Application:
        """Make the web application, events included."""
        app = web.Application()
        app.router.add_get("/", self.front_page)
        app.router.add_post("/join", self.join)
        app.router.add_get("/members/{member}", self.member)
        app.router.add_post("/members/{member}/stop", self.stop)
        self.receiver.on(AgreementEvent)(book_agreement)
        self.receiver.on(ChargeEvent)(book_charge)
        self.receiver.setup(app, "/vipps/events")
        return app

    async def front_page(self, _: web.Request) -> web.Response:
        """Offer a membership."""
        button = f'<form method="post" action="/join"><button>Join for {PRICE} a month</button></form>'
        return page("The gym", button)

    async def join(self, _: web.Request) -> web.Response:
        """Draft an agreement, and send the member to it."""
        member = f"member-{uuid4().hex[:12]}"
        drafted = await self.vipps.recurring.agreements.create(
            pricing=Pricing.legacy(PRICE),
            interval=Interval("MONTH"),
            product_name="Gym membership",
            merchant_redirect_url=f"{self.url}/members/{member}",
            merchant_agreement_url=f"{self.url}/members/{member}",
            external_id=member,
        )
        first_due = (self.today() + timedelta(days=1)).isoformat()
        await self.books.execute(
            "INSERT INTO members (member, agreement, next_due) VALUES (?, ?, ?)",
            [member, drafted.agreement_id, first_due],
        )
        await self.books.commit()
        raise web.HTTPSeeOther(drafted.confirmation_url)

    async def member(self, request: web.Request) -> web.Response:
        """Show a membership; a member often returns a moment before the event arrives."""
        member, agreement, status = await self._find(request)
        if status == "PENDING":
            with suppress(WaitTimeout):
                now = await self.vipps.recurring.agreements.wait(agreement, timeout=10, signal=self.receiver)
                status = now.status
        charges = await self.books.execute_fetchall(
            "SELECT due, captured FROM charges WHERE member = ? ORDER BY due", [member]
        )
        rows = "".join(f"<li>{due}: {Amount(captured, 'NOK')} paid</li>" for due, captured in charges)
        button = f'<form method="post" action="/members/{member}/stop"><button>Leave the gym</button></form>'
        told = f"<p>Your membership is <strong>{html.escape(status)}</strong>.</p><ul>{rows}</ul>"
        return page("Your membership", told + (button if status == AgreementStatus.ACTIVE else ""))

    async def stop(self, request: web.Request) -> web.Response:
        """Stop a membership; its event books that."""
        member, agreement, _ = await self._find(request)
        await self.vipps.recurring.agreements.stop(agreement)
        await self.books.execute("UPDATE members SET status = 'STOPPED' WHERE member = ?", [member])
        await self.books.commit()
        raise web.HTTPSeeOther(f"/members/{member}")

    async def _find(self, request: web.Request) -> tuple[str, str, str]:
        found = await self.books.execute_fetchall(
            "SELECT member, agreement, status FROM members WHERE member = ?", [request.match_info["member"]]
        )
        for member, agreement, status in found:
            return member, agreement, status
        raise web.HTTPNotFound


def page(title: str, content: str) -> web.Response:
    """Render a page."""
    return web.Response(text=PAGE.format(title=html.escape(title), content=content), content_type="text/html")


@asynccontextmanager
async def open_books(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """Open the gym's books."""
    async with aiosqlite.connect(path, timeout=60) as books:
        await books.executescript(TABLES)
        yield books


@asynccontextmanager
async def open_gym(sandbox: Sandbox, path: Path, port: int) -> AsyncIterator[Gym]:
    """Serve a gym that charges through *sandbox*, with its books at *path*."""
    url = f"http://127.0.0.1:{port}"
    async with (
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
        SQLiteStore(path) as store,
        open_books(path) as books,
    ):
        registration = await vipps.webhooks.register(f"{url}/vipps/events", EVENTS)
        receiver = WebhookReceiver(url=registration.url, secrets=[registration.secret], store=store)
        gym = Gym(vipps, url, receiver, books, path, lambda: sandbox.clock.now().date())
        runner = web.AppRunner(gym.make_app(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield gym
        finally:
            await runner.cleanup()


async def main() -> None:
    """Run the sandbox and the gym until Ctrl-C, a day each second."""
    async with Sandbox() as sandbox, open_gym(sandbox, Path("gym.db"), 8080) as gym:
        print(f"The gym is open at {gym.url}; its agreements are at {sandbox.base_url}.")
        while True:
            await charge_members(gym.vipps, gym.path, gym.today())
            await asyncio.sleep(1)
            sandbox.clock.advance(timedelta(days=1))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("Closed.")
