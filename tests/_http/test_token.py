"""The access token's life: the provider alone, and over real HTTP against the sandbox."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import attrs
import pytest

from tests.support.payments import create, requests_of
from vipps_async import Credentials, RetryPolicy, VippsClient
from vipps_async._http.token import AccessToken, TokenProvider
from vipps_async.errors import (
    ClientClosed,
    ConfigurationError,
    InvalidReply,
    OutcomeUnknown,
    Problem,
    ServerError,
    Unauthorized,
)
from vipps_async.sandbox import Fault, Sandbox

NEVER = math.inf


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Issuer:
    """Issues tokens of 1,000 seconds, numbered, once its gate is open; raises *error* instead while there is one."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.issued = 0
        self.replaced: list[AccessToken | None] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, old: AccessToken | None, _: float) -> AccessToken:
        """Issue the next token."""
        self.replaced.append(old)
        self.issued += 1
        number = self.issued
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        document = {"access_token": f"token-{number}", "expires_in": "1000"}
        return AccessToken.from_reply(document, asked_at=self.clock())


@pytest.fixture
def clock() -> Clock:
    """A clock at zero."""
    return Clock()


@pytest.fixture
async def issuer(clock: Clock) -> Issuer:
    """An issuer on that clock."""
    return Issuer(clock)


@pytest.mark.parametrize("lifetime", ["3599", 3599])
def test_lifetime_is_read_as_text_and_as_number(lifetime: object) -> None:
    """`expires_in` counts from the request, in either JSON type, and renewal comes ahead of it."""
    token = AccessToken.from_reply({"access_token": "abc", "expires_in": lifetime}, asked_at=100.0)
    assert (token.renew_at, token.expires_at) == (100 + 3599 - 300, 100 + 3599)
    assert token.headers == {"Authorization": "Bearer abc"}


def test_token_hides_itself() -> None:
    """A token's repr shows neither the token nor the header that carries it."""
    assert "s3cret" not in repr(AccessToken.from_reply({"access_token": "s3cret", "expires_in": 60}, asked_at=0))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "token",
        {},
        {"access_token": "abc"},
        {"expires_in": "60"},
        {"access_token": "", "expires_in": "60"},
        {"access_token": "a\nb", "expires_in": "60"},
        {"access_token": "æ", "expires_in": "60"},
        {"access_token": 5, "expires_in": "60"},
        {"access_token": "abc", "expires_in": "soon"},
        {"access_token": "abc", "expires_in": "-1"},
        {"access_token": "abc", "expires_in": -1},
        {"access_token": "abc", "expires_in": True},
        {"access_token": "abc", "expires_in": 59.5},
        {"access_token": "abc", "expires_in": None},
    ],
)
def test_unusable_token_reply_is_an_error_of_the_tree(document: Any) -> None:
    """A token reply without a usable token or lifetime is an InvalidReply that does not repeat what it held."""
    with pytest.raises(InvalidReply, match="lacks a usable access_token or expires_in"):
        AccessToken.from_reply(document, asked_at=0)


async def test_fresh_token_is_reused(issuer: Issuer, clock: Clock) -> None:
    """Until renewal is due, every caller gets the first token."""
    provider = TokenProvider(issuer, clock)
    first = await provider.authorize(NEVER)
    clock.now = 749.0
    assert await provider.authorize(NEVER) is first
    assert issuer.issued == 1


async def test_renewal_does_not_hold_callers_up(issuer: Issuer, clock: Clock) -> None:
    """While the old token is good, callers get it at once although the renewal hangs; then they get the new one."""
    provider = TokenProvider(issuer, clock)
    old = await provider.authorize(NEVER)
    issuer.gate.clear()
    clock.now = 800.0
    async with asyncio.timeout(1):
        assert [await provider.authorize(NEVER) for _ in range(3)] == [old] * 3
    await asyncio.sleep(0)
    assert issuer.issued == 2
    issuer.gate.set()
    await until(lambda: _is_new(provider, old))
    assert (await provider.authorize(NEVER))["Authorization"] == "Bearer token-2"


async def _is_new(provider: TokenProvider, old: object) -> bool:
    return await provider.authorize(NEVER) is not old


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until *holds*."""
    async with asyncio.timeout(2):
        while not await holds():
            await asyncio.sleep(0)


async def test_dead_token_is_waited_for(issuer: Issuer, clock: Clock) -> None:
    """Once the old token has died, callers wait for the new one."""
    provider = TokenProvider(issuer, clock)
    await provider.authorize(NEVER)
    clock.now = 1000.0
    assert (await provider.authorize(NEVER))["Authorization"] == "Bearer token-2"


async def test_failed_renewal_leaves_the_old_token_and_pauses(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal that fails is logged, callers go on with the old token, and the next renewal waits 10 seconds."""
    provider = TokenProvider(issuer, clock)
    old = await provider.authorize(NEVER)
    issuer.error = InvalidReply("down")
    clock.now = 800.0
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert await provider.authorize(NEVER) is old
            await asyncio.sleep(0.001)
    assert issuer.issued == 2
    assert "no new access token: call: down" in caplog.text
    issuer.error = None
    clock.now = 811.0
    assert await provider.authorize(NEVER) is old
    await until(lambda: _is_new(provider, old))


async def test_caller_that_gives_up_leaves_the_fetch_to_the_others(issuer: Issuer, clock: Clock) -> None:
    """Cancelling one of two callers that wait for a token does not cancel the other's fetch."""
    provider = TokenProvider(issuer, clock)
    issuer.gate.clear()
    impatient, patient = (asyncio.create_task(provider.authorize(NEVER)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    issuer.gate.set()
    assert (await patient)["Authorization"] == "Bearer token-1"
    assert issuer.issued == 1


async def test_caller_whose_time_is_over_leaves_the_fetch_to_the_others(issuer: Issuer, clock: Clock) -> None:
    """A wait for a token ends at the caller's deadline, by the provider's clock, and the fetch goes on."""
    provider = TokenProvider(issuer, clock)
    issuer.gate.clear()
    clock.now = 500.0
    patient = asyncio.create_task(provider.authorize(NEVER))
    async with asyncio.timeout(2):
        with pytest.raises(TimeoutError):
            await provider.authorize(500.001)
    issuer.gate.set()
    assert (await patient)["Authorization"] == "Bearer token-1"
    assert issuer.issued == 1


async def test_refused_token_is_forgotten_once(issuer: Issuer, clock: Clock) -> None:
    """When many callers report the same refused token, one new one is fetched, and it survives late reports."""
    provider = TokenProvider(issuer, clock)
    refused = await provider.authorize(NEVER)
    assert provider.refused(refused)
    replacement = await provider.authorize(NEVER)
    assert provider.refused(refused)
    assert await provider.authorize(NEVER) is replacement


@pytest.mark.parametrize(("seconds", "is_taken"), [(10**9 - 1, True), (10**9, False)])
def test_a_lifetime_has_nine_digits_at_most(seconds: int, *, is_taken: bool) -> None:
    """As a number as well as a text."""
    for lifetime in (seconds, str(seconds)):
        document = {"access_token": "abc", "expires_in": lifetime}
        if is_taken:
            assert AccessToken.from_reply(document, asked_at=0.0).expires_at == seconds
        else:
            with pytest.raises(InvalidReply):
                AccessToken.from_reply(document, asked_at=0.0)


@pytest.mark.parametrize(("status", "pause"), [(400, 30), (499, 30), (500, 1), (503, 1)])
async def test_a_refusal_is_remembered_for_longer_than_trouble(
    issuer: Issuer, clock: Clock, status: int, pause: int
) -> None:
    """Keys that are wrong remain so for a while; a server that is in trouble may be well in a second."""
    provider = TokenProvider(issuer, clock)
    issuer.error = (ServerError if status >= 500 else Unauthorized)(status, Problem())
    for seconds in (0.0, pause - 0.01, 0.01):
        clock.now += seconds
        with pytest.raises((ServerError, Unauthorized)):
            await provider.authorize(NEVER)
    assert issuer.issued == 2


async def test_tokens_that_are_refused_one_after_the_other_are_kept_for_a_while(issuer: Issuer, clock: Clock) -> None:
    """Four are replaced at once; then it is not the token, and each new one is kept twice as long as the last.

    One that is taken makes the next four replaceable at once again.
    """
    provider = TokenProvider(issuer, clock)
    for taken in (False, True):
        token = await provider.authorize(NEVER)
        if taken:
            provider.accepted(token)
        for _ in range(4):
            assert provider.refused(token)
            token = await provider.authorize(NEVER)
        assert provider.refused(token)
        for kept in (2.0, 4.0):
            token = await provider.authorize(NEVER)
            clock.now += kept - 0.01
            assert not provider.refused(token)
            clock.now += 0.01
            assert provider.refused(token)
    assert issuer.issued == 1 + 2 * 6 + 1


async def test_fetch_learns_which_token_it_replaces(issuer: Issuer, clock: Clock) -> None:
    """A fetch gets the old token, and whether that was refused or is only renewed ahead of time."""
    provider = TokenProvider(issuer, clock)
    first = await provider.authorize(NEVER)
    clock.now = 800.0
    await provider.authorize(NEVER)
    await until(lambda: _is_new(provider, first))
    second = await provider.authorize(NEVER)
    provider.refused(second)
    await provider.authorize(NEVER)
    none, renewed, refused = issuer.replaced
    assert none is None
    assert renewed is not None
    assert refused is not None
    assert (renewed.headers, renewed.is_refused, renewed.is_usable(clock())) == (first, False, True)
    assert (refused.headers, refused.is_refused, refused.is_usable(clock())) == (second, True, False)


async def test_closing_ends_a_fetch_with_an_error_of_the_tree(issuer: Issuer, clock: Clock) -> None:
    """A caller that waits for a token while the client closes gets ClientClosed, not a cancellation."""
    provider = TokenProvider(issuer, clock)
    issuer.gate.clear()
    caller = asyncio.create_task(provider.authorize(NEVER))
    await asyncio.sleep(0)
    await provider.close()
    with pytest.raises(ClientClosed):
        await caller


async def test_closing_ends_a_fetch_that_loses_a_cancellation(clock: Clock) -> None:
    """A fetch that goes on although it was cancelled, as what it waits for can, is cancelled again."""

    async def go_on(_: AccessToken | None, __: float) -> AccessToken:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)
        raise AssertionError

    provider = TokenProvider(go_on, clock)
    caller = asyncio.create_task(provider.authorize(NEVER))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await provider.close()
    with pytest.raises(ClientClosed):
        await caller


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (ServerError(503, Problem()), [1, 2, 4]),
        (ServerError(503, Problem(), retry_after=120.0), [120, 120, 120]),
        (ServerError(503, Problem(), retry_after=0.0), [1, 2, 4]),
        (Unauthorized(401, Problem()), [30, 30, 30]),
    ],
    ids=str,
)
async def test_a_failure_is_remembered_for_as_long_as_was_asked(
    issuer: Issuer, clock: Clock, error: Exception, pauses: list[float]
) -> None:
    """Nobody asks again before the time that the endpoint asked for, nor at once; a success begins anew."""
    provider = TokenProvider(issuer, clock)

    async def fails_for(pause: float) -> None:
        issuer.error, before = error, issuer.issued
        for moment in (pause - 0.5, 0.5):
            with pytest.raises(type(error)):
                await provider.authorize(NEVER)
            assert issuer.issued == before + 1
            clock.now += moment

    for pause in pauses:
        await fails_for(pause)
    issuer.error = None
    assert provider.refused(await provider.authorize(NEVER))
    await fails_for(pauses[0])
    await fails_for(pauses[1])


async def test_closing_does_not_wait_for_ever(clock: Clock) -> None:
    """A fetch that takes no cancellation at all is left behind."""
    is_over = asyncio.Event()

    async def go_on(_: AccessToken | None, __: float) -> AccessToken:
        while not is_over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await is_over.wait()
        raise InvalidReply("over")

    provider = TokenProvider(go_on, clock)
    caller = asyncio.create_task(provider.authorize(NEVER))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await provider.close()
    is_over.set()
    with pytest.raises(InvalidReply):
        await caller


async def test_what_was_not_asked_is_not_remembered(sandbox: Sandbox) -> None:
    """A session that was closed, or was none, costs no request; once there is another one, calls go on at once."""
    async with aiohttp.ClientSession() as closed:
        pass
    async with aiohttp.ClientSession() as good:
        sessions: list[Any] = [good, closed, None]
        async with VippsClient(
            sandbox.credentials, environment=sandbox.environment, session=lambda: sessions[-1]
        ) as vipps:
            for kind in (ConfigurationError, ClientClosed):
                with pytest.raises(kind):
                    await create(vipps)
                sessions.pop()
            await create(vipps)


async def test_a_thousand_first_calls_share_one_token_request(sandbox: Sandbox, vipps: VippsClient) -> None:
    """1,000 concurrent first calls lead to one token request."""
    references = [await create(vipps, f"order-number-{number}") for number in range(10)]
    before = len(requests_of(sandbox, "token"))
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as newcomer:
        payments = await asyncio.gather(*(newcomer.epayment.get(reference) for reference in references * 100))
    assert len(payments) == 1000
    assert len(requests_of(sandbox, "token")) - before == 1


async def test_token_that_dies_under_200_calls_fails_none(sandbox: Sandbox, vipps: VippsClient) -> None:
    """When the token is revoked while 200 calls are under way, all succeed, and one renewal serves them."""
    references = [await create(vipps, f"order-number-{number}") for number in range(4)]
    patient = vipps.with_options(timeout=30, retry=RetryPolicy(initial_delay=0.01))
    calls = [asyncio.create_task(patient.epayment.get(reference)) for reference in references * 50]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    sandbox.revoke_tokens()
    payments = await asyncio.gather(*calls)
    assert {payment.reference for payment in payments} == set(references)
    refused = [request for request in requests_of(sandbox, "get") if request.status == 401]
    assert refused
    assert len(requests_of(sandbox, "token")) == 2


async def test_token_that_expires_by_the_clock_fails_no_call(vipps: VippsClient) -> None:
    """Calls go on through many token lifetimes, without a failure."""
    async with (
        Sandbox(token_lifetime=0.3) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as client,
    ):
        reference = await create(client)
        async with asyncio.timeout(5):
            while len(requests_of(sandbox, "token")) < 4:
                await asyncio.gather(*(client.epayment.get(reference) for _ in range(20)))


async def test_wrong_keys_are_told_apart_from_a_refused_token(sandbox: Sandbox) -> None:
    """Wrong API keys end a call as Unauthorized after one token request, with the operation, key and remedy named."""
    wrong = attrs.evolve(sandbox.credentials, client_secret="d3JvbmcgYnV0IHdlbGwtZm9ybWVk")
    async with VippsClient(wrong, environment=sandbox.environment) as vipps:
        with pytest.raises(Unauthorized) as caught:
            await create(vipps)
    assert len(requests_of(sandbox, "token")) == 1
    assert requests_of(sandbox, "create") == []
    error = caught.value
    assert (error.operation, error.attempts) == ("create", 0)
    assert error.idempotency_key
    assert "no access token" in str(error)
    assert "check the API keys" in str(error)


async def test_callers_that_share_a_failed_fetch_get_errors_of_their_own(sandbox: Sandbox) -> None:
    """Calls that waited for the same failed token request each get their own operation and key on the error."""
    sandbox.fail("token", Fault.STATUS_503, times=None)
    retry = RetryPolicy(attempts=1)
    async with VippsClient(sandbox.credentials, environment=sandbox.environment, retry=retry) as vipps:
        first, second = await asyncio.gather(
            create(vipps, "order-0001"), create(vipps, "order-0002"), return_exceptions=True
        )
    assert isinstance(first, ServerError)
    assert isinstance(second, ServerError)
    assert first.idempotency_key != second.idempotency_key
    assert not isinstance(first, OutcomeUnknown)


async def test_token_is_shared_by_copies(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A copy made by with_options uses the token of its original."""
    reference = await create(vipps)
    await vipps.with_options(timeout=3).epayment.get(reference)
    assert len(requests_of(sandbox, "token")) == 1


def test_credentials_are_needed() -> None:
    """There is no client without credentials."""
    with pytest.raises(TypeError):
        Credentials()  # type: ignore[call-arg]  # what is tested
