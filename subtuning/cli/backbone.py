"""Verbs about backbones."""

import argparse
from pathlib import Path
from typing import Any

from subtuning.cli.common import config_arguments, entry, entry_name, from_json, print_table
from subtuning.config import BackboneEntry, load_config, parse_entry
from subtuning.errors import UserError
from subtuning.workspace.paths import Results
from subtuning.workspace.prepared import write_layers


def fetch_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)


def fetch(args: argparse.Namespace) -> None:
    """Write `weights.safetensors`. Only this step needs the network, and only for weights from the hub."""
    from subtuning.backbones.weights import fetch_weights

    spec = _spec(args)
    out = Results(args.results).weights(args.backbone)
    if note := fetch_weights(spec.model, spec.weights, out, spec.weights_key):
        print(f"{spec.weights}: {note}")


def describe_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)


def describe(args: argparse.Namespace) -> None:
    """Write `layers.json`."""
    write_layers(_spec(args), args.backbone, Results(args.results).layers(args.backbone).parent)


def layers_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a backbone of the config, or any timm model; nothing is downloaded")
    parser.add_argument("--all", action="store_true", help="one line for every model that timm has (takes minutes)")
    parser.add_argument("--input-size", type=int, metavar="PIXELS", help="count FLOPs at this size")
    parser.add_argument("--granularity", choices=["layer", "stage"], help="blocks, or whole stages")
    config_arguments(parser)


def layers(args: argparse.Namespace) -> None:
    """Print what there is to choose from."""
    if args.all == (args.model is not None):
        raise UserError("subtuning layers: give the name of a model, or --all for every model of timm")
    if args.all:
        return _whole_zoo()
    from subtuning.backbones.describe import describe as description_of

    spec = parse_entry(BackboneEntry, {"model": args.model}, "subtuning layers")
    if Path(args.config).is_file():
        spec = load_config(args.config).backbones.get(args.model, spec)
    changes = {"input_size": args.input_size, "granularity": args.granularity}
    spec = spec.model_dump() | {key: value for key, value in changes.items() if value is not None}
    found = description_of(parse_entry(BackboneEntry, spec, "subtuning layers"))
    total = found["total_parameters"]
    every = {"name": "all", "stage": "", "parameters": total, "flops": found["total_flops"]}
    rows = [
        (r["name"], r["stage"], f"{(own := r['parameters']):,}", f"{100 * own / total:.1f}", f"{r['flops'] / 1e6:,.1f}")
        for r in [*found["layers"], every]
    ]
    print(f"{found['model']}, {found['input_size']} x {found['input_size']} pixels, {found['features']} features")
    print(f"The size is {found['input_size_is']}.")
    print(f"It sees the middle {100 * found['crop']:g} % of each side of an image, resized {found['interpolation']}.")
    headings = ["layer", "stage", "parameters", "%", "MFLOPs an image"]
    print_table(rows, headings, right=headings[2:])
    print(f"A head for C classes adds {found['features'] + 1:,} x C parameters.")
    _print_choice(found)


def _print_choice(found: dict[str, Any]) -> None:
    """What of the layers is tried, in words."""
    if any(row["name"] == "tail" and not row["candidate"] for row in found["layers"]):
        print("The tail is hardly more than a norm: it is trained only in 'full' or by name.")
    print(
        "'full' trains every layer, stem and embeddings too, and 'stem' trains these; the paper's own code never does."
    )
    if found["undivided"]:
        from subtuning.backbones.tree import undivided_sentence

        print(undivided_sentence(found))


def _whole_zoo() -> None:
    from subtuning.backbones.zoo import zoo

    cut = total = 0
    for row in zoo():
        total, cut = total + 1, cut + (not row["refused"])
        tail = "tail offered" if "tail" in row.get("candidates", ()) else ""
        several = f"{len(row['undivided'])} hold several blocks" if row.get("undivided") else ""
        said = row["refused"] or ", ".join(filter(None, [f"{len(row['layers'])} layers", tail, several]))
        print(f"{row['model']}: {said}", flush=True)
    print(f"{cut} of {total} models are cut into layers")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", type=entry_name, required=True, help="the backbone's name")
    parser.add_argument(
        "--spec", type=from_json, metavar="JSON", help="the backbone's entry; the config's if not given"
    )
    config_arguments(parser)


def _spec(args: argparse.Namespace) -> BackboneEntry:
    if args.spec is None:
        return entry(load_config(args.config), "backbones", args.backbone)
    return parse_entry(BackboneEntry, args.spec, f"backbone {args.backbone}")
