"""The error codes of the ePayment API. Performs no I/O.

Source: ePayment API, error codes. Where the HTTP status of a code is not documented, the status here is this sandbox's
choice.
"""

from types import MappingProxyType

from vipps_async.sandbox._epayment.lifecycle import ADJUST_REFUSED
from vipps_async.sandbox._platform.problems import ErrorTable, ProblemError, coded

# code -> (HTTP status, title, detail)
ERRORS: ErrorTable = MappingProxyType(
    {
        "3010": (500, "Internal error", "Something went wrong here; repeat the request with the same key."),
        "4010": (409, "Capture idempotency conflict", "The Idempotency-Key belongs to a capture with another body."),
        "4020": (409, "Idempotency error", "The Idempotency-Key has been used before, for another request."),
        "4040": (400, "Invalid amount", "The amount must be whole minor units in the currency of the payment."),
        "4050": (400, "Invalid CustomerToken", "The customer token cannot be used."),
        "4060": (400, "Invalid PersonalQr", "The content of the personal QR cannot be used."),
        "4070": (400, "Invalid phone number", "The phone number must be an MSISDN: country code and number, digits."),
        "4080": (400, "Invalid scope", "The profile scope names something that is not known."),
        "4090": (400, "Invalid URL", "The URL must use https, or a custom scheme where one is allowed."),
        "4100": (400, "Metadata capacity exceeded", "Metadata holds 5 pairs at most."),
        "4110": (400, "Metadata duplicate keys not allowed", "Metadata names each key once."),
        "4120": (400, "Metadata key length exceeded", "A metadata key holds 100 characters at most."),
        "4130": (400, "Metadata value length exceeded", "A metadata value holds 500 characters at most."),
        "4140": (400, "Missing required parameter", "A parameter that this user flow requires is missing."),
        "4150": (409, "Reference exists", "A payment with this reference already exists."),
        "4160": (400, "Invalid payment method type", "This payment method type is for payment service providers."),
        "5010": (400, "Blocking sources not applicable", "Payment sources can be blocked for WALLET in DKK and EUR."),
        "5020": (403, "Express payment not allowed", "The sales unit is not set up for Express."),
        "5030": (403, "Illegal scope", "The sales unit may not ask for part of this profile scope."),
        "5040": (400, "Invalid currency for merchant", "The sales unit belongs to a market with another currency."),
        "5050": (403, "Long-living payment not allowed", "The sales unit is not set up for long-living payments."),
        "5060": (403, "Merchant bank account not verified", "The sales unit has no verified bank account yet."),
        "5070": (422, "Payment cannot be created", "What the sales unit is set up for does not allow this payment."),
        "5080": (403, "PUSH_MESSAGE not allowed", "The sales unit is not set up for push messages."),
        "5090": (404, "Reference not found", "No payment with this reference was found."),
        "5100": (400, "Refund not possible", "The sales unit is not set up for refunds."),
        "6010": (400, "Amount too small", "The amount is below the minimum of its currency."),
        "6020": (400, "Attempted refund before reservation", "The user has not accepted the payment yet."),
        "6030": (400, "Cancel period expired", "The time within which the reservation can be cancelled is over."),
        "6040": (400, "Cannot cancel a captured payment", "All of it has been captured; refund it instead."),
        "6050": (400, "Cannot cancel a non-reserved payment", "Nothing is reserved any more."),
        "6060": (400, "Cannot cancel authorized payment", "cancelTransactionOnly was set and the user has accepted."),
        "6070": (400, "Cannot capture a cancelled payment", "What was not captured has been cancelled."),
        "6080": (400, "Cannot capture before reservation", "The user must accept the payment before it is captured."),
        "6090": (400, "Capture amount too high", "The amount is higher than what is left to capture."),
        "6100": (400, "Capture period expired", "The time within which the reservation can be captured is over."),
        "6110": (400, "Expiration date is too late", "expiresAt must be less than 60 days ahead."),
        "6120": (400, "Expiration date is too soon", "expiresAt must be more than 10 minutes ahead."),
        "6130": (400, "Long living payments require a receipt", "expiresAt was given without a receipt."),
        "6140": (400, "Must capture full amount", "The sales unit is set up for one capture of all that was reserved."),
        "6150": (400, "Not enough refundable", "The amount is higher than what is left to refund."),
        "6160": (423, "Order processing", "Another operation is running on the payment; try again shortly."),
        "6170": (400, "Payment already captured", "All of it has been captured."),
        "6180": (400, "Payment already refunded", "All that was captured has been refunded."),
        "6190": (400, "Payment cannot be cancelled", "The state or the amount of the payment does not allow it."),
        "6200": (400, "Payment cannot be captured", "The state of the payment does not allow it."),
        "6210": (400, "Payment cannot be refunded", "The state of the payment does not allow it."),
        "6220": (400, "Refund period expired", "The time within which the payment can be refunded is over."),
        "6230": (400, "Payment is already reserved", "The user has accepted the payment before."),
        "6250": (423, "Cannot cancel processing payment", "The user is approving the payment; try again later."),
        "6260": (400, "Funds unavailable", "The user's bank has released the reservation."),
        "6280": (500, "Capture failed, please try again later", "Repeat it, with the same Idempotency-Key."),
        "7010": (400, "Customer not found", "No such user, or one who may not make this payment."),
        "10010": (400, "Approve failed", "The token does not belong to this payment."),
        "10020": (400, "Approve not allowed", "The state of the payment does not allow it."),
        "10030": (400, "Identification required", "The test user has to be identified first."),
        "10040": (400, "Invalid payment source", "The test user's card cannot be used."),
        "10050": (400, "No cards", "The test user has no card."),
        "10060": (400, "Operation not supported", "This payment cannot be handled so."),
        "10070": (400, "Payment limit exceeded", "The amount is higher than the test user may spend."),
    }
)
_ALL_ERRORS: ErrorTable = MappingProxyType(
    {
        **ERRORS,
        ADJUST_REFUSED: (400, "Cannot adjust the authorisation", "Its state or what was captured does not allow it."),
    }
)


def error(code: str, detail: str | None = None) -> ProblemError:
    """Return the refusal that *code* stands for, with *detail* instead of the general one if given."""
    return coded(_ALL_ERRORS, code, detail)
