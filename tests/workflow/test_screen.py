"""What the workflow shows: a line a step, the error last, one sentence after Ctrl-C."""

import logging
from enum import Enum

from subtuning.workflow.screen import STOPPED, Screen, why


class Event(Enum):
    JOB_INFO, JOB_ERROR, PROGRESS, SHELLCMD = "job_info", "job_error", "progress", "shellcmd"


def shown(screen, text="", event=None, **more):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, text, None, None)
    record.__dict__.update(more, event=event)
    return screen.format(record)


def test_one_line_a_step():
    screen = Screen(lambda: "about 12 min left in all")
    screen.steps = 3
    cards = {"task": "cells", "backbone": "tiny", "direction": "forward", "round": 2, "shard": 0}
    line = shown(screen, event=Event.JOB_INFO, jobid=4, rule_name="train_greedy", wildcards=cards)
    assert line[8:] == "  step 1 of 3: train_greedy cells/tiny forward round 2 shard 0 (about 12 min left in all)"
    assert shown(screen, "subtuning train-step", Event.SHELLCMD) == ""
    assert shown(screen, event=Event.PROGRESS, done=1, total=3) == ""
    assert (
        shown(screen, event=Event.JOB_INFO, jobid=5, rule_name="summary", wildcards={})[8:] == "  step 2 of 3: summary"
    )
    assert shown(screen, "Execute 1 jobs...") == ""
    assert shown(screen, "something else") == "something else"
    assert shown(screen, event=Event.PROGRESS, done=3, total=3)[8:] == "  all 3 steps done"


def test_why_it_failed_comes_last(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("warning: a\nerror: labels.csv is not UTF-8 text\n")
    screen = Screen()
    shown(screen, event=Event.JOB_INFO, jobid=4, rule_name="convert_task", wildcards={"task": "cells"})
    line = shown(screen, event=Event.JOB_ERROR, jobid=4, rule_name="convert_task", log=[str(log)])
    assert line[8:] == "  failed: convert_task cells"
    assert shown(screen, "CalledProcessError in file rules/data.smk, line 3:\nCommand 'set -e") == ""
    assert screen.last_words() == "error: labels.csv is not UTF-8 text"
    other = tmp_path / "b.log"
    other.write_text("Traceback\nValueError: b\n")
    assert (
        why("convert_task b", [str(other)])
        == f"error: convert_task b failed without a sentence of its own; see {other}"
    )
    other.write_text("profile of a: 0 of 3 runs\nstopped by SIGTERM; finished runs are kept\n")
    assert why("train_profile a", [str(other)]) == "train_profile a: stopped by SIGTERM; finished runs are kept"
    assert why("a", [str(tmp_path / "none")]).startswith("error: a failed")


def test_ctrl_c_is_one_sentence():
    screen = Screen()
    assert "stopping" in shown(screen, "Terminating processes on user request, this might take some time.")
    assert shown(screen, event=Event.JOB_ERROR, jobid=4, rule_name="a", log=[]) == ""
    assert shown(screen, "whatever follows") == ""
    assert screen.last_words() == STOPPED
