"""Files that installed packages ship, found without importing the packages: some import much more than a file needs."""

from importlib.util import find_spec
from pathlib import Path

from subtuning.errors import UserError


def installed_file(package: str, pattern: str, project: str = "") -> Path:
    """The first file of an installed package that fits a glob below its folder.

    Args:
        project: by which name pip knows the package, if it is not its import name with hyphens.

    Raises:
        UserError: the package is not installed, or has no such file.
    """
    spec, project = find_spec(package), project or package.replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"package {package} is not installed; run: pip install {project}")
    for folder in spec.submodule_search_locations:
        if found := sorted(Path(folder).glob(pattern)):
            return found[0]
    raise UserError(f"package {package} has no file {pattern}; install it anew: pip install -I {project}")
