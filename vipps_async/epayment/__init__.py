"""The ePayment API: its models, events and methods.

Each name is imported at its first use: who only receives events needs nothing of what calls.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async.epayment._api import EPayment as EPayment
    from vipps_async.epayment._enums import AuthorisationType as AuthorisationType
    from vipps_async.epayment._enums import BarcodeFormat as BarcodeFormat
    from vipps_async.epayment._enums import BlockedSource as BlockedSource
    from vipps_async.epayment._enums import CustomerInteraction as CustomerInteraction
    from vipps_async.epayment._enums import PaymentMethodType as PaymentMethodType
    from vipps_async.epayment._enums import PaymentState as PaymentState
    from vipps_async.epayment._enums import QrImageFormat as QrImageFormat
    from vipps_async.epayment._enums import QuantityUnit as QuantityUnit
    from vipps_async.epayment._enums import ShippingBrand as ShippingBrand
    from vipps_async.epayment._enums import ShippingType as ShippingType
    from vipps_async.epayment._enums import UserFlow as UserFlow
    from vipps_async.epayment._event import PaymentEvent as PaymentEvent
    from vipps_async.epayment._event import PaymentEventName as PaymentEventName
    from vipps_async.epayment._payment import Address as Address
    from vipps_async.epayment._payment import Aggregate as Aggregate
    from vipps_async.epayment._payment import Payment as Payment
    from vipps_async.epayment._payment import PaymentMethodUsed as PaymentMethodUsed
    from vipps_async.epayment._payment import Profile as Profile
    from vipps_async.epayment._payment import ShippingDetails as ShippingDetails
    from vipps_async.epayment._payment import UserDetails as UserDetails
    from vipps_async.epayment._receipt import Barcode as Barcode
    from vipps_async.epayment._receipt import BottomLine as BottomLine
    from vipps_async.epayment._receipt import OrderLine as OrderLine
    from vipps_async.epayment._receipt import PaymentSources as PaymentSources
    from vipps_async.epayment._receipt import Receipt as Receipt
    from vipps_async.epayment._receipt import ShippingInfo as ShippingInfo
    from vipps_async.epayment._receipt import UnitInfo as UnitInfo
    from vipps_async.epayment._request import AirlineData as AirlineData
    from vipps_async.epayment._request import Customer as Customer
    from vipps_async.epayment._request import IndustryData as IndustryData
    from vipps_async.epayment._request import MerchantLegalLinks as MerchantLegalLinks
    from vipps_async.epayment._request import PaymentMethod as PaymentMethod
    from vipps_async.epayment._request import QrFormat as QrFormat
    from vipps_async.epayment._results import Adjustment as Adjustment
    from vipps_async.epayment._results import CreatedPayment as CreatedPayment
    from vipps_async.epayment._shipping import DynamicOptions as DynamicOptions
    from vipps_async.epayment._shipping import Shipping as Shipping
    from vipps_async.epayment._shipping import ShippingGroup as ShippingGroup
    from vipps_async.epayment._shipping import ShippingOption as ShippingOption
else:  # or type checkers would believe that any name exists
    __getattr__, __dir__ = importer(
        __name__,
        {
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
            "MerchantLegalLinks": "_request",
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
        },
    )
