"""``python -m agnostic_ig`` is the command ``agnostic-ig``."""

import sys

from agnostic_ig.cli import main

if __name__ == "__main__":
    sys.exit(main())
