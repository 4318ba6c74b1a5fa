"""The Recurring API: agreements, and their charges. Source: Recurring API v3."""

from vipps_async._http.polling import Polls
from vipps_async._http.session import ApiClient
from vipps_async.recurring._agreements import Agreements
from vipps_async.recurring._charges import Charges


class Recurring:
    """Subscriptions: agreements that users accept, and charges that merchants make; `VippsClient.recurring`.

    Args:
        client: sends the calls.
        polls: reads what is waited for; clients that share it share the reads.
    """

    def __init__(self, client: ApiClient, polls: Polls | None = None) -> None:
        shared = polls or Polls()
        self._agreements = Agreements(client, shared)
        self._charges = Charges(client, shared)

    @property
    def agreements(self) -> Agreements:
        """The agreements."""
        return self._agreements

    @property
    def charges(self) -> Charges:
        """Their charges."""
        return self._charges
