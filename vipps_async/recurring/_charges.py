"""The operations on charges. Source: Recurring API v3."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

import attrs

from vipps_async._events import EventWatcher
from vipps_async._http import call
from vipps_async._http.polling import Polls
from vipps_async._http.reply import ignore
from vipps_async._http.session import ApiClient
from vipps_async._http.waiting import wait_for
from vipps_async._remaining import ALL_THAT_REMAINS, check_given
from vipps_async.errors import InvalidReply, InvalidRequest, NotFound
from vipps_async.money import Amount
from vipps_async.recurring import _request as requests
from vipps_async.recurring._agreements import AGREEMENTS_PATH, encoded
from vipps_async.recurring._batches import Pace, split
from vipps_async.recurring._charge import ChangedCharge, Charge, ChargeVerdict, CreatedCharge
from vipps_async.recurring._enums import ChargeStatus, ChargeType, ProcessingMode, TransactionType
from vipps_async.recurring._errors import RULES
from vipps_async.recurring._full_capture import amount_of_full_capture
from vipps_async.recurring._pages import read_page
from vipps_async.recurring._replies import read_charge, read_charges, read_created, read_verdicts
from vipps_async.recurring._rules import check_agreement_id, check_charge_id, derived_key
from vipps_async.recurring._wait import CHARGE, is_taken

_CHARGES_PATH = "/recurring/v3/charges"
_TOKEN = "Continuation-Token"  # noqa: S105 - the name of a header


class Charges:
    """Charges of agreements: create, read, capture, refund, cancel; ``VippsClient.recurring.charges``.

    Nothing is charged unless a charge is created for it: an agreement only allows it. Amounts are in the agreement's
    currency, which the API is not told: it takes the bare number.

    Every method raises `InvalidRequest` for arguments that the API would refuse by their form, before anything is sent,
    and `CallError`, as one of its subclasses, for a call that ends without a result. A write that ends in silence
    raises `OutcomeUnknown`, which carries the idempotency key to repeat it with.

    Args:
        client: sends the calls.
        polls: reads charges for those who wait.
    """

    def __init__(self, client: ApiClient, polls: Polls) -> None:
        self._session = client.session
        self._polls = polls
        self._pace = Pace()

    async def create(
        self,
        agreement_id: str,
        *,
        amount: Amount,
        description: str,
        transaction_type: TransactionType | str,
        due: date | None = None,
        retry_days: int | None = None,
        order_id: str | None = None,
        type: ChargeType | str = ChargeType.RECURRING,  # noqa: A002 - the API's word for it
        processing_mode: ProcessingMode | str | None = None,
        external_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> CreatedCharge:
        """Create a charge, which is taken on its due date, or at once if it is UNSCHEDULED.

        Args:
            agreement_id: one that is ACTIVE.
            amount: how much, in the agreement's currency.
            description: 1 to 100 characters, shown to the user; 45 are shown for sure.
            transaction_type: DIRECT_CAPTURE, or RESERVE_CAPTURE to capture it later.
            due: the day on which it is first tried to take it: the API takes tomorrow to two years ahead.
            retry_days: for how many days after that it is tried again, 0 to 14; at least 2 are recommended.
            order_id: 1 to 64 characters of a-z, A-Z, 0-9 and -, which becomes the charge's id; unique for the merchant
                serial number.
            type: RECURRING, which requires *due* and *retry_days*, or UNSCHEDULED, which excludes them.
            processing_mode: MULTIPLE_ATTEMPTS, or SINGLE_ATTEMPT with no retry days.
            external_id: 1 to 64 characters, for settlement and the user's receipt.
            idempotency_key: 1 to 40 characters of a-z, A-Z, 0-9 and -. Without one, the key is derived from the
                agreement and *order_id*, so that a process that died can call again and gets the same charge; without
                an *order_id* either, it is a fresh one, since two equal charges are two charges. A refusal stays with
                its key: give another one to ask again once the cause is gone; the *order_id* is charged once anyway.

        Raises:
            InvalidRequest: an argument breaks one of these rules.
            BadRequest: the amount is too high for the interval, *due* too soon, …; ``code`` tells which.
            Conflict: the *order_id* belongs to another charge.
            OutcomeUnknown: no reply settled whether it exists; repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: Recurring API, create charge; 500 a minute in all.
        """
        request = requests.CreateCharge(
            amount=amount,
            description=description,
            transaction_type=transaction_type,
            type=type,
            due=due,
            retry_days=retry_days,
            processing_mode=processing_mode,
            order_id=order_id,
            external_id=external_id,
        )
        path = _charges_of(agreement_id)
        key = self._key_of(agreement_id, order_id, idempotency_key)
        creation = call.write(
            "create charge",
            path,
            body=encoded(request),
            key=key,
            may_be_a_repeat=idempotency_key is not None or order_id is not None,
            rules=RULES,
        )
        read = partial(read_created, agreement_id=agreement_id, order_id=order_id, key=key)
        created = await self._session.send(creation, read)
        self._polls.note_creation(CHARGE, (self._merchant, agreement_id, created.charge_id))
        return created

    async def create_many(
        self, charges: Iterable[requests.NewCharge], *, per_call: int = 500, run: str = ""
    ) -> AsyncIterator[ChargeVerdict]:
        """Create any number of charges, and yield what became of each, in their order.

        Calls follow each other no faster than 500 charges a minute. A charge that is accepted can fail still, which its
        ``CREATION_FAILED`` event tells. A process that died calls again with the same charges: those that exist are
        told as accepted, and the rest are created. Whatever is asked again, an *order_id* is charged once.

        Args:
            charges: their *order_id* values all differ.
            per_call: how many are sent in one call, 1 to 2000. The keys of the calls are derived from what is in them,
                so repeat a run with the same number.
            run: names the run, in the keys too: give another name to try what was accepted and then failed once more.

        Raises:
            InvalidRequest: an argument breaks one of these rules; nothing was sent.
            OutcomeUnknown: no reply settled what became of a call's charges; call again with the same ones.
            CallError: as another of its subclasses; charges that were yielded before are not touched by that.

        Source: Recurring API, create multiple charges.
        """
        async for batch in self._pace.paced(split(charges, per_call)):
            body = encoded(batch)
            key = derived_key(self._merchant, body, run)
            creation = call.write(
                "create charges",
                f"{AGREEMENTS_PATH}/charges",
                body=body,
                key=key,
                only_status=202,
                may_be_a_repeat=True,
                rules=RULES,
            )
            for verdict in await self._session.send(creation, partial(read_verdicts, asked=batch, key=key)):
                yield verdict if verdict.is_accepted else await self._looked_up(verdict)

    async def _looked_up(self, verdict: ChargeVerdict) -> ChargeVerdict:
        """Return a refusal, unless the charge is there: then an earlier run created it."""
        try:
            await self.get(verdict.agreement_id, verdict.order_id)
        except NotFound:
            return verdict
        return attrs.evolve(verdict, is_accepted=True)

    async def get(self, agreement_id: str, charge_id: str) -> Charge:
        """Return the charge as it stands.

        Args:
            agreement_id: whose charge it is.
            charge_id: the charge's.

        Raises:
            NotFound: there is none for this merchant serial number.
            CallError: as another of its subclasses.

        Source: Recurring API, get charge; 10 reads a minute for one charge.
        """
        asked = call.read("get charge", _path(agreement_id, charge_id), rules=RULES)
        return await self._session.send(asked, partial(read_charge, agreement_id=agreement_id, charge_id=charge_id))

    async def find(self, charge_id: str) -> Charge:
        """Return a charge of which the agreement is not known; for people who look something up, not for every charge.

        Args:
            charge_id: the charge's.

        Raises:
            NotFound: there is none for this merchant serial number.
            CallError: as another of its subclasses.

        Source: Recurring API, get charge by id; 100 a minute in all.
        """
        asked = call.read("find charge", f"{_CHARGES_PATH}/{check_charge_id(charge_id)}", rules=RULES)
        return await self._session.send(asked, partial(read_charge, charge_id=charge_id))

    async def list(self, agreement_id: str, status: ChargeStatus | str | None = None) -> AsyncIterator[Charge]:
        """Return the charges of an agreement, page by page: ``async for charge in charges.list(agreement_id)``.

        Args:
            agreement_id: whose charges.
            status: of those that are wanted; all by default. Collect all before you change any, or some may be passed
                over.

        Raises:
            InvalidRequest: an argument cannot be meant so.
            NotFound: there is no such agreement for this merchant serial number.
            CallError: as another of its subclasses.

        Source: Recurring API, list charges; 10 pages a minute for one agreement.
        """
        wanted = None if status is None else ChargeStatus(status)
        if wanted is not None and not wanted.is_known:
            raise InvalidRequest("status", str(wanted), f"must be one of {', '.join(ChargeStatus)}")
        query = {} if wanted is None else {"status": wanted.value}
        path, token = _charges_of(agreement_id), ""
        while True:
            headers = {_TOKEN: token} if token else {}
            asked = call.read("list charges", path, query=query, headers=headers, rules=RULES)
            read = partial(_read_page, agreement_id=agreement_id, before=token)
            charges, token = await read_page(partial(self._session.send_for_headers, asked, read))
            for charge in charges:
                yield charge
            if not token:
                return

    async def capture(
        self,
        agreement_id: str,
        charge_id: str,
        amount: Amount = ALL_THAT_REMAINS,
        *,
        idempotency_key: str | None = None,
    ) -> ChangedCharge:
        """Take what a charge has reserved, at the earliest when the goods are sent.

        Args:
            agreement_id: whose charge it is.
            charge_id: the charge's.
            amount: how much, in parts as often as wanted; leave it out to capture all that remains. ``None`` is
                refused, since it may come from a variable that was forgotten.
            idempotency_key: 1 to 40 characters of a-z, A-Z, 0-9 and -; a fresh one without it, because two equal
                captures are two captures. To repeat a capture whose outcome is unknown, give the key of the error. A
                capture of all that remains is then repeated with its first amount, if the charge's history tells it.

        Raises:
            InvalidRequest: nothing remains to capture, or an argument is malformed.
            BadRequest: its status does not allow it; ``problem.detail`` names that.
            OutcomeUnknown: repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: Recurring API, capture charge; 5 a minute for one charge.
        """
        path = f"{_path(agreement_id, charge_id)}/capture"
        if idempotency_key is not None:
            RULES.checked_key(idempotency_key)
        if amount is not ALL_THAT_REMAINS:
            body = requests.CaptureCharge(amount=check_given(amount))
            return await self._change("capture charge", path, body, idempotency_key, (agreement_id, charge_id))
        # One deadline for the read and the capture together.
        bounded = Charges(self._session.ending_at(time.monotonic() + self._session.timeout), self._polls)
        charge = await bounded.get(agreement_id, charge_id)
        remaining = amount_of_full_capture(charge, idempotency_key)
        return await bounded.capture(agreement_id, charge_id, remaining, idempotency_key=idempotency_key)

    async def refund(
        self,
        agreement_id: str,
        charge_id: str,
        amount: Amount,
        *,
        description: str,
        idempotency_key: str | None = None,
    ) -> ChangedCharge:
        """Give captured money back, within 365 days; this does not stop the agreement.

        Args:
            agreement_id: whose charge it is.
            charge_id: the charge's.
            amount: how much, in parts as often as wanted, up to ``charge.summary.left_to_refund``.
            description: 1 to 100 characters, why.
            idempotency_key: as for `capture`.

        Raises:
            InvalidRequest: an argument is malformed.
            BadRequest: more than was captured, or its status does not allow it; ``code`` tells which.
            OutcomeUnknown: repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: Recurring API, refund charge; 5 a minute for one charge.
        """
        body = requests.RefundCharge(amount=amount, description=description)
        path = f"{_path(agreement_id, charge_id)}/refund"
        return await self._change("refund charge", path, body, idempotency_key, (agreement_id, charge_id))

    async def cancel(self, agreement_id: str, charge_id: str, *, idempotency_key: str | None = None) -> ChangedCharge:
        """Cancel a charge that is not taken yet, or release what is reserved and not captured.

        Args:
            agreement_id: whose charge it is.
            charge_id: the charge's.
            idempotency_key: as for `capture`.

        Raises:
            InvalidRequest: an argument is malformed.
            BadRequest: its status does not allow it; ``problem.detail`` names that.
            OutcomeUnknown: repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: Recurring API, cancel charge; 5 a minute for one charge.
        """
        path = _path(agreement_id, charge_id)
        return await self._change(
            "cancel charge", path, None, idempotency_key, (agreement_id, charge_id), method="DELETE"
        )

    async def wait(
        self,
        agreement_id: str,
        charge_id: str,
        *,
        timeout: float | timedelta,
        until: Callable[[Charge], bool] = is_taken,
        signal: EventWatcher | None = None,
    ) -> Charge:
        """Return the charge once it is over with trying to take it, or once *until* holds for it.

        One that is CANCELLED, FAILED or REFUNDED is returned whatever *until* says. This is for UNSCHEDULED charges and
        for tests: what is due in some days is not waited for, but told by its events.

        Args:
            agreement_id: whose charge it is.
            charge_id: the charge's.
            timeout: seconds, or a timedelta.
            until: what to wait for, asked of each charge that is read; a plain function.
            signal: a `WebhookReceiver` in this process, or a signal that other processes' receivers announce their
                events on, by which it is read when an event came, and else once a minute instead of every 10 s.

        Raises:
            WaitTimeout: *until* does not hold yet; ``last`` is the last charge seen.
            InvalidRequest: an argument is malformed.
            NotFound: there is no such charge for this merchant serial number.
            CallError: as another of its subclasses, where waiting on cannot help.

        Source: Recurring API, rate limits: 10 reads a minute for one charge.
        """
        # Its events are its agreement's too, so that this is the subject.
        key = (self._merchant, check_agreement_id(agreement_id), check_charge_id(charge_id))
        read = partial(self._get_once, agreement_id, charge_id)
        return await wait_for(self._polls, CHARGE, key, read, timeout=timeout, until=until, signal=signal)

    async def _get_once(self, agreement_id: str, charge_id: str) -> Charge:
        # In one attempt: how soon the next comes is the poll's to say.
        return await Charges(self._session.attempting_once(), self._polls).get(agreement_id, charge_id)

    async def _change(
        self,
        operation: str,
        path: str,
        body: requests.CaptureCharge | requests.RefundCharge | None,
        given_key: str | None,
        ids: tuple[str, str],
        **facts: Any,
    ) -> ChangedCharge:
        key = call.fresh_key() if given_key is None else RULES.checked_key(given_key)
        change = call.write(
            operation,
            path,
            **{"body": None if body is None else encoded(body), **facts},
            key=key,
            expects_body=False,
            only_status=204,
            may_be_a_repeat=given_key is not None,
            rules=RULES,
        )
        await self._session.send(change, ignore)
        agreement_id, charge_id = ids
        amount = None if body is None else body.amount
        return ChangedCharge(agreement_id=agreement_id, charge_id=charge_id, amount=amount, idempotency_key=key)

    def _key_of(self, agreement_id: str, order_id: str | None, given_key: str | None) -> str:
        if given_key is not None:
            return RULES.checked_key(given_key)
        return call.fresh_key() if order_id is None else derived_key(self._merchant, agreement_id, order_id)

    @property
    def _merchant(self) -> str:
        # For whom alone an id is known.
        return self._session.headers["Merchant-Serial-Number"]


def _read_page(document: Any, headers: Mapping[str, str], agreement_id: str, before: str) -> tuple[list[Charge], str]:
    token = headers.get(_TOKEN, "")
    if token and token == before:
        raise InvalidReply("the page is followed by itself")
    return read_charges(document, agreement_id), token


def _charges_of(agreement_id: str) -> str:
    return f"{AGREEMENTS_PATH}/{check_agreement_id(agreement_id)}/charges"


def _path(agreement_id: str, charge_id: str) -> str:
    return f"{_charges_of(agreement_id)}/{check_charge_id(charge_id)}"
