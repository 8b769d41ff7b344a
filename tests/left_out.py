"""At the end of pytest's output: every test that did not run, by name, and why.

Under pytest-xdist the workers leave tests out, and the process that prints asks them at their end.
"""

from importlib.util import find_spec

import pytest

LEFT_OUT = pytest.StashKey[dict[str, str]]()
"""Test -> why this machine cannot run it."""

CHOSEN = pytest.StashKey[set[str]]()
"""Tests that the caller's own `-m` or `-k` left out."""


def leave_out(config: pytest.Config, items: list[pytest.Item], marker: str, why: str) -> None:
    """Deselect the tests with this marker, which this machine cannot run."""
    _leave_out(config, items, [item for item in items if item.get_closest_marker(marker)], why)


def leave_out_without_packages(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of an optional package (`extra(import name)`) where it is not installed."""
    wanted = {mark.args[0] for item in items for mark in item.iter_markers("extra")}
    for name in sorted(name for name in wanted if find_spec(name) is None):
        gone = [item for item in items if any(mark.args == (name,) for mark in item.iter_markers("extra"))]
        _leave_out(config, items, gone, f"the optional package {name} is not installed (docs/data-and-weights.md)")


def _leave_out(config: pytest.Config, items: list[pytest.Item], gone: list[pytest.Item], why: str) -> None:
    config.stash[LEFT_OUT].update({item.nodeid: why for item in gone})
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if item not in gone]


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is left out yet."""
    config.stash[LEFT_OUT], config.stash[CHOSEN] = {}, set()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note what `-m` and `-k` leave out."""
    for item in items:
        if item.nodeid not in item.config.stash[LEFT_OUT]:
            item.config.stash[CHOSEN].add(item.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells what it left out; every worker has collected every test."""
    if hasattr(session.config, "workeroutput"):
        stash = session.config.stash
        session.config.workeroutput |= {"left out": stash[LEFT_OUT], "chosen": sorted(stash[CHOSEN])}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """Add what a worker told, if it did not crash."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT].update(told.get("left out", {}))
    node.config.stash[CHOSEN].update(told.get("chosen", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The names under each reason, also of tests that skipped themselves; one line for all that the caller left out."""
    skipped = {
        report.nodeid: report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")
    }
    left_out = config.stash[LEFT_OUT] | skipped
    if left_out:
        terminalreporter.section(f"{len(left_out)} tests did not run")
    for why in sorted(set(left_out.values())):
        terminalreporter.line(f"{why}:")
        for name in sorted(name for name, reason in left_out.items() if reason == why):
            terminalreporter.line(f"    {name}")
    if chosen := config.stash[CHOSEN]:
        given = {"-m": config.option.markexpr, "-k": config.option.keyword}
        words = " ".join(f"{key} '{value}'" for key, value in given.items() if value)
        terminalreporter.line(f"{len(chosen)} tests left out by {words or 'the call'}")
