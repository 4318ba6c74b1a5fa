"""Several texts as one, such that no two lists of texts give the same one. Performs no I/O."""


def netstrings(*texts: str) -> str:
    """Return ``length:text,`` for each of *texts*, one after the other.

    Source: D. J. Bernstein, Netstrings; lengths are those of the text, in characters.
    """
    return "".join(f"{len(text)}:{text}," for text in texts)
