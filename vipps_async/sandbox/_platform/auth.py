"""Checks the headers of a request before an API looks at anything. Performs no I/O.

Sources: knowledge base, HTTP headers and API keys; Access Token API. The texts for a missing and for a wrong
subscription key are documented; that of a bad token is this sandbox's own.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime

import attrs

from vipps_async.config import Credentials
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.problems import invalid, plain
from vipps_async.sandbox._platform.replies import GatewayRefusal, HttpReply, of_gateway, of_json
from vipps_async.sandbox._platform.tokens import Tokens

_NO_SUBSCRIPTION_KEY = (
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API."
)
_WRONG_SUBSCRIPTION_KEY = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
_NO_TOKEN = "Unauthorized. Access token is missing or invalid."  # noqa: S105 - a message

_BEARER = "Bearer "  # documented as case-sensitive
_MSN = re.compile("[0-9]{4,10}", re.ASCII)
_SYSTEM_HEADERS = (
    "Vipps-System-Name",
    "Vipps-System-Version",
    "Vipps-System-Plugin-Name",
    "Vipps-System-Plugin-Version",
)
_SYSTEM_HEADER_LIMIT = 30


@attrs.frozen(kw_only=True)
class KeyRule:
    """An API's rule of idempotency keys.

    Attributes:
        longest: characters that one may have.
        alphabet: what it is made of.
        characters: the same in words.
    """

    longest: int = 50
    alphabet: re.Pattern[str] = re.compile("[ -~]+")
    characters: str = "printable characters"


PRINTABLE_KEYS = KeyRule()
UNAUTHORIZED = of_gateway(401, _NO_TOKEN)


def check_subscription(headers: Mapping[str, str], credentials: Credentials) -> None:
    """Return if the gateway lets the request through.

    Raises:
        GatewayRefusal: the subscription key is missing, or another one.
    """
    given = headers.get("Ocp-Apim-Subscription-Key")
    if given is None:
        raise GatewayRefusal(of_gateway(401, _NO_SUBSCRIPTION_KEY))
    if given != credentials.subscription_key:
        raise GatewayRefusal(of_gateway(401, _WRONG_SUBSCRIPTION_KEY))


def check_no_subscription(headers: Mapping[str, str], *, leniency: Leniency) -> None:
    """Return if the request does without the subscription key, or may have it: the documents differ.

    Raises:
        GatewayRefusal: it has one, where the guides are held to.
    """
    if "Ocp-Apim-Subscription-Key" in headers and not leniency.allows("ignored: Ocp-Apim-Subscription-Key"):
        raise GatewayRefusal(UNAUTHORIZED)


def presented_token(headers: Mapping[str, str]) -> str:
    """Return the access token that the request carries, or an empty text."""
    authorization = headers.get("Authorization", "")
    return authorization.removeprefix(_BEARER) if authorization.startswith(_BEARER) else ""


def check_token(headers: Mapping[str, str], tokens: Tokens, *, now: datetime) -> None:
    """Return if the request carries a valid access token.

    Raises:
        GatewayRefusal: it does not.
    """
    if not tokens.is_valid(presented_token(headers), now=now):
        raise GatewayRefusal(UNAUTHORIZED)


def check_headers(
    headers: Mapping[str, str], credentials: Credentials, *, msn_required: bool, leniency: Leniency
) -> None:
    """Return if the MSN is the sales unit's own and the system headers keep their limits.

    Own keys belong to one sales unit, so that it may be left out; plugins send longer system headers in production.

    Raises:
        ProblemError: 400 for a missing or malformed header, 403 for the MSN of somebody else.
    """
    msn = headers.get("Merchant-Serial-Number")
    if msn is None and msn_required and not leniency.allows("taken from the keys: Merchant-Serial-Number"):
        raise invalid([("Merchant-Serial-Number", "The Merchant-Serial-Number field is required.")])
    if msn is not None and not _MSN.fullmatch(msn):
        raise invalid([("Merchant-Serial-Number", "The header must match the regular expression '^[0-9]{4,10}$'.")])
    if msn not in {None, credentials.merchant_serial_number}:
        raise plain(403, "The API keys do not belong to this Merchant-Serial-Number.")
    long = [name for name in _SYSTEM_HEADERS if len(headers.get(name, "")) > _SYSTEM_HEADER_LIMIT]
    if long and not leniency.allows(f"longer than {_SYSTEM_HEADER_LIMIT} characters: {', '.join(long)}"):
        raise invalid((name, f"The header holds {_SYSTEM_HEADER_LIMIT} characters at most.") for name in long)


def idempotency_key(headers: Mapping[str, str], rule: KeyRule, *, required: bool) -> str | None:
    """Return the request's key.

    Raises:
        ProblemError: it is missing where it is required, or breaks the API's rule.
    """
    key = headers.get("Idempotency-Key")
    if not key:
        if required:
            raise invalid([("Idempotency-Key", "The Idempotency-Key field is required.")])
        return None
    if len(key) > rule.longest or not rule.alphabet.fullmatch(key):
        raise invalid([("Idempotency-Key", f"The header holds {rule.longest} {rule.characters} at most.")])
    return key


def check_client(headers: Mapping[str, str], credentials: Credentials, *, now: datetime) -> None:
    """Return if a token request carries the client's keys.

    Raises:
        GatewayRefusal: it does not; in the identity provider's form, which is not problem+json.
    """
    if headers.get("client_id") != credentials.client_id:
        raise GatewayRefusal(_invalid_client(700016, "Application with this identifier was not found.", now))
    if headers.get("client_secret") != credentials.client_secret:
        raise GatewayRefusal(_invalid_client(7000215, "Invalid client secret provided.", now))
    msn = headers.get("Merchant-Serial-Number", "")
    if _MSN.fullmatch(msn) and msn != credentials.merchant_serial_number:
        # The document of this operation has no 403.
        raise GatewayRefusal(
            _invalid_client(700016, "Application does not belong to this Merchant-Serial-Number.", now)
        )


def _invalid_client(code: int, description: str, now: datetime) -> HttpReply:
    body = {
        "error": "invalid_client",
        "error_description": description,
        "error_codes": [code],
        "timestamp": f"{now:%Y-%m-%d %H:%M:%SZ}",
        "trace_id": str(uuid.uuid4()),
        "correlation_id": str(uuid.uuid4()),
        "error_uri": f"https://example.com/error?code={code}",
    }
    return of_json(401, body)
