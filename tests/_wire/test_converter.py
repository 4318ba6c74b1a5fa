"""One converter: camelCase, strict scalars, open enums, two dialects; every refusal names its field."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import document
from vipps_async import Amount, Payment, PaymentEvent, PaymentState
from vipps_async._wire import converter as _converter
from vipps_async._wire.converter import Malformed, structure, unstructure, wire


@attrs.frozen(kw_only=True)
class Leaf:
    """A nested model."""

    card_bin: str | None = None
    network: str = "VISA"


@attrs.frozen(kw_only=True)
class Sample:
    """A model with a field of each kind."""

    psp_reference: str
    address_line1: str | None = None
    count: int | None = None
    is_default: bool | None = None
    state: PaymentState | None = None
    moment: datetime | None = None
    amount: Amount | None = None
    leaves: tuple[Leaf, ...] | None = None
    metadata: Mapping[str, str] | None = None


@attrs.frozen(kw_only=True)
class Strict:
    """A model with a field of each kind, all of which decide."""

    psp_reference: str
    count: int
    is_default: bool
    state: PaymentState
    moment: datetime
    amount: Amount
    amounts: tuple[Amount, ...]
    note: str | None = attrs.field(default=None, metadata=wire(decides=True))


@attrs.frozen(kw_only=True)
class Kept:
    """A model that keeps its document and knows another dialect's names."""

    name: str = attrs.field(metadata=wire(also="paymentAction"))
    sub: str | None = attrs.field(default=None, metadata=wire(also="profile.sub"))
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


FULL_DOCUMENT = {
    "pspReference": "1304787731",
    "addressLine1": "Robert Levins gate 5",
    "count": 3,
    "isDefault": False,
    "state": "AUTHORIZED",
    "moment": "2026-01-19T16:26:32.099000Z",
    "amount": {"value": 49900, "currency": "NOK"},
    "leaves": [{"cardBin": "540185", "network": "VISA"}, {"network": "VISA"}],
    "metadata": {"location": "Oslo"},
}
FULL = Sample(
    psp_reference="1304787731",
    address_line1="Robert Levins gate 5",
    count=3,
    is_default=False,
    state=PaymentState.AUTHORIZED,
    moment=datetime(2026, 1, 19, 16, 26, 32, 99000, tzinfo=UTC),
    amount=Amount(49900, "NOK"),
    leaves=(Leaf(card_bin="540185"), Leaf()),
    metadata={"location": "Oslo"},
)


STRICT_DOCUMENT = {
    **{name: FULL_DOCUMENT[name] for name in ("pspReference", "count", "isDefault", "state", "moment", "amount")},
    "amounts": [{"value": 1, "currency": "NOK"}],
    "note": "Socks",
}


def test_a_document_and_its_model_say_the_same() -> None:
    """Reading gives each field from its camelCase name, and writing gives the document back."""
    assert structure(FULL_DOCUMENT, Sample) == FULL
    written = unstructure(FULL)
    assert {**written, "leaves": list(written["leaves"])} == FULL_DOCUMENT


def test_what_is_none_is_not_written() -> None:
    """A field that is ``None`` is left out, at every level, and one that is false or 0 is not."""
    assert unstructure(Sample(psp_reference="1")) == {"pspReference": "1"}
    assert unstructure(Sample(psp_reference="1", count=0, is_default=False)) == {
        "pspReference": "1",
        "count": 0,
        "isDefault": False,
    }
    assert unstructure(Amount(1, "NOK")) == {"value": 1, "currency": "NOK"}


def test_null_is_no_value() -> None:
    """A ``null`` reads as if the field were absent: as ``None``, or as the field's own default."""
    assert structure({"pspReference": "1", "count": None, "amount": None}, Sample) == Sample(psp_reference="1")
    assert structure({"cardBin": None, "network": None}, Leaf) == Leaf(card_bin=None, network="VISA")


def test_unknown_fields_are_no_error() -> None:
    """A field that no model has is passed over: APIs grow."""
    assert structure({**FULL_DOCUMENT, "raw": 1, "new": {"deep": []}}, Sample) == FULL


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pspReference", None, "expected str, not None @ Strict.psp_reference"),
        ("pspReference", 1304787731, "expected str, not 1304787731 @ Strict.psp_reference"),
        ("count", "3", "expected int, not '3' @ Strict.count"),
        ("count", 3.0, "expected int, not 3.0 @ Strict.count"),
        ("count", True, "expected int, not True @ Strict.count"),
        ("isDefault", 1, "expected bool, not 1 @ Strict.is_default"),
        ("isDefault", "true", "expected bool, not 'true' @ Strict.is_default"),
        ("state", 5, "expected text, not 5 @ Strict.state"),
        ("moment", "yesterday", "expected a time in ISO 8601, not 'yesterday' @ Strict.moment"),
        ("moment", "0001-01-01T00:00:00+01:00", "expected a time in ISO 8601, not '0001-01-01T"),
        ("moment", 1700000000, "expected str, not 1700000000 @ Strict.moment"),
        ("amount", {"value": 1.9, "currency": "NOK"}, "expected int, not 1.9 @ Strict.amount.value"),
        ("amount", {"value": -1, "currency": "NOK"}, "-1 must not be negative"),
        ("amount", {"value": 1, "currency": "nok"}, "'nok' must be an ISO 4217 code"),
        ("amount", {"value": 1}, "required field missing @ Strict.amount.currency"),
        ("amount", 5, "expected an object, not 5 @ Strict.amount"),
        ("amounts", [[]], "expected an object, not [] @ [0] @ Strict.amounts"),
        ("amounts", [{"value": "1", "currency": "NOK"}], "expected int, not '1' @ [0].value @ Strict.amounts"),
        ("amounts", 5, "expected list, not 5 @ Strict.amounts"),
        ("note", 5, "expected str, not 5 @ Strict.note"),
    ],
)
def test_a_wrong_type_of_what_decides_is_refused_by_field(field: str, value: Any, message: str) -> None:
    """Nothing is coerced: another type than the documented one is refused, and the message has path and value."""
    with pytest.raises(Malformed) as refusal:
        structure({**STRICT_DOCUMENT, field: value}, Strict)
    assert message in str(refusal.value)


@pytest.mark.parametrize("field", sorted(STRICT_DOCUMENT))
def test_what_decides_has_to_be_there(field: str) -> None:
    """A field that decides is required, unless it has a default, which an absent or null one leaves as it is."""
    without = {name: value for name, value in STRICT_DOCUMENT.items() if name != field}
    if field == "note":
        assert structure(without, Strict).note is None
        assert structure({**without, field: None}, Strict).note is None
    else:
        with pytest.raises(Malformed, match="required field missing @ Strict"):
            structure(without, Strict)


@pytest.mark.parametrize("value", [None, True, 1.5, -1, "x", [], {}, [1], {"value": "1"}], ids=repr)
@pytest.mark.parametrize("field", sorted(set(FULL_DOCUMENT) - {"pspReference"}))
def test_what_informs_is_its_default_where_nothing_fits(field: str, value: Any) -> None:
    """Another type in a field that informs leaves it as if it were absent, and costs no other field."""
    read = structure({**FULL_DOCUMENT, field: value}, Sample)
    attribute = {"addressLine1": "address_line1", "isDefault": "is_default"}.get(field, field)
    fits: dict[tuple[str, str], Any] = {
        ("addressLine1", "x"): "x",
        ("count", "-1"): -1,
        ("isDefault", "True"): True,
        ("state", "x"): PaymentState("x"),
        ("leaves", "[]"): (),
        ("leaves", "[1]"): (),
        ("metadata", "{}"): {},
        ("metadata", "{'value': '1'}"): {"value": "1"},
    }
    changes: Any = {attribute: fits.get((field, str(value)))}
    assert read == attrs.evolve(FULL, **changes)


def test_what_fits_of_a_list_and_of_a_mapping_is_read() -> None:
    """A misfit among others is passed over, and the others are read in their order."""
    leaves: list[Any] = [None, {"cardBin": "1"}, 5, [], {"cardBin": 2, "network": 5}, "x", {"network": "AMEX"}]
    metadata = {"a": "1", "b": 2, "c": None, "d": "3"}
    read = structure({"pspReference": "1", "leaves": leaves, "metadata": metadata}, Sample)
    assert read.leaves == (Leaf(card_bin="1"), Leaf(card_bin=None, network="VISA"), Leaf(network="AMEX"))
    assert read.metadata == {"a": "1", "d": "3"}


def test_every_bad_field_is_named_at_once() -> None:
    """Two bad fields are both in one message."""
    with pytest.raises(Malformed) as refusal:
        structure({**STRICT_DOCUMENT, "count": "3", "moment": 5}, Strict)
    assert "expected str, not 5 @ Strict.moment" in str(refusal.value)
    assert "expected int, not '3' @ Strict.count" in str(refusal.value)


@pytest.mark.parametrize("field", sorted(STRICT_DOCUMENT))
@pytest.mark.parametrize("value", [["x" * 10_000], {"value": 1, "currency": "x" * 10_000}, "\x1b[31m\n" * 5_000])
def test_a_long_value_is_shortened_and_made_printable(field: str, value: Any) -> None:
    """A refusal shows the beginning of a long value on one line, whatever the field's type."""
    with pytest.raises(Malformed) as refusal:
        structure({**STRICT_DOCUMENT, "psp": 1, field: value, "amounts": [1]}, Strict)
    assert len(str(refusal.value)) < 1000
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("document", [None, [], "text", 5, True])
@pytest.mark.parametrize("kind", [Leaf, Sample, Strict, Kept, Amount])
def test_what_is_no_object_is_refused(kind: type[Any], document: Any) -> None:
    """A document that is no object is refused as any other malformed one."""
    with pytest.raises(Malformed, match="expected an object, not "):
        structure(document, kind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*FULL_DOCUMENT, "x"]), JSON) | JSON)
def test_no_document_raises_anything_else(document: Any) -> None:
    """Any JSON either reads or raises `Malformed`."""
    for kind in (Sample, Strict, Kept):
        with suppress(Malformed):
            structure(document, kind)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-19T16:26:32Z", datetime(2026, 1, 19, 16, 26, 32, tzinfo=UTC)),
        ("2026-01-19T16:26:32.099Z", datetime(2026, 1, 19, 16, 26, 32, 99000, tzinfo=UTC)),
        ("2023-03-27T10:51:44.5333258Z", datetime(2023, 3, 27, 10, 51, 44, 533325, tzinfo=UTC)),
        ("2026-09-01T07:53:44.812+00:00", datetime(2026, 9, 1, 7, 53, 44, 812000, tzinfo=UTC)),
        ("2026-09-01T09:53:44+02:00", datetime(2026, 9, 1, 7, 53, 44, tzinfo=UTC)),
        ("2026-01-19T16:26:32", datetime(2026, 1, 19, 16, 26, 32, tzinfo=UTC)),
    ],
)
def test_every_documented_form_of_a_time_is_read(text: str, moment: datetime) -> None:
    """None, 3 or 7 digits of a second, ``Z`` or an offset; a time without a zone is UTC. Always aware."""
    read = structure({"pspReference": "1", "moment": text}, Sample).moment
    assert read == moment
    assert read is not None
    assert read.utcoffset() is not None


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=1, seconds=30))])
    )
)
def test_a_time_that_is_written_reads_as_itself(moment: datetime) -> None:
    """Writing and reading an aware time gives the same moment, and it is always written in UTC."""
    written = unstructure(Sample(psp_reference="1", moment=moment))
    assert structure(written, Sample).moment == moment
    assert written["moment"].endswith("Z")


def test_the_document_is_kept() -> None:
    """A model with ``raw`` keeps the whole document, unknown fields included, out of its repr and equality."""
    document = {"name": "CAPTURED", "new": [1], "raw": "theirs"}
    kept = structure(document, Kept)
    assert kept.raw == document
    assert "new" not in repr(kept)
    assert kept == structure({"name": "CAPTURED"}, Kept)
    assert unstructure(kept) == {"name": "CAPTURED"}


@pytest.mark.parametrize(
    ("document", "name", "sub"),
    [
        ({"name": "CAPTURED"}, "CAPTURED", None),
        ({"paymentAction": "CAPTURE"}, "CAPTURE", None),
        ({"name": "CAPTURED", "paymentAction": "CAPTURE"}, "CAPTURED", None),
        ({"name": "x", "sub": "a"}, "x", "a"),
        ({"name": "x", "profile": {"sub": "b"}}, "x", "b"),
        ({"name": "x", "sub": "a", "profile": {"sub": "b"}}, "x", "a"),
        ({"name": None, "paymentAction": "CAPTURE"}, "CAPTURE", None),
        ({"name": "x", "sub": None, "profile": {"sub": "b"}}, "x", "b"),
        ({"name": "x", "profile": {}}, "x", None),
        ({"name": "x", "profile": None}, "x", None),
        ({"name": "x", "profile": "b"}, "x", None),
    ],
)
def test_the_other_dialect_s_name_stands_in(document: dict[str, Any], name: str, sub: str | None) -> None:
    """A field is read from the other dialect's name, nested or not, only where its own is absent or null."""
    kept = structure(document, Kept)
    assert (kept.name, kept.sub, kept.raw) == (name, sub, document)


def test_a_list_that_does_not_fit_is_told_of_in_a_line() -> None:
    """A long list of misfits, or what is no list, is refused at its first item, in a message of one line."""
    lists: list[Any] = [[{}] * 80_000, [1] * 80_000, "x" * 200_000, {"0": 1}]
    for amounts in lists:
        with pytest.raises(Malformed, match=r"amounts") as caught:
            structure({**STRICT_DOCUMENT, "amounts": amounts}, Strict)
        assert len(str(caught.value)) < 1000


ODD: list[Any] = [None, True, 0, 1.9, -1, "12", [], [1], {}, {"value": "1"}]


def variants(node: Any) -> Iterator[Any]:
    """*node* with each of its parts in turn left out, or replaced by something odd, and the odd things themselves."""
    yield from ODD
    for key in node if isinstance(node, dict) else ():
        yield {name: part for name, part in node.items() if name != key}
        yield from ({**node, key: other} for other in variants(node[key]))
    for index, part in enumerate(node) if isinstance(node, list) else ():
        yield from ([*node[:index], other, *node[index + 1 :]] for other in variants(part))


def quickly(variant: Any, kind: type[Any]) -> Any:
    """What the quick converter reads, or ``None`` where it stumbles."""
    with suppress(Exception):
        return _converter._quick.structure(variant, kind)
    return None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("current-get-payment-express", Payment),
        ("draft-get-payment-captured", Payment),
        ("current-webhook-epayment-authorized-profile", PaymentEvent),
        ("draft-notification-capture", PaymentEvent),
    ],
)
def test_what_is_read_quickly_is_read_as_thoroughly(name: str, kind: type[Any]) -> None:
    """The quick converter reads documented documents, and odd ones as the thorough converter does, or not at all."""
    assert quickly(document(name), kind) is not None
    for variant in variants(document(name)):
        if (read := quickly(variant, kind)) is not None:
            # As text, in which True is not 1.
            assert str(attrs.asdict(read)) == str(attrs.asdict(_converter._thorough.structure(variant, kind)))
