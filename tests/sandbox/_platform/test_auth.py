"""Tokens, keys and headers: who gets in."""

from datetime import timedelta

import aiohttp
import pytest

from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, at, create_body
from vipps_async.sandbox import Sandbox


@pytest.mark.parametrize("path", ["/accesstoken/get", "/accessToken/get"])
async def test_a_token_has_the_documented_shape(merchant: Merchant, path: str) -> None:
    """Both spellings answer a long JWT, and every number as text."""
    got = await merchant.send("POST", path, headers=merchant.token_headers)
    body = got.json
    assert got.status == 200
    assert set(body) == {
        "token_type",
        "expires_in",
        "ext_expires_in",
        "expires_on",
        "not_before",
        "resource",
        "access_token",
    }
    assert all(isinstance(value, str) for value in body.values())
    assert (body["token_type"], body["expires_in"]) == ("Bearer", "3599")
    assert int(body["expires_on"]) - int(body["not_before"]) in {3899, 3900}
    assert len(body["access_token"]) > 1000
    assert body["access_token"].count(".") == 2


@pytest.mark.parametrize(
    ("header", "value", "field"),
    [
        ("client_id", "somebody", "error"),
        ("client_secret", "guess", "error"),
        ("Ocp-Apim-Subscription-Key", "0" * 32, "message"),
    ],
)
async def test_wrong_keys_are_told_in_the_form_of_who_found_them(
    merchant: Merchant, header: str, value: str, field: str
) -> None:
    """The identity provider and the gateway each refuse in their own form, with 401."""
    got = await merchant.send("POST", "/accesstoken/get", headers=merchant.token_headers | {header: value})
    assert got.status == 401
    assert field in got.json
    if field == "error":
        assert set(got.json) == {
            "error",
            "error_description",
            "error_codes",
            "timestamp",
            "trace_id",
            "correlation_id",
            "error_uri",
        }


@pytest.mark.strict
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Merchant-Serial-Number": "123456", "Vipps-System-Name": "x" * 30}, 200),
        ({"Merchant-Serial-Number": "12a456"}, 400),
        ({"Merchant-Serial-Number": "654321"}, 401),
        ({"Vipps-System-Plugin-Version": "x" * 31}, 400),
    ],
)
async def test_the_optional_headers_of_a_token_request_are_checked(
    merchant: Merchant, headers: dict[str, str], status: int
) -> None:
    """They may be missing, but if they are there they have to be right."""
    got = await merchant.send("POST", "/accesstoken/get", headers=merchant.token_headers | headers)
    assert got.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Ocp-Apim-Subscription-Key": None},
        {"Ocp-Apim-Subscription-Key": "0" * 32},
        {"Authorization": None},
        {"Authorization": "Bearer nonsense"},
    ],
)
async def test_the_gateway_answers_401_without_keys(merchant: Merchant, headers: dict[str, str | None]) -> None:
    """A missing or wrong key or token is answered in the gateway's form."""
    got = await merchant.call("GET", f"{PAYMENTS}/{REFERENCE}", headers=headers)
    assert got.status == 401
    assert set(got.json) == {"statusCode", "message"}


async def test_the_word_bearer_is_case_sensitive(merchant: Merchant) -> None:
    """A valid token behind another word does not count."""
    token = merchant.authorization["Authorization"].removeprefix("Bearer ")
    for word in ("bearer ", "Basic ", ""):
        got = await merchant.call("GET", f"{PAYMENTS}/{REFERENCE}", headers={"Authorization": f"{word}{token}"})
        assert got.status == 401


@pytest.mark.strict
@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"Merchant-Serial-Number": None}, 400, "Merchant-Serial-Number"),
        ({"Merchant-Serial-Number": "12a456"}, 400, "Merchant-Serial-Number"),
        ({"Merchant-Serial-Number": "654321"}, 403, None),
        ({"Vipps-System-Name": "x" * 31}, 400, "Vipps-System-Name"),
        ({"Idempotency-Key": None}, 400, "Idempotency-Key"),
        ({"Idempotency-Key": "k" * 51}, 400, "Idempotency-Key"),
    ],
)
async def test_headers_are_checked(
    merchant: Merchant, headers: dict[str, str | None], status: int, field: str | None
) -> None:
    """A missing, malformed or foreign header is refused by name, and nothing is created."""
    got = await merchant.call("POST", PAYMENTS, create_body(), key="key", headers=headers)
    assert got.status == status
    assert field is None or field in got.fields
    assert not merchant.sandbox.payments


async def test_a_key_of_raw_bytes_is_refused(merchant: Merchant) -> None:
    """Bytes that are no text in a header are neither echoed nor an internal error."""
    got = await merchant.call("POST", PAYMENTS, create_body(), headers={"Idempotency-Key": "kø"})
    assert got.status == 400
    assert (await merchant.send("GET", "/sandbox/requests")).status == 200


async def test_tokens_die_by_the_clock(merchant: Merchant) -> None:
    """A token is worth something until its lifetime is over, and its successor takes over."""
    merchant.sandbox.clock.advance(timedelta(seconds=3590))
    assert (await merchant.get()).status == 404
    merchant.sandbox.clock.advance(timedelta(seconds=10))
    assert (await merchant.get()).status == 401
    await merchant.sign_in()
    assert (await merchant.get()).status == 404


async def test_token_lifetime_is_configurable() -> None:
    """`token_lifetime` is what `expires_in` says."""
    async with Sandbox(token_lifetime=5) as sandbox, at(sandbox) as merchant:
        got = await merchant.sign_in()
        assert got.json["expires_in"] == "5"
        sandbox.clock.advance(timedelta(seconds=6))
        assert (await merchant.get()).status == 401


async def test_revoked_tokens_answer_401(merchant: Merchant) -> None:
    """`revoke_tokens` ends every token at once, and a new one works."""
    merchant.sandbox.revoke_tokens()
    assert (await merchant.get()).status == 401
    await merchant.sign_in()
    assert (await merchant.get()).status == 404


async def test_several_tokens_are_valid_at_once(merchant: Merchant) -> None:
    """A second token does not end the first."""
    first = dict(merchant.authorization)
    await merchant.sign_in()
    assert merchant.authorization != first
    assert (await merchant.call("GET", f"{PAYMENTS}/{REFERENCE}", headers=first)).status == 404


async def test_webhook_calls_need_no_merchant_serial_number(merchant: Merchant) -> None:
    """The Webhooks API takes the sales unit from the keys."""
    got = await merchant.call("GET", "/webhooks/v1/webhooks", headers={"Merchant-Serial-Number": None})
    assert got.status == 200


async def test_secrets_are_in_no_log(merchant: Merchant, caplog: pytest.LogCaptureFixture) -> None:
    """Neither keys nor tokens are logged, whatever the level."""
    caplog.set_level("DEBUG")
    await merchant.sign_in()
    await merchant.create()
    secrets = {*merchant.token_headers.values(), merchant.authorization["Authorization"].removeprefix("Bearer ")}
    secrets.add(merchant.sandbox.payments[REFERENCE].token)
    assert "vipps_async.sandbox" in {record.name for record in caplog.records}
    assert not any(secret in caplog.text for secret in secrets)


async def test_the_environment_leads_to_the_sandbox(sandbox: Sandbox) -> None:
    """`environment` is what a client is given to reach it."""
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.environment.base_url}/") as response:
        assert response.status == 200
    assert sandbox.environment.base_url == sandbox.base_url
