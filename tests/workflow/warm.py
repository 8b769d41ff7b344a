"""A process that has imported what takes seconds (torch, timm, Snakemake) and forks for every command it is given.

Tests start hundreds of commands. A forked one does what a fresh process does, less the imports, and may not use the
network. The tests that kill and interrupt, and those about the imports themselves, start real commands.

    python -m tests.workflow.warm SOCKET PID       serves as long as that process (pytest) lives
    SOCKET's folder/bin/{subtuning,warm-snakemake}  are the commands that ask it
"""

import atexit
import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SLOW_IMPORTS = [
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "subtuning.training.runner",
    "torch.utils.tensorboard",
    "subtuning.analysis.figures",
    "subtuning.analysis.summary",
    "subtuning.workspace.errors",
    "subtuning.workflow.params",
    "tabulate",
    "scipy.optimize",
    "scipy.stats",
]

COMMAND = """\
#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
order = json.dumps({{"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}}).encode()
socket.send_fds(server, [len(order).to_bytes(8, "big")], [0, 1, 2])
server.sendall(order)
sys.exit(int(server.recv(8) or b"137"))
"""


def write_commands(address: Path) -> Path:
    """The folder with the commands, to be put first on PATH."""
    folder = address.parent / "bin"
    folder.mkdir()
    for name in (
        "subtuning",
        "warm-snakemake",
    ):  # whoever looks for running Snakemakes must not find the waiting caller
        (folder / name).write_text(COMMAND.format(python=sys.executable, socket=str(address)))
        (folder / name).chmod(0o755)
    return folder


def serve(address: str, owner: int) -> None:
    for module in SLOW_IMPORTS:
        importlib.import_module(module)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    server.settimeout(1)
    while Path(f"/proc/{owner}").exists():
        with contextlib.suppress(TimeoutError):
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(connection)
            connection.close()
    shutil.rmtree(Path(address).parent)


def _answer(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 8, 3)
    order = b""
    while len(order) < int.from_bytes(size, "big"):
        order += connection.recv(1 << 16)
    order = json.loads(order)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    forbid_network()
    package, *others = os.environ["PYTHONPATH"].split(os.pathsep)
    _use_package(package)
    sys.path += others
    atexit._clear()  # those of the process that was forked
    code = _run(order["words"])
    atexit._run_exitfuncs()  # as the end of a process of its own would
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    connection.sendall(str(code).encode())
    os._exit(0)


def forbid_network() -> None:
    """Let every attempt to reach another machine, or to look up its address, fail."""

    def refuse(*args, **kwargs):
        raise OSError("the tests forbid the network")

    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse


def _use_package(folder: str) -> None:
    """Forget the imported `subtuning` if the caller wants that of another checkout."""
    if Path(folder) != ROOT:
        sys.path.insert(0, folder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "subtuning"]:
            del sys.modules[name]


def _run(words: list[str]) -> int:
    sys.argv = words
    if faults := os.environ.get("INJECTED_FAULTS"):
        from tests.faults import injected

        injected.inject(json.loads(faults))
    try:
        if words[0] == "subtuning":
            from subtuning.cli import main
        else:
            from snakemake.cli import main
        return main(words[1:]) or 0
    except SystemExit as leave:
        if isinstance(leave.code, str):
            print(leave.code, file=sys.stderr)
            return 1
        return int(leave.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
