"""The asyncio SDK for Vipps MobilePay: payments, webhook events that take effect once, and a local sandbox.

Each name is imported at its first use: pytest loads this package for its plugin, in projects without payments too.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer
from vipps_async._version import __version__

if TYPE_CHECKING:
    from vipps_async._http.retry import RetryPolicy
    from vipps_async.client import VippsClient
    from vipps_async.config import Credentials, Environment, SystemInfo
    from vipps_async.epayment import (
        Address,
        Adjustment,
        Aggregate,
        AirlineData,
        AuthorisationType,
        Barcode,
        BarcodeFormat,
        BlockedSource,
        BottomLine,
        CreatedPayment,
        Customer,
        CustomerInteraction,
        DynamicOptions,
        IndustryData,
        OrderLine,
        Payment,
        PaymentEvent,
        PaymentEventName,
        PaymentMethod,
        PaymentMethodType,
        PaymentMethodUsed,
        PaymentSources,
        PaymentState,
        Profile,
        QrFormat,
        QrImageFormat,
        QuantityUnit,
        Receipt,
        Shipping,
        ShippingBrand,
        ShippingDetails,
        ShippingGroup,
        ShippingInfo,
        ShippingOption,
        ShippingType,
        UnitInfo,
        UserDetails,
        UserFlow,
    )
    from vipps_async.errors import VippsError
    from vipps_async.money import Amount

__all__ = [
    "Address",
    "Adjustment",
    "Aggregate",
    "AirlineData",
    "Amount",
    "AuthorisationType",
    "Barcode",
    "BarcodeFormat",
    "BlockedSource",
    "BottomLine",
    "CreatedPayment",
    "Credentials",
    "Customer",
    "CustomerInteraction",
    "DynamicOptions",
    "Environment",
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
    "RetryPolicy",
    "Shipping",
    "ShippingBrand",
    "ShippingDetails",
    "ShippingGroup",
    "ShippingInfo",
    "ShippingOption",
    "ShippingType",
    "SystemInfo",
    "UnitInfo",
    "UserDetails",
    "UserFlow",
    "VippsClient",
    "VippsError",
    "__version__",
]

_HOMES = {
    "Amount": "money",
    "Credentials": "config",
    "Environment": "config",
    "RetryPolicy": "_http.retry",
    "SystemInfo": "config",
    "VippsClient": "client",
    "VippsError": "errors",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # or type checkers would believe that any name exists
    __getattr__ = importer(__name__, {name: _HOMES.get(name, "epayment") for name in __all__})
