"""How much of a step a GPU spends waiting for Python."""

from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from subtuning.benchmark.job import Job
from subtuning.benchmark.timing import seconds_of

LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch")
"""Calls of CUDA's that start a kernel, or a graph of them."""


def by_step(job: Job) -> list[dict[str, Any]]:
    """What a step of the profile's lanes starts, with recorded passes and without, as torch's profiler counts it.

    On a CPU only torch's operators are counted: there is nothing to start.
    """
    rows = []
    for graphs in (True, False):
        group = job.group(job.profile, graphs=graphs)
        for _ in range(3):  # the second batch is the one that is recorded
            group.advance()
        seconds = seconds_of(group.advance, job.device)  # the profiler itself takes time
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if job.device.type == "cuda" else [])]
        with profile(activities=kinds) as seen:
            seconds_of(group.advance, job.device)
        events = seen.events() or []
        busy = sum(event.time_range.elapsed_us() for event in events if event.device_type == DeviceType.CUDA) / 1e6
        row = {"benchmark": "launches", "passes": "recorded" if graphs and group.recorder else "as they are"}
        row |= {"operators": sum(event.name.startswith("aten::") for event in events)}
        row |= {"launches": sum(event.name in LAUNCHES for event in events), "step_s": float(f"{seconds:.4g}")}
        rows.append(row | {"idle_share": round(1 - busy / seconds, 3) if group.device.type == "cuda" else None})
        if group.recorder is None:
            break
    return rows
