"""The commands that the project's pages tell people to type: in blocks of code, running text and comments of YAML."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "config/README.md", "results/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
COMMENTED = [str(p.relative_to(ROOT)) for folder in ("config", "profiles") for p in (ROOT / folder).rglob("*.yaml")]

PROGRAMS = {"snakemake", "subtuning", "tensorboard", "python", "python3", "pytest", "pip", "uv", "conda", "mamba"}
PROGRAMS |= {
    "sh",
    "vi",
    "git",
    "export",
    "rm",
    "snakedeploy",
    "squeue",
    "scancel",
    "sbatch",
    "podman",
    "apptainer",
    ".ci/run",
    ".ci/release",
    ".ci/container",
}
PROGRAMS |= {".tools/bin/python", ".tools/bin/pip-audit"}
"""What a command of this project begins with."""


@dataclass(frozen=True)
class Command:
    """A command and where it stands.

    Attributes:
        whole: it stands in a block, to be typed as it is; in running text it may be only the part that matters.
    """

    page: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def commands(page: str) -> list[Command]:
    """Every command of a page, in order, each once."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.endswith(".yaml"):
        comments = re.findall(r"^ *# (?:.*: )?( *(?:snakemake|subtuning|python) .*)$", text, re.MULTILINE)
        found = [Command(page, words, True) for line in comments for words in _commands_of(line)]
    else:
        blocks, rest = _blocks(text)
        found = [Command(page, words, True) for block in blocks for words in _commands_of(block)]
        spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", rest)]
        found += [Command(page, words, False) for span in spans if " " in span for words in _commands_of(span)]
    return list(dict.fromkeys(found))


def _blocks(text: str) -> tuple[list[str], str]:
    """The blocks of a page that hold commands, and the page without its blocks.

    Raises:
        ValueError: a block of `sh` has a line that begins with no known program.
    """
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for kind, block in fences:
        if kind == "sh":
            lines = [line for line in _lines(block) if line and not line.startswith("#")]
            strange = [line for line in lines if not list(_commands_of(line))]
            if strange:
                raise ValueError(f"which program is this: {strange[0]}")
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^(?: {4}| {7})(.*\n)", rest, re.MULTILINE)
    rest = re.sub(r"^ {4}.*$", "", rest, flags=re.MULTILINE)
    return [block for kind, block in fences if kind in ("sh", "", "bash")] + ["".join(indented)], rest


def _lines(block: str) -> list[str]:
    """The lines of a block; one that ends in a backslash goes on in the next."""
    return [line.strip().removeprefix("$ ") for line in re.sub(r"\\\n\s*", " ", block).splitlines()]


def _commands_of(block: str):
    """The words of each command in a block of lines, whatever else stands in it."""
    for line in _lines(block):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # text with an apostrophe
            continue
        while "&&" in words:
            yield from _command(words[: words.index("&&")])
            words = words[words.index("&&") + 1 :]
        yield from _command(words)


def _command(words: list[str]):
    while words and (words[0] == "time" or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    words = [word for word in words if word != "..."]
    program = words[0].removeprefix(".venv/bin/") if words else ""
    if (program in PROGRAMS and len(words) > 1) or program == ".ci/run":
        yield (program, *words[1:])
