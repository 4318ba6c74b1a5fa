"""``trigger``: sign an event and send it to a receiver, with no sandbox in between."""

import argparse
import asyncio
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import attrs
from yarl import URL

from vipps_async._cli.arguments import DIALECTS, SECRET_VARIABLE, URL_VARIABLE, add_webhook_arguments, count, url
from vipps_async._cli.lines import STYLES, Lines
from vipps_async._wire.secret import Secret
from vipps_async.epayment import PaymentEventName
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import SAMPLE_EVENTS, SampleFacts, sample_event
from vipps_async.webhooks.signature import SignedUrl, sign

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands

_NAMES = [event for event in SAMPLE_EVENTS if "." not in event]
_OTHER_TYPES = [event for event in SAMPLE_EVENTS if "." in event and not event.startswith("epayments.")]
_ANSWER_WITHIN = aiohttp.ClientTimeout(total=10)  # Webhooks API, responses
_EXCERPT = 200  # characters of an answer that are told


def add_to(commands: "Commands") -> None:
    """Add the command."""
    trigger = commands.add_parser("trigger", help="sign an event and send it to a receiver")
    trigger.add_argument(
        "event",
        nargs="?",
        type=_event,
        metavar="EVENT",
        help=f"one of {', '.join(_NAMES)}, its event type, or the draft's name for it; or a type of another API: "
        f"{', '.join(_OTHER_TYPES)}",
    )
    add_webhook_arguments(trigger)
    trigger.add_argument("--to", type=url, metavar="URL", help="where to send it, if that is not the signed URL")
    trigger.add_argument("--dialect", choices=DIALECTS, default="current", help="the draft's may go without --secret")
    trigger.add_argument(
        "--reference",
        help="what it is about: a payment's (default: order-0001), or the id of the agreement, charge, QR or login",
    )
    trigger.add_argument("--agreement", help="the id of the agreement that the charge belongs to (default: agr_0001)")
    trigger.add_argument("--amount", type=count, default=1000, help="minor units (default: 1000)")
    trigger.add_argument("--currency", default="NOK", help="ISO 4217 (default: NOK)")
    trigger.add_argument("--failed", action="store_true", help="the operation failed: an event with success false")
    trigger.add_argument("--psp-reference", help="the event's, or a charge's transactionId (default: a new one)")
    trigger.add_argument("--msn", default="123456", help="the sales unit's (default: 123456)")
    trigger.add_argument("--body", type=Path, metavar="FILE", help="send these bytes instead")
    trigger.add_argument("--count", type=count, default=1, help="how often to deliver it (default: 1)")
    trigger.add_argument("--concurrent", action="store_true", help="deliver all at the same time")
    trigger.add_argument("--log", choices=STYLES, default="text", help="how to tell what was answered (default: text)")
    trigger.set_defaults(run=_run)


def _event(text: str) -> str:
    for known in (text, text.upper(), str(PaymentEventName(text.upper()))):
        if known in SAMPLE_EVENTS:
            return known
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join([*_NAMES, *_OTHER_TYPES])}")


@attrs.frozen(kw_only=True)
class _Sender:
    session: aiohttp.ClientSession
    to: str
    signed_for: SignedUrl
    secret: Secret | None
    body: bytes
    lines: Lines
    webhook_id: str = attrs.field(factory=lambda: str(uuid.uuid4()))

    async def send(self, number: int) -> bool:
        """Deliver once, tell the answer, and return whether it is a success."""
        began = time.monotonic()
        try:
            async with self.session.post(
                URL(self.to, encoded=True), data=self.body, headers=self._headers(), allow_redirects=False
            ) as response:
                answer = (await response.read()).decode("utf-8", "replace")[:_EXCERPT]
        except (aiohttp.ClientError, OSError) as error:
            self.lines.line("delivery", number=number, error=f"{type(error).__name__}: {error}")
            return False
        seconds = round(time.monotonic() - began, 3)
        self.lines.line("delivery", number=number, status=response.status, seconds=seconds, answer=answer or None)
        return response.status // 100 == 2

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Webhook-Id": self.webhook_id}
        if self.secret is None:
            return headers
        return headers | sign(self.secret, self.signed_for, self.body, date=datetime.now(UTC))


async def _run(options: argparse.Namespace) -> int:
    if options.url is None:
        raise ConfigurationError(f"no receiver: give --url, or set {URL_VARIABLE}")
    if options.secret is None and options.dialect == "current":
        raise ConfigurationError(f"no secret: give --secret, or set {SECRET_VARIABLE}; the draft alone is unsigned")
    async with aiohttp.ClientSession(timeout=_ANSWER_WITHIN) as session:
        sender = _Sender(
            session=session,
            to=options.to or options.url,
            signed_for=SignedUrl.of(options.url),
            secret=options.secret,
            body=_body(options),
            lines=Lines(options.log, sys.stdout),
        )
        return 0 if all(await _send_all(sender, options.count, concurrent=options.concurrent)) else 1


async def _send_all(sender: _Sender, times: int, *, concurrent: bool) -> list[bool]:
    numbers = range(1, times + 1)
    if concurrent:
        return await asyncio.gather(*(sender.send(number) for number in numbers))
    return [await sender.send(number) for number in numbers]


def _body(options: argparse.Namespace) -> bytes:
    if (options.event is None) == (options.body is None):
        raise ConfigurationError("trigger takes either an EVENT or --body FILE")
    if options.body is not None:
        return _read(options.body)
    return _sample(options)


def _sample(options: argparse.Namespace) -> bytes:
    facts = SampleFacts(
        reference=options.reference,
        parent=options.agreement,
        amount=options.amount,
        currency=options.currency,
        event_id=options.psp_reference,
        msn=options.msn,
        now=datetime.now(UTC),
        success=not options.failed,
    )
    return sample_event(options.event, facts, dialect=options.dialect)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"--body {path}: {error}") from error
