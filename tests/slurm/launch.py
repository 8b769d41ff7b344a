"""Snakemake that asks SLURM for news every half second, so that tests need not wait; all else is as users have it."""

import asyncio
import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def _sleep(executor: Executor) -> None:
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    Executor.sleep = _sleep
    main(sys.argv[1:])
