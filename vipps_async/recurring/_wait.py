"""How agreements and charges are waited for. Source: Recurring API, polling and rate limits."""

from vipps_async._http.polling import PollSchedule, Waitable
from vipps_async.recurring._agreement import Agreement
from vipps_async.recurring._charge import Charge
from vipps_async.recurring._enums import AgreementStatus, ChargeStatus

_UNTAKEN = frozenset({ChargeStatus.PENDING, ChargeStatus.DUE, ChargeStatus.PROCESSING})
_ENDED = frozenset({ChargeStatus.CANCELLED, ChargeStatus.FAILED, ChargeStatus.REFUNDED})


def is_decided(agreement: Agreement) -> bool:
    """Whether the user or time has decided over the agreement."""
    return agreement.status is not AgreementStatus.PENDING


def is_taken(charge: Charge) -> bool:
    """Whether it is over with trying to take the charge."""
    return charge.status not in _UNTAKEN


AGREEMENT = Waitable[Agreement](
    name="agreement",
    state_of=lambda agreement: agreement.status,
    is_open=lambda agreement: agreement.status is AgreementStatus.PENDING,
    is_final=lambda agreement: agreement.status in {AgreementStatus.STOPPED, AgreementStatus.EXPIRED},
    remedy="an agreement can stay PENDING for 10 minutes, so wait again, read it later or rely on its events",
)
CHARGE = Waitable[Charge](
    name="charge",
    state_of=lambda charge: charge.status,
    is_open=lambda charge: charge.status in _UNTAKEN,
    is_final=lambda charge: charge.status in _ENDED,
    remedy="a charge is taken at the market's hours on its due date and its retry days, so rely on its events",
    # One may be read 10 times a minute.
    schedule=PollSchedule(interval=10.0),
)
