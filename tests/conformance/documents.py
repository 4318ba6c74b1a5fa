"""The official OpenAPI documents, which are kept beside the repository and never in it, as validators of exchanges."""

import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import attrs
import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, MultiDict

from tests.conformance.amendments import AMENDMENTS, Amendment, amend

SPECS = Path(__file__).parents[3] / "shared" / "specs"
needs_documents = pytest.mark.skipif(not SPECS.is_dir(), reason="the OpenAPI documents are not at ../shared/specs")
HOST = "https://api.vipps.no"  # the one server that every document names

# document -> the base of its paths, by the dialect that the sandbox speaks
_COMMON = {"webhooks": "/webhooks", "access-token": ""}
DOCUMENTS = {
    "current": {"epayment": "/epayment", "recurring": "", **_COMMON},
    "draft": {"epayment-draft-0.9.0": "/epayment", **_COMMON},
}

# document -> the beginning of the paths that it is about, where its paths are whole
_WHOLE = {"recurring": "/recurring", "access-token": "/access"}


@cache
def published(name: str) -> Any:
    """Return the document *name* as it is."""
    return yaml.safe_load((SPECS / f"{name}.yaml").read_text("utf-8"))


def document(name: str, amendments: Iterable[Amendment] = AMENDMENTS) -> dict[str, Any]:
    """Return the document *name* with what contradicts the facts put right."""
    loaded = deepcopy(published(name))
    for amendment in amendments:
        if amendment.document == name:
            amend(loaded, amendment)
    return dict(_strict(loaded))


def _strict(node: Any) -> Any:
    """Return *node* with objects that hold nothing but their properties, and media types without their parameters."""
    if isinstance(node, list):
        return [_strict(member) for member in node]
    if not isinstance(node, dict):
        return node
    # A document may write `application/json;charset=UTF-8` for a key, which validators compare as text.
    strict = {str(name).partition(";")[0]: _strict(member) for name, member in node.items()}
    is_object = isinstance(node.get("properties"), dict) and node.get("type") == "object"
    return {"additionalProperties": False, **strict} if is_object else strict


@attrs.frozen(kw_only=True)
class Exchange:
    """One request and its response, as they travelled."""

    method: str
    path: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes

    def __str__(self) -> str:
        """Show the whole of it, for a failure's message."""
        request = f"{self.method} {self.path} {self.request_body.decode()}"
        return f"{request}\n-> {self.status} {self.response_headers.get('Content-Type')} {self.response_body.decode()}"


class _Request:
    """An exchange's request in the form that the validator wants."""

    def __init__(self, exchange: Exchange) -> None:
        self.host_url = HOST
        self.path, _, query = exchange.path.partition("?")
        self.method = exchange.method.lower()
        self.body = exchange.request_body or None
        self.content_type = exchange.request_headers.get("Content-Type", "")
        self.parameters = RequestParameters(query=MultiDict(parse_qsl(query)), header=exchange.request_headers)


class _Response:
    """An exchange's response in the form that the validator wants."""

    def __init__(self, exchange: Exchange) -> None:
        self.status_code = exchange.status
        self.data = exchange.response_body
        self.headers = exchange.response_headers
        self.content_type = exchange.response_headers.get("Content-Type", "")


class Validator:
    """Judges exchanges by the documents of one dialect; a field that its document does not name is an error."""

    def __init__(self, dialect: str, amendments: Iterable[Amendment] = AMENDMENTS) -> None:
        config = Config(
            spec_validator_cls=None,  # pyright: ignore[reportArgumentType]  # documented: the document itself goes unjudged
            extra_media_type_deserializers={"application/problem+json": _json},
        )
        self._apis = {
            base or _WHOLE[name]: OpenAPI.from_dict(document(name, amendments), config=config)
            for name, base in DOCUMENTS[dialect].items()
        }

    def complaints(self, exchange: Exchange) -> list[str]:
        """Return what the document has against the request and against the response."""
        api = next(api for base, api in self._apis.items() if exchange.path.startswith(base))
        request, response = _Request(exchange), _Response(exchange)
        checks: dict[str, Callable[[], None]] = {
            "request": partial(api.validate_request, request),
            "response": partial(api.validate_response, request, response),
        }
        return [f"{side}: {reasons}" for side, check in checks.items() for reasons in _failure(check)]


def _failure(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except OpenAPIError as error:
        yield _reasons(error)


def _reasons(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    found = [f"{reason.json_path}: {reason.message}" for reason in getattr(error, "schema_errors", ())]
    return "; ".join(found) or str(error)


def _json(body: bytes, **_: str) -> Any:
    return json.loads(body)
