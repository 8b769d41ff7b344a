"""`python -m tests.numbers`: after an edit of numerical code, write the ledger, and the golden numbers if they are new.

They may be new only together with a `Change` in subtuning/runs/numbers.py that says whose numbers changed, and how.
"""

import json
import sys

from subtuning.runs.numbers import latest_numbers
from tests.numbers import golden, ledger


def main() -> int:
    """Returns 1, and writes nothing, if numbers changed under the version that they had."""
    now, known = golden.compute(), golden.read() if golden.FILE.exists() else {"numbers": 0, "trainings": {}}
    changed = golden.differences(now, known["trainings"])
    removed_or_other = [line for line in changed if line.split(":")[0] in known["trainings"]]
    if removed_or_other and known["numbers"] == latest_numbers():
        print(*changed, sep="\n")
        print("Numbers changed, so add a Change to subtuning/runs/numbers.py that says whose; then run this again.")
        return 1
    if changed:
        golden.FILE.write_text(json.dumps({"numbers": latest_numbers(), "trainings": now}, indent=1) + "\n")
    ledger.write()
    print("Golden numbers", "written." if changed else "unchanged.", "Ledger written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
