"""
What the other rules share: the checked config, the values they take from it, and names that wildcards may have.

Everything with logic is in the package `subtuning`; these helpers only look values up.
"""

import re
import shlex
import sys
import time
from pathlib import Path

from subtuning.workspace.caches import keep_caches_elsewhere
from subtuning.workspace.configs import note_config
from subtuning.workflow.answers import print_answers
from subtuning.workflow.layers import check_layers
from subtuning.workflow.leftover import is_dry_run, note_host, remove_stale_lock
from subtuning.config import read_yaml
from subtuning.workflow.params import Params, put_command_on_path
from subtuning.workflow.screen import Screen
from subtuning.workflow.timing import TimeLeft, say_time_left
from subtuning.errors import UserError

put_command_on_path()
started = time.time()
keep_caches_elsewhere(Path("results"))  # for Snakemakes that a cluster's jobs start in turn
try:
    # Snakemake itself lets a repeated key overwrite the first one in silence. A workflow that uses this one as a module
    # has config files of its own, which are its own business.
    for file in [] if workflow.modifier.skip_configfile else workflow.configfiles:
        read_yaml(file)
    settings = Params(config)
    if workflow.is_main_process:
        check_layers(settings.config)
except UserError as error:
    sys.exit(f"error: {error}")  # a WorkflowError would add where in this file it was raised


time_left = TimeLeft(settings.config)
screen = Screen(time_left.words)

if workflow.is_main_process:  # now, because Snakemake takes its lock before any hook is called
    remove_stale_lock(sys.argv)
    if is_dry_run(sys.argv):
        say_time_left(settings.config, dry=True)


onstart:
    note_host()
    time_left.needed = {str(file) for job in workflow.dag.needrun_jobs() for file in job.output}
    screen.show(workflow)
    for file in workflow.configfiles[:1]:
        note_config(Path("results"), Path(file))
    say_time_left(settings.config)


onerror:
    screen.end()


onsuccess:
    print_answers(settings.tasks, settings.backbones, started)


wildcard_constraints:
    task="|".join(map(re.escape, settings.tasks)),
    backbone="|".join(map(re.escape, settings.backbones)),
    direction="forward|backward",
    early="profile|greedy",
    experiment="|".join(map(re.escape, settings.experiments)) or "(?!)",
    round=r"\d+",
    shard=r"\d+",


def final_output():
    """What `snakemake all` makes."""
    pairs = expand("{task}/{backbone}", task=settings.tasks, backbone=settings.backbones)
    wanted = expand("results/{pair}/{table}.csv", pair=pairs, table=["profile", "greedy", "evaluation"])
    wanted += expand("results/figures/{pair}/{figure}.svg", pair=pairs, figure=["profile", "greedy", "tradeoff"])
    wanted += expand("results/{pair}/{file}", pair=pairs, file=["answer.md", "mistakes.csv"])
    if settings.profile.test_seeds:
        wanted += expand("results/{pair}/profile_test.csv", pair=pairs)
        wanted += expand("results/figures/{pair}/profile_test.svg", pair=pairs)
    wanted += expand("results/{pair}/model/config.json", pair=settings.delivered)
    wanted += expand("results/{pair}/{experiment}.csv", pair=pairs, experiment=settings.experiments)
    wanted += expand("results/figures/{pair}/{experiment}.svg", pair=pairs, experiment=settings.drawn_experiments)
    wanted += [f"results/figures/{figure}.svg" for figure in settings.shared_figures]
    return wanted + ["results/tables/summary.md"]


def of_each_pair(*files):
    """These files of all tasks and backbones."""
    return expand(
        [f"results/{file}" for file in files],
        pair=expand("{task}/{backbone}", task=settings.tasks, backbone=settings.backbones),
    )


def this_command():
    """What the user gives again to make more of this."""
    files = [file for file in workflow.configfiles if str(file) != "config/config.yaml"]
    return "snakemake --cores all" + "".join(f" --configfile {shlex.quote(str(file))}" for file in files[:1])


def before_conversion(wildcards):
    """The list of a VTAB-1k task's archives, or the task that a corrupted one is made of; others are read where they are."""
    task = settings.config.tasks[wildcards.task]
    if task.source == "corrupted":
        return f"results/tasks/{task.of}/task.json"
    return "results/data/fetched/{task}.json" if task.source == "vtab" else []


def round_before(wildcards):
    """The round file that a greedy round starts from; for the first, the profile, whose runs it shares."""
    if int(wildcards.round) == 1:
        return []
    return f"results/{wildcards.task}/{wildcards.backbone}/greedy/{wildcards.direction}/round{int(wildcards.round) - 1}.json"


def training_threads():
    """A training's share of the cores: all of them, or 1/N where `--resources gpu=N` lets N trainings run at once.

    On a cluster, see profiles/slurm.
    """
    cores = workflow.resource_settings.cores or 4  # none are given to --report, --unlock, or on a cluster
    gpus = workflow.resource_settings.resources.get("gpu")
    gpus = getattr(gpus, "value", gpus)  # older Snakemakes give the number itself
    return max(1, cores // gpus) if isinstance(gpus, int) and gpus > 0 else cores


def memory_mb(wildcards, attempt):
    """Doubles when a job is tried again, e.g. after it was killed for memory."""
    return 8000 * 2 ** (attempt - 1)


def minutes(wildcards, attempt):
    """Doubles when a job is tried again, e.g. after its time limit; it then goes on from its checkpoint.

    A day at most, since a scheduler never starts what asks for more than its limit; profiles/slurm says where to change it.
    """
    return min(120 * 2 ** (attempt - 1), 1440)
