"""Run a program that dies with its parent: `python -I -S tether.py <parent's pid> <program> [argument …]`.

A parent that is killed outright runs no clean-up, and an etcd left behind keeps its port and its files. On Linux the
kernel can end the child instead. The request must be made in the child, and between fork and exec only by code that
takes no lock; this script makes it in a process of its own and then becomes the program, keeping pid and start time.

The kernel watches the *thread* that forked: start processes in a thread that lives as long as they should.
Stands alone: runs without site-packages, so it starts in about 20 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(f"{command[0]}: the process that started it is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
