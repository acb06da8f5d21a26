"""A recorded machine: a `/proc` of plain files, as Linux lays it out."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

LISTENING, CONNECTED = "0A", "01"


@dataclass(slots=True)
class Recorded:
    """Writes processes and sockets below a folder."""

    proc: Path
    _unix: list[str] = field(default_factory=list[str])
    _tcp: dict[str, list[str]] = field(default_factory=lambda: {"tcp": [], "tcp6": []})

    def process(
        self,
        pid: int,
        argv: Sequence[str],
        *,
        parent: int = 1,
        cwd: Path | str = "/",
        sockets: Sequence[int] = (),
        files: Mapping[str, int] | None = None,
        cgroup: str = "/",
        name: str = "",
        started_at: int = 0,
    ) -> None:
        folder = self.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "fdinfo").mkdir()
        comm = name or Path(argv[0].split(" ")[0]).name[:15] if argv else "kthread"
        rest = ["S", str(parent), *["0"] * 17, str(started_at or pid), "0", "10", *["0"] * 20]
        (folder / "stat").write_text(f"{pid} ({comm}) {' '.join(rest)}\n")
        (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
        (folder / "status").write_text("Name:\tx\nUid:\t1000\t1000\t1000\t1000\n")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "cwd").symlink_to(cwd)
        for number, inode in enumerate(sockets, start=3):
            self._open(folder, number, f"socket:[{inode}]", os.O_RDWR)
        for number, (path, flags) in enumerate((files or {}).items(), start=50):
            self._open(folder, number, path, flags)

    def listens(self, inode: int, address: str, port: int, uid: int = 1000) -> None:
        self._socket(inode, (address, port), ("::" if ":" in address else "0.0.0.0", 0), LISTENING, uid)

    def listens_locally(self, inode: int, path: str) -> None:
        self._unix.append(f"0000000000000000: 00000002 00000000 00010000 0001 01 {inode} {path}")

    def connected(self, inode: int, address: str, port: int) -> None:
        self._socket(inode, ("127.0.0.1", 50_000 + inode % 1000), (address, port), CONNECTED, 1000)

    def close(self) -> None:
        (self.proc / "net").mkdir(parents=True, exist_ok=True)
        for name, lines in self._tcp.items():
            (self.proc / "net" / name).write_text("\n".join(["  sl  local_address rem_address   st", *lines, ""]))
        head = "Num       RefCount Protocol Flags    Type St Inode Path"
        (self.proc / "net" / "unix").write_text("\n".join([head, *self._unix, ""]))

    def _socket(self, inode: int, local: tuple[str, int], remote: tuple[str, int], state: str, uid: int) -> None:
        name = "tcp6" if ":" in local[0] else "tcp"
        places = f"{_hex(*local)} {_hex(*remote)}"
        line = f"{len(self._tcp[name])}: {places} {state} 0:0 0:0 0 {uid} 0 {inode} 1"
        self._tcp[name].append(line)

    def _open(self, folder: Path, number: int, target: str, flags: int) -> None:
        (folder / "fd" / str(number)).symlink_to(target)
        (folder / "fdinfo" / str(number)).write_text(f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t1\n")


def _hex(address: str, port: int) -> str:
    at = ip_address(address)
    family = socket.AF_INET if at.version == 4 else socket.AF_INET6
    packed = socket.inet_pton(family, address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
