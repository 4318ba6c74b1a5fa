"""A delivery carries its signature twice, since proxies take one of them: either will do, and the log tells of it."""

import logging
from typing import Any

import pytest

from tests.support.webhooks.deliveries import delivery, event, receiver_of, signed
from tests.webhooks.test_signature import VECTOR, altered, check, headers_of
from vipps_async import PaymentEvent
from vipps_async.errors import NotAuthentic

GENUINE = VECTOR["expectedAuthorization"]
OTHER = altered(GENUINE, len(GENUINE) - 2)
BASIC = "Basic c3RhZ2luZzpvcGVuLXNlc2FtZQ=="


def copies(first: str | None, second: str | None) -> dict[str, str]:
    """The documented delivery's headers, with these two for its signature."""
    headers = headers_of(VECTOR)
    del headers["authorization"]
    given = {"authorization": first, "x-vipps-authorization": second}
    return headers | {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (GENUINE, None, ""),
        (GENUINE, GENUINE, ""),
        (None, GENUINE, "a proxy dropped Authorization"),
        (BASIC, GENUINE, "a proxy replaced Authorization"),
        ("", GENUINE, "a proxy replaced Authorization"),
        (OTHER, GENUINE, "a proxy replaced Authorization"),
        ("\udcff\0ø", GENUINE, "a proxy replaced Authorization"),
        (GENUINE, BASIC, "a proxy replaced X-Vipps-Authorization"),
        (GENUINE, OTHER, "a proxy replaced X-Vipps-Authorization"),
    ],
)
def test_either_copy_will_do(first: str | None, second: str | None, told: str) -> None:
    """A delivery is authentic if one copy fits, and what became of the other is told."""
    damage = check(headers=copies(first, second))
    assert damage.startswith(told)
    assert bool(damage) == bool(told)


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [
        (None, None, "neither an Authorization nor an X-Vipps-Authorization header"),
        (OTHER, None, "no secret gives this signature: the secret is not that"),
        (None, OTHER, "no secret gives this signature: the secret is not that"),
        (OTHER, OTHER, "no secret gives this signature: the secret is not that"),
        (BASIC, OTHER, "no secret gives this signature: the secret is not that"),
        (BASIC, None, "no secret gives this signature: authorization of another scheme .* a proxy asks for a password"),
        ("", "\udcff", "authorization and x-vipps-authorization of another scheme"),
    ],
)
def test_neither_copy_is_refused(first: str | None, second: str | None, cause: str) -> None:
    """Where neither copy fits the delivery is refused; the cause is a proxy where nothing looks like a signature."""
    with pytest.raises(NotAuthentic, match=cause) as refused:
        check(headers=copies(first, second))
    assert "c3RhZ2luZzpv" not in str(refused.value)


@pytest.mark.parametrize("changes", [{"secrets": ["another"]}, {"body": b"{}"}, {"secrets": []}])
def test_the_second_copy_is_held_to_the_same_rules(changes: dict[str, Any]) -> None:
    """Another secret or another body is refused as it is with the first."""
    with pytest.raises(NotAuthentic):
        check(headers=copies(None, GENUINE), **changes)


def test_the_second_copy_may_be_of_another_secret_than_the_first() -> None:
    """While one registration replaces another a copy that any of the secrets gives is genuine."""
    assert check(headers=copies(BASIC, GENUINE), secrets=["old", VECTOR["secret"]]) != ""


async def test_a_receiver_tells_of_the_proxy_once(caplog: pytest.LogCaptureFixture) -> None:
    """Every delivery behind a proxy with a password is handled, and the log names the proxy, at the first of them."""
    receiver = receiver_of()
    handled = []

    @receiver.on(PaymentEvent)
    async def note(event: PaymentEvent) -> None:
        handled.append(event.name)

    for name in ("AUTHORIZED", "CAPTURED"):
        headers = {**signed(event(name)), "Authorization": BASIC}
        assert (await receiver.handle(delivery(event(name), headers))).status == 200
    assert handled == ["AUTHORIZED", "CAPTURED"]
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "a proxy replaced Authorization" in warnings[0]
    assert BASIC not in caplog.text


@pytest.mark.parametrize("length", [0, 10])
def test_a_body_that_was_read_before_names_that(length: int) -> None:
    """Where fewer bytes are here than were sent, the cause is what stands before the receiver."""
    body = VECTOR["body"].encode()
    headers = {**headers_of(VECTOR), "content-length": str(len(body))}
    with pytest.raises(NotAuthentic, match=f"{length} bytes are here of the {len(body)} .* such as a middleware"):
        check(headers=headers, body=body[:length])
