"""Results of a creation and of a change, read from either dialect into one model.

Nearly every caller needs the redirect URL and the totals, and nearly every reply has them: the attributes are of those
types, and raise where the reply had none, which can be asked beforehand.

Source: ePayment API 1.8.1, create payment and adjustment responses; draft 0.9.0, payment object.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from vipps_async._wire.converter import wire
from vipps_async._wire.serializable import Serializable, given, public_repr
from vipps_async.epayment._enums import PaymentState
from vipps_async.epayment._payment import Aggregate, Payment
from vipps_async.money import Amount

_DECIDES = wire(decides=True)


@attrs.frozen(kw_only=True)
class CreatedPayment(Serializable):
    """The reply to a creation.

    Attributes:
        reference: the merchant's.
        idempotency_key: what the creation was sent with.
        payment: the whole payment, from the draft API only.
        raw: the document as it came.
    """

    reference: str
    _redirect_url: str | None = None
    idempotency_key: str
    payment: Payment | None = None
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    def __repr__(self) -> str:
        return public_repr(self)

    @property
    def redirect_url(self) -> str:
        """The URL to send the user to. Open it unchanged, never in a frame.

        Raises:
            NotInReply: there is none, as for PUSH_MESSAGE; `has_redirect_url` tells.
        """
        return given(self._redirect_url, "redirect_url", "a payment by PUSH_MESSAGE has none; ask has_redirect_url")

    @property
    def has_redirect_url(self) -> bool:
        """Whether there is a URL to send the user to; there is none for PUSH_MESSAGE."""
        return self._redirect_url is not None


@attrs.frozen(kw_only=True)
class Adjustment(Serializable):
    """The reply to a capture, refund or cancellation.

    The draft API only accepts an operation, and reports its result later by event: then `is_accepted_only` holds, and
    all but *reference* and *idempotency_key* raises `NotInReply`.

    Attributes:
        reference: the merchant's.
        idempotency_key: what the operation was sent with.
        raw: the document as it came.
    """

    reference: str
    idempotency_key: str
    _psp_reference: str | None = None
    _state: PaymentState | None = attrs.field(default=None, metadata=_DECIDES)
    _amount: Amount | None = attrs.field(default=None, metadata=_DECIDES)
    _aggregate: Aggregate | None = attrs.field(default=None, metadata=_DECIDES)
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def __repr__(self) -> str:
        return public_repr(self)

    @property
    def psp_reference(self) -> str:
        """Of the payment's creation, not of this operation."""
        return given(self._psp_reference, "psp_reference", _ACCEPTED_ONLY)

    @property
    def state(self) -> PaymentState:
        """The payment's."""
        return given(self._state, "state", _ACCEPTED_ONLY)

    @property
    def amount(self) -> Amount:
        """The amount of the payment."""
        return given(self._amount, "amount", _ACCEPTED_ONLY)

    @property
    def aggregate(self) -> Aggregate:
        """The totals after the operation; look here before shipping."""
        return given(self._aggregate, "aggregate", _ACCEPTED_ONLY)

    @property
    def is_accepted_only(self) -> bool:
        """Whether the result is still to come by event."""
        return self._aggregate is None


_ACCEPTED_ONLY = "the operation was accepted only, as is_accepted_only tells; read the payment, or wait for its event"
