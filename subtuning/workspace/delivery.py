"""Which run of a pair's comparison becomes its model, and where that goes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtuning.config.deliver import Deliver
from subtuning.errors import UserError, listed
from subtuning.registry import find
from subtuning.runs import Split
from subtuning.search.experiments.evaluation import runs_of
from subtuning.search.methods import methods
from subtuning.search.steps import step_named
from subtuning.search.study import Settings, Study, Wanted, cv_splits
from subtuning.tasks import Task, load_task
from subtuning.tasks.task import read_facts
from subtuning.workspace.pair import Pair, require_finished
from subtuning.workspace.paths import Results
from subtuning.workspace.trainings import Machine, Trainings

if TYPE_CHECKING:
    from subtuning.deploy.calibrate import Calibration
    from subtuning.deploy.chosen import Agreement


def deliver_method(
    pair: Pair, settings: Settings, asked: Deliver, out: Path, machine: Machine | None = None
) -> "Agreement":
    """Write the model of a method of a finished comparison to the folder `out` (see `deploy.deliver`).

    It is the run of the first seed, or of the first that did not diverge: a seed picked by its test score would
    promise too much. With `data: all` this run is trained once more, on the test images too; with
    `calibrate` the folds are, for their probabilities. Neither is where it was before.

    Args:
        asked: what the config says of the delivery.
        machine: what a training may use; anything by default.

    Raises:
        UserError: no such method, no finished comparison, or nothing that was trained is kept.
    """
    step = step_named("evaluation", settings)
    study = pair.study(step, settings)
    require_finished(study, step)
    method, machine = asked.method, machine or Machine()
    tested = record = _record(study, method)
    found = _calibration(pair, study, method, tested, machine) if asked.calibrate else None
    if asked.data == "all":
        record = _trained_on_all(pair, study, method, tested, machine)

    from subtuning.deploy.chosen import Chosen
    from subtuning.deploy.deliver import deliver

    results, (task, backbone) = Results(pair.results), pair.names
    table = find("tables", "evaluation").table(study, step)
    file = _trained_file(results, record, f"--task {task} --backbone {backbone}")
    weights, metric = results.weights(backbone), settings.get("search.metric", "accuracy")
    return deliver(Chosen(method, record, tested, table, file, pair.task, pair.layers, weights, metric, found), out)


def wanted_by(study: Study, deliver: Deliver) -> Wanted:
    """The runs that a delivery asks for besides those of the steps: the method's on all images, and its folds."""
    splits = [Split("all")] * (deliver.data == "all")
    splits += cv_splits(study.settings["profile.folds"]) if deliver.calibrate else []
    try:
        runs = (runs_of(study, deliver.method) or []) if splits else []
    except UserError as error:
        return Wanted(trouble=str(error), later=splits)
    for run in runs:
        if not (record := study.get(run)):
            break
        if record["status"] == "done":
            return Wanted([run.with_split(split) for split in splits])
    return Wanted(later=splits)


def _calibration(pair: Pair, study: Study, method: str, tested: dict[str, Any], machine: Machine) -> "Calibration":
    """What cross-validation of the tested run's method says of its probabilities; folds without any are trained."""
    from subtuning.deploy.calibrate import calibration
    from subtuning.search.metrics import scored_labels

    if pair.task.multilabel:
        raise UserError("deliver.calibrate is for tasks whose images have one label; set it to false")
    (run,) = (run for run in runs_of(study, method) or [] if run.id == tested["id"])
    runs = [run.with_split(split) for split in cv_splits(study.settings["profile.folds"])]
    with Trainings(pair, replace(machine, models=False, probabilities=True)) as trainings:
        records = trainings.train(runs)
    kept = [pair.store.probabilities(record) if record["status"] == "done" else None for record in records]
    known, said = [each for each in kept if each is not None], study.probabilities(tested)
    if len(known) < len(kept):
        raise UserError(f"{run}: a fold diverged, so there is nothing to calibrate on; set deliver.calibrate: false")
    if said is None:
        raise UserError(f"run {tested['id']} kept no probabilities; set deliver.calibrate: false")
    labels = [scored_labels(pair.task, fold.split) for fold in runs]
    return calibration(list(zip(labels, known, strict=True)), pair.task.part("test")[1], said)


def _trained_on_all(pair: Pair, study: Study, method: str, tested: dict[str, Any], machine: Machine) -> dict[str, Any]:
    """The record of the same run on all images, which is trained if it is not finished."""
    (run,) = (run for run in runs_of(study, method) or [] if run.id == tested["id"])
    with Trainings(pair, machine) as trainings:
        (record,) = trainings.train([run.with_split(Split("all"))])
    if record["status"] != "done":
        raise UserError(f"{run} diverged on all images; lower recipe.lr, or set deliver.data: trainval")
    return record


def task_of_model(folder: Path, results: Path) -> Task:
    """The converted task in a folder such as `results` that trained a delivered model.

    Raises:
        UserError: it is not there, or the model does not say which it is.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / "delta.safetensors", "np") as delta:
            wanted = (delta.metadata() or {}).get("task")
    except (OSError, SafetensorError):
        wanted = None
    for file in sorted((results / "tasks").glob("*/task.json")):
        if wanted and read_facts(file.parent)["sha256"] == wanted:
            return load_task(file.parent)
    raise UserError(
        f"{results / 'tasks'} has not the images that trained {folder}; name some with --images, files or a folder"
    )


def _record(study: Study, method: str) -> dict[str, Any]:
    known, (task, backbone) = methods(study.settings), study.base.names
    if method not in known:
        raise UserError(f"--method: {task}/{backbone} has no method {method!r} to deliver; it has {listed(known)}")
    runs = runs_of(study, method) or []
    records = [record for run in runs if (record := study.get(run))]
    if not runs or len(records) < len(runs):
        raise UserError(
            f"{task}/{backbone} has no finished evaluation of {method!r} ({len(records)} of {len(runs)} runs); make it "
            f"first: snakemake --cores all results/{task}/{backbone}/evaluation.csv"
        )
    for record in records:
        if record["status"] == "done":
            return record
    raise UserError(f"all runs of {method!r} of {task}/{backbone} diverged; lower recipe.lr")


def _trained_file(results: Results, record: dict[str, Any], pair: str) -> Path:
    file = results.models / f"{record['id']}.safetensors"
    if not file.is_file():
        raise UserError(
            f"{file} is missing: evaluate.models was off when this run was trained, or the file was removed; to train "
            f"it again, remove {results.store.path(record['id'])} and run subtuning "
            + ("deliver --data all" if record["identity"]["split"] == "all" else "train-step evaluation")
            + f" {pair}"
        )
    return file
