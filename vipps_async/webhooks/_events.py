"""Which body is which API's event, in both dialects. Performs no I/O."""

from vipps_async._wire import json as _json
from vipps_async._wire.converter import Malformed, structure
from vipps_async.epayment import PaymentEvent
from vipps_async.errors import NotAnEvent


def read_event(body: bytes) -> PaymentEvent:
    """Read a delivery's body.

    Raises:
        NotAnEvent: it is not JSON, or not a payment's event.

    Source: ePayment API, webhook events; draft, notifications.
    """
    try:
        return structure(_json.decode(body), PaymentEvent)
    except _json.NotJson as error:
        raise NotAnEvent(f"the body is not JSON: {error}") from error
    except Malformed as error:
        raise NotAnEvent(f"the body is not an event of a payment: {error}") from error
