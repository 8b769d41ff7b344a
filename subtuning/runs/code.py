"""The version of the numerical code, made from the code itself: comments and docstrings do not count."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

NUMERICAL = (
    "backbones/graph.py",
    "backbones/groups.py",
    "backbones/describe.py",
    "tuning/fold.py",
    "tuning/head.py",
    "tuning/lane.py",
    "tuning/padding.py",
    "tuning/precision.py",
    "tasks/splits.py",
    "training/augment.py",
    "training/data.py",
    "training/features.py",
    "training/loop.py",
    "training/optim.py",
    "training/resize.py",
)
"""The modules whose code can change a run's numbers. All else (caching, progress, tables) stays outside of them."""


@cache
def code_version(package: Path = PACKAGE) -> str:
    """The first 12 hex digits of the hash over all numerical modules' statements.

    An edit of a comment, a docstring or the layout of the code changes nothing; any other edit makes all finished runs
    count as made by other code, so that they are trained again.
    """
    return statements_hash([package / name for name in NUMERICAL], package)


@cache
def figures_version(package: Path = PACKAGE) -> str:
    """The same for the modules that draw, so that a change of style redraws the figures and nothing else."""
    return statements_hash(sorted((package / "analysis" / "figures").glob("*.py")), package)


def statements_hash(files: Iterable[Path], root: Path) -> str:
    """12 hex digits that depend on the code in Python files, not on comments, docstrings or layout."""
    digest = hashlib.sha256()
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            _drop_docstring(node)
        digest.update(f"{file.relative_to(root).as_posix()}\n{ast.unparse(tree)}\n".encode())
    return digest.hexdigest()[:12]


def _drop_docstring(node: ast.AST) -> None:
    body = getattr(node, "body", None)
    if isinstance(body, list):
        node.body = [
            item
            for item in body
            if not (
                isinstance(item, ast.Expr)
                and isinstance(item.value, ast.Constant)
                and isinstance(item.value.value, str)
            )
        ]
