"""How a payment is waited for."""

from vipps_async._http.polling import Waitable
from vipps_async.epayment._enums import PaymentState
from vipps_async.epayment._payment import Payment


def is_decided(payment: Payment) -> bool:
    """Whether the user, the merchant or time has decided over the payment."""
    return payment.state is not PaymentState.CREATED


# Read every 2 s, and not within 5 s after the creation: ePayment API, polling.
PAYMENT = Waitable[Payment](
    name="payment",
    state_of=lambda payment: payment.state,
    is_open=lambda payment: payment.state is PaymentState.CREATED,
    is_final=lambda payment: payment.state.ended_unpaid,
    remedy="a payment can stay CREATED for 10 minutes, so wait again, read it later or rely on its events",
)
