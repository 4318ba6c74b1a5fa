"""State tables of the sandbox as diagrams in the language that pages of documentation are drawn from."""

from collections.abc import Mapping
from typing import Any


def state_diagram(table: Mapping[tuple[Any, Any], Any], first: str) -> str:
    """Return the diagram of a table that begins in *first*; actions between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, action), transition in table.items():
        arrows.setdefault((state.value, transition.state.value), []).append(action.value)
    lines = [f"    {before} --> {after}: {', '.join(actions)}" for (before, after), actions in arrows.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {first}", *lines])
