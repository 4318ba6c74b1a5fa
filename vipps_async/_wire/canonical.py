"""One form for what can be spelled in several ways and means the same, so that the same request has the same bytes.

The API compares bodies of one idempotency key, and the key of a creation is derived from its body: a process that
repeats it must not end in a conflict because its sets iterate in another order. What is malformed is returned as it is,
for the field's validator to refuse. Times are written in UTC by the converter.
"""

from collections.abc import Mapping


def metadata(pairs: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return *pairs* as plain texts, ordered by their keys; ``None`` if there are none."""
    if not isinstance(pairs, Mapping) or not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        return pairs
    # Not str(): what a text enum, or text that is marked as safe, shows there may be something else.
    return {str.__str__(key): str.__str__(pairs[key]) for key in sorted(pairs)} or None


def words(text: str) -> str:
    """Return the words of *text*, each once and in alphabetical order."""
    return " ".join(sorted(set(text.split())))
