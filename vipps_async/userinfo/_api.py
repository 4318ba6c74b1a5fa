"""The Userinfo operation. Source: Userinfo API."""

import re

import attrs

from vipps_async._http.call import ApiRules, read
from vipps_async._http.reply import read_as
from vipps_async._http.session import ApiClient
from vipps_async.errors import InvalidReply, InvalidRequest, shorten
from vipps_async.userinfo._claims import UserInfo

_USERINFO = "/vipps-userinfo-api/userinfo"
_SUB = re.compile(r"[A-Za-z0-9._-]{1,100}")
_RULES = ApiRules(traces_problems=False)
# Guides have it that a stray one is refused; the specification, that it is required.
_NO_SUBSCRIPTION_KEY = frozenset({"Ocp-Apim-Subscription-Key"})


class Userinfo:
    """Who approved a payment or an agreement: `VippsClient.userinfo`.

    Args:
        client: sends the calls.
    """

    def __init__(self, client: ApiClient) -> None:
        self._session = client.session

    async def get(self, sub: str, *, subscription_key: bool = False) -> UserInfo:
        """Return what a user consented to tell, as it is now; within 168 hours of the consent.

        Args:
            sub: the user's identifier, such as ``payment.profile.sub`` of a payment that was created with a
                ``profile_scope``, once it is authorized.
            subscription_key: whether the subscription key is sent; the documents differ, and the guides leave it out.

        Returns:
            The claims. After the 168 hours those that are texts read ``"[Expired]"``; see `UserInfo.is_expired`.

        Raises:
            InvalidRequest: *sub* cannot be one.
            NotFound: there is none; it may be written a moment after the approval.
            CallError: as another of its subclasses.

        Source: Userinfo API, get userinfo.
        """
        if not isinstance(sub, str) or not _SUB.fullmatch(sub):
            raise InvalidRequest("sub", sub, "must be the identifier of a user, such as payment.profile.sub")
        call = read("userinfo", f"{_USERINFO}/{sub}", rules=_RULES)
        call = attrs.evolve(call, left_out=frozenset() if subscription_key else _NO_SUBSCRIPTION_KEY)
        return await self._session.send(call, lambda document: _read(document, sub))


def _read(document: object, sub: str) -> UserInfo:
    user = read_as(document, UserInfo)
    if user.sub != sub:
        raise InvalidReply(f"the reply is about user {shorten(user.sub)} instead of {sub}")
    return user
