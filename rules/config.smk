"""
This part of the workflow finds the config and reads the default's file with clear words for what is wrong in it.

A file given with --configfile replaces the default; the two are not merged, so that no default task sneaks in. Snakemake
reads such a file itself, before this.
"""

import os
import sys
from pathlib import Path

# The package comes from here or, where Snakemake fetched this file from a repository, from the environment it runs in.
if isinstance(workflow.current_basedir, os.PathLike):
    sys.path.insert(0, str(Path(workflow.current_basedir).parent))

try:
    from subtuning.config import read_yaml
    from subtuning.errors import UserError
except ModuleNotFoundError as error:
    sys.exit(f"error: {error}; install the package of this workflow (pip install) where Snakemake runs")

if "tasks" not in config and not workflow.modifier.skip_configfile:
    try:
        if Path("config/config.yaml").exists():  # what is missing, Snakemake tells
            read_yaml("config/config.yaml")
    except UserError as error:
        sys.exit(f"error: {error}")  # a WorkflowError would add where in this file it was raised

    configfile: "config/config.yaml"
