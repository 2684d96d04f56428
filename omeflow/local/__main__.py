"""`python -m omeflow.local [directory]`: a local cluster until Ctrl-C, without the rest of omeflow."""

import asyncio
import sys
from pathlib import Path

from omeflow.api.errors import OmeflowError
from omeflow.local.serving import serve


def main() -> int:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else ".omeflow/local")
    try:
        asyncio.run(serve(directory, progress=lambda line: print(line, file=sys.stderr, flush=True)))
    except OmeflowError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
