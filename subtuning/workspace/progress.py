"""How far everything is: which runs are done, running and missing, and how long the missing ones take."""

from collections import Counter
from pathlib import Path

from subtuning.analysis.time_left import Pace, time_words
from subtuning.runs import Run
from subtuning.runs.claims import running
from subtuning.runs.store import Snapshot
from subtuning.search.study import Wanted
from subtuning.tuning.tuning import Tuning
from subtuning.workspace.paths import Results
from subtuning.workspace.studies import StudyState

RECORDS_FOR_PACE = 1000
"""Records of other recipes or versions that are read at most, where a task and backbone has none of its own."""


class Progress:
    """Counts runs by what has become of them."""

    def __init__(self, snapshot: Snapshot, results: Path, pairs: list[StudyState]):
        self.snapshot = snapshot
        self.running = running(results)
        self.saved = {file.stem for file in Results(results).checkpoints.glob("*.pt")}
        for run in (run for pair in pairs for step in pair.wanted.values() for run in step.runs):
            snapshot.get(run)
        self.pace = Pace(snapshot.read())
        if not all(self.pace.knows(*pair.names) for pair in pairs if pair.study):
            self.pace = Pace(snapshot.read() + snapshot.others(RECORDS_FOR_PACE))

    def rows(self, pair: StudyState) -> list[tuple]:
        """The table's rows of one task and backbone."""
        if pair.study is None:
            return [(*pair.names, "not prepared yet", *[""] * 6)]
        rows = []
        for name, step in pair.wanted.items():
            count = self.count(step.runs)
            left = self.left(pair, step)
            if step.later and not step.runs:
                missing = f"up to {len(step.later)}"
            else:
                missing = str(count["missing"]) + (f" + up to {len(step.later)}" if step.later else "")
            numbers = count["done"], count["running"], missing, count["interrupted"], count["diverged"]
            rows.append((*pair.names, name, *numbers, left))
        return rows

    def count(self, runs: list[Run]) -> Counter:
        """How many runs are done, running, missing, interrupted (of the missing) and diverged (of the done)."""
        count: Counter = Counter()
        for run in runs:
            record = self.snapshot.get(run)
            if record is not None:
                count["done"] += 1
                count["diverged"] += record["status"] == "diverged"
            elif run.id in self.running:
                count["running"] += 1
            else:
                count["missing"] += 1
                count["interrupted"] += run.id in self.saved
        return count

    def seconds(self, pair: StudyState, step: Wanted) -> tuple[float, int]:
        """How long the unfinished runs of a step take, and of how many of them nothing is known."""
        assert pair.study, "only a prepared pair asks for runs"
        several = pair.study.base.with_tuning(Tuning(("?", "?")))
        left = [(run, 1) for run in step.runs if self.snapshot.get(run) is None]
        left += [(several.with_split(split), number) for split, number in Counter(step.later).items()]
        known = [(self.pace.seconds(run, pair.counts), number) for run, number in left]
        return (
            sum(seconds * number for seconds, number in known if seconds is not None),
            sum(number for seconds, number in known if seconds is None),
        )

    def left(self, pair: StudyState, step: Wanted) -> str:
        """The time left for a step, in words."""
        seconds, unknown = self.seconds(pair, step)
        return "unknown" if unknown else time_words(seconds) if seconds else ""

    def total(self, pairs: list[StudyState]) -> str:
        """One line about everything, in which a run that two steps share counts once."""
        runs: dict[str, Run] = {}
        later, seconds, unknown = 0, 0.0, 0
        for pair in pairs:
            for step in pair.wanted.values():
                own = Wanted([run for run in step.runs if run.id not in runs], step.later)
                runs |= {run.id: run for run in own.runs}
                more = self.seconds(pair, own)
                later, seconds, unknown = later + len(step.later), seconds + more[0], unknown + more[1]
        count = self.count(list(runs.values()))
        words = f"In all: {count['done']} done, {count['running']} running, {count['missing']} missing"
        words += f" and up to {later} of rounds not chosen yet" if later else ""
        words += f", {count['diverged']} diverged"
        unprepared = sum(pair.study is None for pair in pairs)
        words += f"; {unprepared} of {len(pairs)} pairs of task and backbone not prepared yet" if unprepared else ""
        words += f"; about {time_words(seconds)} left, one run after another" if seconds else ""
        return words + (f"; time unknown for {unknown} runs" if unknown else "") + "."
