"""Webhooks: registering them, and receiving their events so that each takes effect once.

Each name is imported at its first use: a program that only calls needs nothing of what receives.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async._events import EventFamily, UnknownEvent, WebhookEvent
    from vipps_async.webhooks._events import FAMILIES
    from vipps_async.webhooks._inbox_policy import InboxPolicy
    from vipps_async.webhooks._observers import Notice, Stage
    from vipps_async.webhooks._receiver import WebhookReceiver
    from vipps_async.webhooks._requests import IncomingRequest, Reply
    from vipps_async.webhooks._router import EventRouter
    from vipps_async.webhooks.registration import NewWebhook, RegisteredWebhook, Webhooks

__all__ = [
    "FAMILIES",
    "EventFamily",
    "EventRouter",
    "InboxPolicy",
    "IncomingRequest",
    "NewWebhook",
    "Notice",
    "RegisteredWebhook",
    "Reply",
    "Stage",
    "UnknownEvent",
    "WebhookEvent",
    "WebhookReceiver",
    "Webhooks",
]

_HOMES = {
    "FAMILIES": "_events",
    "EventFamily": "._events",
    "EventRouter": "_router",
    "InboxPolicy": "_inbox_policy",
    "IncomingRequest": "_requests",
    "NewWebhook": "registration",
    "Notice": "_observers",
    "RegisteredWebhook": "registration",
    "Reply": "_requests",
    "Stage": "_observers",
    "UnknownEvent": "._events",
    "WebhookEvent": "._events",
    "WebhookReceiver": "_receiver",
    "Webhooks": "registration",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # or type checkers would believe that any name exists
    __getattr__ = importer(__name__, _HOMES)
