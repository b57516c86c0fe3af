"""Where in a Python file something was written, so that a message can point at it as at a line of YAML.

What is built in Python remembers the call that made it: Python 3.11 knows line and column of every call. The places of
the arguments inside that call are looked up in the source text, once they are asked for: a literal has its own place,
anything else the place of the expression that stands for it.

Left out: what has no source text (a frozen program, `exec` of a string) and what was made from a loop or a function.
That has the place of the call.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

from fsm.errors import Place


def caller() -> Place:
    """Where the class was called whose `__init__` calls this function: the frame outside of that `__init__`."""
    frame = sys._getframe(2)
    code = frame.f_code
    # one entry for each two-byte instruction
    line, _, column, _ = next(islice(code.co_positions(), frame.f_lasti // 2, None), (None, None, None, None))
    return Place(code.co_filename, line or frame.f_lineno, (column or 0) + 1)


def arguments(at: Place, positional: tuple[str, ...]) -> Mapping[str, ast.expr]:
    """The expressions that were given to the call at a place, by the name of the argument.

    Arguments:
        at: the place of the call.
        positional: the names of the arguments that may be given by position, in their order.
    """
    call = _calls("".join(linecache.getlines(at.file))).get((at.line, at.column - 1))
    if call is None:
        return {}
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    starred = any(isinstance(given, ast.Starred) for given in call.args)
    return named if starred else dict(zip(positional, call.args, strict=False)) | named


def inside(node: ast.expr | None, key: object) -> ast.expr | None:
    """The expression of one entry of a literal mapping (`key` is its key) or list (`key` is its index)."""
    if isinstance(node, ast.Dict):
        found = (
            v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant) and k.value == key
        )
        return next(found, None)
    if isinstance(node, ast.List | ast.Tuple) and isinstance(key, int) and key < len(node.elts):
        return None if any(isinstance(element, ast.Starred) for element in node.elts) else node.elts[key]
    return None


def place(node: ast.expr | None, otherwise: Place) -> Place:
    """Where an expression stands in the file of `otherwise`, which is the answer where there is none."""
    return otherwise if node is None else Place(otherwise.file, node.lineno, node.col_offset + 1)


@lru_cache(maxsize=8)
def _calls(text: str) -> Mapping[tuple[int, int], ast.Call]:
    """Every call of a source text by line and column; of calls that begin together, the innermost."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    # the walk meets outer nodes first
    return {(node.lineno, node.col_offset): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
