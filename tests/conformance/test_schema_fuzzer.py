"""A fuzzer that knows the official documents drives the sandbox: whatever it sends is answered as they describe.

It sends what each document allows and forbids systematically, and, with ``VIPPS_FUZZ=100000``, thousands of random
requests more. ``VIPPS_FUZZ_SEED`` sets another seed: what it sends depends on the documents and the seed alone.
"""

import asyncio
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from tests.conformance.amendments import AMENDMENTS, FUZZED
from tests.conformance.documents import document, needs_documents
from tests.sandbox._recurring.test_agreements import drafted as drafted_agreement
from tests.support.sandbox.merchant import Merchant, at, of
from vipps_async.sandbox import Sandbox, run_in_thread
from vipps_async.sandbox._faults import magic_values as wishes
from vipps_async.sandbox._recurring.ceilings import LARGEST

pytestmark = needs_documents

RANDOM = int(os.environ.get("VIPPS_FUZZ", "0")) // 100  # random requests of each operation
SEED = zlib.crc32(os.environ.get("VIPPS_FUZZ_SEED", "vipps").encode())
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
CAPTURED, REJECTED = "fuzzed-captured", "fuzzed-rejected"
# operation -> the payment that it gets for the captured one, so that it can succeed and the others still can
OWN = {"cancel": "fuzzed-cancelled", "adjustAuthorization": "fuzzed-adjusted", "approve": "fuzzed-created"}
MUCH = 65_000_000
LARGE = LARGEST["NOK"]
NOT_SERVED = "webhook$|merchant-|miami|accessToken"
# What goes with other fields only, so that a request that has it at random is always refused.
RARE = {"shipping", "expiresAt", "logistics", "qrFormat", "blockedSources", "token"}
# What multiplies the systematic requests.
DEEP = {"receipt", "orderInformation", "industryData"}
# (field, what the document alone takes, what the API takes of these payments)
SUBSTITUTES: tuple[tuple[str, Any, Any], ...] = (
    ("value", 0, 100),
    ("currency", "DKK", "NOK"),
    ("currency", "EUR", "NOK"),
    ("type", "CARD", "WALLET"),
    ("customer", "", "4712345678"),
)
NUMBERS = count()
# method and last part of the path -> the agreement and the charge that it gets for the captured one; ``None``: others
AGREEMENTS: dict[tuple[str, str] | None, dict[str, str]] = {None: {}}
KEYS = Sandbox().credentials
# header -> the only value that the sandbox takes
CREDENTIALS = {
    "client_id": KEYS.client_id,
    "client_secret": KEYS.client_secret,
    "Ocp-Apim-Subscription-Key": KEYS.subscription_key,
    "Merchant-Serial-Number": KEYS.merchant_serial_number,
}


def informed(node: Any) -> Any:
    """Return a document that says more: the credentials and payments of this sandbox, and no field that is left out."""
    if isinstance(node, list):
        return [informed(member) for member in node]
    if not isinstance(node, dict):
        return node
    if node.get("in") == "header" and node["name"] in CREDENTIALS:
        return {**node, "schema": {"type": "string", "enum": [str(CREDENTIALS[node["name"]])]}}
    if node.get("in") == "path" and node["name"] != "id":
        return {**node, "schema": {"anyOf": [{"enum": [CAPTURED, REJECTED]}, node["schema"]]}}
    left_out = RARE if RANDOM else RARE | DEEP
    return {name: informed(member) for name, member in node.items() if name not in left_out}


def schema_of(name: str, *, strict: bool) -> Any:
    """Return a document as the fuzzer takes it."""
    config = schemathesis.Config(seed=SEED)
    project = config.projects.default
    project.phases.update(phases=["coverage", "fuzzing"] if RANDOM else ["coverage"])
    project.generation.update(max_examples=RANDOM or None)
    project.checks.update(included_check_names=[*CHECKS, *(["negative_data_rejection"] if strict else [])])
    told = informed(document(name, (*AMENDMENTS, *FUZZED)))
    return schemathesis.openapi.from_dict(told, config=config).exclude(path_regex=NOT_SERVED)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Make a request new: the fuzzer repeats keys and references, and would learn only that they are taken."""
    number = next(NUMBERS)
    if len(case.headers.get("Idempotency-Key", "x" * 51)) <= 50:
        case.headers["Idempotency-Key"] = f"fuzz-{number}"
    own = OWN.get(case.operation.path.rpartition("/")[2], CAPTURED)
    ids = AGREEMENTS.get((case.operation.method.upper(), case.operation.path.rpartition("/")[2]), AGREEMENTS[None])
    known = {name: ids.get(name, own) for name, value in case.path_parameters.items() if value == CAPTURED}
    case.path_parameters.update(known)
    for item in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(item, dict):
            substitute(item)
            if re.fullmatch("[a-zA-Z0-9-]{1,64}", str(item.get("orderId", ""))):
                item["orderId"] = f"fuzz-{number}"
            if re.fullmatch("[a-zA-Z0-9-]{8,50}", str(item.get("reference"))):
                item["reference"] = f"fuzz-{number:08}"


def substitute(body: dict[str, Any]) -> None:
    """Put what the API takes in the place of what the document alone takes."""
    for name, value in body.items():
        if isinstance(value, dict):
            substitute(value)
        elif name == "due" and isinstance(value, str):
            body[name] = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
        elif name == "agreementId" and value == CAPTURED:
            body[name] = AGREEMENTS[None]["agreementId"]
        elif name.endswith("Url") and isinstance(value, str) and len(value) <= 2500:
            body[name] = "https://shop.example/"
        else:
            fits = (new for field, old, new in SUBSTITUTES if (name, type(value), value) == (field, type(old), old))
            body[name] = next(fits, value)


async def prepare(sandbox: Sandbox) -> dict[str, str]:
    """Create payments in several states; return the header that carries a merchant's token."""
    async with at(sandbox) as merchant:
        for reference in (CAPTURED, REJECTED, *OWN.values()):
            await merchant.create(reference=reference, amount={"currency": "NOK", "value": MUCH})
        for reference in (CAPTURED, OWN["cancel"], OWN["adjustAuthorization"]):
            await sandbox.approve(reference)
        await merchant.modify("capture", of(MUCH // 2), reference=CAPTURED)
        await sandbox.reject(REJECTED)
        await prepare_agreements(sandbox, merchant)
        return merchant.authorization


async def prepare_agreements(sandbox: Sandbox, merchant: Merchant) -> None:
    """Draft agreements, each with a first charge, for operations that would spoil those of others."""
    pricing = {"type": "FLEXIBLE", "currency": "NOK"}
    for operation, how in (
        (None, "RESERVE_CAPTURE"),
        (("PATCH", "{agreementId}"), "DIRECT_CAPTURE"),
        (("PATCH", "accept"), "DIRECT_CAPTURE"),
        (("POST", "refund"), "DIRECT_CAPTURE"),
        (("POST", "capture"), "RESERVE_CAPTURE"),
        (("DELETE", "{chargeId}"), "RESERVE_CAPTURE"),
    ):
        first = {"amount": LARGE, "description": "First", "transactionType": how}
        drafted = await drafted_agreement(merchant, pricing=pricing, initialCharge=first, externalId=str(operation))
        ids = {"agreementId": drafted.json["agreementId"], "chargeId": drafted.json["chargeId"]}
        AGREEMENTS[operation] = ids
        if operation != ("PATCH", "accept"):
            await sandbox.recurring.accept(ids["agreementId"])


@pytest.mark.timeout(120 + RANDOM)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # Hypothesis minds the size of the documents
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize(
    ("dialect", "name", "base"),
    [
        ("current", "epayment", "/epayment"),
        ("current", "recurring", ""),
        ("current", "webhooks", "/webhooks"),
        ("current", "access-token", ""),
        ("draft", "epayment-draft-0.9.0", "/epayment"),
    ],
)
def test_every_answer_is_documented(
    dialect: str, name: str, base: str, monkeypatch: pytest.MonkeyPatch, *, strict: bool
) -> None:
    """Status, media type and body are the document's, never 500; strictly, what is at odds with it is refused."""
    # Hypothesis draws numbers from the code that it runs, and would find every amount that asks for a fault.
    monkeypatch.setattr(wishes, "AMOUNTS", {})
    schema = schema_of(name, strict=strict)
    with run_in_thread(dialect=dialect, retry_delays=[0.05], rate_limits=False, strict=strict) as sandbox:
        headers = asyncio.run(prepare(sandbox))
        schema.config.update(base_url=sandbox.base_url + base, headers=headers)
        told = list(from_schema(schema).execute())
    statuses = Counter(statuses_of(told))
    print(f"{statuses.total()} requests: {dict(Counter(status for _, status in statuses.elements()))}")
    problems = [problem for event in told for problem in problems_of(event)]
    assert not problems, "\n\n".join(problems)
    succeeded = {operation for operation, status in statuses if status < 300}
    assert {result.ok().label for result in schema.get_all_operations()} == succeeded, "some never succeeds"


def statuses_of(told: list[Any]) -> Iterator[tuple[str, int]]:
    """Yield the operation and the status of every answer."""
    for event in told:
        if isinstance(event, events.ScenarioFinished):
            for interaction in event.recorder.interactions.values():
                assert interaction.response is not None, f"no answer to {interaction.request}"
                yield event.recorder.label, interaction.response.status_code


def problems_of(event: Any) -> list[str]:
    """Return what the fuzzer found, and what kept it from looking."""
    if isinstance(event, events.ScenarioFinished):
        checks = [check for checks in event.recorder.checks.values() for check in checks]
        return [
            f"{check.failure_info.failure}\n{check.failure_info.code_sample}" for check in checks if check.failure_info
        ]
    if isinstance(event, events.NonFatalError):
        return [str(event.value)]
    return [str(event.exception)] if isinstance(event, events.FatalError) else []
