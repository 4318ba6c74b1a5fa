"""Deliveries of events as Vipps MobilePay makes them, for tests of whatever receives them.

Source: Webhooks API, events and request authentication.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import attrs

from vipps_async._wire.json import encode
from vipps_async.epayment import PaymentEventName
from vipps_async.errors import ConfigurationError, shorten
from vipps_async.money import Amount
from vipps_async.recurring import AgreementEventType, ChargeEventType
from vipps_async.sandbox import SampleFacts, sample_event
from vipps_async.webhooks import IncomingRequest, Reply
from vipps_async.webhooks.signature import SignedUrl, sign


@attrs.frozen(kw_only=True)
class SignedDelivery:
    """One delivery, which can be made any number of times.

    Attributes:
        target: path and query of the registered URL.
        headers: what authenticates the body, its type, and the registration's id. Not ``Host``, which is whatever the
            delivery is sent to: a receiver goes by the URL that it was given.
        body: the event as JSON.
    """

    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def request(self) -> IncomingRequest:
        """The delivery as `WebhookReceiver.handle` takes it."""
        return IncomingRequest("POST", self.target, self.headers, self.body)

    async def post(self, url: str) -> Reply:
        """Send it to a server and return the answer.

        Args:
            url: where the server listens; it need not be the URL that the delivery is signed for.

        Raises:
            aiohttp.ClientError: there is no answer.
        """
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=self.body, headers=self.headers, allow_redirects=False) as response,
        ):
            return Reply(response.status, dict(response.headers), await response.read())


@attrs.frozen(kw_only=True)
class EventSource:
    """Makes deliveries to one webhook.

    Attributes:
        url: what the webhook is registered for, and a receiver is to be given.
        secret: what its deliveries are signed with, and a receiver is to be given.
        msn: the merchant serial number in the events.
        webhook_id: the id of the registration, which deliveries name.
    """

    url: str = "https://shop.example/vipps/events"
    secret: str = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgd2hpY2ggc2lnbnMgbm90aGluZyBlbHNl"  # noqa: S105 - signs nothing but tests' events
    msn: str = "123456"
    webhook_id: str = "4a1d1d9c-7f2c-4a6e-9d38-0c3c3f6f6f10"

    def __call__(
        self,
        name: PaymentEventName | AgreementEventType | ChargeEventType | str,
        *,
        reference: str | None = None,
        agreement_id: str | None = None,
        amount: Amount = Amount(1000, "NOK"),  # noqa: B008 - frozen
        psp_reference: str | None = None,
        idempotency_key: str | None = None,
        success: bool = True,
    ) -> SignedDelivery:
        """Return the delivery of an event that happens now.

        Args:
            name: of a payment's event, ``"AUTHORIZED"``, ``"CAPTURED"``, …, where the draft's names mean the same; or
                any event type, such as ``ChargeEventType.CAPTURED``.
            reference: of the payment, or the id of what else it is about: a charge, an agreement, …
            agreement_id: of a charge's agreement.
            amount: of the event.
            psp_reference: of a payment's event, or the transaction of a charge's; ``None``: a new one.
            idempotency_key: of the request that caused a payment's event; ``None``: it had none.
            success: whether a payment's operation succeeded.

        Raises:
            ConfigurationError: no event has this name.
        """
        if _is_of_another_api(name):
            facts = SampleFacts(
                reference=reference,
                parent=agreement_id,
                amount=amount.value,
                currency=amount.currency,
                event_id=psp_reference,
                msn=self.msn,
                now=datetime.now(UTC),
                success=success,
            )
            return self._signed(sample_event(str(name), facts))
        document = {
            "msn": self.msn,
            "reference": reference or "order-0001",
            "pspReference": psp_reference or str(uuid.uuid4()),
            "name": _known(name),
            "amount": {"currency": amount.currency, "value": amount.value},
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "idempotencyKey": idempotency_key,
            "success": success,
        }
        return self._signed(encode(document))

    def _signed(self, body: bytes) -> SignedDelivery:
        target = SignedUrl.of(self.url)
        headers = sign(self.secret, target, body, date=datetime.now(UTC))
        del headers["Host"]
        headers |= {"Content-Type": "application/json", "Webhook-Id": self.webhook_id}
        return SignedDelivery(target=target.path_and_query, headers=headers, body=body)


def _is_of_another_api(name: str) -> bool:
    return "." in name and not name.startswith("epayments.")


def _known(name: PaymentEventName | str) -> PaymentEventName:
    known = PaymentEventName(name)
    if not known.is_known:
        raise ConfigurationError(f"name={shorten(name)} is none of {', '.join(PaymentEventName)}")
    return known
