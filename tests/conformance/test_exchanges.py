"""What the client sends, what the sandbox answers and what it delivers is what the official documents describe."""

import asyncio
import re
from functools import cache

import pytest

from tests.conformance.amendments import AMENDMENTS, Amendment
from tests.conformance.documents import DOCUMENTS, Exchange, Validator, needs_documents, published
from tests.conformance.scenarios import recorded

pytestmark = needs_documents

# document -> what takes a malformed request, or a failure of the API itself, to provoke
UNSEEN: dict[str, set[str]] = {
    "epayment": set(),
    "epayment-draft-0.9.0": set(),
    "webhooks": {"GET /webhooks/v1/webhooks 400", "DELETE /webhooks/v1/webhooks/{id} 400"},
    "recurring": {
        "PATCH /recurring/v3/agreements/{agreementId} 202",  # for later, says the document
        "POST /recurring/v3/agreements/{agreementId}/charges/{chargeId}/capture 202",
        "DELETE /recurring/v3/agreements/{agreementId}/charges/{chargeId} 202",
        "DELETE /recurring/v3/agreements/{agreementId}/charges/{chargeId} 409",  # it has no body that could differ
    },
    "access-token": {"POST /accesstoken/get 400", "POST /accesstoken/get 500"},
}
CALLBACK = "/merchant-dynamic-shipping-callback"
NOT_SERVED = "POST /miami/v1/token"


@cache
def exchanges(dialect: str, *, strict: bool = True) -> tuple[Exchange, ...]:
    """Return what the stories of a dialect exchange; they are played once."""
    return tuple(asyncio.run(recorded(dialect, strict=strict)))


@cache
def kinds(dialect: str) -> tuple[Exchange, ...]:
    """Return one exchange of each kind: those are of one kind that differ in numbers and identifiers alone."""
    return tuple({re.sub(r"[\w.:-]*\d[\w.:-]*", "0", str(each)): each for each in exchanges(dialect)}.values())


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize("dialect", DOCUMENTS)
def test_every_exchange_is_as_documented(dialect: str, *, strict: bool) -> None:
    """Headers, paths, bodies, statuses and media types of every request, response and delivery."""
    validator = Validator(dialect)
    # A lenient sandbox says more to the shipping callback: the address in a second spelling, for other shops.
    judged = [each for each in exchanges(dialect, strict=strict) if strict or not each.path.endswith(CALLBACK)]
    found = [f"{complaint}\n{exchange}" for exchange in judged for complaint in validator.complaints(exchange)]
    assert not found, "\n\n".join(found)
    print(f"{len(judged)} exchanges of the {dialect} dialect are as documented")


def documented(name: str, base: str) -> set[str]:
    """Return method, path and status of every answer that a document describes."""
    answers = {
        f"{method.upper()} {base}{path} {status}"
        for path, item in published(name)["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
        for status in operation["responses"]
    }
    return {answer for answer in answers if not answer.startswith(NOT_SERVED)}


@pytest.mark.parametrize(
    ("dialect", "name"), [("draft", "epayment-draft-0.9.0"), *(("current", name) for name in DOCUMENTS["current"])]
)
def test_every_documented_answer_is_given(dialect: str, name: str) -> None:
    """Every operation takes part, with each of its documented statuses, but for those that cannot be provoked."""
    seen = [f"{exchange.method} {exchange.path.partition('?')[0]} {exchange.status}" for exchange in exchanges(dialect)]
    unseen = {
        answer
        for answer in documented(name, DOCUMENTS[dialect][name])
        if not any(re.fullmatch(re.sub(r"\{.*?\}", "[^/]+", answer), one, re.IGNORECASE) for one in seen)
    }
    assert unseen == UNSEEN[name]


@pytest.mark.parametrize("amendment", AMENDMENTS, ids=str)
def test_every_amendment_is_needed(amendment: Amendment) -> None:
    """Without it, the document it amends is at odds with an exchange: there is no excuse that nothing needs."""
    rest = [other for other in AMENDMENTS if other is not amendment]
    dialect = next(dialect for dialect, names in DOCUMENTS.items() if amendment.document in names)
    validator = Validator(dialect, rest)
    assert any(validator.complaints(exchange) for exchange in kinds(dialect))
