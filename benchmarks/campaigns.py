"""The full counts of everything random in the tests: `python -m benchmarks.campaigns`.

Runs the tests that are marked `campaign` with the second column of `tests/counts.py`, and prints the table of counts
with the date, for benchmarks/RESULTS.md.
"""

import datetime
import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1] / "tests"


def main() -> int:
    """Exit status of the test run."""
    sys.path.insert(0, str(TESTS))
    from counts import COUNTS, FULL

    command = [sys.executable, "-m", "pytest", str(TESTS), "-m", "campaign", "-q", "--durations=0", *sys.argv[1:]]
    status = subprocess.run(command, env=os.environ | {FULL: "1"}, check=False).returncode
    print(f"\n{datetime.date.today()}: {'all passed' if status == 0 else f'FAILED with status {status}'}")
    for name, count in COUNTS.items():
        print(f"  {count.campaign:>6,}  {name}")
    return status


if __name__ == "__main__":
    sys.exit(main())
