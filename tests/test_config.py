"""Settings that cannot work are refused at once, and secrets are never shown."""

import copy
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from vipps_async import Credentials, Environment, RetryPolicy, SystemInfo, VippsClient, __version__
from vipps_async._wire.secret import Secret, described
from vipps_async._wire.urls import shown
from vipps_async.config import check_msn
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import NewWebhook, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

SECRETS = {"client_id": "fb492b5e-id", "client_secret": "Y8Kteew6==", "subscription_key": "0f14ebcab0"}
ENVIRON = {
    "VIPPS_CLIENT_ID": "fb492b5e-id",
    "VIPPS_CLIENT_SECRET": "Y8Kteew6==",
    "VIPPS_SUBSCRIPTION_KEY": "0f14ebcab0",
    "VIPPS_MERCHANT_SERIAL_NUMBER": "123456",
}


def credentials(**changes: Any) -> Credentials:
    """Make valid credentials, but for the changes."""
    return Credentials(**{**SECRETS, "merchant_serial_number": "123456", **changes})


def assert_shows_no_secret(text: str) -> None:
    """Assert that *text* tells none of the secrets."""
    assert [secret for secret in SECRETS.values() if secret in text] == []


def test_no_repr_shows_a_credential() -> None:
    """The repr of credentials, of a dictionary of them and of a client shows the MSN and no secret."""
    keys = credentials()
    shown = [repr(keys), str(keys), pprint.pformat(attrs.asdict(keys)), repr(vars(VippsClient(keys))), repr([keys])]
    shown += [repr(VippsClient(keys)), f"{keys!r}", "%s" % (keys,)]  # noqa: UP031 - how logging formats
    for text in shown:
        assert_shows_no_secret(text)
    assert "123456" in repr(keys)
    assert "123456" in repr(VippsClient(keys))


def test_no_traceback_with_locals_shows_a_credential() -> None:
    """A traceback that prints local variables, as error trackers do, shows no secret."""
    keys = credentials()
    assert keys.client_secret == "Y8Kteew6=="
    with pytest.raises(ConfigurationError) as raised:
        check_msn(None)
    report = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert "keys = Credentials(" in "".join(report.format())
    assert_shows_no_secret("".join(report.format()))


def test_a_secret_is_still_its_text() -> None:
    """A secret compares, hashes, encodes and copies as its text, and only its repr is hidden."""
    secret = Secret("Y8Kteew6==")
    assert secret == "Y8Kteew6=="
    assert hash(secret) == hash("Y8Kteew6==")
    assert secret.encode() == b"Y8Kteew6=="
    for again in (copy.copy(secret), copy.deepcopy([secret])[0]):
        assert (again, type(again)) == ("Y8Kteew6==", Secret)
    record = logging.LogRecord("x", logging.INFO, "", 0, "headers %s", ({"Authorization": secret},), None)
    assert "Y8Kt" not in record.getMessage()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_holds_a_secret(protocol: int) -> None:
    """A pickle is read by whoever finds the file or the queue: what has secrets in it makes none."""
    keys = credentials()
    webhook = NewWebhook(id="1", secret="Y8Kteew6==", url="https://shop.example/", events=())
    for holder in (Secret("Y8Kteew6=="), keys, {"keys": [keys]}, VippsClient(keys), webhook):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(holder, protocol)
    assert copy.deepcopy(keys) == copy.copy(keys) == attrs.evolve(keys) == keys


def test_a_client_is_not_copied() -> None:
    """A copy would share the connections without knowing it; with_options makes one that does."""
    for act in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="with_options"):
            act(VippsClient(credentials()))


# Each of these takes an argument that cannot be a key, a password, or a collection of them.
PLACES: dict[str, Callable[[Any], object]] = {
    "credentials": VippsClient,
    "environment": lambda odd: VippsClient(credentials(), environment=odd),
    "system": lambda odd: VippsClient(credentials(), system=odd),
    "session": lambda odd: VippsClient(credentials(), session=odd),
    "timeout": lambda odd: VippsClient(credentials(), timeout=odd),
    "retry": lambda odd: VippsClient(credentials(), retry=odd),
    "MSN": lambda odd: credentials(merchant_serial_number=odd),
    "MSN of a copy": lambda odd: VippsClient(credentials()).with_options(merchant_serial_number=odd),
    "timeout of a copy": lambda odd: VippsClient(credentials()).with_options(timeout=odd),
    "retry of a copy": lambda odd: VippsClient(credentials()).with_options(retry=odd),
    "base URL": Environment,
    "name of an environment": Environment.named,
    "system's name": lambda odd: SystemInfo(name=odd if odd != SECRETS["client_secret"] else f"{odd}\n"),
    "attempts": lambda odd: RetryPolicy(attempts=odd),
    "sandbox's credentials": lambda odd: Sandbox(credentials=odd),
    "sandbox's URL": lambda odd: Sandbox(public_url=odd),
    "receiver's URL": lambda odd: WebhookReceiver(url=odd, secrets=["x"], store=MemoryStore()),
    "receiver's store": lambda odd: WebhookReceiver(url="https://shop.example/", secrets=["x"], store=odd),
    "variable of the MSN": lambda odd: VippsClient.from_env({**ENVIRON, "VIPPS_MERCHANT_SERIAL_NUMBER": odd}),
    "variable of the environment": lambda odd: VippsClient.from_env({**ENVIRON, "VIPPS_ENVIRONMENT": odd}),
    "missing variable": lambda odd: VippsClient.from_env({"VIPPS_CLIENT_SECRET": odd}),
    "environ": lambda odd: VippsClient.from_env([odd]),  # type: ignore[arg-type]  # the mistake
}
ODD = {
    "a key": SECRETS["client_secret"],
    "a key as bytes": SECRETS["client_secret"].encode(),
    "a dictionary": SECRETS,
    "a tuple": tuple(SECRETS.values()),
    "a password": f"https://shop:{SECRETS['client_secret']}@api.vipps.no",
    "a password and a bad port": f"https://shop:{SECRETS['client_secret']}@api.vipps.no:99999",
    "a query": f"http://api.vipps.no?key={SECRETS['client_secret']}",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", PLACES)
def test_no_refusal_shows_a_key_in_the_wrong_place(place: str, odd: str) -> None:
    """Not by its message, its arguments or its causes, nor by a local variable of this package's in its traceback."""
    refuse, given = PLACES[place], ODD[odd]
    with pytest.raises(ConfigurationError) as refusal:
        refuse(given)
    assert_shows_no_secret(f"{refusal.value!r} {refusal.value.args} {vars(refusal.value)}")
    assert refusal.value.__cause__ is None
    frames = traceback.walk_tb(refusal.value.__traceback__)
    ours = [frame.f_locals for frame, _ in frames if frame.f_code.co_filename != __file__]
    assert ours
    assert_shows_no_secret(repr(ours))


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["", " ", "two words", "line\nend", "tab\t", "ø", "nul\0", None, 5, b"bytes"])
def test_a_malformed_key_is_refused_without_being_shown(name: str, value: Any) -> None:
    """A key that cannot be a header value is refused; the message names the argument and not the value."""
    with pytest.raises(ConfigurationError) as refusal:
        credentials(**{name: value})
    rule = "must be the text from the merchant portal, without spaces or line ends"
    assert str(refusal.value) == f"{name} {rule}"


@pytest.mark.parametrize("msn", ["1234", "123456", "1234567890"])
def test_an_msn_is_4_to_10_digits(msn: str) -> None:
    """Texts of 4 to 10 digits are merchant serial numbers."""
    assert credentials(merchant_serial_number=msn).merchant_serial_number == msn


@pytest.mark.parametrize("msn", ["123", "12345678901", "12345a", "", "12 34", "-1234", "١٢٣٤", 123456, None])
def test_anything_else_is_no_msn(msn: Any) -> None:
    """Other lengths, other characters and numbers are refused; a text, which may be a key, is not shown."""
    with pytest.raises(ConfigurationError) as refusal:
        credentials(merchant_serial_number=msn)
    assert str(refusal.value) == f"merchant_serial_number={described(msn)} must be text of 4 to 10 digits"


def test_credentials_are_read_from_the_environment() -> None:
    """Each field is read from the variable that is named after it."""
    assert Credentials.from_env(ENVIRON) == credentials()


def test_every_missing_variable_is_named_at_once() -> None:
    """A missing and an empty variable are both named in one message."""
    environ = {**ENVIRON, "VIPPS_CLIENT_SECRET": ""}
    del environ["VIPPS_CLIENT_ID"]
    with pytest.raises(ConfigurationError) as refusal:
        Credentials.from_env(environ)
    assert str(refusal.value) == "set the environment variables VIPPS_CLIENT_ID, VIPPS_CLIENT_SECRET"


def test_the_two_environments_are_the_documented_hosts() -> None:
    """TEST and PRODUCTION are the documented hosts, and differ."""
    assert Environment.TEST.base_url == "https://apitest.vipps.no"
    assert Environment.PRODUCTION.base_url == "https://api.vipps.no"


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ("https://API.vipps.no/", "https://api.vipps.no"),
        ("https://proxy.example/vipps/", "https://proxy.example/vipps"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("https://Blåbær.example.:443/vipps", "https://xn--blbr-roah.example/vipps"),
        ("http://[::1]:8765/", "http://[::1]:8765"),
    ],
)
def test_an_environment_is_any_host(given: str, base_url: str) -> None:
    """A base URL is normalised: lower-case host, no trailing slash; equal addresses are equal environments."""
    assert Environment(given).base_url == base_url
    assert Environment(given) == Environment(base_url)


@pytest.mark.parametrize(
    "given",
    [
        "http://api.vipps.no",
        "ftp://api.vipps.no",
        "api.vipps.no",
        "",
        "https://api.vipps.no?x=1",
        "https://api.vipps.no#x",
        "https://[::1",
        "https://apitest..vipps.no",
        "https://.vipps.no",
        f"https://{'a' * 64}.vipps.no",
        f"https://{'a.' * 127}no",
        "https://straße.example",
        "https://999.1.1.1",
        "https://api.vipps.no:0",
        "https://api.vipps.no/a/../b",
        "https://api.vipps.no/a/%2E./b",
        "https://shop:correct-horse@api.vipps.no",
        "https://shop:correct-horse@api.vipps.no:99999",
        "https://shop:correct-horse@api.vipps.no /",
        "correct-horse",
        None,
        5,
    ],
)
def test_an_address_that_would_leak_or_fail_is_refused(given: Any) -> None:
    """Plain http to another machine, a host that cannot be, a query, and what is no address; no password is shown."""
    with pytest.raises(ConfigurationError, match="plain http stays within private networks") as refusal:
        Environment(given)
    assert str(refusal.value).startswith(f"base_url={shown(given)} must be an address such as https://apitest.vipps.no")
    assert "correct-horse" not in str(refusal.value)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Environment.TEST),
        ({"VIPPS_ENVIRONMENT": ""}, Environment.TEST),
        ({"VIPPS_ENVIRONMENT": "test"}, Environment.TEST),
        ({"VIPPS_ENVIRONMENT": "PRODUCTION"}, Environment.PRODUCTION),
        ({"VIPPS_ENVIRONMENT": "http://127.0.0.1:8765/"}, Environment("http://127.0.0.1:8765")),
    ],
)
def test_the_environment_is_read_from_the_environment(environ: dict[str, str], expected: Environment) -> None:
    """``VIPPS_ENVIRONMENT`` is test, the default, production, or a base URL."""
    assert Environment.from_env(environ) == expected


def test_an_unknown_environment_is_never_guessed() -> None:
    """A misspelt name is refused rather than taken for test or for a host."""
    with pytest.raises(ConfigurationError) as refusal:
        Environment.from_env({"VIPPS_ENVIRONMENT": "prod"})
    assert str(refusal.value) == "environment=<text of 4 characters> must be test, production or a base URL"


def test_system_headers_default_to_this_package() -> None:
    """All four headers are sent, and name this package and its version unless told otherwise."""
    assert SystemInfo().headers == {
        "Vipps-System-Name": "vipps-async",
        "Vipps-System-Version": __version__,
        "Vipps-System-Plugin-Name": "vipps-async",
        "Vipps-System-Plugin-Version": __version__,
    }
    own = SystemInfo(name="Acme shop", version="7", plugin_name="acme-vipps", plugin_version="1.2")
    assert list(own.headers.values()) == ["Acme shop", "7", "acme-vipps", "1.2"]


@pytest.mark.parametrize("field", ["name", "version", "plugin_name", "plugin_version"])
@pytest.mark.parametrize("value", ["", "x" * 31, "ø", "a\r\nb", " padded ", None, 7])
def test_a_system_text_that_no_header_can_carry_is_refused(field: str, value: Any) -> None:
    """A text that is empty, over 30 characters, padded or not printable ASCII is refused by name."""
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError) as refusal:
        SystemInfo(**fields)
    assert str(refusal.value).startswith(f"{field}={described(value)} must be 1 to 30 printable ASCII characters")


def test_thirty_characters_fit() -> None:
    """The documented limit itself is allowed."""
    assert SystemInfo(name="x" * 30).headers["Vipps-System-Name"] == "x" * 30
