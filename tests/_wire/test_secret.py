"""Nothing secret is printed: known values are looked for in everything that a demo run and its failures say."""

import asyncio
import io

import pytest

from tests.support.payments import PRICE, REFERENCE, create
from tests.support.tracebacks import everything_of
from vipps_async import Credentials, RetryPolicy, VippsClient
from vipps_async._cli import demo as _demo
from vipps_async._wire.secret import Secret
from vipps_async.errors import VippsError
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.webhooks import NewWebhook, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

KEYS = Credentials(
    client_id="id-5a3cbd07-known",
    client_secret="c2VjcmV0-known",
    subscription_key="subscription-known",
    merchant_serial_number="123456",
)
TEXTS = [str(KEYS.client_id), str(KEYS.client_secret), str(KEYS.subscription_key)]


async def test_whole_demo_tells_no_secret(told: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo run at DEBUG shows no credential, no access token and no webhook secret, in any log record or line."""
    seen: list[str] = []
    sandboxes: list[Sandbox] = []

    class Watched(Sandbox):
        def __init__(self, **options: object) -> None:
            super().__init__(credentials=KEYS, **options)  # type: ignore[arg-type]  # passed through
            sandboxes.append(self)

    class Listening(WebhookReceiver):
        def __init__(self, **options: object) -> None:
            seen.extend(map(str, options.get("secrets", ())))  # type: ignore[call-overload]  # a list of secrets
            super().__init__(**options)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(_demo, "Sandbox", Watched)
    monkeypatch.setattr(_demo, "WebhookReceiver", Listening)
    story = io.StringIO()
    await _demo.run("current", story)
    assert seen
    everything = told.getvalue() + story.getvalue() + repr(sandboxes) + repr(sandboxes[0].deliveries)
    assert "answered 201" in told.getvalue()
    for text in [*TEXTS, *seen, "Bearer ey"]:
        assert text not in everything


# What FAILED strikes comes after a creation, and is answered like STATUS_500.
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.FAILED])
async def test_no_failure_tells_a_secret(told: io.StringIO, fault: Fault) -> None:
    """No fault makes an exception, its traceback's locals or a log tell a secret."""
    retry = RetryPolicy(attempts=2, initial_delay=0.01, attempt_timeout=0.1)
    async with Sandbox(credentials=KEYS) as sandbox:
        for operation in ("create", "token"):
            async with VippsClient(KEYS, environment=sandbox.environment, timeout=1, retry=retry) as vipps:
                sandbox.fail(operation, fault, times=None)
                with pytest.raises(VippsError) as caught:
                    await create(vipps)
                sandbox.clear_faults()
            told.write(everything_of(caught.value) + repr(caught.value) + str(caught.value))
    for text in [*TEXTS, "Bearer ey"]:
        assert text not in told.getvalue()


async def test_refused_connection_tells_no_secret(told: io.StringIO) -> None:
    """Neither does a server that cannot be reached."""
    async with Sandbox(credentials=KEYS) as sandbox:
        environment = sandbox.environment
    retry = RetryPolicy(attempts=1)
    async with VippsClient(KEYS, environment=environment, retry=retry) as vipps:
        with pytest.raises(VippsError) as caught:
            await vipps.epayment.get(REFERENCE)
    told.write(everything_of(caught.value))
    assert not [text for text in TEXTS if text in told.getvalue()]


def test_reprs_hide_secrets() -> None:
    """Credentials, clients, receivers and registrations show no secret, nor does any container of one."""
    receiver = WebhookReceiver(url="https://shop.example/", secrets=["hook-known"], store=MemoryStore())
    webhook = NewWebhook(id="1", secret="hook-known", url="https://shop.example/", events=())
    client = VippsClient(KEYS)
    shown = repr(
        [KEYS, client, client._http, receiver, vars(receiver), webhook, {"header": Secret("hook-known")}, PRICE]
    )
    assert not [text for text in [*TEXTS, "hook-known"] if text in shown]


async def test_cancelled_call_tells_no_secret(sandbox: Sandbox, told: io.StringIO) -> None:
    """A call that is cancelled half-way leaves nothing secret in its traceback."""
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps:
        sandbox.fail("create", Fault.STALLED)
        creation = asyncio.create_task(create(vipps))
        while not sandbox.payments:
            await asyncio.sleep(0.01)
        creation.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await creation
    told.write(everything_of(caught.value))
    assert str(sandbox.credentials.client_secret) not in told.getvalue()
    assert "Bearer ey" not in told.getvalue()
