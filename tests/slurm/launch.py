"""Snakemake that asks SLURM for news every half second, so that tests need not wait; all else is as users have it."""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(executor: RemoteExecutor) -> None:
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    RemoteExecutor.sleep = _sleep
    main(sys.argv[1:])
