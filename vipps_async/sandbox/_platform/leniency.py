"""What a request is let pass with, although the documents do not allow it: what clients in production evidently send.

Each request has its own `Leniency`, which keeps a note of everything that was ignored or amended, so that whoever wants
to send what is documented can see what is not. A strict sandbox lets nothing pass. Performs no I/O.
"""

_MOST_NOTES = 100  # a sender chooses how many unknown members there are
_LONGEST = 200  # characters, and how long their names are


class Leniency:
    """The leniency of one request.

    Args:
        strict: whether what the documents do not allow is refused.
    """

    def __init__(self, *, strict: bool) -> None:
        self.is_strict = strict
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noted, in order."""
        return tuple(self._notes)

    def allows(self, what: str) -> bool:
        """Let *what* pass, and note it; ``False``, and no note, where the documents are held to."""
        if not self.is_strict:
            self.note(what)
        return not self.is_strict

    def note(self, what: str) -> None:
        """Note what works here, and is worth knowing."""
        if len(self._notes) < _MOST_NOTES:
            self._notes[what[:_LONGEST]] = None
