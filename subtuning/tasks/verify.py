"""Comparing a converted task with the committed manifest of what it must be."""

import json
from dataclasses import dataclass
from pathlib import Path

from subtuning.errors import UserError
from subtuning.tasks.source import PARTS
from subtuning.tasks.task import content_hash, load_task, read_facts

MANIFEST = Path(__file__).parent / "manifest.json"


@dataclass(frozen=True)
class Check:
    """One line of `verify_task`: a part (or `content`), whether it is as it must be, and what was compared."""

    part: str
    good: bool
    text: str


def verify_task(path: Path) -> list[Check]:
    """Check the converted task in folder `path` against the manifest: a line for each part and one for the content.

    Compared are counts, official members, labels and the content's SHA-256 as far as the manifest knows them, and the
    files against their own `task.json`. A line that says "unknown" is no proof. Raises `UserError` if the folder is no
    converted task, or one that the manifest cannot know (a user's own data).
    """
    task, facts = load_task(path), read_facts(path)
    source = facts.get("source", {})
    known = manifest().get(source.get("name")) if source.get("source") in ("vtab", "builtin") else None
    if known is None or source.get("train_images"):
        raise UserError(f"{path} is a task of your own, which no manifest can know; use it as it is")
    if facts.get("scaled_down"):
        raise UserError(f"{path} was made from scaled-down test data; convert the real {source['name']}")
    checks = [_check_part(part, facts, known["parts"][part]) for part in PARTS]
    return [*checks, _check_content(facts, known, content_hash(task.path, task.classes))]


def manifest() -> dict:
    """What is known of each task, by name (see `subtuning.tasks.manifest` for where it comes from)."""
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


def _check_part(part: str, facts: dict, known: dict) -> Check:
    members = facts.get("members", {}).get(part, {}).get("sha256")
    found = {"images": facts["counts"][part], "members": members, "labels": facts["label_counts"][part]}
    words = {name: _compared(found[name], known.get(name)) for name in found}
    good = "differ" not in words.values()
    count = f"{found['images']:,} images" + ("" if words["images"] == "right" else f" instead of {known['images']:,}")
    text = f"{count}, members {words['members']}, label histogram {words['labels']}"
    return Check(part, good, text + (f" ({known['basis']})" if "basis" in known else ""))


def _compared(found, known) -> str:
    return "unknown" if known is None else "right" if found == known else "differ"


def _check_content(facts: dict, known: dict, digest: str) -> Check:
    if digest != facts["sha256"]:
        return Check(
            "content", False, "files are not those that task.json describes (SHA-256 differs); convert it again"
        )
    if len(facts["classes"]) != known["classes"]:
        return Check("content", False, f"{len(facts['classes'])} classes instead of {known['classes']}")
    expected = known.get("sha256", {}).get(variant(facts))
    text = f"{len(facts['classes'])} classes, files as task.json describes them, pixels {_compared(digest, expected)}"
    return Check("content", expected in (None, digest), f"{text} (SHA-256 {digest[:16]}...)")


def variant(facts: dict) -> str:
    """How images were stored, e.g. `224x224x3 bilinear`: the manifest knows a content hash for each variant."""
    return "x".join(map(str, facts["image_size"])) + f" {facts['resize']}"
