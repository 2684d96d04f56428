"""`python -m omeflow.local.preparing`: have the control plane's binaries before somebody waits for a cluster.

Building them may take minutes. A test's time-out and a demo's clock should not run meanwhile.
"""

import asyncio
import os
import sys

from omeflow.api.errors import OmeflowError
from omeflow.local.binaries import find_binaries
from omeflow.local.cache import Cache


def main() -> int:
    def say(line: str, /) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        binaries = asyncio.run(find_binaries(cache=Cache.of(os.environ), progress=say))
    except OmeflowError as error:
        say(f"error: {error}")
        return 1
    for name, path in binaries.items():
        say(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
