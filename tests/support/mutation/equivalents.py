"""Changes that no test can notice, since nothing that is promised depends on them: each with its reason.

What is here is left out of the choice, one number on one line at a time, and never a condition or a module. A row whose
line is gone fails a test. Comparisons of clock readings are left out by a rule, which `mutants` explains.
"""

from collections.abc import Mapping

from tests.support.mutation.mutants import Mutant

_SHOWN = "how many characters are shown of a foreign text"
_SPREAD = "a size that spreads work over time, and changes no result"
_LONG_PAST = "long past on the monotonic clock, which began with the machine; so is a second later"
_BOUND = "a bound on other people's code that is no promise: a second more is a bound too"

# (module, beginning of the line, number) -> reason.
EQUIVALENT: Mapping[tuple[str, str, str], str] = {
    ("_http/reply.py", "_EXCERPT, _TEXT, _NAME =", "200"): _SHOWN,
    ("_http/reply.py", "_EXCERPT, _TEXT, _NAME =", "500"): _SHOWN,
    ("_http/reply.py", "_EXCERPT, _TEXT, _NAME =", "100"): _SHOWN,
    ("_http/reply.py", "_FIELDS =", "20"): _SHOWN,
    ("_http/transport.py", "_EXCERPT =", "200"): _SHOWN,
    ("_http/transport.py", "_LARGEST_REPLY =", "1024"): "a bound in memory: 8 KiB more are no more to fear",
    ("_http/token.py", "_CANCELLATIONS, _CANCEL_AGAIN_AFTER =", "3"): _BOUND,
    ("_http/token.py", "_CANCELLATIONS, _CANCEL_AGAIN_AFTER =", "1.0"): _BOUND,
    ("_http/polling.py", "self._not_before = 0.0", "0.0"): _LONG_PAST,
    ("_http/polling.py", "self._poll_from = 0.0", "0.0"): _LONG_PAST,
    ("_http/polling.py", "self._awake_until = 0.0", "0.0"): _LONG_PAST,
    ("_remaining.py", "ALL_THAT_REMAINS:", "0"): "told by identity, whatever amount it holds",
    ("webhooks/_delivered.py", "_SHOWN, _KEY_SHOWN =", "200"): _SHOWN,
    ("webhooks/_delivered.py", "_SHOWN, _KEY_SHOWN =", "300"): _SHOWN,
    ("webhooks/_inbox.py", "_KEPT_OF_ERROR =", "1000"): _SHOWN,
    ("webhooks/_inbox.py", "_SECONDS_TO_GIVE_BACK =", "5.0"): _BOUND,
    ("webhooks/stores/memory.py", "_SHARDS =", "8"): _SPREAD,
    ("webhooks/stores/memory.py", "_FORGOTTEN_A_CLAIM =", "2"): _SPREAD,
    ("webhooks/stores/_sqlite_thread.py", "_CLOSE_TIMEOUT =", "5.0"): _BOUND,
    (
        "webhooks/stores/redis.py",
        "owner: str =",
        "8",
    ): "random bytes of a name that nobody else has: 9 tell it apart, too",
    ("webhooks/stores/postgres.py", "_EVENTS_A_PURGE =", "16"): _SPREAD,
    ("webhooks/stores/postgres.py", "_ROWS_A_PURGE =", "64"): _SPREAD,
    ("webhooks/stores/postgres.py", "_PURGE_TIMEOUT =", "1"): _BOUND,
}


def is_equivalent(mutant: Mutant) -> bool:
    """Whether *mutant* is one of the table's changes."""
    return any(
        mutant.module == module and mutant.text.startswith(beginning) and mutant.before == number
        for module, beginning, number in EQUIVALENT
    )
