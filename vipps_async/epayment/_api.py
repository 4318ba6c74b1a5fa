"""The ePayment operations. Source: ePayment API 1.8.1."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from vipps_async._events import EventWatcher
from vipps_async._http import call
from vipps_async._http.polling import Polls
from vipps_async._http.reply import ignore
from vipps_async._http.session import ApiClient
from vipps_async._http.waiting import wait_for
from vipps_async._remaining import ALL_THAT_REMAINS, check_given
from vipps_async.epayment._enums import (
    AuthorisationType,
    CustomerInteraction,
    PaymentMethodType,
    UserFlow,
)
from vipps_async.epayment._errors import RULES
from vipps_async.epayment._event import PaymentEvent
from vipps_async.epayment._full_capture import amount_of_full_capture, check_modification
from vipps_async.epayment._payment import Payment
from vipps_async.epayment._receipt import Receipt
from vipps_async.epayment._replies import read_adjustment, read_created, read_log, read_payment
from vipps_async.epayment._request import (
    Approval,
    Cancellation,
    CreatePayment,
    Customer,
    IndustryData,
    MerchantLegalLinks,
    Modification,
    PaymentMethod,
    QrFormat,
)
from vipps_async.epayment._results import Adjustment, CreatedPayment
from vipps_async.epayment._rules import check_reference
from vipps_async.epayment._shipping import Shipping
from vipps_async.epayment._wait import PAYMENT, is_decided
from vipps_async.errors import Conflict, InvalidRequest
from vipps_async.money import Amount

_PAYMENTS = "/epayment/v1/payments"
_TEST_PAYMENTS = "/epayment/v1/test/payments"
_DERIVED_KEY_LENGTH = 40
_OTHER_CAPTURE = "4010"  # ePayment API, errors: the key belongs to a capture with another body


class EPayment:
    """Payments: create, read, capture, refund, cancel; `VippsClient.epayment`.

    Every method raises `InvalidRequest` for arguments that the API would refuse, before anything is sent, and
    `CallError`, as one of its subclasses, for a call that ends without a result. A write that ends in silence raises
    `OutcomeUnknown`, which carries the idempotency key to repeat it with.

    Args:
        client: sends the calls.
        polls: reads payments for those who wait; clients that share it share the reads.
    """

    def __init__(self, client: ApiClient, polls: Polls | None = None) -> None:
        self._session = client.session
        self._polls = polls or Polls()

    async def create(
        self,
        *,
        amount: Amount,
        reference: str,
        return_url: str | None = None,
        user_flow: UserFlow | str = UserFlow.WEB_REDIRECT,
        payment_method: PaymentMethod | PaymentMethodType | str = PaymentMethodType.WALLET,
        payment_description: str | None = None,
        customer: Customer | None = None,
        customer_interaction: CustomerInteraction | str | None = None,
        profile_scope: str | Iterable[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        receipt: Receipt | None = None,
        receipt_url: str | None = None,
        minimum_user_age: int | None = None,
        qr_format: QrFormat | None = None,
        shipping: Shipping | None = None,
        industry_data: IndustryData | None = None,
        merchant_legal_links: MerchantLegalLinks | None = None,
        authorisation_type: AuthorisationType | str | None = None,
        direct_capture: bool | None = None,
        idempotency_key: str | None = None,
    ) -> CreatedPayment:
        """Create a payment, and return where to send the user.

        Args:
            amount: at least 1.00 NOK, 0.01 DKK or 0.01 EUR; in the sales unit's currency.
            reference: 8 to 64 characters of a-z, A-Z, 0-9 and -, unique for the merchant serial number.
            return_url: where the user comes back to, ``https://`` or a custom scheme, up to 2500 characters.
                WEB_REDIRECT requires it. Nothing is added to it, so put the reference in it.
            user_flow: WEB_REDIRECT, NATIVE_REDIRECT, PUSH_MESSAGE or QR.
            payment_method: WALLET, CARD (with WEB_REDIRECT only), or a `PaymentMethod` that blocks sources.
            payment_description: 3 to 100 characters, shown to the user and in settlement files.
            customer: who is to pay; PUSH_MESSAGE requires it.
            customer_interaction: CUSTOMER_PRESENT at a till.
            profile_scope: details to ask the user for: ``"name email phoneNumber"``, or these words.
            metadata: up to 5 texts, keys up to 100 characters, values up to 500; come back with `get`.
            expires_at: aware time; needs approval and a *receipt*. The API takes a time between 10 minutes and
                60 days ahead.
            receipt: order lines and their summary.
            receipt_url: where the receipt can be read.
            minimum_user_age: years, 0 to 100.
            qr_format: with the flow QR, what the redirect URL leads to.
            shipping: Express; needs approval.
            industry_data: what an airline has to give.
            merchant_legal_links: terms of sale and privacy policy that the user accepts in the app.
            authorisation_type: the draft API's PRE_AUTH or FINAL_AUTH.
            direct_capture: the draft API's; captures at once.
            idempotency_key: 1 to 50 characters. Without one, the key is derived from what is asked for, so that a
                process that died can call again with the same arguments and gets the same payment. Neither the order
                of *metadata* or of the words of *profile_scope* matters, nor the time zone of *expires_at*.

        Returns:
            Where to send the user, and the key that the creation was sent with.

        Raises:
            InvalidRequest: an argument breaks one of these rules.
            Conflict: the reference exists already, with other contents.
            OutcomeUnknown: no reply settled whether the payment exists; call again with the same arguments.
            CallError: as another of its subclasses.

        Source: ePayment API, create payment.
        """
        request = CreatePayment(
            amount=amount,
            payment_method=payment_method,
            reference=reference,
            user_flow=user_flow,
            return_url=return_url,
            payment_description=payment_description,
            customer=customer,
            customer_interaction=customer_interaction,
            profile=profile_scope,
            metadata=metadata,
            expires_at=expires_at,
            receipt=receipt,
            receipt_url=receipt_url,
            minimum_user_age=minimum_user_age,
            qr_format=qr_format,
            shipping=shipping,
            industry_data=industry_data,
            merchant_legal_links=merchant_legal_links,
            authorisation_type=authorisation_type,
            direct_capture=direct_capture,
        )
        body = call.encoded(request)
        key = self._derived_key(body) if idempotency_key is None else RULES.checked_key(idempotency_key)
        created = await self._session.send(
            call.write("create", _PAYMENTS, body=body, key=key, rules=RULES),
            partial(read_created, reference=request.reference, key=key),
        )
        self._polls.note_creation(PAYMENT, (self._merchant, request.reference))
        return created

    async def get(self, reference: str) -> Payment:
        """Return the payment as it stands.

        Args:
            reference: the payment's.

        Raises:
            NotFound: there is none for this merchant serial number.
            CallError: as another of its subclasses.

        Source: ePayment API, get payment; 120 reads a minute for one reference.
        """
        return await self._session.send(
            call.read("get", _path(reference), rules=RULES), partial(read_payment, reference=reference)
        )

    async def events(self, reference: str) -> list[PaymentEvent]:
        """Return the payment's event log, oldest first: the history that settles what happened.

        Each is equal to the event that is delivered for it, whose `dedup_key` it has.

        Args:
            reference: the payment's.

        Raises:
            NotFound: there is no such payment for this merchant serial number.
            CallError: as another of its subclasses.

        Source: ePayment API, get event log.
        """
        read = partial(read_log, reference=reference, msn=self._merchant)
        return await self._session.send(call.read("events", _path(reference, "/events"), rules=RULES), read)

    async def capture(
        self,
        reference: str,
        amount: Amount = ALL_THAT_REMAINS,
        *,
        idempotency_key: str | None = None,
        modification_reference: str | None = None,
    ) -> Adjustment:
        """Take authorized money, at the earliest when the goods are sent.

        Args:
            reference: the payment's.
            amount: how much, in parts as often as wanted; leave it out to capture all that remains. ``None`` is
                refused, since it may come from a variable that was forgotten.
            idempotency_key: 1 to 50 characters; a fresh one without it, because two equal captures are two captures.
                To repeat a capture whose outcome is unknown, give the key of the error. A capture of all that remains
                is then repeated with its first amount, which is looked for in the event log.
            modification_reference: the draft API's name for this capture.

        Returns:
            The totals after the capture; look at ``aggregate.captured_amount`` before shipping.

        Raises:
            InvalidRequest: nothing remains to capture, or an argument is malformed.
            BadRequest: more than remains, not authorized yet, too late; ``code`` tells which.
            OutcomeUnknown: repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: ePayment API, capture payment; 5 a minute for one reference.
        """
        if amount is not ALL_THAT_REMAINS:
            return await self._modify(
                "capture", reference, check_given(amount), idempotency_key, modification_reference
            )
        check_modification(reference, idempotency_key, modification_reference)
        # One deadline for the reads and the capture together.
        deadline = time.monotonic() + self._session.timeout
        bounded = EPayment(self._session.ending_at(deadline), self._polls)
        find_amount = partial(amount_of_full_capture, bounded, reference, idempotency_key, deadline=deadline)
        capture = partial(
            bounded.capture,
            reference,
            idempotency_key=idempotency_key,
            modification_reference=modification_reference,
        )
        amount = await find_amount()
        try:
            return await capture(amount)
        except Conflict as error:
            if idempotency_key is None or error.code != _OTHER_CAPTURE:
                raise
        return await capture(await find_amount(refused=amount))

    async def refund(
        self,
        reference: str,
        amount: Amount,
        *,
        idempotency_key: str | None = None,
        modification_reference: str | None = None,
    ) -> Adjustment:
        """Give captured money back, within 365 days.

        Args:
            reference: the payment's.
            amount: how much, in parts as often as wanted, up to what was captured.
            idempotency_key: as for `capture`.
            modification_reference: the draft API's name for this refund.

        Returns:
            The totals after the refund.

        Raises:
            InvalidRequest: an argument is malformed.
            BadRequest: more than was captured, or too late; ``code`` tells which.
            OutcomeUnknown: repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: ePayment API, refund payment; 5 a minute for one reference.
        """
        return await self._modify("refund", reference, amount, idempotency_key, modification_reference)

    async def cancel(
        self, reference: str, *, cancel_transaction_only: bool = False, idempotency_key: str | None = None
    ) -> Adjustment:
        """Release all that is not captured, for good; before it is authorized, end the payment.

        Args:
            reference: the payment's.
            cancel_transaction_only: only if the payment is not authorized yet, so that a reservation is not touched.
            idempotency_key: as for `capture`.

        Returns:
            The totals after the cancellation.

        Raises:
            InvalidRequest: an argument is malformed.
            BadRequest: all is captured, or it is too late; ``code`` tells which.
            Locked: the user is in the middle of approving.
            OutcomeUnknown: repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: ePayment API, cancel payment; 5 a minute for one reference.
        """
        body = Cancellation(cancel_transaction_only=cancel_transaction_only)
        return await self._adjust("cancel", reference, body, idempotency_key)

    async def force_approve(
        self, reference: str, *, customer: Customer | None = None, token: str | None = None
    ) -> None:
        """Approve a payment in the user's place; test environment and sandbox only.

        Args:
            reference: the payment's.
            customer: the test user who pays.
            token: instead of a customer, the ``token`` in the payment's redirect URL.

        Raises:
            InvalidRequest: neither or both of *customer* and *token* are given.
            CallError: as one of its subclasses.

        Source: ePayment API, force approve.
        """
        if (customer is None) == (token is None):
            raise InvalidRequest("customer", customer, "give either a customer or the token of the redirect URL")
        path = f"{_TEST_PAYMENTS}/{check_reference(reference)}/approve"
        body = Approval(customer=customer, token=token)
        await self._session.send(call.write("force approve", path, body, expects_body=False), ignore)

    async def wait(
        self,
        reference: str,
        *,
        timeout: float | timedelta,
        until: Callable[[Payment], bool] = is_decided,
        signal: EventWatcher | None = None,
    ) -> Payment:
        """Return the payment once it is no longer CREATED, or once *until* holds for it.

        A payment that was aborted, expired or terminated is returned whatever *until* says: it never changes again.
        The payment is read at once, so that one that is decided already is returned without delay, and then every 2
        seconds. Any number of waits on one payment, also by copies of this client, are answered by the same reads.

        Args:
            reference: the payment's.
            timeout: seconds, or a timedelta; a user has 10 minutes to act.
            until: what to wait for, asked of each payment that is read; a plain function, not a coroutine function.
            signal: a `WebhookReceiver` in this process, or a signal that other processes' receivers announce their
                events on, such as `PostgresSignal`: an event for the payment has it read at once, or 2 seconds after
                the last read. Without events it is then read once a minute instead of every 2 seconds, and a last time
                before the wait ends, so give it only if the events arrive there.

        Raises:
            WaitTimeout: *until* does not hold yet; ``last`` is the last payment seen.
            InvalidRequest: an argument is malformed, or *until* returns something that would have to be awaited.
            NotFound: there is no such payment for this merchant serial number.
            CallError: as another of its subclasses, where waiting on cannot help.

        Source: ePayment API, polling: every 2 s, but not within 5 s after the creation of a payment that was CREATED
        when it was read; slower after a 429, and not before the time in a ``Retry-After``.
        """
        return await wait_for(
            self._polls,
            PAYMENT,
            (self._merchant, check_reference(reference)),
            partial(self._get_once, reference),
            timeout=timeout,
            until=until,
            signal=signal,
        )

    async def _get_once(self, reference: str) -> Payment:
        # In one attempt: how soon the next comes is the poll's to say.
        return await EPayment(self._session.attempting_once(), self._polls).get(reference)

    @property
    def _merchant(self) -> str:
        # For whose payments alone a reference is unique.
        return self._session.headers["Merchant-Serial-Number"]

    def _derived_key(self, body: bytes) -> str:
        return sha256(self._merchant.encode() + b"\0" + body).hexdigest()[:_DERIVED_KEY_LENGTH]

    async def _modify(
        self, operation: str, reference: str, amount: Amount, key: str | None, modification_reference: str | None
    ) -> Adjustment:
        body = Modification(modification_amount=amount, modification_reference=modification_reference)
        return await self._adjust(operation, reference, body, key)

    async def _adjust(self, operation: str, reference: str, body: Any, key: str | None) -> Adjustment:
        is_given = key is not None
        key = call.fresh_key() if key is None else RULES.checked_key(key)
        path = _path(reference, f"/{operation}")
        read = partial(read_adjustment, reference=reference, key=key)
        facts = {"may_be_a_repeat": is_given, "rules": RULES}
        modification = call.write(operation, path, body, key=key, **facts)
        return await self._session.send(modification, read)


def _path(reference: str, rest: str = "") -> str:
    return f"{_PAYMENTS}/{check_reference(reference)}{rest}"
