"""What `mpcsfaas demo` computes: how big and how branched a Python source file is.

It runs in the workers, and travels there by value.
"""

import ast

LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
BRANCHES = (ast.If, ast.IfExp, ast.BoolOp, ast.ExceptHandler, ast.match_case, *LOOPS)
"""Where a program can go one way or another."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


Measures = tuple[int, int, int, str, int]
"""Lines, functions, branches, and the name and lines of the longest function: plain data, the quickest to send."""


def analyse(path: str) -> Measures:
    """Read a file and measure it. Raises `OSError`, and `SyntaxError` for what this Python cannot parse."""
    with open(path, "rb") as file:
        source = file.read()
    nodes = list(ast.walk(ast.parse(source, path)))
    functions = [node for node in nodes if isinstance(node, FUNCTIONS)]
    branches = sum(isinstance(node, BRANCHES) for node in nodes)
    lengths = [((each.end_lineno or 0) - each.lineno + 1, each.name) for each in functions]
    longest, name = max(lengths, default=(0, ""))
    return len(source.splitlines()), len(functions), branches, name, longest
