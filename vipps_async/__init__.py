"""The asyncio SDK for Vipps MobilePay: payments, webhook events that take effect once, and a local sandbox.

Each name is imported at its first use: pytest loads this package for its plugin, in projects without payments too. What
is listed in `vipps_async.errors` and `vipps_async.epayment` imports from here as well.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

__version__ = "0.1.0"  # read by the build, and sent in Vipps-System-Version

if TYPE_CHECKING:  # at run time `__getattr__` finds the names, and `__all__`
    from vipps_async._http.retry import RetryPolicy as RetryPolicy
    from vipps_async.client import VippsClient as VippsClient
    from vipps_async.config import Credentials as Credentials
    from vipps_async.config import Environment as Environment
    from vipps_async.config import SystemInfo as SystemInfo
    from vipps_async.epayment import *  # noqa: F403 - see above
    from vipps_async.errors import *  # noqa: F403 - see above
    from vipps_async.money import Amount as Amount
else:
    __getattr__, __dir__ = importer(
        __name__,
        {
            "Amount": "money",
            "Credentials": "config",
            "Environment": "config",
            "RetryPolicy": "_http.retry",
            "SystemInfo": "config",
            "VippsClient": "client",
        },
        listed=("errors", "epayment"),
    )
