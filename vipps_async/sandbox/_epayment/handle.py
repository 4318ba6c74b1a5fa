"""The handle by which a test acts on the payments of a sandbox: `Sandbox.epayment`."""

from collections.abc import Callable, Mapping

import attrs

from vipps_async.sandbox._epayment.approval_details import DEFAULT_APPROVAL, ApprovalDetails
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.operations import EPaymentApi
from vipps_async.sandbox._epayment.payments import LedgerPayment


@attrs.frozen
class EPaymentHandle:
    """The payments of a sandbox, and their users."""

    _api: EPaymentApi = attrs.field(repr=False)
    _expire_due: Callable[[], None] = attrs.field(repr=False)

    @property
    def payments(self) -> Mapping[str, LedgerPayment]:
        """Every payment by its reference; read-only, and each value is the payment at the time of looking."""
        return self._api.ledger.payments

    async def approve(
        self, reference: str, *, shipping_option: str | None = None, address: Mapping[str, str] | None = None
    ) -> LedgerPayment:
        """Approve a payment as its user does in the app.

        Express with dynamic options asks the merchant's shipping callback first. A payment of 201 minor units stays
        CREATED for an hour before it is authorized, and the other trigger amounts of the test environment are declined.

        Args:
            reference: the payment.
            shipping_option: the ``id`` of one that an Express payment offers; by default the one marked so, or the
                first by priority.
            address: the user's, with ``addressLine1``, maybe ``addressLine2``, ``postCode``, ``city`` and ``country``
                (ISO 3166-1, two letters); by default one in Oslo.

        Raises:
            UnknownReference: there is no such payment (a `LookupError`).
            ActionRefused: somebody acted before, its time ran out, the option is not offered, or the attempt to pay
                failed (a `ValueError`).
        """
        return await self._act(
            reference, Action.APPROVE, ApprovalDetails(shipping_option=shipping_option, address=address)
        )

    async def reject(self, reference: str) -> LedgerPayment:
        """Reject a payment as its user does in the app; raises like `approve`."""
        return await self._act(reference, Action.REJECT)

    async def go_back(self, reference: str) -> LedgerPayment:
        """Go back from a payment's landing page to the shop, which cancels the payment; raises like `approve`."""
        return await self._act(reference, Action.GO_BACK)

    async def expire(self, reference: str) -> LedgerPayment:
        """Let the time of one payment run out; raises like `approve`."""
        return await self._act(reference, Action.EXPIRE)

    async def _act(self, reference: str, action: Action, choice: ApprovalDetails = DEFAULT_APPROVAL) -> LedgerPayment:
        self._expire_due()
        return await self._api.user.act(reference, action, choice)
