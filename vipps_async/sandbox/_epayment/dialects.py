"""The two APIs that the sandbox speaks, each as one value: the current one, and the draft of January 2022."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async.sandbox._epayment import documents as wire
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.redirects import DRAFT_FLOWS, FLOWS, Destination
from vipps_async.sandbox._epayment.rules import CREATE_RULES, DRAFT_CREATE_RULES, Rule
from vipps_async.sandbox._platform.problems import Problem
from vipps_async.sandbox._platform.replies import Reply, of_json
from vipps_async.sandbox._platform.routes import CURRENT_ROUTES, DRAFT_ROUTES, Route

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0

_PSP_REFERENCES = 9_000_000_000
# Counting from a random start: unique here, and hardly ever equal to one that a receiver's store knows from before.
_numbers = count(secrets.randbelow(_PSP_REFERENCES))


def _number() -> str:
    """Return ten digits, the form that the current API gives to most events."""
    return str(1_000_000_000 + next(_numbers) % _PSP_REFERENCES)


def _uuid() -> str:
    return str(uuid.uuid4())


@attrs.frozen(kw_only=True)
class Dialect:
    """How one version of the API speaks.

    Attributes:
        routes: its operations.
        rules: the rules of a create request that join several fields.
        flows: where each user flow sends the user.
        psp_reference: makes the ``pspReference`` of an event after the creation.
        created: the answer to create.
        fetched: the answer to get.
        modified: the answer to every modification.
        failures: the code of the answer to one that fails; none where the event alone tells.
        logged: an entry of the event log.
        notified: the body of a delivery; takes the MSN too.
        problem: a problem; takes the request's path and a trace id too.
        retry_delays: seconds between attempts of a delivery, the last one repeated.
        give_up_after: how long an event is tried.
        patience: how long a webhook may fail before it is removed; ``None``: forever.
    """

    routes: tuple[Route, ...]
    rules: tuple[Rule, ...]
    flows: Mapping[str, Destination]
    psp_reference: Callable[[], str]
    created: Callable[[LedgerPayment], Mapping[str, Any]]
    fetched: Callable[[LedgerPayment], Mapping[str, Any]]
    modified: Callable[[LedgerPayment], Reply]
    failures: Mapping[Action, str]
    logged: Callable[[LedgerPayment, LedgerEvent], Mapping[str, Any]]
    notified: Callable[[LedgerPayment, LedgerEvent, str], Mapping[str, Any]]
    problem: Callable[[Problem, str, str], Mapping[str, Any]]
    retry_delays: tuple[float, ...]
    give_up_after: timedelta
    patience: timedelta | None


_CURRENT = Dialect(
    routes=CURRENT_ROUTES,
    rules=CREATE_RULES,
    flows=FLOWS,
    psp_reference=_number,
    created=wire.created,
    fetched=wire.fetched,
    modified=lambda payment: of_json(200, wire.modified(payment)),
    failures={Action.CAPTURE: "6280", Action.REFUND: "3010", Action.CANCEL: "3010"},
    logged=wire.logged,
    notified=lambda payment, event, msn: wire.notified(payment, event, msn=msn),
    problem=lambda problem, instance, trace_id: wire.problem(problem, instance=instance, trace_id=trace_id),
    # Attempts 1 to 4, 5, 6, 7 to 29, and then daily: Webhooks API, retries.
    retry_delays=(2.0,) * 4 + (_MINUTE, 2 * _MINUTE) + (_HOUR,) * 23 + (_DAY,),
    give_up_after=timedelta(days=7),
    patience=timedelta(weeks=2),
)

_DRAFT = Dialect(
    routes=DRAFT_ROUTES,
    rules=DRAFT_CREATE_RULES,
    flows=DRAFT_FLOWS,
    psp_reference=_uuid,
    created=wire.draft_payment,
    fetched=wire.draft_payment,
    modified=lambda _: Reply(status=202),
    failures={},
    logged=wire.draft_logged,
    notified=lambda payment, event, _: wire.draft_notified(payment, event),
    problem=lambda problem, _, trace_id: wire.draft_problem(problem, trace_id=trace_id),
    # Attempts 1 to 5, 6 to 10, 10 to 20, 20 to 50, and from 50 on without an end: the draft's guide, callbacks.
    retry_delays=(2.0,) * 5 + (15.0,) * 5 + (_MINUTE,) * 10 + (15 * _MINUTE,) * 30 + (_HOUR,),
    give_up_after=timedelta.max,
    patience=None,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({"current": _CURRENT, "draft": _DRAFT})
