"""Where the official documents contradict the documentation, are older than it or say nothing: one table, with reasons.

Nothing else is excused. Each row is needed: a test drops them one at a time.
"""

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Amendment:
    """What one document says instead.

    Attributes:
        document: its name.
        at: the names that lead to the place, joined by " > "; ``*`` is every object member.
        says: what stands there.
        why: who contradicts the document.
    """

    document: str
    at: str
    says: Any
    why: str

    def __str__(self) -> str:
        """Name it in the list of tests."""
        return f"{self.document}: {self.at}"


_TIME = {"type": "string", "format": "date-time"}
_PROBLEM = {"$ref": "#/components/responses/ProblemResponse"}
_DRAFT_PROBLEM = {"$ref": "#/components/responses/Problem-Response"}
_WEBHOOK_PROBLEM = {
    "description": "A problem.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}
_GATEWAY = {
    "description": "What the gateway answers.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["statusCode", "message"],
                "properties": {"statusCode": {"type": "integer"}, "message": {"type": "string"}},
            }
        }
    },
}


def _operation(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"requestBody": {"required": True, "content": content}, "responses": {"200": {"description": "OK"}}}


_CANCELLATION = {
    "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 50}}],
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"cancelTransactionOnly": {"type": "boolean"}}},
            }
        }
    },
    "responses": {"202": {"description": "Accepted"}, "404": _DRAFT_PROBLEM},
}

_PRICES = ("Legacy", "Variable", "Flexible")
_METHOD = {
    "type": "object",
    "nullable": True,
    "properties": {"blockedSources": {"type": "array", "items": {"type": "string"}}},
}
_RECURRING_PROBLEM = {
    "description": "A problem.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ErrorV3"}}},
}

# (document, place, what stands there, why)
_ROWS: tuple[tuple[str, str, Any, str], ...] = (
    # The current API
    (
        "epayment",
        "components > schemas > PaymentEvent > required",
        ["reference", "pspReference", "name", "amount", "timestamp", "success"],
        "It requires paymentAction, which is not among its properties any more: the field is name.",
    ),
    (
        "epayment",
        "components > responses > AdjustResponse > content",
        {"application/json": {"schema": {"$ref": "#/components/schemas/ModificationResponse"}}},
        "It has the answer to a modification as application/problem+json, which is a success and no problem.",
    ),
    (
        "epayment",
        "components > schemas > GetPaymentResponse > properties > captureGuaranteedUntil",
        _TIME,
        "Newer than the document: August 2026.",
    ),
    (
        "epayment",
        "components > schemas > WebhookEvent > properties > captureGuaranteedUntil",
        _TIME,
        "Likewise.",
    ),
    (
        "epayment",
        "components > schemas > Problem > properties > instance",
        {"type": "string"},
        "Documented with the errors, and in the document of the Webhooks API.",
    ),
    ("epayment", "paths > /webhook", {"post": _operation("WebhookEvent")}, "It has no path for what a webhook takes."),
    ("epayment", "paths > * > * > responses > 401", _GATEWAY, "The gateway's; errors, knowledge base."),
    ("epayment", "paths > * > * > responses > 403", _PROBLEM, "Another's MSN; errors, knowledge base."),
    ("epayment", "paths > * > * > responses > 404", _PROBLEM, "5090 is an error code of get and force approve too."),
    ("epayment", "paths > * > * > responses > 423", _PROBLEM, "6160 and 6250; errors, knowledge base."),
    ("epayment", "paths > * > * > responses > 429", _GATEWAY, "The gateway's; rate limits."),
    (
        "epayment",
        "paths > /v1/test/payments/{Reference}/approve > post > responses > 400",
        _PROBLEM,
        "10010 to 10070 are error codes of force approve.",
    ),
    # Recurring
    *(
        (
            "recurring",
            f"components > schemas > Pricing{which}V3",
            {"oneOf": [{"$ref": f"#/components/schemas/{kind}Pricing{which}V3"} for kind in _PRICES]},
            "Its discriminator names schemas that there are not.",
        )
        for which in ("Request", "Response")
    ),
    (
        "recurring",
        "components > schemas > DraftAgreementV3 > properties > paymentMethod",
        _METHOD,
        "Newer than the document: October 2025.",
    ),
    (
        "recurring",
        "components > schemas > AgreementResponseV3 > properties > paymentMethod",
        _METHOD,
        "Likewise.",
    ),
    (
        "recurring",
        "components > schemas > AgreementResponseV3 > properties > history",
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["occurred", "event"],
                "properties": {"occurred": _TIME, "event": {"type": "string"}, "actor": {"type": "string"}},
            },
        },
        "Newer than the document: September 2026.",
    ),
    (
        "recurring",
        "components > schemas > AgreementResponseV3 > required",
        ["id", "pricing", "productName", "uuid", "countryCode", "created"],
        "It requires an interval, which an agreement that is paid by use has not.",
    ),
    (
        "recurring",
        "components > schemas > campaignResponseV3",
        {
            "type": "object",
            "nullable": True,
            "required": ["type", "price", "explanation"],
            "properties": {
                **{name: {"type": "string"} for name in ("type", "end", "explanation", "eventText", "eventDate")},
                "price": {"type": "integer"},
                "period": {"$ref": "#/components/schemas/TimePeriod"},
            },
        },
        "It is null where there is none; and one schema fits what another one is meant for.",
    ),
    (
        "recurring",
        "components > schemas > ChargeResponseV3 > properties > externalId",
        {"type": "string", "nullable": True},
        "It is required, and a charge need not have one.",
    ),
    (
        "recurring",
        "components > schemas > ChargeResponseV3 > properties > transactionId",
        {"type": "string", "pattern": r"^\d{10,}$", "nullable": True},
        "It is null until the charge is due.",
    ),
    (
        "recurring",
        "components > schemas > ChargeResponseV3 > properties > id",
        {"type": "string", "maxLength": 64},
        "An orderId, which may have 64 characters, becomes the id.",
    ),
    (
        "recurring",
        "components > schemas > ChargeReference > properties > chargeId",
        {"type": "string", "maxLength": 64},
        "Likewise.",
    ),
    (
        "recurring",
        "paths > /recurring/v3/agreements/{agreementId}/accept > patch > responses > 204",
        {"description": "Accepted."},
        "It has a body for an answer that has none.",
    ),
    ("recurring", "paths > * > * > responses > 401", _GATEWAY, "The gateway's; errors, knowledge base."),
    ("recurring", "paths > * > * > responses > 403", _RECURRING_PROBLEM, "Another's MSN; errors, knowledge base."),
    ("recurring", "paths > * > * > responses > 429", _GATEWAY, "The gateway's; rate limits."),
    # The draft
    (
        "epayment-draft-0.9.0",
        "components > schemas > TransactionAggregate > required",
        ["authorizedAmount", "cancelledAmount", "capturedAmount", "refundedAmount"],
        "It requires currentAuthorizedAmount, which is not among its properties; the guide has authorizedAmount.",
    ),
    (
        "epayment-draft-0.9.0",
        "components > schemas > Amount > properties > type",
        {"type": "string", "enum": ["PURCHASE"]},
        "Every amount of the guide has it.",
    ),
    (
        "epayment-draft-0.9.0",
        "components > schemas > PaymentEvent > properties > paymentAction > enum",
        ["CREATION", "CANCELLATION", "CAPTURE", "REFUND", "AUTHORISATION_ADJUSTMENT", "AUTHORISATION", "TERMINATION"],
        "It says TERMINATED; the guide, and its example, say TERMINATION.",
    ),
    (
        "epayment-draft-0.9.0",
        "components > schemas > PaymentEvent > properties > pspReference",
        {"type": "string", "format": "uuid"},
        "It may not be sent to the API, but the API sends it in a notification.",
    ),
    (
        "epayment-draft-0.9.0",
        "paths > /v1/payments/{reference}/cancel > post",
        _CANCELLATION,
        "The client cancels as the current API wants it, and the sandbox takes that of it.",
    ),
    (
        "epayment-draft-0.9.0",
        "paths > /webhook",
        {"post": _operation("PaymentEvent")},
        "It has no path for what a webhook takes: the guide's notification, an entry of the event log.",
    ),
    ("epayment-draft-0.9.0", "paths > * > get > responses > 404", _DRAFT_PROBLEM, "It has no error of a read."),
    # The APIs that both dialects share
    (
        "access-token",
        "paths > /accessToken/get",
        {"$ref": "#/paths/~1accesstoken~1get"},
        "The draft's spelling of the path, which serves both dialects; the API still takes it.",
    ),
    ("webhooks", "paths > * > * > responses > 401", _GATEWAY, "The gateway's; errors, knowledge base."),
    ("webhooks", "paths > * > * > responses > 403", _WEBHOOK_PROBLEM, "Another's MSN; errors, knowledge base."),
    (
        "webhooks",
        "paths > /v1/webhooks/{id} > delete > responses > 404",
        _WEBHOOK_PROBLEM,
        "An unknown resource; likewise.",
    ),
)

AMENDMENTS = tuple(Amendment(document=name, at=at, says=says, why=why) for name, at, says, why in _ROWS)

# What no client meets but a fuzzer does.
FUZZED = (
    *(
        Amendment(document=name, at=f"paths > * > * > responses > {status}", says=says, why=why)
        for name, problem in (
            ("epayment", _PROBLEM),
            ("epayment-draft-0.9.0", _DRAFT_PROBLEM),
            ("recurring", _RECURRING_PROBLEM),
        )
        for status, says, why in (
            ("400", problem, "A header is malformed."),
            ("401", _GATEWAY, "A key or the token is missing or wrong."),
            ("403", problem, "Another's MSN."),
            ("404", problem, "An unknown reference."),
            ("409", problem, "A key that was used with another body."),
        )
    ),
    Amendment(
        document="recurring",
        at="paths > * > * > responses > 415",
        says=_RECURRING_PROBLEM,
        why="A body that is called something else.",
    ),
    *(
        Amendment(document="epayment", at=at, says=says, why="It is nullable, of which the enumeration says nothing.")
        for at, says in (
            (
                "components > schemas > UnitInfo > properties > quantityUnit > enum",
                ["PCS", "KG", "KM", "MINUTE", "LITRE", "KWH", None],
            ),
            (
                "components > schemas > Barcode > properties > format > enum",
                ["EAN-13", "CODE 39", "CODE 128", None],
            ),
        )
    ),
)


def amend(loaded: Any, amendment: Amendment) -> None:
    """Apply an amendment to a document."""
    *path, last = amendment.at.split(" > ")
    nodes = [loaded]
    for name in path:
        members = [node.items() for node in nodes]
        nodes = [value for items in members for key, value in items if name in {key, "*"} and isinstance(value, dict)]
    assert nodes, f"{amendment} leads nowhere"
    for node in nodes:
        node[last] = amendment.says
