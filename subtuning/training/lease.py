"""A GPU for this process alone, where several trainings share a machine and no scheduler hands out its GPUs.

Each GPU has a lock file. A training holds the lock of the first free one for as long as it runs, and sees only that
GPU. The operating system gives a lock back when its holder ends, however it ends, so no lock can be stale.
"""

import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from subtuning.errors import UserError

SECONDS_BETWEEN_LOOKS = 0.5
"""How soon a waiting training sees that a GPU is free."""

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def gpu_lease(device: str) -> Iterator[str | None]:
    """Keep one of this machine's GPUs while the ``with`` block runs, and let this process see no other one.

    To be entered before torch looks for GPUs. Waits, with a line on standard error, while all of them are taken.

    Args:
        device: as `--device` takes it. `cpu` or `cuda:1` leave nothing to choose.

    Yields:
        The GPU's name in `CUDA_VISIBLE_DEVICES`, or None where nothing is leased: there is no GPU, the user or the
        scheduler chose one already, or `device` names one.

    Raises:
        UserError: there is no place for the lock files.
    """
    gpus = gpus_to_choose_from(os.environ) if device in ("auto", "cuda") else []
    if not gpus:
        yield None
        return
    before = os.environ.get(VISIBLE)
    gpu, lock = _first_free(gpus, locks_folder(_scope(os.environ)))
    try:
        os.environ[VISIBLE] = gpu
        print(f"training on GPU {gpu} (of {len(gpus)})", file=sys.stderr)
        yield gpu
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
        lock.release()


def gpus_to_choose_from(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that nobody has chosen from yet, as `CUDA_VISIBLE_DEVICES` names them; empty if there is no choice.

    What `CUDA_VISIBLE_DEVICES` lists counts; where it is not set, what `nvidia-smi` lists. One GPU in that variable, or
    one that SLURM gave to this job, is a choice already made.
    """
    slurm = [gpu for gpu in environment.get("SLURM_JOB_GPUS", "").split(",") if gpu]
    if environment.get("SLURM_GPUS_ON_NODE") == "1" or len(slurm) == 1:
        return []
    if VISIBLE not in environment:
        return installed_gpus()
    listed = [gpu.strip() for gpu in environment[VISIBLE].split(",")]
    if "-1" in listed:  # CUDA ignores this entry and all after it
        listed = listed[: listed.index("-1")]
    gpus = list(dict.fromkeys(gpu for gpu in listed if gpu))
    return gpus if len(gpus) > 1 else []


def installed_gpus() -> list[str]:
    """The UUIDs of NVIDIA's GPUs, or of their MIG slices; empty where the driver's `nvidia-smi` finds none."""
    import subprocess

    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return listed_gpus(listing)


def listed_gpus(listing: str) -> list[str]:
    """The UUIDs in what `nvidia-smi -L` prints. A GPU that is cut into MIG slices is represented by these."""
    found: list[list[str]] = []
    for line in listing.splitlines():
        if uuid := re.search(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", line):
            if line.startswith("GPU"):
                found.append([])
            found[-1].append(uuid[1])
    return [uuid for gpu, *slices in found for uuid in slices or [gpu]]


def locks_folder(scope: str = "") -> Path:
    """A folder of this user's own on this machine, made if need be.

    It is in the folder for temporary files and, where a file of somebody else's has its name, in the user's cache.

    Raises:
        UserError: neither can be used.
    """
    own = Path(tempfile.gettempdir()) / f"subtuning-gpus-{os.getuid()}{scope}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    for folder in (own, cache / "subtuning" / f"gpus-{os.uname().nodename}{scope}"):
        if _is_ours(folder):
            return folder
    raise UserError(
        f"{own}, where trainings note which GPU they use, cannot be used; delete it, set TMPDIR to a folder that "
        "you can write to, or choose a GPU with CUDA_VISIBLE_DEVICES"
    )


def _is_ours(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK)


def _scope(environment: Mapping[str, str]) -> str:
    """In a SLURM job, GPUs may be numbered from 0 in each job."""
    job = environment.get("SLURM_JOB_ID", "")
    return f"-{job}" if job and VISIBLE in environment else ""


def _first_free(gpus: Sequence[str], folder: Path):
    from filelock import FileLock, Timeout

    locks = {gpu: FileLock(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', gpu)}.lock") for gpu in gpus}
    told = False
    while True:
        for gpu, lock in locks.items():
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            except OSError as error:
                raise UserError(
                    f"{folder}: {error.strerror}; set TMPDIR to a folder on a local disk that you can write to"
                ) from None
            return gpu, lock
        if not told:
            told = True
            names = ", ".join(gpus)
            print(
                f"all GPUs ({names}) are in use by other trainings; waiting until one is free "
                "(--device cuda:0 would share the first one)",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
