"""A local server that behaves like Vipps MobilePay: stateful, offline, account-free, with faults on order.

::

    async with Sandbox() as sandbox:
        ...  # create a payment at sandbox.base_url with sandbox.credentials
        await sandbox.approve(reference)
"""

from vipps_async.sandbox._clock import Clock
from vipps_async.sandbox._deliveries import Delivery
from vipps_async.sandbox._faults import Fault
from vipps_async.sandbox._ledger import ActionRefused, UnknownReference
from vipps_async.sandbox._lifecycle import Action, EventName, State
from vipps_async.sandbox._payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._records import RecordedRequest
from vipps_async.sandbox._registrations import Registration
from vipps_async.sandbox._server import Sandbox

__all__ = [
    "Action",
    "ActionRefused",
    "Clock",
    "Delivery",
    "EventName",
    "Fault",
    "LedgerEvent",
    "LedgerPayment",
    "RecordedRequest",
    "Registration",
    "Sandbox",
    "State",
    "UnknownReference",
]
