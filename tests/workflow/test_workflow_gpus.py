"""The workflow on a machine with several (pretended) GPUs and no scheduler."""

import os
import re

from filelock import FileLock

from subtuning.training.lease import locks_folder
from tests.workflow.snake import changed, not_trained_yet, records, write_config

TARGET = "results/cells/tiny/profile.csv"


def test_jobs_take_free_gpus_and_share_the_cores(finished, tmp_path, snakemake):
    folder = not_trained_yet(finished[0], tmp_path / "project")
    write_config(folder, changed("profile.shards", 2))
    first, second, third = (f"pretended{os.getpid()}-{number}" for number in range(3))
    words = [TARGET, "--resources", "gpu=2"]
    with FileLock(locks_folder() / f"{first}.lock"):  # it is taken, by a training of another folder, say
        result = snakemake(folder, *words, CUDA_VISIBLE_DEVICES=f"{first},{second},{third}")
    assert result.code == 0, result.output
    logs = [file.read_text() for file in (folder / "results/logs/profile/cells/tiny").glob("shard*.log")]
    assert len(logs) == 2
    assert {re.search(r"training on GPU (\S+) \(of 3\)", log)[1] for log in logs} <= {second, third}
    for gpu in (first, second, third):
        (locks_folder() / f"{gpu}.lock").unlink(missing_ok=True)
    assert {record["device"] for record in records(folder).values()} == {f"cpu ({os.uname().machine})"}
