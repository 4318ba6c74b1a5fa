"""The ePayment API: its models, events and methods.

Each name is imported at its first use: who only receives events needs nothing of what calls.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async.epayment._api import EPayment
    from vipps_async.epayment._enums import (
        AuthorisationType,
        BarcodeFormat,
        BlockedSource,
        CustomerInteraction,
        PaymentMethodType,
        PaymentState,
        QrImageFormat,
        QuantityUnit,
        ShippingBrand,
        ShippingType,
        UserFlow,
    )
    from vipps_async.epayment._event import PaymentEvent, PaymentEventName
    from vipps_async.epayment._payment import (
        Address,
        Aggregate,
        Payment,
        PaymentMethodUsed,
        Profile,
        ShippingDetails,
        UserDetails,
    )
    from vipps_async.epayment._receipt import (
        Barcode,
        BottomLine,
        OrderLine,
        PaymentSources,
        Receipt,
        ShippingInfo,
        UnitInfo,
    )
    from vipps_async.epayment._request import AirlineData, Customer, IndustryData, PaymentMethod, QrFormat
    from vipps_async.epayment._results import Adjustment, CreatedPayment
    from vipps_async.epayment._shipping import DynamicOptions, Shipping, ShippingGroup, ShippingOption

__all__ = [
    "Address",
    "Adjustment",
    "Aggregate",
    "AirlineData",
    "AuthorisationType",
    "Barcode",
    "BarcodeFormat",
    "BlockedSource",
    "BottomLine",
    "CreatedPayment",
    "Customer",
    "CustomerInteraction",
    "DynamicOptions",
    "EPayment",
    "IndustryData",
    "OrderLine",
    "Payment",
    "PaymentEvent",
    "PaymentEventName",
    "PaymentMethod",
    "PaymentMethodType",
    "PaymentMethodUsed",
    "PaymentSources",
    "PaymentState",
    "Profile",
    "QrFormat",
    "QrImageFormat",
    "QuantityUnit",
    "Receipt",
    "Shipping",
    "ShippingBrand",
    "ShippingDetails",
    "ShippingGroup",
    "ShippingInfo",
    "ShippingOption",
    "ShippingType",
    "UnitInfo",
    "UserDetails",
    "UserFlow",
]

_HOMES = {
    "Address": "_payment",
    "Adjustment": "_results",
    "Aggregate": "_payment",
    "AirlineData": "_request",
    "AuthorisationType": "_enums",
    "Barcode": "_receipt",
    "BarcodeFormat": "_enums",
    "BlockedSource": "_enums",
    "BottomLine": "_receipt",
    "CreatedPayment": "_results",
    "Customer": "_request",
    "CustomerInteraction": "_enums",
    "DynamicOptions": "_shipping",
    "EPayment": "_api",
    "IndustryData": "_request",
    "OrderLine": "_receipt",
    "Payment": "_payment",
    "PaymentEvent": "_event",
    "PaymentEventName": "_event",
    "PaymentMethod": "_request",
    "PaymentMethodType": "_enums",
    "PaymentMethodUsed": "_payment",
    "PaymentSources": "_receipt",
    "PaymentState": "_enums",
    "Profile": "_payment",
    "QrFormat": "_request",
    "QrImageFormat": "_enums",
    "QuantityUnit": "_enums",
    "Receipt": "_receipt",
    "Shipping": "_shipping",
    "ShippingBrand": "_enums",
    "ShippingDetails": "_payment",
    "ShippingGroup": "_shipping",
    "ShippingInfo": "_receipt",
    "ShippingOption": "_shipping",
    "ShippingType": "_enums",
    "UnitInfo": "_receipt",
    "UserDetails": "_payment",
    "UserFlow": "_enums",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # or type checkers would believe that any name exists
    __getattr__ = importer(__name__, _HOMES)
