"""Verbs about backbones."""

import argparse
from pathlib import Path

from subtuning.cli.common import config_arguments, entry, entry_name, from_json
from subtuning.config import Backbone, load_config, parse_entry
from subtuning.workspace.prepared import write_layers


def fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning fetch`"""
    _arguments(parser)


def fetch(args: argparse.Namespace) -> None:
    """Write `weights.safetensors`. Only this step needs the network, and only for weights from the hub."""
    from subtuning.backbones.weights import fetch_weights

    spec = _spec(args)
    out = args.results / "backbones" / args.backbone / "weights.safetensors"
    if note := fetch_weights(spec.model, spec.weights, out, spec.weights_key):
        print(f"{spec.weights}: {note}")


def describe_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning describe`"""
    _arguments(parser)


def describe(args: argparse.Namespace) -> None:
    """Write `layers.json`."""
    write_layers(_spec(args), args.backbone, args.results / "backbones" / args.backbone)


def layers_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning layers`"""
    parser.add_argument("model", help="a backbone of the config, or any timm model name; nothing is downloaded")
    parser.add_argument("--input-size", type=int, metavar="PIXELS", help="count FLOPs at this size")
    parser.add_argument("--granularity", choices=["layer", "stage"], help="blocks, or whole stages")
    config_arguments(parser)


def layers(args: argparse.Namespace) -> None:
    """Print what there is to choose from."""
    from tabulate import tabulate

    from subtuning.backbones.describe import describe as description_of

    spec = parse_entry(Backbone, {"model": args.model}, "subtuning layers")
    if Path(args.config).is_file():
        spec = load_config(args.config).backbones.get(args.model, spec)
    changes = {"input_size": args.input_size, "granularity": args.granularity}
    spec = spec.model_dump() | {key: value for key, value in changes.items() if value is not None}
    found = description_of(parse_entry(Backbone, spec, "subtuning layers"))
    total = found["total_parameters"]
    rows = [
        (
            r["name"],
            r["stage"],
            f"{r['parameters']:,}",
            f"{100 * r['parameters'] / total:.1f}",
            f"{r['flops'] / 1e6:,.1f}",
        )
        for r in found["layers"]
    ]
    rows.append(("all", "", f"{total:,}", "100.0", f"{found['total_flops'] / 1e6:,.1f}"))
    print(f"{found['model']}, {found['input_size']} x {found['input_size']} pixels, {found['features']} features")
    print(f"The size is {found['input_size_is']}.")
    print(f"It sees the middle {100 * found['crop']:g} % of each side of an image, resized {found['interpolation']}.")
    print(
        tabulate(
            rows,
            ["layer", "stage", "parameters", "%", "MFLOPs an image"],
            disable_numparse=True,
            colalign=["left", "left", *["right"] * 3],
        )
    )
    print(f"A head for C classes adds {found['features'] + 1:,} x C parameters.")
    print("The tail is trained only in 'full' or by name.")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", type=entry_name, required=True, help="the backbone's name")
    parser.add_argument(
        "--spec", type=from_json, metavar="JSON", help="the backbone's entry; the config's if not given"
    )
    config_arguments(parser)


def _spec(args: argparse.Namespace) -> Backbone:
    if args.spec is None:
        return entry(load_config(args.config), "backbones", args.backbone)
    return parse_entry(Backbone, args.spec, f"backbone {args.backbone}")
