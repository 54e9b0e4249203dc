"""Derived columns: a small grammar of columns, numbers and texts, translated to SQL and never executed as code."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unseen.core.engine import connect
from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.schema import Categorical, Range, Schema
from unseen.core.snapshot import literal, quoted, source_relation

__all__ = ["derived", "translate"]

GRAMMAR = "column names, column('any name'), numbers, 'texts', + - * /, == != < <= > >=, and, or, not and brackets"
LONGEST, DEEPEST = 2000, 100
ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def translate(expression: str, columns: Mapping[str, str]) -> str:
    """The SQL of an expression; whatever cannot be computed in a row is NULL there, and so counts as missing.

    Args:
        expression: such as ``"affairs > 0"``; a condition gives ``true`` or ``false``.
        columns: names of the columns that may be used, and their SQL.

    Raises:
        InvalidRequest: it is not in the grammar.

    >>> translate("a > 0", {"a": '"a"'})
    'TRY(((nullif(TRY_CAST("a" AS DOUBLE), \\'nan\\'::DOUBLE)) > (0.0::DOUBLE)))'
    """
    if len(expression) > LONGEST:
        raise InvalidRequest(f"an expression of {len(expression)} characters was given", f"at most {LONGEST}")
    return f"TRY({_Translator(expression, columns).any(_parsed(expression))})"


def _parsed(expression: str) -> ast.expr:
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        if max(_depths(tree)) <= DEEPEST:
            return tree.body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    hint = "==" if "=" in expression and "==" not in expression else ""
    raise InvalidRequest(f"{expression[:60]!r} cannot be read", f"an expression of {GRAMMAR}", hint)


def _depths(tree: ast.AST) -> Iterator[int]:
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        yield depth
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1


class _Translator:
    def __init__(self, expression: str, columns: Mapping[str, str]) -> None:
        self.expression, self.columns = expression, columns

    def refuse(self, node: ast.AST) -> InvalidRequest:
        part = ast.get_source_segment(self.expression.strip(), node) or self.expression
        return InvalidRequest(f"{part!r} was asked for", f"an expression has {GRAMMAR}")

    def any(self, node: ast.expr) -> str:
        """A condition or a number."""
        return self.condition(node) if _is_condition(node) else self.number(node)

    def condition(self, node: ast.expr) -> str:
        match node:
            case ast.BoolOp(op=op, values=values):
                word = " AND " if isinstance(op, ast.And) else " OR "
                return f"({word.join(map(self.condition, values))})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(NOT {self.condition(operand)})"
            case ast.Compare(left=left, ops=ops, comparators=right):
                sides = [left, *right]
                pairs = zip(sides[:-1], ops, sides[1:], strict=True)
                return f"({' AND '.join(self.compared(a, op, b, node) for a, op, b in pairs)})"
        raise self.refuse(node)

    def compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.expr) -> str:
        if type(op) not in COMPARISON:
            raise self.refuse(node)
        side: Callable[[ast.expr], str] = self.text if _is_text(left) or _is_text(right) else self.number
        return f"({side(left)}) {COMPARISON[type(op)]} ({side(right)})"

    def text(self, node: ast.expr) -> str:
        if _is_text(node):
            return literal(node.value)  # type: ignore[attr-defined]
        return f"CAST({self.column(node)} AS VARCHAR)"

    def number(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
                if not math.isfinite(float(value)):
                    raise self.refuse(node)
                return f"{float(value)!r}::DOUBLE"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-({self.number(operand)}))"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                return f"(({self.number(left)}) {ARITHMETIC[type(op)]} ({self.number(right)}))"
            case ast.Name() | ast.Call():
                return f"nullif(TRY_CAST({self.column(node)} AS DOUBLE), 'nan'::DOUBLE)"
        raise self.refuse(node)

    def column(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                pass
            case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))], keywords=[]):
                pass
            case _:
                raise self.refuse(node)
        if name not in self.columns:
            raise InvalidRequest(f"column {name!r} was asked for", f"the data have {shown(self.columns)}")
        return self.columns[name]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_condition(node: ast.expr) -> bool:
    return isinstance(node, (ast.BoolOp, ast.Compare)) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def derived(source: Any, expressions: Mapping[str, str], schema: Schema) -> Any:
    """The source with further columns, as an Arrow table.

    Args:
        source: what ``un.protect`` takes.
        expressions: new column's name to its expression.
        schema: the declaration; decides how the texts of a csv file are read.

    Raises:
        InvalidRequest: an expression is not in the grammar, or a new name is taken.
        DataFault: the source cannot be read.
    """
    import duckdb

    connection = connect()
    # Read first, computed on afterwards: DuckDB may push a TRY_CAST into its csv reader, where it fails.
    relation = connection.from_arrow(_arrow(source_relation(connection, source)))
    texts = isinstance(source, (str, Path)) and all(str(kind) == "VARCHAR" for kind in relation.types)
    stored = {name: quoted(name) for name in relation.columns}
    taken = [name for name in expressions if name.lower() in {one.lower() for one in stored}]
    if taken:
        raise InvalidRequest(f"{shown(taken)} was derived", "a name that the data do not have yet")
    parts = [f"{_read(name, schema) if texts else sql} AS {sql}" for name, sql in stored.items()]
    parts += [f"{translate(text, stored)} AS {quoted(name)}" for name, text in expressions.items()]
    relation.create_view("given")
    try:
        return _arrow(connection.sql(f"SELECT {', '.join(parts)} FROM given"))
    except duckdb.Error as error:
        raise DataFault(
            f"the derived columns could not be computed ({type(error).__name__})", "readable columns"
        ) from None


def _arrow(relation: Any) -> Any:
    found = relation.arrow()
    return found.read_all() if hasattr(found, "read_all") else found


def _read(name: str, schema: Schema) -> str:
    """A csv file's column in the type that its declaration asks for, as ``un.protect`` itself reads it."""
    column, number = quoted(name), f"TRY_CAST({quoted(name)} AS DOUBLE)"
    domain = schema.columns.get(name)
    if isinstance(domain, Range):
        return number
    if isinstance(domain, Categorical):
        listed = ", ".join(map(literal, domain.values))
        whole = f"{number} = floor({number}) AND abs({number}) < 1e15 AND {column} NOT IN ({listed})"
        return f"CASE WHEN {whole} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE {column} END"
    return column
