"""The operations on agreements. Source: Recurring API v3."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from vipps_async._events import EventWatcher
from vipps_async._http import call
from vipps_async._http.polling import Polls
from vipps_async._http.reply import ignore
from vipps_async._http.session import ApiClient
from vipps_async._http.waiting import wait_for
from vipps_async._wire.bare_amounts import bare
from vipps_async._wire.converter import unstructure
from vipps_async._wire.json import encode
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount
from vipps_async.recurring import _request as requests
from vipps_async.recurring._agreement import Agreement, DraftedAgreement
from vipps_async.recurring._enums import AgreementStatus
from vipps_async.recurring._errors import RULES
from vipps_async.recurring._pages import read_page
from vipps_async.recurring._pricing import Campaign, Interval, Pricing
from vipps_async.recurring._replies import read_agreement, read_agreements, read_drafted
from vipps_async.recurring._rules import check_agreement_id, check_amount, derived_key
from vipps_async.recurring._wait import AGREEMENT, is_decided

AGREEMENTS_PATH = "/recurring/v3/agreements"
_MOST_ON_A_PAGE = 2000


def encoded(request: Any) -> bytes:
    """Return the bytes that send a request, in which amounts are bare numbers."""
    return encode(bare(unstructure(request)))


class Agreements:
    """Agreements: draft, read, change, stop; ``VippsClient.recurring.agreements``.

    Every method raises `InvalidRequest` for arguments that the API would refuse by their form, before anything is sent,
    and `CallError`, as one of its subclasses, for a call that ends without a result. A write that ends in silence
    raises `OutcomeUnknown`, which carries the idempotency key to repeat it with.

    Args:
        client: sends the calls.
        polls: reads agreements for those who wait.
    """

    def __init__(self, client: ApiClient, polls: Polls) -> None:
        self._session = client.session
        self._polls = polls

    async def create(
        self,
        *,
        pricing: Pricing,
        product_name: str,
        merchant_redirect_url: str,
        merchant_agreement_url: str | None = None,
        interval: Interval | None = None,
        product_description: str | None = None,
        phone_number: str | None = None,
        initial_charge: requests.InitialCharge | None = None,
        campaign: Campaign | None = None,
        scope: str | Iterable[str] | None = None,
        blocked_sources: Iterable[str] | None = None,
        is_app: bool | None = None,
        skip_landing_page: bool | None = None,
        external_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> DraftedAgreement:
        """Draft an agreement, and return where to send the user, who has 10 minutes to accept it.

        Args:
            pricing: `Pricing.legacy`, `Pricing.variable` or `Pricing.flexible`; its type can never change.
            product_name: 1 to 45 characters, the title of the agreement and of every charge.
            merchant_redirect_url: where the user comes back to, ``https://`` or a custom scheme, up to 2048 characters.
                Nothing is added to it, so put an identifier of your own in it.
            merchant_agreement_url: the page on which this agreement can be managed and stopped, up to 1024 characters;
                required in NOK, and recommended elsewhere.
            interval: of the price; leave it out for what is paid by use.
            product_description: 1 to 100 characters.
            phone_number: MSISDN, filled in on the landing page.
            initial_charge: what is paid when the user accepts.
            campaign: a lower price at first, with `Pricing.legacy` only.
            scope: details to ask the user for: ``"name email phoneNumber"``, or these words; all or nothing.
            blocked_sources: payment sources that are not taken: COMMERCIAL_CARDS.
            is_app: whether the confirmation URL opens the app at once; discouraged.
            skip_landing_page: whether the user is asked in the app at once; needs approval, and *phone_number*.
            external_id: 1 to 64 characters, the merchant's own.
            idempotency_key: 1 to 40 characters of a-z, A-Z, 0-9 and -. Without one, the key is derived from what is
                asked for, if that tells whose draft it is: by *external_id*, *phone_number*, an initial charge's
                ``order_id``, or a query in one of the URLs. Then a process that died can call again with the same
                arguments and gets the same agreement, also one that is over by now: draft anew for a user who comes
                back later, with another key. What tells nobody gets a fresh key, or two users would share an agreement.

        Raises:
            InvalidRequest: an argument breaks one of these rules.
            Forbidden: the sales unit may not do it; ``code`` tells what.
            OutcomeUnknown: no reply settled whether it exists; call again with the same arguments.
            CallError: as another of its subclasses.

        Source: Recurring API, draft agreement.
        """
        request = requests.DraftAgreement(
            pricing=pricing,
            interval=interval,
            product_name=product_name,
            product_description=product_description,
            merchant_redirect_url=merchant_redirect_url,
            merchant_agreement_url=merchant_agreement_url,
            phone_number=phone_number,
            initial_charge=initial_charge,
            campaign=campaign,
            scope=scope,
            payment_method=blocked_sources,
            is_app=is_app,
            skip_landing_page=skip_landing_page,
            external_id=external_id,
        )
        body = encoded(request)
        key = self._key_of(request, body, idempotency_key)
        is_repeatable = request.tells_whose or idempotency_key is not None
        draft = call.write(
            "create agreement", AGREEMENTS_PATH, body=body, key=key, may_be_a_repeat=is_repeatable, rules=RULES
        )
        drafted = await self._session.send(draft, partial(read_drafted, key=key))
        self._polls.note_creation(AGREEMENT, (self._merchant, drafted.agreement_id))
        return drafted

    async def get(self, agreement_id: str) -> Agreement:
        """Return the agreement as it stands.

        Args:
            agreement_id: the agreement's.

        Raises:
            NotFound: there is none for this merchant serial number.
            CallError: as another of its subclasses.

        Source: Recurring API, get agreement; 120 reads a minute for one agreement.
        """
        asked = call.read("get agreement", _path(agreement_id), rules=RULES)
        return await self._session.send(asked, partial(read_agreement, agreement_id=agreement_id))

    async def list(
        self,
        status: AgreementStatus | str = AgreementStatus.ACTIVE,
        *,
        created_after: datetime | None = None,
        page_size: int = _MOST_ON_A_PAGE,
    ) -> AsyncIterator[Agreement]:
        """Return the agreements of one status, page by page: ``async for agreement in agreements.list()``.

        Args:
            status: the API has no way to ask for all.
            created_after: an aware time, before which none is wanted.
            page_size: 1 to 2000 in one reply; a page that is read too soon is waited for. Pages are counted from the
                beginning: collect all before you change any, or some are passed over.

        Raises:
            InvalidRequest: an argument cannot be meant so.
            CallError: as one of its subclasses.

        Source: Recurring API, list agreements; 5 pages a minute.
        """
        query = _list_query(AgreementStatus(status), created_after, page_size)
        for number in itertools.count(1):
            asked = call.read(
                "list agreements", AGREEMENTS_PATH, query={**query, "pageNumber": str(number)}, rules=RULES
            )
            agreements = await read_page(partial(self._session.send, asked, read_agreements))
            for agreement in agreements:
                yield agreement
            if len(agreements) < page_size:
                return

    async def update(
        self,
        agreement_id: str,
        *,
        product_name: str | None = None,
        product_description: str | None = None,
        merchant_agreement_url: str | None = None,
        external_id: str | None = None,
        amount: Amount | None = None,
        suggested_max_amount: Amount | None = None,
        interval: Interval | None = None,
        without_interval: bool = False,
        idempotency_key: str | None = None,
    ) -> None:
        """Change an agreement that is ACTIVE; the user is neither asked nor told.

        Args:
            agreement_id: the agreement's.
            product_name: 1 to 45 characters.
            product_description: 1 to 100 characters.
            merchant_agreement_url: up to 1024 characters.
            external_id: 1 to 64 characters.
            amount: the new price, of `Pricing.legacy`; in the agreement's currency, which the API is not told.
            suggested_max_amount: the same of `Pricing.variable`.
            interval: the new one.
            without_interval: whether it is to have none any more.
            idempotency_key: as for `create`; a fresh one without it.

        Raises:
            InvalidRequest: nothing is to change, or an argument is malformed.
            BadRequest: the agreement is not ACTIVE; ``code`` tells.
            OutcomeUnknown: read the agreement, or repeat it with the error's key.
            CallError: as another of its subclasses.

        Source: Recurring API, update agreement; 5 a minute for one agreement.
        """
        if interval is not None and without_interval:
            raise InvalidRequest("interval", interval, "give either an interval or without_interval=True")
        request = requests.UpdateAgreement(
            product_name=product_name,
            product_description=product_description,
            merchant_agreement_url=merchant_agreement_url,
            external_id=external_id,
            pricing=_new_pricing(amount, suggested_max_amount),
            interval=_new_interval(interval, without_interval),
        )
        await self._patch("update agreement", _path(agreement_id), request, idempotency_key)

    async def stop(self, agreement_id: str, *, idempotency_key: str | None = None) -> None:
        """Stop an agreement for good, with all its charges that are not captured; stopping again does nothing.

        Args:
            agreement_id: the agreement's.
            idempotency_key: as for `create`; a fresh one without it.

        Raises:
            InvalidRequest: an argument is malformed.
            BadRequest: it is neither ACTIVE nor STOPPED.
            OutcomeUnknown: repeat it, since stopping twice is stopping once.
            CallError: as another of its subclasses.

        Source: Recurring API, stop agreement. Capture what is reserved before.
        """
        await self._patch("stop agreement", _path(agreement_id), requests.StopAgreement(), idempotency_key)

    async def force_accept(self, agreement_id: str, phone_number: str, *, idempotency_key: str | None = None) -> None:
        """Accept an agreement in the user's place; test environment and sandbox only.

        Args:
            agreement_id: the agreement's.
            phone_number: MSISDN of a test user.
            idempotency_key: as for `create`; a fresh one without it.

        Raises:
            InvalidRequest: an argument is malformed.
            CallError: as one of its subclasses.

        Source: Recurring API, force accept.
        """
        body = requests.AcceptAgreement(phone_number=phone_number)
        await self._patch("force accept", f"{_path(agreement_id)}/accept", body, idempotency_key)

    async def wait(
        self,
        agreement_id: str,
        *,
        timeout: float | timedelta,
        until: Callable[[Agreement], bool] = is_decided,
        signal: EventWatcher | None = None,
    ) -> Agreement:
        """Return the agreement once it is no longer PENDING, or once *until* holds for it.

        One that is STOPPED or EXPIRED is returned whatever *until* says: it never changes again.

        Args:
            agreement_id: the agreement's.
            timeout: seconds, or a timedelta; a user has 10 minutes to accept.
            until: what to wait for, asked of each agreement that is read; a plain function.
            signal: a `WebhookReceiver` in this process, or a signal that other processes' receivers announce their
                events on, by which it is read at once when an event came, and else once a minute instead of every 2 s.

        Raises:
            WaitTimeout: *until* does not hold yet; ``last`` is the last agreement seen.
            InvalidRequest: an argument is malformed.
            NotFound: there is no such agreement for this merchant serial number.
            CallError: as another of its subclasses, where waiting on cannot help.

        Source: Recurring API, polling: 5 s after the draft, then every 2 s, slower after a 429.
        """
        key = (self._merchant, check_agreement_id(agreement_id))
        read = partial(self._get_once, agreement_id)
        return await wait_for(self._polls, AGREEMENT, key, read, timeout=timeout, until=until, signal=signal)

    def _key_of(self, request: requests.DraftAgreement, body: bytes, given_key: str | None) -> str:
        if given_key is not None:
            return RULES.checked_key(given_key)
        return derived_key(self._merchant, body) if request.tells_whose else call.fresh_key()

    async def _get_once(self, agreement_id: str) -> Agreement:
        # In one attempt: how soon the next comes is the poll's to say.
        return await Agreements(self._session.attempting_once(), self._polls).get(agreement_id)

    async def _patch(self, operation: str, path: str, request: Any, given_key: str | None) -> None:
        key = call.fresh_key() if given_key is None else RULES.checked_key(given_key)
        patch = call.write(
            operation,
            path,
            method="PATCH",
            body=encoded(request),
            key=key,
            expects_body=False,
            only_status=204,
            may_be_a_repeat=given_key is not None,
            rules=RULES,
        )
        await self._session.send(patch, ignore)

    @property
    def _merchant(self) -> str:
        # For whom alone an id is known.
        return self._session.headers["Merchant-Serial-Number"]


def _path(agreement_id: str) -> str:
    return f"{AGREEMENTS_PATH}/{check_agreement_id(agreement_id)}"


def _list_query(status: AgreementStatus, created_after: datetime | None, page_size: int) -> dict[str, str]:
    if not status.is_known:
        raise InvalidRequest("status", str(status), f"must be one of {', '.join(AgreementStatus)}")
    if type(page_size) is not int or not 1 <= page_size <= _MOST_ON_A_PAGE:
        raise InvalidRequest("page_size", page_size, f"must be 1 to {_MOST_ON_A_PAGE}")
    query = {"status": status.value, "pageSize": str(page_size)}
    if created_after is None:
        return query
    if not isinstance(created_after, datetime) or created_after.utcoffset() is None:
        raise InvalidRequest("created_after", created_after, "must be a datetime with a time zone")
    return {**query, "createdAfter": str(int(created_after.timestamp() * 1000))}


def _new_pricing(amount: Amount | None, suggested_max_amount: Amount | None) -> requests.PricingUpdate | None:
    if amount is None and suggested_max_amount is None:
        return None
    if amount is not None and suggested_max_amount is not None:
        raise InvalidRequest("suggested_max_amount", suggested_max_amount, "an agreement has it or an amount, not both")
    if amount is not None:
        return requests.PricingUpdate(amount=check_amount(amount))
    return requests.PricingUpdate(suggested_max_amount=check_amount(suggested_max_amount, "suggested_max_amount"))


def _new_interval(interval: Interval | None, without: bool) -> requests.IntervalUpdate | None:  # noqa: FBT001 - one of two
    if without:
        return requests.IntervalUpdate(type="FLEXIBLE")
    if interval is None:
        return None
    if not isinstance(interval, Interval):
        raise InvalidRequest("interval", interval, 'must be an Interval, such as Interval("MONTH")')
    return requests.IntervalUpdate(type="RECURRING", period=interval)
