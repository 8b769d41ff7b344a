"""The command `subtuning`: one verb a rule, nothing but argument parsing and calls."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from subtuning import __version__
from subtuning.errors import UserError, place_problem, trouble
from subtuning.paths import user_path
from subtuning.workspace.caches import keep_caches_elsewhere

VERBS = {
    "init": ("init", "look at your images, and write a config that fits them and this machine"),
    "layers": ("backbone", "show a model's layers: what there is to choose from"),
    "train": ("train", "train one subset of layers with several seeds"),
    "status": ("status", "show what is done, running, missing and diverged, and the time left"),
    "runs": ("runs", "list finished runs"),
    "plan": ("plan", "count jobs, and calculate the time that all take on so many GPUs"),
    "clean": ("clean", "show what in the results folder is not needed, and remove it if told to"),
    "convert": ("data", "convert a task's images and labels"),
    "fetch-task": ("data", "fetch a VTAB-1k task's published archives"),
    "download": ("data", "download a published set of small images as a file that source: arrays reads"),
    "verify": ("data", "compare converted VTAB-1k tasks with the committed manifest"),
    "export": ("data", "write a task as the community's folder of PNG images and lists"),
    "fetch": ("backbone", "fetch a backbone's weights"),
    "describe": ("backbone", "write a backbone's layers.json"),
    "check-plan": ("steps", "say what would stop a later step of a study"),
    "train-step": ("steps", "train the runs of one step of a study"),
    "conclude": ("steps", "write the table or the conclusion of one step of a study"),
    "figures": ("tables", "draw the figures of one task and backbone"),
    "profiles": ("tables", "draw the profiles of several tasks and backbones in one picture"),
    "tables": ("tables", "write the tables of all tasks and backbones"),
    "answer": ("answer", "say in words which layers to train, how sure that is, and what would make it surer"),
    "errors": ("answer", "draw which classes a finished model confuses, and its most confident mistakes"),
    "compare": ("compare", "say whether one method is better than another, and how sure that is"),
    "deliver": ("model", "write the model of a finished comparison as a folder that timm loads"),
    "predict": ("model", "say which class images show, by a delivered model"),
    "latency": ("latency", "measure what a further task costs, by the layers that it tunes"),
    "export-model": ("model", "write a delivered model as one ONNX file, or one of torch.export"),
    "prune": ("prune", "remove channels of a delivered model's own layers, and say what that costs and saves"),
    "push": ("model", "upload a delivered model to the Hugging Face hub"),
    "benchmark": ("benchmark", "measure how fast training is, or simulate how often intervals are right"),
    "schema": ("schema", "print or write the config's JSON schema and reference"),
}
"""Verb -> the module of this package that has `<verb>_arguments(parser)` and `<verb>(args)`, and a line of help."""

OF_THE_WORKFLOW = {"convert", "fetch-task", "fetch", "describe", "check-plan", "train-step", "conclude", "figures"}
OF_THE_WORKFLOW |= {"tables", "answer", "errors", "deliver", "benchmark", "profiles", "latency"}
"""The verbs that rules call; `--help` lists them apart from those for people."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0, or 2 after a user's error or one of the disk's (it is full, or must not be written), or
    128 + the signal's number after an interruption."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded, which some verb's module may do
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="subtuning",
        description="Which layers of a pretrained model to fine-tune.",
        epilog=_groups(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, help="one of those below")
    for verb, (module, words) in VERBS.items():
        sub = verbs.add_parser(verb, description=words.capitalize() + ".")
        if verb in arguments[:1]:  # only the verb in use is imported, so that `status` does not wait for torch
            function = verb.replace("-", "_")
            room = import_module(f"subtuning.cli.{module}")
            getattr(room, f"{function}_arguments")(sub)
            sub.set_defaults(function=getattr(room, function))
    args = parser.parse_args(arguments)
    for name, value in vars(args).items():
        if isinstance(value, Path):  # shells leave the ~ of --results=~/results
            setattr(args, name, Path(user_path(str(value))))
    try:
        getattr(args, "check", lambda _: None)(args)
        keep_caches_elsewhere(getattr(args, "results", Path("results")))
        args.function(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        sys.stderr.close()
    except OSError as error:
        print(f"error: {place_problem(error) or trouble(error, args.verb)}", file=sys.stderr)
        return 2
    return 0


def _groups() -> str:
    """The verbs with their lines of help: those for people, then those of the workflow."""
    groups = {
        "for people": [verb for verb in VERBS if verb not in OF_THE_WORKFLOW],
        "used by the workflow, each also by hand": [verb for verb in VERBS if verb in OF_THE_WORKFLOW],
    }
    lines = [f"{title}:\n" + "\n".join(f"    {v:<13} {VERBS[v][1]}" for v in own) for title, own in groups.items()]
    return "\n\n".join(lines) + "\n\nsubtuning VERB --help says more."
