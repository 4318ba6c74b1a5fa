"""The Userinfo API: who approved a payment or an agreement, as far as they consented to tell.

Each name is imported at its first use: who only receives events needs nothing of what calls.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async.userinfo._api import Userinfo as Userinfo
    from vipps_async.userinfo._claims import Gender as Gender
    from vipps_async.userinfo._claims import UserAddress as UserAddress
    from vipps_async.userinfo._claims import UserInfo as UserInfo
else:  # or type checkers would believe that any name exists
    __getattr__, __dir__ = importer(
        __name__,
        {"Gender": "_claims", "UserAddress": "_claims", "UserInfo": "_claims", "Userinfo": "_api"},
    )
