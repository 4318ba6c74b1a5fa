"""Settings of a client: credentials, environments, and the headers that name the calling system."""

import os
from typing import Any, ClassVar, Protocol

import attrs

from vipps_async import __version__
from vipps_async._wire.secret import Secret, described, hides_arguments, hides_init_arguments
from vipps_async._wire.urls import is_web, normal_url, parsed, shown
from vipps_async.errors import ConfigurationError

_PACKAGE = "vipps-async"
_SYSTEM_FIELD_LIMIT = 30  # Vipps MobilePay, HTTP headers: Vipps-System-*
_MSN_DIGITS = range(4, 11)  # ePayment API, MSN: ^[0-9]{4,10}$


class Environ(Protocol):
    """A source of variables: `os.environ`, or a dictionary.

    Not a `Mapping`: a web framework that is given ``from_env`` to call would fill one from a request.
    """

    def get(self, name: str, /) -> str | None:
        """Return the variable's text, or None where it is not set."""
        ...


def _secret(value: Any) -> Any:
    return Secret(str.__str__(value)) if isinstance(value, str) else value  # what a text enum shows is something else


def _check_header_text(_: Any, field: "attrs.Attribute[str]", value: Any) -> None:
    visible = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    if not (visible and value):
        raise ConfigurationError(f"{field.name} must be the text from the merchant portal, without spaces or line ends")


def check_msn(value: Any) -> str:
    """Return *value* if it can be a merchant serial number; raise ConfigurationError otherwise."""
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) in _MSN_DIGITS):
        raise ConfigurationError(f"merchant_serial_number={described(value)} must be text of 4 to 10 digits")
    return str.__str__(value)  # as above


def _variables(environ: Environ | None) -> Environ:
    if environ is not None and not hasattr(environ, "get"):
        raise ConfigurationError(f"environ={described(environ)} must be os.environ or a dictionary")
    return os.environ if environ is None else environ


@hides_init_arguments
@attrs.frozen(kw_only=True)
class Credentials:
    """The API keys of one sales unit, from the merchant portal under "For developers".

    Args:
        client_id: GUID.
        client_secret: Base64 text.
        subscription_key: ``Ocp-Apim-Subscription-Key``, primary or secondary.
        merchant_serial_number: MSN, 4 to 10 digits; the only one of the four that is shown.

    Raises:
        ConfigurationError: one of them is empty or malformed.

    They are not pickled, so that the keys are in no file and no queue: each process reads its own.
    """

    client_id: str = attrs.field(converter=_secret, validator=_check_header_text, repr=False)
    client_secret: str = attrs.field(converter=_secret, validator=_check_header_text, repr=False)
    subscription_key: str = attrs.field(converter=_secret, validator=_check_header_text, repr=False)
    merchant_serial_number: str = attrs.field(converter=check_msn)

    @classmethod
    @hides_arguments
    def from_env(cls, environ: Environ | None = None) -> "Credentials":
        """Read the environment variables that are named after the arguments: ``VIPPS_CLIENT_ID`` and so on.

        Args:
            environ: where to read them, such as a dictionary; `os.environ` by default.

        Raises:
            ConfigurationError: the message names each variable that is not set.
        """
        names = {field.name: f"VIPPS_{field.name.upper()}" for field in attrs.fields(cls)}
        values = {name: _variables(environ).get(variable) or "" for name, variable in names.items()}
        missing = [names[name] for name, value in values.items() if not value]
        if missing:
            raise ConfigurationError(f"set the environment variables {', '.join(missing)}")
        return cls(**values)


def _normal_base_url(value: str) -> str:
    url = parsed(value)
    if not is_web(value) or url.query or url.fragment:
        raise ConfigurationError(
            f"base_url={shown(value)} must be an address such as https://apitest.vipps.no, with a host that can exist "
            "and no user, query, fragment or '..' (plain http stays within private networks)"
        )
    return normal_url(value).rstrip("/")


@hides_init_arguments
@attrs.frozen
class Environment:
    """The host of the APIs: `Environment.TEST`, `Environment.PRODUCTION`, or any other.

    Args:
        base_url: ``https://…``; plain ``http://`` only within a private network or this machine, to a sandbox.

    Raises:
        ConfigurationError: the address is malformed or would send credentials in the clear.
    """

    base_url: str = attrs.field(converter=_normal_base_url)

    TEST: ClassVar["Environment"]
    PRODUCTION: ClassVar["Environment"]

    @classmethod
    @hides_arguments
    def from_env(cls, environ: Environ | None = None) -> "Environment":
        """Read ``VIPPS_ENVIRONMENT``: ``test`` (the default), ``production``, or a base URL.

        Args:
            environ: where to read it, such as a dictionary; `os.environ` by default.

        Raises:
            ConfigurationError: it is none of these.
        """
        return cls.named(_variables(environ).get("VIPPS_ENVIRONMENT") or "test")

    @classmethod
    @hides_arguments
    def named(cls, name: str) -> "Environment":
        """Return the environment called ``test`` or ``production``, or the one at that base URL.

        Raises:
            ConfigurationError: it is none of these.
        """
        text = name if isinstance(name, str) else ""
        named = {"test": cls.TEST, "production": cls.PRODUCTION}.get(text.lower())
        if named is None and "://" not in text:
            raise ConfigurationError(f"environment={described(name)} must be test, production or a base URL")
        return named or cls(name)


Environment.TEST = Environment("https://apitest.vipps.no")
Environment.PRODUCTION = Environment("https://api.vipps.no")


def _check_system_field(_: Any, field: "attrs.Attribute[str]", value: Any) -> None:
    printable = isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip()
    if not (printable and 0 < len(value) <= _SYSTEM_FIELD_LIMIT):
        raise ConfigurationError(
            f"{field.name}={described(value)} must be 1 to {_SYSTEM_FIELD_LIMIT} printable ASCII characters, none of "
            "them a space at an end"
        )


@hides_init_arguments
@attrs.frozen(kw_only=True)
class SystemInfo:
    """The ``Vipps-System-*`` headers, by which Vipps MobilePay recognises the calling system.

    Args:
        name: the shop or platform, 30 characters at most.
        version: its version, likewise.
        plugin_name: the plugin or library, likewise.
        plugin_version: its version, likewise.

    All default to this package and its version. Source: Vipps MobilePay, HTTP headers.

    Raises:
        ConfigurationError: a text is empty, too long or not printable ASCII.
    """

    name: str = attrs.field(default=_PACKAGE, validator=_check_system_field)
    version: str = attrs.field(default=__version__, validator=_check_system_field)
    plugin_name: str = attrs.field(default=_PACKAGE, validator=_check_system_field)
    plugin_version: str = attrs.field(default=__version__, validator=_check_system_field)

    @property
    def headers(self) -> dict[str, str]:
        """The four headers."""
        return {
            "Vipps-System-Name": self.name,
            "Vipps-System-Version": self.version,
            "Vipps-System-Plugin-Name": self.plugin_name,
            "Vipps-System-Plugin-Version": self.plugin_version,
        }
