"""The first process of a machine of its own: gives it a `/run` and a loopback, then only buries the dead."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
from typing import Final

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "machine", "/run"], check=True)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    os.write(1, b"ready\n")
    while True:
        signal.sigwait({signal.SIGCHLD})
        _bury()


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:  # nobody is left
        return


if __name__ == "__main__":
    main()
