"""`python -m subtuning` is the command `subtuning`."""

import sys

from subtuning.cli import main

sys.exit(main())
