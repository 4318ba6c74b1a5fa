"""What a merchant is told, against what the ledger holds: whatever stands between a client and the API."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.hostile import CLOSE, HANG, RESET, Asked, Boom, end_of, hostile, passed_on, payment, problem, reply
from tests.support.payments import PRICE, requests_of
from vipps_async import Amount, RetryPolicy, VippsClient
from vipps_async.errors import CallError, ConnectionFailed, OutcomeUnknown, VippsError
from vipps_async.sandbox import Sandbox

REFERENCE = "order-0001"
PART = Amount(400, "NOK")
PAGES = (400, 403, 404, 405, 407, 410, 413, 415, 421, 422, 425, 431, 451, 499)


@attrs.frozen
class Operation:
    """An operation, the event that it leaves in the ledger, and how the API refuses one that was done already."""

    name: str
    event: str | None
    done_already: tuple[str, ...]
    run: Callable[[VippsClient], Awaitable[object]]


OPERATIONS = [
    Operation(
        "create",
        "CREATED",
        ("4150",),
        lambda vipps: vipps.epayment.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/"),
    ),
    Operation("get", None, ("5090",), lambda vipps: vipps.epayment.get(REFERENCE)),
    Operation("capture", "CAPTURED", ("6090", "6170", "6200"), lambda vipps: vipps.epayment.capture(REFERENCE, PRICE)),
    Operation("refund", "REFUNDED", ("6150", "6180", "6210"), lambda vipps: vipps.epayment.refund(REFERENCE, PART)),
    Operation("cancel", "CANCELLED", ("6050", "6190", "6040"), lambda vipps: vipps.epayment.cancel(REFERENCE)),
]
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


@attrs.frozen
class Turn:
    """Says what becomes of an attempt: whether it reaches the API, and what its sender hears."""

    reaches: bool
    hears: str
    code: int = 400


class Between:
    """Stands between a client and a sandbox, passes on what *turns* say, and answers as they say."""

    def __init__(self, sandbox: Sandbox, operation: Operation, turns: list[Turn], tokens: list[bytes]) -> None:
        self._sandbox, self._operation = sandbox, operation
        self._turns, self._tokens = iter(turns), iter(tokens)
        self.keys: set[str | None] = set()

    async def answer(self, asked: Asked) -> Any:
        """Answer an attempt."""
        self.keys.add(asked.key)
        turn = next(self._turns, Turn(reaches=True, hears="reply"))
        said = await passed_on(asked, self._sandbox.base_url) if turn.reaches or turn.hears == "reply" else b""
        codes = self._operation.done_already
        answers: dict[str, Any] = {
            "reply": said,
            "reset": RESET,
            "close": CLOSE,
            "page": reply(turn.code, "<h1>No</h1>"),
            "gateway": reply(turn.code, {"statusCode": turn.code, "message": "Resource not found"}),
            "another's problem": problem(turn.code, "4040", instance="/v1/payments/order-0002/capture"),
            "another status": reply(turn.code, {"title": "No", "traceId": "1", "status": 418}),
            "done already": problem(400, codes[turn.code % len(codes)]),
            "another payment": payment("order-0002", captured=1000),
            "cut": [said[: len(said) // 2 or 1], CLOSE],
            "two replies": said + payment(REFERENCE, captured=1000) if said else RESET,
        }
        return answers[turn.hears]

    async def token(self, asked: Asked) -> Any:
        """Answer the token endpoint's requests: from the second on as the test says."""
        said = next(self._tokens, None) if asked.number > 1 else None
        return await passed_on(asked, self._sandbox.base_url) if said is None else said


async def prepare(sandbox: Sandbox, operation: Operation) -> None:
    """Have the payment where the operation can take effect once."""
    if operation.name == "create":
        return
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps:
        await vipps.epayment.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
        await sandbox.approve(REFERENCE)
        if operation.name == "refund":
            await vipps.epayment.capture(REFERENCE, PRICE)


def effects(sandbox: Sandbox, operation: Operation) -> int:
    """Return how often the operation took effect, by the sandbox's own ledger."""
    if operation.event is None or REFERENCE not in sandbox.payments:
        return 0
    return sum(str(event.name) == operation.event for event in sandbox.payments[REFERENCE].events)


def judge(operation: Operation, end: object, happened: int, keys: set[str | None]) -> None:
    """Hold what the merchant was told against what happened."""
    assert happened <= 1
    assert len(keys) <= 1
    if operation.event is None:
        return
    if not isinstance(end, VippsError):
        assert happened == 1, f"a result, and no effect: {end}"
    elif happened:
        assert type(end) is OutcomeUnknown, f"an effect, and told that there was none: {end}"
    if isinstance(end, OutcomeUnknown):
        assert {end.idempotency_key} == keys


HEARD = ["reset", "close", "page", "gateway", "another's problem", "another status", "done already"]
HEARD += ["another payment", "cut", "two replies", "reply"]
NOT_PASSED_ON = (401, 403, 429)


def turn_of(reaches: bool, hears: str, code: int) -> Turn:  # noqa: FBT001 - drawn
    """A turn that can be: what the gateway refuses does not reach the API, and the API knows what it has just done."""
    is_refused = hears == "done already" or (hears == "gateway" and code in NOT_PASSED_ON)
    return Turn(reaches=reaches and not is_refused, hears=hears, code=code)


turns = st.lists(
    st.builds(turn_of, st.booleans(), st.sampled_from(HEARD), st.sampled_from((*PAGES, *NOT_PASSED_ON, 503))),
    max_size=5,
)
token_answers = st.lists(
    st.sampled_from([reply(400, {"error": "invalid_client"}), reply(401), reply(404, "<h1>No</h1>"), reply(503)]),
    max_size=2,
)


@settings(max_examples=int(os.environ.get("VIPPS_FUZZ", "2000")) // 20, deadline=None)
@given(operation=st.sampled_from(OPERATIONS), schedule=turns, tokens=token_answers)
def test_no_effect_is_never_told_where_there_was_one(
    operation: Operation, schedule: list[Turn], tokens: list[bytes]
) -> None:
    """Whatever happens to up to five requests, a merchant is told of no effect only where the ledger has none."""
    asyncio.run(play(operation, schedule, tokens))


async def play(operation: Operation, schedule: list[Turn], tokens: list[bytes]) -> None:
    """Play a schedule, and judge what came of it."""
    async with Sandbox(rate_limits=False) as sandbox:
        await prepare(sandbox, operation)
        between = Between(sandbox, operation, schedule, tokens)
        retry = RetryPolicy(initial_delay=0.001, max_delay=0.002, attempt_timeout=5)
        async with (
            hostile(between.answer, between.token) as (server, _),
            VippsClient(sandbox.credentials, environment=server.url, retry=retry) as vipps,
        ):
            end = await end_of(operation.run(vipps))
        judge(operation, end, effects(sandbox, operation), between.keys)


@every_operation
@pytest.mark.parametrize("status", PAGES)
async def test_a_gateway_s_page_after_a_lost_reply_settles_nothing(operation: Operation, status: int) -> None:
    """The attempt took effect, its reply was lost, and a gateway refuses the repeat."""
    lost = ["reset", "close", "cut", "page"][PAGES.index(status) % 4]
    await play(operation, [Turn(True, lost, 502), *[Turn(False, "page", status)] * 4], [])


@every_operation
@pytest.mark.parametrize("answer", [reply(400, {"error": "invalid_client"}), reply(401), reply(403), reply(503)])
async def test_a_token_that_is_refused_between_attempts_settles_nothing(operation: Operation, answer: bytes) -> None:
    """The attempt took effect, its reply was lost, and the repeat needs a token that cannot be had."""
    await play(operation, [Turn(True, "reset"), Turn(False, "page", 401)], [answer] * 8)


@every_operation
async def test_done_already_after_a_lost_reply_settles_nothing(operation: Operation) -> None:
    """An API that has forgotten the key refuses the repeat, since the first attempt has done it."""
    for number in range(len(operation.done_already)):
        await play(operation, [Turn(True, "reset"), *[Turn(False, "done already", number)] * 4], [])


@every_operation
@pytest.mark.parametrize("hook", ["on_request_start", "on_connection_create_end", "on_request_end"])
async def test_an_exception_before_or_after_sending_is_told_by_what_was_sent(operation: Operation, hook: str) -> None:
    """A hook that raises before the request left says that nothing was sent; after it, the outcome is open."""

    async def fail(*_: object) -> None:
        raise Boom

    trace = aiohttp.TraceConfig()
    getattr(trace, hook).append(fail)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox())
        await prepare(sandbox, operation)
        plain = await stack.enter_async_context(aiohttp.ClientSession())
        hooked = await stack.enter_async_context(aiohttp.ClientSession(trace_configs=[trace]))
        sessions = [hooked, plain]
        vipps = VippsClient(
            sandbox.credentials,
            environment=sandbox.environment,
            session=lambda: sessions.pop() if len(sessions) > 1 else hooked,
        )
        end = await end_of(operation.run(vipps))
        keys = {request.idempotency_key for request in requests_of(sandbox, operation.name)}
        is_sent = hook == "on_request_end"
        assert effects(sandbox, operation) == (is_sent and operation.event is not None)
    assert type(end) is (OutcomeUnknown if is_sent and operation.event else ConnectionFailed)
    assert isinstance(end, CallError)
    if is_sent and operation.event:
        assert keys == {end.idempotency_key}


@every_operation
async def test_a_stray_reply_is_no_reply(operation: Operation) -> None:
    """A second reply to the call before is not this call's, which takes effect once and is told its own."""
    await play(operation, [Turn(True, "two replies"), Turn(True, "two replies")], [])


@every_operation
async def test_a_full_pool_sends_nothing(operation: Operation) -> None:
    """A call that waits in vain for a connection tells that nothing was sent, and has no effect."""
    async with Sandbox() as sandbox, hostile(lambda _: HANG) as (server, _):
        await prepare(sandbox, operation)
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
        async with session:
            blocked = asyncio.ensure_future(session.get(server.url + "/blocked"))
            while not server.requests:
                await asyncio.sleep(0.01)
            plain = [aiohttp.ClientSession()]
            retry = RetryPolicy(attempts=1, attempt_timeout=0.4)
            vipps = VippsClient(
                sandbox.credentials, environment=sandbox.environment, session=lambda: plain[-1], retry=retry
            )
            if operation.name == "create":
                await end_of(vipps.epayment.get("order-0002"))  # for its token
            else:
                await vipps.epayment.get(REFERENCE)
            first = plain.pop()
            plain.append(session)
            end = await end_of(operation.run(vipps))
            await first.close()
            blocked.cancel()
            await asyncio.wait([blocked])
        assert effects(sandbox, operation) == 0
    assert type(end) is ConnectionFailed
    assert not end.sent
