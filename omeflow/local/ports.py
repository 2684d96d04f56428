"""Free ports, from the kernel."""

import socket
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Ports on the loopback interface that nobody listens on; all different, because all are held until the last is."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
