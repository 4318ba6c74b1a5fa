"""What a page of a list and a charge cost in a sandbox that has 10,000 agreements, against one that has 100."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count

import attrs

from benchmarks.pairs import Row, Work, compare
from vipps_async import Amount, VippsClient
from vipps_async.recurring import Pricing
from vipps_async.sandbox import Sandbox

FEW, MANY = 100, 10_000
ROUNDS = 41
PAGE = 50
EACH = 10  # of a round
PRICE = Amount(49900, "NOK")


@attrs.frozen
class Merchant:
    """A sandbox with agreements, and a client of it."""

    sandbox: Sandbox
    vipps: VippsClient
    numbers: "count[int]" = attrs.field(factory=count)

    async def draft(self, agreements: int) -> None:
        """Draft so many agreements, which their users accept."""
        for number in range(agreements):
            drafted = await self.vipps.recurring.agreements.create(
                pricing=Pricing.flexible("NOK"),
                product_name="Membership",
                merchant_redirect_url="https://shop.example/welcome",
                merchant_agreement_url="https://shop.example/members",
                external_id=str(number),
            )
            await self.sandbox.recurring.accept(drafted.agreement_id)

    async def read_pages(self) -> None:
        """Read the first page of the list of agreements, some times."""
        for _ in range(EACH):
            pages = self.vipps.recurring.agreements.list(page_size=PAGE)
            for _ in range(PAGE):
                await anext(pages)
            await pages.aclose()  # type: ignore[attr-defined]  # an asynchronous generator

    async def charge(self) -> None:
        """Create some charges, each of another agreement, and read them."""
        identifiers = list(self.sandbox.recurring.agreements)
        due = (self.sandbox.clock.now() + timedelta(days=40)).date()
        for _ in range(EACH):
            number = next(self.numbers)
            agreement_id = identifiers[number % FEW]
            created = await self.vipps.recurring.charges.create(
                agreement_id,
                amount=PRICE,
                description="Use",
                transaction_type="DIRECT_CAPTURE",
                due=due,
                retry_days=2,
                order_id=f"order-{number}",
            )
            await self.vipps.recurring.charges.get(agreement_id, created.charge_id)


@asynccontextmanager
async def filled(agreements: int) -> AsyncIterator[Merchant]:
    """Run a sandbox that has so many agreements."""
    async with (
        Sandbox(rate_limits=False) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        merchant = Merchant(sandbox, vipps)
        await merchant.draft(agreements)
        yield merchant


async def compare_agreements(few: int = FEW, many: int = MANY, rounds: int = ROUNDS) -> Sequence[Row]:
    """Return what both cost."""
    async with filled(few) as small, filled(many) as large:
        pages = await compare(Work(small.read_pages), Work(large.read_pages), rounds=rounds, units=EACH)
        charges = await compare(Work(small.charge), Work(large.charge), rounds=rounds, units=EACH)
    return [{"work": "a page of a list", **pages}, {"work": "a charge, created and read", **charges}]
