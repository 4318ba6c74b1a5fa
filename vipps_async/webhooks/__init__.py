"""Webhooks: registering them, and receiving their events so that each takes effect once."""

from vipps_async.webhooks._exchange import IncomingRequest, Reply
from vipps_async.webhooks._inbox_policy import InboxPolicy
from vipps_async.webhooks._notices import Notice, Stage
from vipps_async.webhooks._receiver import WebhookReceiver
from vipps_async.webhooks._registrations import NewWebhook, RegisteredWebhook, Webhooks

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
