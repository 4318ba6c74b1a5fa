"""The Recurring API: subscriptions, as agreements and their charges.

Each name is imported at its first use: who only receives events needs nothing of what calls.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async.recurring._agreement import Agreement as Agreement
    from vipps_async.recurring._agreement import AgreementHistoryEntry as AgreementHistoryEntry
    from vipps_async.recurring._agreement import DraftedAgreement as DraftedAgreement
    from vipps_async.recurring._agreements import Agreements as Agreements
    from vipps_async.recurring._api import Recurring as Recurring
    from vipps_async.recurring._charge import ChangedCharge as ChangedCharge
    from vipps_async.recurring._charge import Charge as Charge
    from vipps_async.recurring._charge import ChargeHistoryEntry as ChargeHistoryEntry
    from vipps_async.recurring._charge import ChargeSummary as ChargeSummary
    from vipps_async.recurring._charge import ChargeVerdict as ChargeVerdict
    from vipps_async.recurring._charge import CreatedCharge as CreatedCharge
    from vipps_async.recurring._charges import Charges as Charges
    from vipps_async.recurring._enums import Actor as Actor
    from vipps_async.recurring._enums import AgreementAction as AgreementAction
    from vipps_async.recurring._enums import AgreementStatus as AgreementStatus
    from vipps_async.recurring._enums import BlockedSource as BlockedSource
    from vipps_async.recurring._enums import CampaignType as CampaignType
    from vipps_async.recurring._enums import ChargeAction as ChargeAction
    from vipps_async.recurring._enums import ChargeStatus as ChargeStatus
    from vipps_async.recurring._enums import ChargeType as ChargeType
    from vipps_async.recurring._enums import FailureReason as FailureReason
    from vipps_async.recurring._enums import IntervalUnit as IntervalUnit
    from vipps_async.recurring._enums import PricingType as PricingType
    from vipps_async.recurring._enums import ProcessingMode as ProcessingMode
    from vipps_async.recurring._enums import TransactionType as TransactionType
    from vipps_async.recurring._event import AgreementEvent as AgreementEvent
    from vipps_async.recurring._event import AgreementEventType as AgreementEventType
    from vipps_async.recurring._event import ChargeEvent as ChargeEvent
    from vipps_async.recurring._event import ChargeEventType as ChargeEventType
    from vipps_async.recurring._pricing import Campaign as Campaign
    from vipps_async.recurring._pricing import Interval as Interval
    from vipps_async.recurring._pricing import Pricing as Pricing
    from vipps_async.recurring._request import InitialCharge as InitialCharge
    from vipps_async.recurring._request import NewCharge as NewCharge
else:  # or type checkers would believe that any name exists
    __getattr__, __dir__ = importer(
        __name__,
        {
            "Actor": "_enums",
            "Agreement": "_agreement",
            "AgreementAction": "_enums",
            "AgreementEvent": "_event",
            "AgreementEventType": "_event",
            "AgreementHistoryEntry": "_agreement",
            "AgreementStatus": "_enums",
            "Agreements": "_agreements",
            "BlockedSource": "_enums",
            "Campaign": "_pricing",
            "CampaignType": "_enums",
            "ChangedCharge": "_charge",
            "Charge": "_charge",
            "ChargeAction": "_enums",
            "ChargeEvent": "_event",
            "ChargeEventType": "_event",
            "ChargeHistoryEntry": "_charge",
            "ChargeStatus": "_enums",
            "ChargeSummary": "_charge",
            "ChargeType": "_enums",
            "ChargeVerdict": "_charge",
            "Charges": "_charges",
            "CreatedCharge": "_charge",
            "DraftedAgreement": "_agreement",
            "FailureReason": "_enums",
            "InitialCharge": "_request",
            "Interval": "_pricing",
            "IntervalUnit": "_enums",
            "NewCharge": "_request",
            "Pricing": "_pricing",
            "PricingType": "_enums",
            "ProcessingMode": "_enums",
            "Recurring": "_api",
            "TransactionType": "_enums",
        },
    )
