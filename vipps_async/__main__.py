"""``python -m vipps_async``."""

import sys

from vipps_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
