"""Which faults strike: by order, by chance with a seed, and because a reference or an amount asks for it."""

import asyncio
from collections import Counter

import pytest

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, at, of
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import DeliveryFault, Fault, InjectedFault, Sandbox
from vipps_async.sandbox._epayment.definition import EPAYMENT
from vipps_async.sandbox._faults.faults import DELIVERY_EFFECTS, REQUEST_EFFECTS
from vipps_async.sandbox._faults.magic_values import AMOUNTS, FIRST_AMOUNT, fault_of_amount
from vipps_async.sandbox._faults.notation import parse_faults
from vipps_async.sandbox._faults.rules import OPTIONS
from vipps_async.sandbox._platform.routes import is_named
from vipps_async.sandbox._state import TARGETS

MIXTURE = "get:status-503@0.5,events:status-500@0.5,deliveries:duplicate@0.5"


async def faulted_run(sandbox: Sandbox, shop: Shop, *, noise: bool) -> dict[str, list[str]]:
    """Read a payment twenty times; with *noise*, its event log at the same time. Return what struck, by operation."""
    async with at(sandbox) as merchant:
        await sandbox.add_webhook(shop.url)
        sandbox.add_faults(MIXTURE)
        await merchant.authorized()
        for _ in range(20):
            others = [merchant.call("GET", f"/epayment/v1/payments/{REFERENCE}/events") for _ in range(3 * noise)]
            await asyncio.gather(merchant.get(), *others)
        await sandbox.settled()
        statuses = [str(request.status) for request in sandbox.requests if is_named(request.operation, "get")]
    struck = [f"{done.operation} {done.fault} {done.event}" for done in sandbox.injected_faults]
    return {"get": statuses, "deliveries": [each for each in struck if each.startswith("deliveries")]}


async def test_one_seed_gives_one_sequence(shop: Shop) -> None:
    """Two runs with a seed suffer the same faults in the same order, a run with another one does not."""
    runs = []
    for seed in (7, 7, 8):
        async with Sandbox(seed=seed) as sandbox:
            await faulted_run(sandbox, shop, noise=False)
            runs.append(sandbox.injected_faults)
    assert runs[0] == runs[1] != runs[2]
    assert len({done.operation for done in runs[0]}) == 2


async def test_what_happens_elsewhere_does_not_change_a_sequence(shop: Shop) -> None:
    """Each operation has its own chance: requests of another one, at the same time, do not change who is struck."""
    async with Sandbox(seed=7) as quiet, Sandbox(seed=7) as busy:
        assert await faulted_run(quiet, shop, noise=False) == await faulted_run(busy, shop, noise=True)
        assert len(busy.injected_faults) > len(quiet.injected_faults)


async def test_a_reset_begins_with_the_seed_again(sandbox: Sandbox, shop: Shop) -> None:
    """After it, the same orders strike the same requests as the first time."""
    first = await faulted_run(sandbox, shop, noise=False), sandbox.injected_faults
    await sandbox.reset()
    assert sandbox.injected_faults == []
    assert (await faulted_run(sandbox, shop, noise=False), sandbox.injected_faults) == first


async def test_a_sandbox_without_a_seed_tells_the_one_it_took(shop: Shop) -> None:
    """A surprising run can be repeated with it."""
    async with Sandbox() as surprising:
        first = await faulted_run(surprising, shop, noise=False)
    async with Sandbox(seed=surprising.seed) as again:
        assert await faulted_run(again, shop, noise=False) == first


async def test_probability_is_a_share(merchant: Merchant) -> None:
    """About as many requests are struck as was ordered, until the faults are cleared."""
    merchant.sandbox.fail("get", Fault.STATUS_503, probability=0.25)
    statuses = Counter([(await merchant.get("unknown-reference")).status for _ in range(100)])
    assert set(statuses) == {404, 503}
    assert 5 < statuses[503] < 60
    merchant.sandbox.clear_faults()
    assert (await merchant.get()).status == 404


async def test_times_bounds_chance(merchant: Merchant) -> None:
    """With both, chance picks the victims, and there are no more of them than was ordered."""
    merchant.sandbox.fail("get", Fault.STATUS_503, probability=0.5, times=2)
    statuses = Counter([(await merchant.get("unknown-reference")).status for _ in range(40)])
    assert statuses == {503: 2, 404: 38}


async def test_a_fault_of_one_payment(merchant: Merchant) -> None:
    """Only requests about that payment suffer it, by the reference in the path or in the body."""
    sandbox = merchant.sandbox
    sandbox.fail("*", Fault.STATUS_429, retry_after=3, reference="order-0001", times=None)
    assert (await merchant.create()).status == 201
    got = await merchant.create(reference="order-0001")
    assert (got.status, got.headers["Retry-After"]) == (429, "3")
    assert (await merchant.get("order-0001")).status == 429
    assert (await merchant.get()).status == 200
    assert (await merchant.sign_in()).status == 200


async def test_any_operation(merchant: Merchant) -> None:
    """An order for all operations strikes whatever comes next, the token too."""
    merchant.sandbox.fail("*", "status-503", times=2)
    assert (await merchant.send("POST", "/accesstoken/get", headers=merchant.token_headers)).status == 503
    assert (await merchant.get()).status == 503
    assert (await merchant.get()).status == 404


async def test_a_code_for_any_operation_is_answered_where_it_is_documented(merchant: Merchant) -> None:
    """The API that documents it answers with it; a token is issued all the same."""
    merchant.sandbox.fail("*", "charge-amount-too-high", times=None)
    assert (await merchant.sign_in()).status == 200
    assert (await merchant.get()).status == 404
    reply = await merchant.call("GET", "/recurring/v3/agreements")
    assert (reply.status, reply.json["title"]) == (400, "Charge amount too high")


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"operation": "teleport"}, r"operation 'teleport' is none of accesstoken\.issue-token, epayment\.create"),
        ({"fault": "6261"}, "fault '6261' is none of latency, .*, and no code of an error, such as 3010"),
        ({"fault": "STATUS_418"}, "fault 'STATUS_418' is none of latency, refused"),
        ({"fault": "DUPLICATE"}, "operation 'get' is none of deliveries, which DUPLICATE can be injected into"),
        ({"fault": "FAILED"}, r"operation 'get' is none of epayment\.capture, .*, which FAILED can be injected into"),
        (
            {"operation": "capture-charge", "fault": "6260"},
            r"operation 'capture-charge' is none of epayment\.create, .*, which 6260 can be injected into",
        ),
        (
            {"operation": "capture", "fault": "charge-capture-failed"},
            r"operation 'capture' is none of recurring\.",
        ),
        ({"times": 0}, "times=0 must be a whole number, 1 to 1000000"),
        ({"times": True}, "times=True must be"),
        ({"probability": 0}, "probability=0 must be a number above 0, and 1 at most"),
        ({"probability": 1.5}, "probability=1.5 must be"),
        ({"probability": float("nan")}, "probability=nan must be"),
        ({"retry_after": -1}, "retry_after=-1 must be seconds"),
        ({"reference": ""}, "reference='' must be what the requests or events are about"),
        ({"seconds": 1}, "STATUS_500 takes no seconds; that is for LATENCY, REFUSED"),
        ({"fault": "LATENCY", "seconds": "1"}, "seconds='1' must be seconds"),
    ],
)
async def test_orders_that_make_no_sense(sandbox: Sandbox, order: dict[str, object], message: str) -> None:
    """The message names the part, its value and the rule; nothing is ordered."""
    merged = {"operation": "get", "fault": "STATUS_500", **order}
    with pytest.raises(ConfigurationError, match=message):
        sandbox.fail(**merged)  # type: ignore[arg-type]  # that is the point
    assert sandbox._state.faults.rules == ()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"fault": "RESET_AFTER"}, r"operation 'deliveries' is none of accesstoken\.issue-token"),
        ({"fault": "DROP", "event": "paid"}, "event='paid' must be one of CREATED"),
        ({"fault": "DUPLICATE", "copies": 1}, "copies=1 must be a whole number, 2 to 100"),
        ({"fault": "DROP", "secret": "x"}, "DROP takes no secret; that is for RE_SIGN"),
        ({"fault": "RE_SIGN", "secret": ""}, "secret='' must be text"),
    ],
)
async def test_delivery_orders_that_make_no_sense(sandbox: Sandbox, order: dict[str, object], message: str) -> None:
    """The same for deliveries."""
    with pytest.raises(ConfigurationError, match=message):
        sandbox.fail_delivery(**order)  # type: ignore[arg-type]  # that is the point


def test_every_fault_says_what_it_means_and_has_a_course() -> None:
    """The tables are complete: each fault has a meaning, a course, and an amount that asks for it."""
    assert set(REQUEST_EFFECTS) == set(Fault)
    assert set(DELIVERY_EFFECTS) == set(DeliveryFault)
    assert set(AMOUNTS.values()) == {*Fault, *DeliveryFault}
    assert {fault_of_amount(FIRST_AMOUNT + int(code), TARGETS) for code in EPAYMENT.codes} == set(EPAYMENT.codes)
    assert fault_of_amount(FIRST_AMOUNT + 1234, TARGETS) is None
    assert all(fault.meaning for fault in (*Fault, *DeliveryFault))


@pytest.mark.parametrize("written", ["RESET_AFTER", "reset-after", "Reset_After"])
def test_a_fault_has_one_name_in_several_spellings(written: str) -> None:
    """Case, and which of _ and - joins the words, do not matter."""
    assert Fault(written) is Fault.RESET_AFTER
    assert Fault.RESET_AFTER.spelling == "reset-after"


class TestNotation:
    """The compact notation."""

    def test_all_that_can_be_said(self) -> None:
        """Operation, fault, probability and options, on one line or several, with comments."""
        first, second, third, fourth = parse_faults(
            """
            capture:reset-after@0.2, *:latency:seconds=0.5:reference=order-0001   # both on one line
            get:status-429:retry-after=3:times=2
            # nothing here
            deliveries:re-sign:event=captured:secret=another-one
            """,
            TARGETS,
        )
        assert (first.operation, first.fault, first.probability, first.times) == (
            "capture",
            Fault.RESET_AFTER,
            0.2,
            None,
        )
        assert (second.operation, second.seconds, second.reference) == ("*", 0.5, "order-0001")
        assert (third.fault, third.retry_after, third.times) == (Fault.STATUS_429, 3, 2)
        assert (fourth.fault, fourth.event, fourth.secret) == (DeliveryFault.RE_SIGN, "CAPTURED", "another-one")
        assert "another-one" not in repr(fourth)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no fault is named"),
            ("# only a comment", "no fault is named"),
            ("capture", "fault 'capture:': fault '' is none of"),
            ("get:status-500,captur:reset-after", "fault 'captur:reset-after'.*operation 'captur' is none of"),
            ("capture:reset", "fault 'reset' is none of"),
            ("capture:reset-after@often", "probability='often' must be a number above 0"),
            ("capture:reset-after@0", "probability=0.0 must be"),
            ("capture:reset-after:timez=1", "option 'timez' is none of times"),
            ("capture:reset-after:times", "times='' must be a whole number"),
            ("deliveries:duplicate:copies=many", "copies='many' must be"),
            ("get:status-500:retry_after=soon", "retry-after='soon' must be seconds"),
            ("get:status-500:retry-after=-1", "retry-after=-1.0 must be seconds"),
            ("get:status-500:retry=1", "option 'retry' is none of times, .*retry-after"),
        ],
    )
    def test_what_cannot_be_meant(self, text: str, message: str) -> None:
        """The message quotes the entry and says what is wrong with it."""
        with pytest.raises(ConfigurationError, match=message):
            parse_faults(text, TARGETS)

    @pytest.mark.parametrize(
        ("text", "times"),
        [("get:status-500", 1), ("get:status-500@1", None), ("get:status-500:times=3", 3)],
    )
    def test_how_often_it_strikes(self, text: str, times: int | None) -> None:
        """Once, or always by chance, as wherever a fault is ordered; or so often as it says."""
        assert [order.times for order in parse_faults(text, TARGETS)] == [times]

    def test_every_option_can_be_written(self) -> None:
        """No option is out of the notation's reach."""
        values = {"probability": "0.5", "event": "captured", "copies": "3"}
        for name, option in OPTIONS.items():
            fault = next(fault for fault in (*Fault, *DeliveryFault) if option.is_for(fault))
            operation = "deliveries" if isinstance(fault, DeliveryFault) else "get"
            (order,) = parse_faults(f"{operation}:{fault}:{name}={values.get(name, '1')}", TARGETS)
            assert getattr(order, name) is not None


class TestWishes:
    """References and amounts that ask for faults."""

    async def test_a_reference_asks_for_one_fault_of_each_operation(self, merchant: Merchant) -> None:
        """The first request of each operation about the payment suffers it, the next one does not."""
        reference = "0001--fault-status-503"
        assert [(await merchant.create(reference=reference, key="k")).status for _ in range(2)] == [503, 201]
        assert [(await merchant.get(reference)).status for _ in range(3)] == [503, 200, 200]
        assert (await merchant.get("0002--fault-status-500")).status == 500
        assert merchant.sandbox.injected_faults[0] == InjectedFault(
            operation="epayment.create", fault=Fault.STATUS_503, reference=reference, event=None
        )

    async def test_a_reference_asks_for_an_operation_always(self, merchant: Merchant) -> None:
        """Only that operation suffers, every time; several wishes, and more after them, are fine, in any case."""
        reference = "0001--FAULT-get-Status-500-always--fault-events-status-503--more"
        assert (await merchant.create(reference=reference)).status == 201
        assert [(await merchant.get(reference)).status for _ in range(3)] == [500] * 3
        assert (await merchant.call("GET", f"/epayment/v1/payments/{reference}/events")).status == 503
        assert (await merchant.call("GET", f"/epayment/v1/payments/{reference}/events")).status == 200

    async def test_a_reference_says_when_to_try_again(self, merchant: Merchant) -> None:
        """Seconds for ``Retry-After``, before what makes it last."""
        reference = "0001--fault-capture-status-429-retry-after-3-always"
        await merchant.authorized(reference=reference)
        for _ in range(2):
            got = await merchant.modify("capture", of(100), reference=reference)
            assert (got.status, got.headers["Retry-After"]) == (429, "3")

    async def test_a_reference_asks_for_delivery_faults(self, merchant: Merchant, shop: Shop) -> None:
        """Each event of the payment suffers it."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.authorized(reference="0001--fault-duplicate")
        await merchant.sandbox.settled()
        assert [body["name"] for body in shop.bodies] == ["CREATED", "CREATED", "AUTHORIZED", "AUTHORIZED"]

    @pytest.mark.parametrize("wish", ["rest-after", "", "capture", "get-duplicate"])
    async def test_a_wish_that_is_not_known_is_refused(self, merchant: Merchant, wish: str) -> None:
        """A slip of the pen does not pass for a payment without faults."""
        reference = f"0001--fault-{wish}"
        got = await merchant.create(reference=reference)
        assert got.status == 400
        assert "asks for a fault that is not known" in got.json["detail"]
        assert not merchant.sandbox.payments

    async def test_an_amount_asks_for_a_fault(self, merchant: Merchant) -> None:
        """A request with the amount suffers it once, whether it is the payment's or a part's."""
        amount = {"currency": "NOK", "value": 7_770_429}
        assert [(await merchant.create(amount=amount, key="k")).status for _ in range(2)] == [429, 201]
        await merchant.sandbox.approve(REFERENCE)
        assert [(await merchant.modify("capture", of(7_770_429), key="c")).status for _ in range(2)] == [429, 200]
        assert [(await merchant.modify("refund", of(1), key="r")).status for _ in range(1)] == [200]

    async def test_an_amount_asks_for_a_delivery_fault(self, merchant: Merchant, shop: Shop) -> None:
        """The event with the amount suffers it."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.create(amount={"currency": "NOK", "value": 7_771_003})
        await merchant.sandbox.settled()
        assert not shop.received
        assert merchant.sandbox.deliveries[0].fault is DeliveryFault.DROP

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"amount": 1}', b'{"amount": {"value": "7770429"}}'])
    async def test_odd_bodies_ask_for_nothing(self, merchant: Merchant, body: bytes) -> None:
        """Whatever a body is, the API answers it as it always does."""
        headers = {**merchant.headers, "Idempotency-Key": "k", "Content-Type": "application/json"}
        got = await merchant.send("POST", "/epayment/v1/payments", data=body, headers=headers)
        assert got.status == 400
        assert merchant.sandbox.injected_faults == []
