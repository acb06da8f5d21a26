"""The address: who can reach it, what opens it, and whether it is free for us."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from grace.doctor.saying import doubtful, failed, not_known, well
from grace.kit.procfs import process_stat, tcp_listeners
from grace.model.examination import CheckResult


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server of these settings listens, or would; `tokens` is None where nobody could count them."""

    host: str
    port: int
    is_public: bool
    tokens: int | None
    ours: int | None
    """The process of ours that listens there already."""

    def checks(self) -> Iterator[CheckResult]:
        yield self._reach()
        yield self._port()

    @property
    def _shown(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def _reach(self) -> CheckResult:
        check, about = "address.reach", self._shown
        opened = "no record of tokens yet" if self.tokens is None else f"{self.tokens} usable tokens"
        if not self.is_public:
            return well(check, about, f"only this machine reaches it; {opened}")
        if not self.tokens:
            advice = "grace token create NAME --role admin, or listen on 127.0.0.1"
            return failed(check, about, f"others reach it, and {opened} open it: a start is refused", advice)
        advice = "put a proxy with TLS in front, and listen on 127.0.0.1"
        return doubtful(check, about, f"others reach it, without TLS: tokens can be read on the way; {opened}", advice)

    def _port(self) -> CheckResult:
        check, about = "address.port", self._shown
        if self.ours is not None:
            return well(check, about, f"served by us, process {self.ours}")
        if self.port == 0:
            return well(check, about, "any free port")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((self.host, self.port))
                return self._free(check, about)
        except OSError as error:
            who = self._listeners()
            found = f"cannot be listened on: {error.strerror}{who}"
            return failed(check, about, found, "name another: grace serve --port 8001, or GRACE_PORT")

    def _free(self, check: str, about: str) -> CheckResult:
        return (
            not_known(check, about, who, "grace serve --port 8001")
            if (who := self._listeners())
            else well(check, about, "is free")
        )

    def _listeners(self) -> str:
        pids = tcp_listeners(self.port).pids
        named = [f"{pid} ({stat.name})" for pid in pids if (stat := process_stat(pid))]
        return f": process {', '.join(named)} listens" if named else ""
