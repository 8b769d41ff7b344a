"""Versions of the code that makes files: a table or figure is made anew when its own code changes, and trains nothing.

What identifies a run is not here but in `subtuning.runs.numbers`.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

MAKERS = {
    "layers": ("backbones/*.py",),
    "tables": ("analysis/*.py", "analysis/tables/*.py", "search/**/*.py"),
    "answer": ("analysis/answer/*.py", "analysis/pages/*.py"),
    "errors": ("analysis/errors/*.py", "analysis/figures/*.py", "workspace/answers.py", "workspace/errors.py"),
    "figures": ("analysis/figures/*.py",),
    "models": ("deploy/*.py",),
}
"""What is made -> the modules that decide what is in it."""


@cache
def version_of(made: str, package: Path = PACKAGE) -> str:
    """12 hex digits that change with the statements of the modules that make one of `MAKERS`."""
    files = sorted(file for pattern in MAKERS[made] for file in package.glob(pattern))
    return statements_hash(files, package)


def statements_hash(files: Iterable[Path], root: Path) -> str:
    """12 hex digits that depend on the code in Python files, not on comments, docstrings or layout."""
    digest = hashlib.sha256()
    for file in files:
        tree = _WithoutTexts().visit(ast.parse(file.read_text(encoding="utf-8")))
        digest.update(f"{file.relative_to(root).as_posix()}\n{ast.unparse(tree)}\n".encode())
    return digest.hexdigest()[:12]


class _WithoutTexts(ast.NodeTransformer):
    """Drops docstrings, and the texts below constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
