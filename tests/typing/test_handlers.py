"""A handler's parameter is checked where it is registered, by mypy and by pyright."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Lines that a checker refuses end in "# refused".
MODULE = """
from vipps_async import PaymentEvent, PaymentEventName
from vipps_async.recurring import AgreementEvent, AgreementEventType, ChargeEvent, ChargeEventType
from vipps_async.webhooks import EventRouter, UnknownEvent, WebhookEvent
from vipps_async.webhooks.stores.base import Claim

routes = EventRouter()


async def on_payment(event: PaymentEvent) -> None: ...
async def on_payment_with_claim(event: PaymentEvent, claim: Claim) -> None: ...
async def on_payment_with_named_claim(event: PaymentEvent, *, claim: Claim) -> None: ...
async def on_unknown(event: UnknownEvent) -> None: ...
async def on_charge(event: ChargeEvent) -> None: ...
async def on_agreement(event: AgreementEvent) -> None: ...
async def on_any(event: WebhookEvent) -> None: ...
def not_async(event: PaymentEvent) -> None: ...


class Shop:
    async def book(self, event: PaymentEvent) -> None: ...


routes.on(PaymentEventName.CAPTURED)(on_payment)
routes.on(PaymentEventName.CAPTURED, PaymentEventName.REFUNDED)(on_payment_with_claim)
routes.on(PaymentEventName.CAPTURED)(on_payment_with_named_claim)
routes.on(PaymentEventName.CAPTURED)(on_any)
routes.on(PaymentEventName.CAPTURED)(Shop().book)
routes.on(PaymentEventName.CAPTURED)(on_unknown)  # refused
routes.on(PaymentEventName.CAPTURED)(not_async)  # refused
routes.on(PaymentEvent)(on_payment)
routes.on(PaymentEvent)(on_unknown)  # refused
routes.on(UnknownEvent)(on_unknown)
routes.on(UnknownEvent)(on_payment)  # refused
routes.on("recurring.charge-captured.v1")(on_unknown)
routes.on(ChargeEventType.CAPTURED)(on_charge)
routes.on(ChargeEventType.CAPTURED)(on_payment)  # refused
routes.on(ChargeEvent)(on_charge)
routes.on(AgreementEventType.STOPPED)(on_agreement)
routes.on(AgreementEvent)(on_charge)  # refused
routes.on("CAPTURED", PaymentEventName.REFUNDED)(on_payment)
routes.on(int)  # refused
routes.on_failed(on_any)
routes.on_failed(on_payment)  # refused
routes.on_failed(PaymentEvent)(on_payment)
routes.on_failed(PaymentEventName.CAPTURED)(on_payment)
routes.on_failed(PaymentEventName.CAPTURED)(on_unknown)  # refused
routes.on_all(on_any)
routes.on_all(on_payment)  # refused
routes.on_other(on_any)
routes.on_other(on_unknown)  # refused


@routes.on(PaymentEventName.AUTHORIZED)
async def ship(event: PaymentEvent) -> None:
    print(event.reference, event.amount)


@routes.on(PaymentEventName.AUTHORIZED)  # refused
async def misread(event: UnknownEvent) -> None:
    print(event.subject)
"""


def lines_refused_by(*command: str, found: str) -> set[int]:
    """Return the lines that a checker finds fault with."""
    run = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return {int(line) for line in re.findall(found, run.stdout)}


def by_mypy(path: Path) -> set[int]:
    """Check by mypy."""
    return lines_refused_by("mypy", "--strict", "--no-error-summary", str(path), found=r":(\d+): error")


def by_pyright(path: Path) -> set[int]:
    """Check by pyright."""
    pytest.importorskip("pyright")
    return lines_refused_by("pyright", "--pythonpath", sys.executable, str(path), found=r":(\d+):\d+ - error")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", [by_mypy, by_pyright])
def test_a_handler_of_another_event_is_refused(check: Callable[[Path], set[int]], tmp_path: Path) -> None:
    """Just the lines that would hand a handler an event that it does not take, and those that take no handler."""
    pytest.importorskip("mypy")
    module = tmp_path / "a_shop.py"
    module.write_text(MODULE, "utf-8")
    marked = {number for number, line in enumerate(MODULE.split("\n"), start=1) if line.endswith("# refused")}
    # A decorated function is refused at its decorator by one, and at its definition by the other.
    found = {number - 1 if "misread" in MODULE.split("\n")[number - 1] else number for number in check(module)}
    assert found == marked
