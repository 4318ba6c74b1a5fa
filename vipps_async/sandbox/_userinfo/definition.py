"""The Userinfo API: tells what users consented to tell. Performs no I/O.

Source: Userinfo API. Expired claims are as integrations saw them, problems as the specification has them.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.api import ApiDefinition, Stateless
from vipps_async.sandbox._platform.consents import Consent
from vipps_async.sandbox._platform.problems import Problem, plain
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest, Route

_PREFIX = "/vipps-userinfo-api"
_KEPT = timedelta(hours=168)
_SESSIONS = uuid.UUID("1c1f4a7e-5d1c-4d0b-8b53-6d5a1f7a2e90")
_NAME = f"{test_user.FIRST_NAME} {test_user.LAST_NAME}"


def _address(consent: Consent) -> dict[str, Any]:
    address = consent.address
    street = "\n".join(filter(None, (address["addressLine1"], address.get("addressLine2"))))
    return {
        "address_type": "home",
        "country": address["country"],
        "formatted": f"{street}\n{address['postCode']} {address['city']}",
        "postal_code": address["postCode"],
        "region": address["city"],
        "street_address": street,
    }


# scope -> the claims that it is the consent to
_CLAIMS: Mapping[str, Callable[[Consent], dict[str, Any]]] = MappingProxyType(
    {
        "name": lambda _: {"name": _NAME, "given_name": test_user.FIRST_NAME, "family_name": test_user.LAST_NAME},
        "birthDate": lambda _: {"birthdate": test_user.BIRTH_DATE.isoformat()},
        # The test environment verifies no address.
        "email": lambda _: {"email": test_user.EMAIL, "email_verified": False},
        "phoneNumber": lambda consent: {"phone_number": consent.phone_number, "phone_number_verified": True},
        "address": lambda consent: {"address": _address(consent), "other_addresses": []},
    }
)


def _claims(consent: Consent) -> Iterator[tuple[str, Any]]:
    for scope, told in _CLAIMS.items():
        if scope in consent.scopes:
            yield from told(consent).items()


def _get(api: Stateless, request: ApiRequest) -> HttpReply:
    consent = api.platform.consents.find(request.resource)
    if consent is None:
        raise plain(404, "There is no user of this identifier, or nothing was consented to.")
    claims = dict(_claims(consent))
    if request.now >= consent.given_at + _KEPT:
        claims = {name: "[Expired]" for name, claim in claims.items() if isinstance(claim, str) and name != "birthdate"}
    sid = str(uuid.uuid5(_SESSIONS, consent.sub))
    return of_json(200, {"sub": consent.sub, "sid": sid, **claims})


def _worded(found: Problem, *, instance: str, trace_id: str) -> Mapping[str, Any]:  # noqa: ARG001 - it has no trace
    return {
        "type": "about:blank",
        "title": HTTPStatus(found.status).phrase,
        "status": str(found.status),
        "detail": found.detail,
        "instance": f"{_PREFIX}{instance}",
        "extraInfo": dict(found.fields) or None,
    }


USERINFO = ApiDefinition(
    name="userinfo",
    prefix=_PREFIX,
    routes=(
        Route(
            "userinfo.get",
            "GET",
            f"{_PREFIX}/userinfo/{{sub}}",
            handle=_get,
            subject="{sub}",
            reads=True,
            msn_required=False,
            subscription_required=False,
        ),
    ),
    word=_worded,
)
