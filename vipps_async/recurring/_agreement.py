"""An agreement as the Recurring API tells it. Unknown fields stay in ``raw``.

What decides is strict; what informs is ``None`` where the document has nothing that fits.

Source: Recurring API v3, agreement responses.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from vipps_async._wire.converter import wire
from vipps_async._wire.serializable import Serializable, given, public_repr
from vipps_async.recurring._enums import Actor, AgreementAction, AgreementStatus, BlockedSource
from vipps_async.recurring._pricing import Campaign, Interval, Pricing


@attrs.frozen(kw_only=True)
class DraftedAgreement(Serializable):
    """The reply to a draft.

    Attributes:
        agreement_id: the agreement's; store it.
        uuid: another identifier of it.
        charge_id: the initial charge's, if there is one.
        idempotency_key: what the draft was sent with.
        raw: the document as it came.
    """

    agreement_id: str
    uuid: str | None = None
    _confirmation_url: str | None = attrs.field(default=None, repr=False, metadata=wire(also="vippsConfirmationUrl"))
    charge_id: str | None = None
    idempotency_key: str
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    def __repr__(self) -> str:
        return public_repr(self)

    @property
    def confirmation_url(self) -> str:
        """The URL to send the user to, within 10 minutes. Open it unchanged, never in a frame.

        Raises:
            NotInReply: there is none, as where the landing page is skipped; `has_confirmation_url` tells.
        """
        remedy = "the user is asked in the app where the landing page is skipped; ask has_confirmation_url"
        return given(self._confirmation_url, "confirmation_url", remedy)

    @property
    def has_confirmation_url(self) -> bool:
        """Whether there is a URL to send the user to."""
        return self._confirmation_url is not None


@attrs.frozen(kw_only=True)
class AgreementHistoryEntry(Serializable):
    """Something that happened to an agreement.

    Attributes:
        occurred: when.
        event: what.
        actor: who did it, where that is known.
    """

    occurred: datetime
    event: AgreementAction
    actor: Actor | None = None


@attrs.frozen(kw_only=True)
class Agreement(Serializable):
    """An agreement as it stands.

    Attributes:
        id: its identifier, ``agr_…``.
        status: `AgreementStatus`; charges can be created while it is ACTIVE.
        pricing: its price, and the ceiling of its charges.
        interval: of the price; ``None`` for one that is paid by use.
        product_name: what the user reads.
        product_description: the same.
        campaign: a lower price at first.
        created: when it was drafted.
        start: when the user accepted it.
        stop: when it was stopped.
        merchant_agreement_url: where the user manages it.
        merchant_redirect_url: where the user came back to.
        confirmation_url: where the user accepts it.
        country_code: NO, DK or FI.
        external_id: the merchant's own.
        uuid: another identifier of it.
        blocked_sources: payment sources that are not taken.
        sub: the user's identifier for the Userinfo API, if a scope was asked for and once it is accepted.
        history: what happened to it, oldest first; empty where nothing was recorded.
        raw: the document as it came.
    """

    id: str
    status: AgreementStatus
    pricing: Pricing
    interval: Interval | None = None
    product_name: str | None = None
    product_description: str | None = None
    campaign: Campaign | None = None
    created: datetime | None = None
    start: datetime | None = None
    stop: datetime | None = None
    merchant_agreement_url: str | None = None
    merchant_redirect_url: str | None = None
    confirmation_url: str | None = attrs.field(default=None, repr=False, metadata=wire(also="vippsConfirmationUrl"))
    country_code: str | None = None
    external_id: str | None = None
    uuid: str | None = None
    blocked_sources: tuple[BlockedSource, ...] | None = attrs.field(
        default=None, metadata=wire(also="paymentMethod.blockedSources")
    )
    sub: str | None = None
    history: tuple[AgreementHistoryEntry, ...] = ()
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)
