"""What `mpcsfaas demo` computes: how big and how branched a Python source file is.

It runs in the workers, and travels there by value.
"""

import ast
from typing import NamedTuple

LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
BRANCHES = (ast.If, ast.IfExp, ast.BoolOp, ast.ExceptHandler, ast.match_case, *LOOPS)
"""Where a program can go one way or another."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class LongestFunction(NamedTuple):
    """The function with the most lines; the first of them, if several have as many."""

    name: str = ""
    lines: int = 0


class Analysis(NamedTuple):
    """The measures of one file."""

    path: str
    lines: int
    functions: int
    branches: int
    longest: LongestFunction


def analyse(path: str) -> Analysis:
    """Read a file and measure it. Raises `OSError`, and `SyntaxError` for what this Python cannot parse."""
    with open(path, "rb") as file:
        source = file.read()
    nodes = list(ast.walk(ast.parse(source, path)))
    functions = [node for node in nodes if isinstance(node, FUNCTIONS)]
    branches = sum(isinstance(node, BRANCHES) for node in nodes)
    lengths = (LongestFunction(each.name, (each.end_lineno or 0) - each.lineno + 1) for each in functions)
    longest = max(lengths, key=lambda function: function.lines, default=LongestFunction())
    return Analysis(path, len(source.splitlines()), len(functions), branches, longest)
