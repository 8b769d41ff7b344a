"""What of Snakemake's messages is shown: one line a step. Its own log, `.snakemake/log/`, keeps all of them, the shell
commands too; so do a dry run and `--verbose`.
"""

import atexit
import logging
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STREAM = "DefaultStreamHandler"
"""What Snakemake calls its handler of the screen (`snakemake.logging`)."""

HIDDEN = re.compile(
    r"Select jobs to execute|Execute \d+ jobs|Removing output files of failed|Shutting down, this m"
    r"|Exiting because a job|WorkflowError:\s+At least one job did not|(RuleException:\s+)?CalledProcessError in file"
)
STOPPED = "Stopped. Finished trainings are kept, unfinished ones are saved, and the same command goes on from here."


class Screen(logging.Formatter):
    """Writes one line when a step begins, and remembers what failed.

    Args:
        time_left: how long all steps still take, in words, asked for when a training begins; empty: not known.

    Attributes:
        failed: of each step that failed, what it is called and its logs.
        interrupted: whether the user has stopped the workflow.
    """

    def __init__(self, time_left: Callable[[], str] = str) -> None:
        super().__init__()
        self.time_left = time_left
        self.before, self.done, self.steps = logging.Formatter(), 0, 0
        self.failed: list[tuple[str, list[str]]] = []
        self.interrupted = False
        self._steps: dict[int, str] = {}

    def format(self, record: logging.LogRecord) -> str:
        """The text that is shown; none for what is not."""
        event = getattr(getattr(record, "event", None), "value", None)
        if event in ("shellcmd", "job_finished", "job_started"):
            return ""
        if event == "progress":
            self.done, self.steps = record.__dict__["done"], record.__dict__["total"]
            return f"{_now()}  all {self.steps} steps done" if self.done == self.steps else ""
        if event == "job_info":
            step = self._steps[record.__dict__["jobid"]] = _step(record.__dict__)
            left = self.time_left() if step.startswith("train_") else ""
            return f"{_now()}  step {self.done + 1} of {self.steps}: {step}" + f" ({left})" * bool(left)
        if event == "job_error":
            return self._error(record.__dict__)
        return self._other(record)

    def _error(self, message: dict[str, Any]) -> str:
        if self.interrupted:
            return ""
        step = self._steps.get(message["jobid"], message["rule_name"])  # here Snakemake tells no wildcards
        self.failed.append((step, list(message["log"] or [])))
        return f"{_now()}  failed: {step}"

    def _other(self, record: logging.LogRecord) -> str:
        text = self.before.format(record)
        if text.startswith("Terminating processes on user request"):
            self.interrupted = True
            _ignore_further_interrupts()
            return f"{_now()}  stopping; what is being trained is saved first"
        return "" if HIDDEN.match(text) or self.interrupted else text

    def show(self, workflow: Any) -> None:
        """From now on; not where Snakemake writes to the screen in another way, or is to be verbose."""
        from snakemake.logging import logger  # type: ignore[import-untyped]  # it has no types

        for handler in [] if workflow.output_settings.verbose else list(logger.handlers):
            if handler.name == STREAM and handler.formatter:
                self.before, self.steps = handler.formatter, len(workflow.dag)
                lines = _Lines(handler.stream)
                lines.setFormatter(self)
                lines.filters = handler.filters
                logger.removeHandler(handler)
                logger.addHandler(lines)

    def end(self) -> None:
        """The workflow has failed: say why after everything else, when this process ends."""
        if words := self.last_words():
            atexit.register(print, words, file=sys.stderr, flush=True)

    def last_words(self) -> str:
        """Why the workflow ended before its end: what to show last."""
        return STOPPED if self.interrupted else "\n".join(dict.fromkeys(why(*step) for step in self.failed))


class _Lines(logging.StreamHandler):
    """Writes each text in a line of its own, and nothing where there is none."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if text := self.format(record):
                self.stream.write(text + "\n")
                self.flush()
        except (OSError, ValueError):  # nobody reads any more: no reason to stop the trainings
            return


def why(step: str, logs: list[str]) -> str:
    """The sentence for a step that failed: the error of its log, or which signal stopped it, or where the log is."""
    for log in logs:
        try:
            lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        if errors := [line for line in lines if line.startswith("error: ")]:
            return errors[-1]
        if lines and lines[-1].startswith("stopped by SIG"):  # by somebody else, or a limit of time
            return f"{step}: {lines[-1]}"
    where = f"; see {', '.join(logs)}" if logs else ""
    return f"error: {step} failed without a sentence of its own{where}"


def _step(message: dict[str, Any]) -> str:
    """`train_profile cells/tiny shard 0` from a message of Snakemake's about a job."""
    cards = dict(message.get("wildcards") or {})
    pair = "/".join(str(cards.pop(key)) for key in ("task", "backbone") if key in cards)
    others = [str(value) if key in ("experiment", "direction") else f"{key} {value}" for key, value in cards.items()]
    return " ".join(filter(None, [message["rule_name"], pair, *others]))


def _ignore_further_interrupts() -> None:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread, which alone is interrupted
        return


def _now() -> str:
    return time.strftime("%H:%M:%S")
