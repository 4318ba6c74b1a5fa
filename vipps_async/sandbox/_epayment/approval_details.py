"""The details that a user may change before approving: address and shipping. Performs no I/O."""

from collections.abc import Mapping

import attrs

from vipps_async.sandbox._epayment.express import Groups
from vipps_async.sandbox._platform import test_user


def _or_home(address: Mapping[str, str] | None) -> Mapping[str, str]:
    return test_user.ADDRESS if address is None else address


@attrs.frozen(kw_only=True)
class ApprovalDetails:
    """The details that a user settles before approving.

    Attributes:
        address: of the user, with the members of the API's address; ``None`` gives the test user's own.
        shipping_option: the id of one of those that the merchant offers; ``None``: the default one.
        groups: what the merchant offers to that address; ``None``: that is found out when it is needed.
    """

    address: Mapping[str, str] = attrs.field(default=None, converter=_or_home)
    shipping_option: str | None = None
    groups: Groups | None = None


DEFAULT_APPROVAL = ApprovalDetails()
