"""A SLURM cluster of two nodes on this machine, in a folder: no system service, no accounts, pretended GPUs.

Node n1 has two GPUs, n2 has one. Partition `gpu` (the one in profiles/slurm) is n1 alone, `both` is both nodes.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
SYSTEM = "/usr/sbin:/sbin"
"""Where the daemons are, which is not on every user's PATH."""

INSTALL = "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge"
NODES = {"n1": 2, "n2": 1}
"""Name -> GPUs."""

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
MinJobAge=3600
SlurmdTimeout=10
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16 RealMemory=100000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=16 RealMemory=100000 Gres=gpu:1
PartitionName=gpu Nodes=n1 Default=YES MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=200 State=UP
PartitionName=both Nodes=n1,n2 Default=NO MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=200 State=UP
"""

GPUS = """\
AutoDetect=off
NodeName=n1 Name=gpu File=/dev/null,/dev/zero
NodeName=n2 Name=gpu File=/dev/full
"""


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120) -> object:
    """The first true value of `condition()`. Raises AssertionError that says `what` did not happen."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"after {seconds} s still not: {what}"
        time.sleep(0.1)
    return value


def what_is_missing() -> str:
    """A sentence that says which programs of SLURM this machine lacks and how to install them; empty if none."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    return f"SLURM is not installed ({', '.join(absent)} not found); on Debian: {INSTALL}" if absent else ""


class Cluster:
    """A running cluster; `environment` is what its users need."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}:{_path()}"}
        self._processes: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Write the configuration, start all daemons and wait until all nodes are idle."""
        self._write()
        self._spawn("slurmctld", "slurmctld", "-D", "-i")
        wait_for(lambda: "UP" in self.ask("scontrol", "ping", check=False), "slurmctld is up")
        for node in NODES:
            self.start_node(node)

    def start_node(self, node: str) -> None:
        """Start a node's daemon and wait until jobs can run there."""
        self._spawn(node, "slurmd", "-D", "-N", node)
        wait_for(lambda: self.ask("sinfo", "-h", "-n", node, "-o", "%T").split()[:1] == ["idle"], f"{node} is idle")

    def kill_node(self, node: str) -> None:
        """What a power failure does to a node: its daemon and all that runs there are gone at once."""
        daemon = psutil.Process(self._processes.pop(node).pid)
        log = str(self.folder / "log" / f"slurmd.{node}.log")
        steps = [process for process in psutil.process_iter() if _manages_steps(process, log)]
        victims = [daemon, *steps, *(child for step in steps for child in step.children(recursive=True))]
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(victims, timeout=30)

    def stop(self) -> None:
        """Cancel all jobs, wait until they are gone, stop the daemons."""
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            self.ask("scancel", "--user", _user())
            wait_for(lambda: not self.jobs(), "the queue is empty", 60)
        for process in reversed(self._processes.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, *words: str, check: bool = True) -> str:
        """What a SLURM command prints."""
        environment = os.environ | self.environment
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=check, timeout=60)
        return done.stdout

    def jobs(self, *options: str) -> dict[int, dict[str, str]]:
        """Number -> state, node and time limit; of jobs in the queue, or with `-t all` of all."""
        lines = self.ask("squeue", "-h", "-o", "%i|%T|%N|%l", *options).splitlines()
        keys = ("state", "node", "limit")
        return {int(number): dict(zip(keys, rest, strict=True)) for number, *rest in (x.split("|") for x in lines)}

    def log(self) -> str:
        """The daemons' logs, for the message of a failed test."""
        return "\n".join(file.read_text(errors="replace")[-3000:] for file in sorted(self.folder.glob("log/*")))

    def _spawn(self, name: str, *words: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("a") as out:
            process = subprocess.Popen(words, env=os.environ | self.environment, stdout=out, stderr=out)
        self._processes[name] = process

    def _write(self) -> None:
        for name in ("state", "spool", "run", "log", "bin", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        values = {"host": host, "user": _user(), "ports": _free_ports(3), "folder": self.folder}
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
        (self.folder / "gres.conf").write_text(GPUS)
        # The jobs' inner srun is started without SLURM_CONF: a cluster has its configuration in /etc, this one has not.
        srun, real = self.folder / "bin" / "srun", shutil.which("srun", path=_path())
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
        srun.chmod(0o755)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster in an empty folder, stopped at the end."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _manages_steps(process: psutil.Process, log: str) -> bool:
    """Whether a process is a step manager of the node that writes this log."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.name().startswith("slurmstepd") and any(file.path == log for file in process.open_files())
    return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _path() -> str:
    return f"{os.environ['PATH']}:{SYSTEM}"


def _user() -> str:
    return psutil.Process().username()
