"""How much a capture of all that remains is about, also when it is repeated."""

from typing import Protocol

from vipps_async._http.call import check_key
from vipps_async.epayment._event import PaymentEvent
from vipps_async.epayment._payment import Payment
from vipps_async.epayment._rules import check_modification_amount, check_modification_reference, check_reference
from vipps_async.epayment._vocabulary import PaymentEventName
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount


class Reads(Protocol):
    """What tells how a payment stands."""

    async def get(self, reference: str) -> Payment:
        """Return the payment."""
        ...

    async def events(self, reference: str) -> list[PaymentEvent]:
        """Return its event log."""
        ...


def check_modification(reference: str, key: str | None, modification_reference: str | None) -> None:
    """Return if a modification can be asked for so; nothing has been sent yet.

    Raises:
        InvalidRequest: one of the three is malformed.
    """
    check_reference(reference)
    if key is not None:
        check_key(key)
    if modification_reference is not None:
        check_modification_reference(modification_reference)


async def all_that_remains(api: Reads, reference: str, key: str | None) -> Amount:
    """Return what is left to capture, or what a capture with *key* was about.

    A capture that is repeated with its key must have its first amount, or the API takes it for another one.

    Raises:
        InvalidRequest: nothing is left.
        CallError: the payment could not be read.
    """
    earlier = [event for event in await api.events(reference) if event.idempotency_key == key] if key else []
    captured = [event.amount for event in earlier if event.name is PaymentEventName.CAPTURED]
    if captured:
        return Amount(captured[0].value, captured[0].currency)
    payment = await api.get(reference)
    left = payment.aggregate.left_to_capture
    if not left.value:
        total = payment.aggregate.authorized_amount
        raise InvalidRequest("amount", None, f"nothing of the {total} authorized remains to capture")
    return check_modification_amount(left)
