"""The verb for a start: from images that lie somewhere to a config that fits them and this machine."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtuning.cli.common import entry_name
from subtuning.errors import UserError, listed
from subtuning.tasks.look import Look, entry_of, look, task_name

if TYPE_CHECKING:
    from subtuning.benchmark.sizing import Plan
    from subtuning.workspace.forecast import Speed

HEAD = """\
# Written by `subtuning init {data}`; config/README.md explains every key, and what to change when.
# It takes {time} on the machine where it was written ({device}).
"""


def init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="a folder with one subfolder of images a class, a .csv, or a .npz file")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of a .csv's images (default: beside it)")
    parser.add_argument("--name", type=entry_name, help="the task's name (default: that of the folder or file)")
    parser.add_argument("--model", help="any timm model (default: a small one whose weights are installed)")
    parser.add_argument("--out", type=Path, default=Path("my.yaml"), metavar="FILE", help="default: %(default)s")
    parser.add_argument("--force", action="store_true", help="overwrite the config if it is there")
    parser.add_argument("--device", default="auto", help="what will train: auto, cpu, cuda (default: %(default)s)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the smallest study: to see how it works")
    size.add_argument("--thorough", action="store_true", help="224 pixels, 20 epochs, 5 folds, 4 rounds")


def init(args: argparse.Namespace) -> None:
    """Look at the images, measure this machine for some seconds, write the config, and say how long it takes."""
    if args.out.exists() and not args.force:
        raise UserError(f"{args.out} is there already; name another file with --out, or overwrite it with --force")
    seen = look(entry_of(args.data, args.images), progress=sys.stderr.isatty())
    name = args.name or task_name(args.data)
    _print_look(name, seen)
    plans, speed = _plans(name, seen, args)
    kind = "quick" if args.quick else "thorough" if args.thorough else "usual"
    _write(args, plans[kind], speed)
    _print_end(args, kind, plans, speed)


def _print_look(name: str, seen: Look) -> None:
    parts = ", ".join(f"{count:,} {part}" for part, count in seen.counts.items())
    ranked = sorted(seen.classes.items(), key=lambda item: -item[1])
    print(f"{name}: {sum(seen.counts.values()):,} images of {len(ranked)} classes ({parts}), {seen.sizes}")
    print(f"  images a class: {listed((f'{word} {count:,}' for word, count in ranked), 12)}")
    for sentence in seen.warnings:
        print(f"  warning: {sentence}")
    if not seen.read:
        print("  These are too many to read all of them now; the workflow does, and names broken ones and copies.")


def _plans(name: str, seen: Look, args: argparse.Namespace) -> "tuple[dict[str, Plan], Speed]":
    from subtuning.benchmark.probe import measure_unprepared
    from subtuning.benchmark.sizing import PACKAGE, plans
    from subtuning.config import parse_config

    print("Measuring this machine for some seconds ...", file=sys.stderr)
    backbone: dict[str, Any] = {"model": args.model} if args.model else dict(PACKAGE)
    label = task_name(Path(backbone["model"].rpartition(":")[2].partition(".")[0])).removeprefix("tf_")
    size = {} if args.model else {"input_size": 96}  # another model may take one size only
    content = {"tasks": {name: seen.entry}, "backbones": {label: {**backbone, **size, "weights": "random"}}}
    layers, speed = measure_unprepared(parse_config(content), label, len(seen.classes), seen.channels, args.device)
    return plans(name, seen.entry, seen.counts, seen.side, (label, backbone), layers, speed), speed


def _write(args: argparse.Namespace, plan: "Plan", speed: "Speed") -> None:
    import yaml

    from subtuning.runs.store import write_atomically
    from subtuning.workspace.forecast import round_minutes

    head = HEAD.format(data=args.data, time=round_minutes(plan.seconds), device=speed.device)
    body = "\n".join(
        f"{key}:\n" + "".join(f"  {name}: {_flow(own)}\n" for name, own in value.items())
        if key in ("tasks", "backbones")
        else f"{key}: {_flow(value)}"
        for key, value in plan.config.items()
    )
    assert yaml.safe_load(body) == plan.config, "what is written is what was planned"
    write_atomically(args.out, head + "\n" + body + "\n")


def _flow(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.strip()


def _print_end(args: argparse.Namespace, kind: str, plans: "dict[str, Plan]", speed: "Speed") -> None:
    from subtuning.workspace.forecast import round_minutes

    words = {"quick": "--quick", "usual": "without --quick or --thorough", "thorough": "--thorough"}
    others = "; ".join(f"{words[k]}: {round_minutes(plans[k].seconds)}" for k in plans if k != kind)
    print(f"Wrote {args.out}: {round_minutes(plans[kind].seconds)} here, on {speed.device} ({others}).")
    if speed.busy:
        print("Other programs are busy on this machine now; beside them it takes longer.")
    print(f"Next: snakemake --cores all --configfile {shlex.quote(str(args.out))}")
