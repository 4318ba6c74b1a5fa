"""Runs the handlers of an event under its claim, so that it takes effect once, one event of a payment at a time."""

import asyncio
import time
from weakref import WeakValueDictionary

from vipps_async.epayment import PaymentEvent
from vipps_async.errors import ClaimHeld
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks._notices import Notices, Stage
from vipps_async.webhooks._router import Router
from vipps_async.webhooks.stores.base import Claim, EventStore


class Dispatcher:
    """Claims events in *store* by *identity*'s keys, and hands them to the handlers that *router* names."""

    def __init__(self, store: EventStore, router: Router, notices: Notices, identity: Identity) -> None:
        self._store = store
        self._router = router
        self._notices = notices
        self._identity = identity
        self._in_hand: set[str] = set()
        # Held weakly, so that only subjects with an event under way have a lock.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle_once(self, event: PaymentEvent, *, attempt: int = 1) -> None:
        """Let *event* take effect, unless it did before.

        Raises:
            ClaimHeld: it is being handled elsewhere.
            BaseException: whatever a handler or the store raised; the event has to come again.
        """
        key = self._identity.key(event)
        if key in self._in_hand:
            raise ClaimHeld(key)
        self._in_hand.add(key)
        begun = time.monotonic()
        try:
            stage = await self._in_turn(event, key)
        except ClaimHeld:
            raise
        except BaseException as error:
            self._tell_end(Stage.FAILED, event, begun, attempt, error)
            raise
        finally:
            self._in_hand.discard(key)
        self._tell_end(stage, event, begun, attempt)

    async def _in_turn(self, event: PaymentEvent, key: str) -> Stage:
        # The turn comes first: events that wait for it must not hold a connection of the store's meanwhile.
        async with self._turn_of(event), self._store.claim(key) as claim:
            if claim.is_duplicate:
                return Stage.DUPLICATE
            await self._dispatch(event, claim)
        return Stage.HANDLED

    def _turn_of(self, event: PaymentEvent) -> asyncio.Lock:
        return self._turns.setdefault(self._identity.subject(event), asyncio.Lock())

    async def _dispatch(self, event: PaymentEvent, claim: Claim) -> None:
        for route in self._router.routes_for(event.name, success=event.success):
            await (route.handler(event, claim) if route.takes_claim else route.handler(event))

    def _tell_end(
        self, stage: Stage, event: PaymentEvent, begun: float, attempt: int, error: BaseException | None = None
    ) -> None:
        self._notices.tell(stage, event=event, error=error, seconds=time.monotonic() - begun, attempt=attempt)
