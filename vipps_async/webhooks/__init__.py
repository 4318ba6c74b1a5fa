"""Webhooks: registering them, and receiving their events so that each takes effect once.

Each name is imported at its first use: a program that only calls needs nothing of what receives.
"""

from typing import TYPE_CHECKING

from vipps_async._lazy import importer

if TYPE_CHECKING:
    from vipps_async._events import EventFamily as EventFamily
    from vipps_async._events import UnknownEvent as UnknownEvent
    from vipps_async._events import WebhookEvent as WebhookEvent
    from vipps_async.webhooks._events import FAMILIES as FAMILIES
    from vipps_async.webhooks._inbox_policy import InboxPolicy as InboxPolicy
    from vipps_async.webhooks._observers import Notice as Notice
    from vipps_async.webhooks._observers import Stage as Stage
    from vipps_async.webhooks._receiver import WebhookReceiver as WebhookReceiver
    from vipps_async.webhooks._requests import IncomingRequest as IncomingRequest
    from vipps_async.webhooks._requests import Reply as Reply
    from vipps_async.webhooks._router import EventRouter as EventRouter
    from vipps_async.webhooks.registration import NewWebhook as NewWebhook
    from vipps_async.webhooks.registration import RegisteredWebhook as RegisteredWebhook
    from vipps_async.webhooks.registration import Webhooks as Webhooks
else:  # or type checkers would believe that any name exists
    __getattr__, __dir__ = importer(
        __name__,
        {
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
        },
    )
