"""The changes that can be made to a module, each as an edit of its text."""

import ast
from collections.abc import Iterator
from itertools import pairwise

import attrs

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
# What a reader is shown, and what no test can tell from another text.
_SHOWN = frozenset({"__repr__", "__str__", "__dir__"})
# Whether an attribute is shown, and what type checkers are told.
_OF_NO_CALLER = frozenset({"repr", "covariant", "kw_only"})
_LOGS = frozenset({"_logger", "_log"})


@attrs.frozen(kw_only=True)
class Mutant:
    """A changed module.

    Attributes:
        module: its path, relative to the package.
        line: where the change is, from 1 on.
        before: what stood there.
        after: what stands there now.
        text: the whole line as it was, without what it is indented by.
        source: the whole changed module.
    """

    module: str
    line: int
    before: str
    after: str
    text: str = attrs.field(repr=False)
    source: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before!r} -> {self.after!r}"


@attrs.frozen
class _Edit:
    """Replace the text from one place to another: (line, column in bytes), lines from 1 on."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module that compiles."""
    lines = source.encode().splitlines(keepends=True)
    tree = ast.parse(source)
    readings = _readings(tree)
    for edit in _edits(tree, lines, readings):
        changed, before = _applied(lines, edit)
        try:
            compile(changed, module, "exec")
        except SyntaxError:
            continue
        line = edit.start[0]
        text = lines[line - 1].decode().strip()
        yield Mutant(module=module, line=line, before=before, after=edit.text, text=text, source=changed)


def _applied(lines: list[bytes], edit: _Edit) -> tuple[str, str]:
    start, end = _offset(lines, edit.start), _offset(lines, edit.end)
    whole = b"".join(lines)
    return (whole[:start] + edit.text.encode() + whole[end:]).decode(), whole[start:end].decode()


def _offset(lines: list[bytes], place: tuple[int, int]) -> int:
    return sum(map(len, lines[: place[0] - 1])) + place[1]


def _readings(tree: ast.Module) -> frozenset[str]:
    """Return the names that hold what the machine's own monotonic clock showed."""
    return frozenset(
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_reading(node.value, frozenset())
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def _is_reading(node: ast.expr, names: frozenset[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="monotonic")):
            return True
        case _:
            return False


def _edits(tree: ast.Module, lines: list[bytes], readings: frozenset[str]) -> Iterator[_Edit]:
    for node in _deciding(tree):
        yield from _of_operators(node, readings)
        match node:
            case ast.Constant(value=bool() as value):
                yield _Edit(_start(node), _end(node), str(not value))
            case ast.Constant(value=int() | float() as value):
                yield _Edit(_start(node), _end(node), str(value + 1))
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                yield _Edit(_start(test), _end(test), f"(not ({_text(lines, test)}))")
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise(exc=ast.Call()):
                yield _Edit(_start(node), _end(node), "pass")
            case _:
                pass


def _of_operators(node: ast.expr | ast.stmt, readings: frozenset[str]) -> Iterator[_Edit]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for operator, (one, other) in zip(ops, pairwise([left, *comparators]), strict=True):
                # Only the very nanosecond would tell `<` from `<=`. A clock that is passed in can be set to it, and its
                # comparisons are changed as all others are.
                if isinstance(operator, _ORDERS) and (_is_reading(one, readings) or _is_reading(other, readings)):
                    continue
                yield _between(one, other, f" {_COMPARISONS[type(operator)]} ")
        case ast.BoolOp(op=operator, values=values):
            for one, other in pairwise(values):
                yield _between(one, other, " or " if isinstance(operator, ast.And) else " and ")
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            yield _between(left, right, f" {_OPERATORS[type(operator)]} ")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield _Edit(_start(node), _start(operand), "")
        case _:
            pass


def _deciding(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Yield what decides something when the module runs: no annotations, no log lines, nothing that is only shown."""
    for child in ast.iter_child_nodes(tree):
        match child:
            case _ if _decides_nothing(child):
                continue
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _in_function(child)
            case ast.ClassDef(body=body):  # without its decorators: what they forbid, type checkers find
                yield from _deciding(ast.Module(body=body, type_ignores=[]))
            case ast.AnnAssign(value=value):
                if value is not None:
                    yield from _with_self(value)
            case ast.expr() | ast.stmt():
                yield from _with_self(child)
            case _:
                yield from _deciding(child)


def _decides_nothing(node: ast.AST) -> bool:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name in _SHOWN
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name in _LOGS
        case ast.keyword(arg=name):
            return name in _OF_NO_CALLER
    return False


def _in_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr | ast.stmt]:
    for default in (*function.args.defaults, *filter(None, function.args.kw_defaults)):
        yield from _with_self(default)
    for statement in function.body:
        yield from _deciding(ast.Module(body=[statement], type_ignores=[]))


def _with_self(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    yield node
    yield from _deciding(node)


def _start(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _between(one: ast.expr, other: ast.expr, text: str) -> _Edit:
    return _Edit(_end(one), _start(other), text)


def _text(lines: list[bytes], node: ast.expr) -> str:
    return b"".join(lines)[_offset(lines, _start(node)) : _offset(lines, _end(node))].decode()
