"""Verbs of the model that one takes home: write it, ask it, export it, upload it."""

import argparse
import sys
from pathlib import Path

from subtuning.cli.common import device_arguments, machine_of, pair_arguments, pair_of, positive
from subtuning.cli.steps import settings_argument, settings_from
from subtuning.config import load_config
from subtuning.config.deliver import Deliver
from subtuning.errors import UserError
from subtuning.runs.store import write_atomically


def deliver_arguments(parser: argparse.ArgumentParser) -> None:
    pair_arguments(parser)
    settings_argument(parser)
    parser.add_argument("--method", metavar="NAME", help="a row of the comparison (default: the config's)")
    parser.add_argument(
        "--data", choices=["trainval", "all"], help="what trains it; all: trained once more, on test images too"
    )
    parser.add_argument(
        "--calibrate", action=argparse.BooleanOptionalAction, help="fit a temperature for its probabilities"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the folder to write (default: results/<task>/<backbone>/model)"
    )
    device_arguments(parser)


def deliver(args: argparse.Namespace) -> None:
    """Write the model of a finished comparison; a model of all images, and folds to calibrate it, are trained."""
    from subtuning.workspace.delivery import deliver_method

    given = {key: getattr(args, key) for key in Deliver.model_fields if getattr(args, key) is not None}
    whole = given.keys() == Deliver.model_fields.keys()  # a job of the workflow, which has no need of a config
    asked = (Deliver() if whole else load_config(args.config).deliver).model_copy(update=given)
    method = asked.method
    if method == "none":
        raise UserError("deliver.method is none, so nothing is delivered; name a row of the comparison with --method")
    out = args.out or args.results / args.task / args.backbone / "model"
    found = deliver_method(pair_of(args), settings_from(args), asked, out, machine_of(args))
    print(f"{out}: {method}; loaded by timm, {found.same} of {found.images} test images get the recorded class")


def also_argument(parser: argparse.ArgumentParser, words: str) -> None:
    """`--also`: models that share a trunk with the first one."""
    parser.add_argument("--also", type=Path, action="append", default=[], metavar="MODEL", help=words)


def predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of a delivered model")
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, folders of them, or quoted patterns")
    also_argument(parser, "a further model of the same backbone, whose answers stand beside; give it again for more")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a .csv file (default: print)")
    parser.add_argument("--top", type=positive, default=1, metavar="K", help="classes an image (default: %(default)s)")
    parser.add_argument("--workers", type=positive, default=4, help="threads that decode images (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: %(default)s)")


def predict(args: argparse.Namespace) -> None:
    """Say which class images show. Those that cannot be used are listed at the end, as an error."""
    from subtuning.deploy.folder import Model
    from subtuning.deploy.multitask import MultiTaskModel
    from subtuning.deploy.predict import find_images, predict
    from subtuning.tasks.write import unusable
    from subtuning.training.device import choose_device

    images, device = find_images(args.images), choose_device(args.device)
    model = MultiTaskModel([args.model, *args.also], device) if args.also else Model(args.model, device)
    text, broken = predict(model, images, args.top, args.workers, progress=sys.stderr.isatty())
    if args.out:
        write_atomically(args.out, text)
        print(f"{args.out}: {len(images) - len(broken)} of {len(images)} images", file=sys.stderr)
    else:
        print(text, end="")
    if broken:
        raise unusable(broken)


def export_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of a delivered model")
    also_argument(parser, "a further model of the same backbone, in the same file; give it again for more")
    parser.add_argument("--format", choices=["onnx", "torch-export"], default="onnx", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="IMAGES",
        help="images on which the file is compared with the model (default: test images of its task)",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where its task is (default: %(default)s)"
    )


def export_model(args: argparse.Namespace) -> None:
    """Write a model as one file, and say how far it is from the model."""
    from subtuning.deploy.export import export_model, require, seen_of_files, seen_of_task
    from subtuning.deploy.folder import Model
    from subtuning.deploy.multitask import MultiTaskModel
    from subtuning.deploy.predict import find_images
    from subtuning.workspace.delivery import task_of_model

    require(args.format)
    model = Model(args.model)
    if args.images:
        seen = seen_of_files(model, find_images(args.images))
    else:
        seen = seen_of_task(model, task_of_model(args.model, args.results))
    together = MultiTaskModel([args.model, *args.also]) if args.also else model
    found = export_model(together, seen, args.format, args.out)
    print(
        f"{args.out}: {args.format}; on {found.images} images logits differ from torch's by {found.largest:.1e} at "
        f"most (the largest is {found.logit:.3g}), and {found.same} get the same class"
    )


def push_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of a delivered model")
    parser.add_argument("repository", metavar="OWNER/NAME", help="of the hub; it is made if it is not there")
    parser.add_argument("--private", action="store_true", help="make the repository for its owner alone")
    parser.add_argument("--dry-run", action="store_true", help="check and list everything, and upload nothing")


def push(args: argparse.Namespace) -> None:
    """Upload a model to the Hugging Face hub, or say what would be uploaded."""
    from subtuning.deploy.hub import push
    from subtuning.workspace.clean import size_words

    files = push(args.model, args.repository, args.private, args.dry_run)
    for name, size in files:
        print(f"{size_words(size):>9}  {name}")
    total = f"{len(files)} files, {size_words(sum(size for _, size in files))}"
    if args.dry_run:
        print(f"{args.repository}: would get {total}; its card's metadata is whole, and nothing was uploaded")
    else:
        print(f'{args.repository}: {total}; timm.create_model("hf-hub:{args.repository}", pretrained=True) loads it')
