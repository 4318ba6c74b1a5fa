"""Webhooks: registering them, and receiving their events so that each takes effect once.

Each name is imported at its first use: a program that only calls needs nothing of what receives.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async.webhooks._inbox_policy import InboxPolicy
    from vipps_async.webhooks._observers import Notice, Stage
    from vipps_async.webhooks._receiver import WebhookReceiver
    from vipps_async.webhooks._registrations import NewWebhook, RegisteredWebhook, Webhooks
    from vipps_async.webhooks._requests import IncomingRequest, Reply

__all__ = [
    "InboxPolicy",
    "IncomingRequest",
    "NewWebhook",
    "Notice",
    "RegisteredWebhook",
    "Reply",
    "Stage",
    "WebhookReceiver",
    "Webhooks",
]

_HOMES = {
    "InboxPolicy": "_inbox_policy",
    "IncomingRequest": "_requests",
    "NewWebhook": "_registrations",
    "Notice": "_observers",
    "RegisteredWebhook": "_registrations",
    "Reply": "_requests",
    "Stage": "_observers",
    "WebhookReceiver": "_receiver",
    "Webhooks": "_registrations",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # or type checkers would believe that any name exists
    __getattr__ = importer(__name__, _HOMES)
