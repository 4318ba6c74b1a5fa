"""Webhooks: registering them, and receiving their events so that each takes effect once."""

from vipps_async.webhooks._exchange import IncomingRequest, Reply
from vipps_async.webhooks._receiver import WebhookReceiver
from vipps_async.webhooks._registrations import NewWebhook, RegisteredWebhook, Webhooks

__all__ = ["IncomingRequest", "NewWebhook", "RegisteredWebhook", "Reply", "WebhookReceiver", "Webhooks"]
