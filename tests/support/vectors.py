"""The wire documents under ``vectors``: documented ones, and some made to fit the documentation."""

import json
from pathlib import Path
from typing import Any

_VECTORS = Path(__file__).parent.parent / "vectors"


def document(name: str) -> Any:
    """Return the decoded document *name*."""
    return json.loads((_VECTORS / f"{name}.json").read_text("utf-8"))


def body(name: str) -> bytes:
    """Return the document *name* as it travels: compact UTF-8."""
    return json.dumps(document(name), ensure_ascii=False, separators=(",", ":")).encode()


def names(pattern: str) -> list[str]:
    """Return the names of the documents that match *pattern*."""
    found = sorted(path.stem for path in _VECTORS.glob(f"{pattern}.json"))
    assert found, pattern
    return found
