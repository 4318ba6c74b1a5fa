"""What the sandbox has to do, once more and as plainly as can be: the reference that it is compared with.

Sources: ePayment API, payment states, error codes; knowledge base, idempotency.
"""

from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import Any

import attrs

BY_USER = ("approve", "reject", "go_back", "expire")

# (operation, state) -> the error code that forbids it
REFUSALS = {
    **{("capture", state): "6200" for state in ("ABORTED", "EXPIRED")},
    **{("refund", state): "6210" for state in ("ABORTED", "EXPIRED", "TERMINATED")},
    **{("cancel", state): "6190" for state in ("ABORTED", "EXPIRED", "TERMINATED")},
    **{(action, state): action for action in BY_USER for state in ("AUTHORIZED", "ABORTED", "EXPIRED", "TERMINATED")},
    ("capture", "CREATED"): "6080",
    ("capture", "TERMINATED"): "6070",
    ("refund", "CREATED"): "6020",
}
ENDS = {"reject": "ABORTED", "go_back": "ABORTED", "expire": "EXPIRED", "cancel": "TERMINATED"}
CONFLICTS = {"create": "4020", "capture": "4010", "refund": "4150"}
REFERENCE_TAKEN, NO_SUCH_PAYMENT = "4150", "5090"

Log = tuple[tuple[str, int, str | None], ...]  # event, amount, idempotency key
Outcome = str | tuple[str, int, int, int, int]  # an error code, or the state and the totals


@attrs.frozen(kw_only=True)
class Operation:
    """What somebody does; the user has no key, and a cancellation no amount."""

    name: str
    reference: str
    amount: int = 0
    key: str = ""


@attrs.frozen(kw_only=True)
class Account:
    """A payment: its state, its totals, and its log."""

    amount: int
    state: str = "CREATED"
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    cancelled: int = 0
    log: Log = ()

    @property
    def totals(self) -> tuple[str, int, int, int, int]:
        """What a modification is answered."""
        return self.state, self.authorized, self.captured, self.refunded, self.cancelled

    def after(self, event: str, amount: int, key: str | None, **changes: Any) -> "Account":
        """Return the account with one more event."""
        return attrs.evolve(self, log=(*self.log, (event, amount, key)), **changes)


_Answered = dict[tuple[str, str, str], tuple[Operation, Outcome]]


@attrs.frozen
class Books:
    """All accounts, and what each idempotency key was answered. Never changes: an operation makes other books."""

    accounts: dict[str, Account] = attrs.field(factory=dict)
    answered: _Answered = attrs.field(factory=dict)

    @property
    def logs(self) -> dict[str, Log]:
        """Every account's log."""
        return {reference: account.log for reference, account in self.accounts.items()}

    def after(self, operation: Operation) -> "tuple[Books, Outcome]":
        """Return the books after *operation*, and its outcome: an error code, or the totals."""
        if operation.name in BY_USER:
            return self._perform(operation)
        scope = (operation.name, operation.key, "" if operation.name == "create" else operation.reference)
        if scope in self.answered:
            first, outcome = self.answered[scope]
            return self, outcome if first == operation else CONFLICTS[operation.name]
        books, outcome = self._perform(operation)
        return attrs.evolve(books, answered={**books.answered, scope: (operation, outcome)}), outcome

    def after_all(self, operations: Iterable[Operation]) -> "tuple[Books, list[Outcome]]":
        """Return the books after one operation after the other, and their outcomes."""
        books, outcomes = self, []
        for operation in operations:
            books, outcome = books.after(operation)
            outcomes.append(outcome)
        return books, outcomes

    def explanations(self, operations: list[Operation], outcomes: list[Outcome]) -> "Iterator[Books]":
        """Yield the books after each order in which concurrent *operations* would have had these *outcomes*."""
        for order in permutations(range(len(operations))):
            books, found = self.after_all(operations[index] for index in order)
            if found == [outcomes[index] for index in order]:
                yield books

    def _perform(self, operation: Operation) -> "tuple[Books, Outcome]":
        account = self.accounts.get(operation.reference)
        if operation.name == "create":
            done = REFERENCE_TAKEN if account else _opened(operation)
        elif account is None:
            done = NO_SUCH_PAYMENT
        else:
            done = REFUSALS.get((operation.name, account.state)) or _done(operation, account)
        if isinstance(done, str):
            return self, done
        return attrs.evolve(self, accounts={**self.accounts, operation.reference: done}), done.totals


def _opened(operation: Operation) -> Account:
    return Account(amount=operation.amount, log=(("CREATED", operation.amount, operation.key),))


def _done(operation: Operation, account: Account) -> Account | str:
    if account.state == "AUTHORIZED":
        return {"capture": _captured, "refund": _refunded, "cancel": _cancelled}[operation.name](operation, account)
    created_with = account.log[0][2]
    if operation.name == "approve":
        return account.after("AUTHORIZED", account.amount, created_with, state="AUTHORIZED", authorized=account.amount)
    state = ENDS[operation.name]
    released = account.amount if state == "TERMINATED" else 0
    return account.after(state, account.amount, created_with, state=state, cancelled=released)


def _captured(operation: Operation, account: Account) -> Account | str:
    left = account.authorized - account.captured - account.cancelled
    if not left:
        return "6070" if account.cancelled else "6170"
    if operation.amount > left:
        return "6090"
    return account.after("CAPTURED", operation.amount, operation.key, captured=account.captured + operation.amount)


def _refunded(operation: Operation, account: Account) -> Account | str:
    left = account.captured - account.refunded
    if account.captured and not left:
        return "6180"
    if operation.amount > left:
        return "6150"
    return account.after("REFUNDED", operation.amount, operation.key, refunded=account.refunded + operation.amount)


def _cancelled(operation: Operation, account: Account) -> Account | str:
    left = account.authorized - account.captured - account.cancelled
    if not left:
        return "6050" if account.cancelled else "6040"
    return account.after("CANCELLED", left, operation.key, cancelled=account.cancelled + left)
