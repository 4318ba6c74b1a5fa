"""A local server that behaves like Vipps MobilePay: stateful, offline, account-free, with faults to be injected.

::

    async with Sandbox() as sandbox:
        ...  # create a payment at sandbox.base_url with sandbox.credentials
        await sandbox.approve(reference)
"""

from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.permissions import Permission
from vipps_async.sandbox._fault_controls import faults_help
from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
from vipps_async.sandbox._faults.plan import InjectedFault
from vipps_async.sandbox._platform.api import ApiDefinition, SampleFacts
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.problems import ActionRefused, UnknownReference
from vipps_async.sandbox._platform.test_user import UNKNOWN_PHONE_NUMBER
from vipps_async.sandbox._recurring.permissions import RecurringPermission
from vipps_async.sandbox._recurring.records import AgreementEntry, ChargeEntry, LedgerAgreement, LedgerCharge
from vipps_async.sandbox._samples import SAMPLE_EVENTS, sample_event
from vipps_async.sandbox._server import Sandbox
from vipps_async.sandbox._state import APIS
from vipps_async.sandbox._thread import run_in_thread
from vipps_async.sandbox._webhooks.records import Delivery, RecordedRequest, UnknownDelivery
from vipps_async.sandbox._webhooks.registrations import Registration

__all__ = [
    "APIS",
    "SAMPLE_EVENTS",
    "UNKNOWN_PHONE_NUMBER",
    "ActionRefused",
    "AgreementEntry",
    "ApiDefinition",
    "ChargeEntry",
    "Clock",
    "Delivery",
    "DeliveryFault",
    "Fault",
    "InjectedFault",
    "LedgerAgreement",
    "LedgerCharge",
    "LedgerEvent",
    "LedgerPayment",
    "Permission",
    "RecordedRequest",
    "RecurringPermission",
    "Registration",
    "SampleFacts",
    "Sandbox",
    "UnknownDelivery",
    "UnknownReference",
    "faults_help",
    "run_in_thread",
    "sample_event",
]
