"""The words of the ePayment API: states, event names, flows. Values are the current API's, aliases the draft's."""

from vipps_async._wire.open_enum import OpenEnum


class PaymentState(OpenEnum):
    """The state of a payment. There is no captured or refunded state: read money from `Payment.aggregate`."""

    CREATED = "CREATED"
    AUTHORIZED = "AUTHORIZED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"

    AUTHORISED = "AUTHORIZED"

    @property
    def ended_unpaid(self) -> bool:
        """Whether the payment ended without being authorized, so that nothing can change any more."""
        return self in {PaymentState.ABORTED, PaymentState.EXPIRED, PaymentState.TERMINATED}


class UserFlow(OpenEnum):
    """The way of the user to the payment."""

    WEB_REDIRECT = "WEB_REDIRECT"
    NATIVE_REDIRECT = "NATIVE_REDIRECT"
    PUSH_MESSAGE = "PUSH_MESSAGE"
    QR = "QR"


class PaymentMethodType(OpenEnum):
    """The user's means of payment."""

    WALLET = "WALLET"
    CARD = "CARD"


class BlockedSource(OpenEnum):
    """A payment source that a merchant does not take; Denmark and Finland only."""

    COMMERCIAL_CARDS = "COMMERCIAL_CARDS"


class CustomerInteraction(OpenEnum):
    """Whether the customer stands at the till."""

    CUSTOMER_PRESENT = "CUSTOMER_PRESENT"
    CUSTOMER_NOT_PRESENT = "CUSTOMER_NOT_PRESENT"


class AuthorisationType(OpenEnum):
    """The draft API's kind of authorisation."""

    PRE_AUTH = "PRE_AUTH"
    FINAL_AUTH = "FINAL_AUTH"


class QrImageFormat(OpenEnum):
    """The form of what `CreatedPayment.redirect_url` of a QR payment leads to."""

    SVG = "IMAGE/SVG+XML"
    PNG = "IMAGE/PNG"
    TARGET_URL = "TEXT/TARGETURL"


class QuantityUnit(OpenEnum):
    """The unit of an order line's quantity."""

    PCS = "PCS"
    KG = "KG"
    KM = "KM"
    MINUTE = "MINUTE"
    LITRE = "LITRE"
    KWH = "KWH"


class BarcodeFormat(OpenEnum):
    """The format of a receipt's barcode."""

    EAN_13 = "EAN-13"
    CODE_39 = "CODE 39"
    CODE_128 = "CODE 128"


class ShippingType(OpenEnum):
    """The way of a parcel to the customer."""

    HOME_DELIVERY = "HOME_DELIVERY"
    PICKUP_POINT = "PICKUP_POINT"
    MAILBOX = "MAILBOX"
    IN_STORE = "IN_STORE"
    OTHER = "OTHER"


class ShippingBrand(OpenEnum):
    """The carrier of a parcel."""

    POSTEN = "POSTEN"
    BRING = "BRING"
    POSTNORD = "POSTNORD"
    HELTHJEM = "HELTHJEM"
    PORTERBUDDY = "PORTERBUDDY"
    DHL = "DHL"
    INSTABOX = "INSTABOX"
    FEDEX = "FEDEX"
    MATKAHUOLTO = "MATKAHUOLTO"
    GLS = "GLS"
    POSTI = "POSTI"
    GORDON = "GORDON"
    OTHER = "OTHER"
