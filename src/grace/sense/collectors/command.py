"""Probes by command: the exit code or the output of a program that only looks.

There is no shell. The program gets a small environment, no input, a process group of its own and a limit of time and
output; whatever it leaves running is ended. That it only reads is the word of whoever wrote the playbook.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, cast

from pydantic import Field

from grace.kit.clock import Clock
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.quantities import AbsolutePath, Duration
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe
from grace.sense.collectors.meters import OVERTIME_S, ProbeParameters, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.viewpoint import Viewpoint

_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
_LONGEST_OUTPUT_BYTES: Final = 64 * 1024


class Command(ProbeParameters):
    """A program by its absolute path, and its arguments as they are."""

    argv: tuple[str, ...] = Field(min_length=1)
    cwd: AbsolutePath = "/"
    timeout: Duration = Field(default=5.0, gt=0, le=300)


class Output(Command):
    """A program whose standard output is the answer, if it ends as expected."""

    expect_exit: int = Field(default=0, ge=0, le=255)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended and what it wrote."""

    exit_code: int
    output: bytes


class CommandCollector:
    """`command.exit_code` and `command.output`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._clock = viewpoint.clock

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                TypedProbe(
                    ProbeSpec("command.exit_code", "How a program ended.", Command, Answers.NUMBER),
                    Command,
                    self._exit_code,
                ),
                TypedProbe(
                    ProbeSpec(
                        "command.output", "What a program wrote, without the last line break.", Output, Answers.TEXT
                    ),
                    Output,
                    self._output,
                ),
            ]
        )

    def close(self) -> None:
        """End nothing: a program never outlives its read."""

    def _exit_code(self, command: Command) -> Meter:
        def read() -> Known | Unknown:
            match run(command, self._clock):
                case Ended(exit_code=code) if code >= 0:
                    return Known(value=code)
                case Ended(exit_code=code):
                    return unknown(f"{command.argv[0]} was ended by signal {-code}")
                case why:
                    return why

        return Reads(command.timeout + OVERTIME_S, read)

    def _output(self, command: Output) -> Meter:
        def read() -> Known | Unknown:
            match run(command, self._clock):
                case Ended(exit_code=code, output=output) if code == command.expect_exit:
                    return Known(value=output.decode("utf-8", "replace").rstrip("\n"))
                case Ended(exit_code=code):
                    return unknown(f"{command.argv[0]} ended with {code}, expected {command.expect_exit}")
                case why:
                    return why

        return Reads(command.timeout + OVERTIME_S, read)


def run(command: Command, clock: Clock) -> Ended | Unknown:
    """Run a program to its end; one that is late or writes too much is ended with all it started."""
    deadline_s = clock.monotonic() + command.timeout
    try:
        process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return unknown(f"{command.argv[0]} cannot be started: {error}")
    with process:
        try:
            return _followed(process, command, clock, deadline_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _followed(process: subprocess.Popen[bytes], command: Command, clock: Clock, deadline_s: float) -> Ended | Unknown:
    """Collect the output until it ends, then the exit code."""
    pipe = cast("IO[bytes]", process.stdout).fileno()
    output = bytearray()
    late = unknown(f"{command.argv[0]} did not end within {command.timeout:g} s")
    while True:
        remaining_s = deadline_s - clock.monotonic()
        if remaining_s <= 0 or not select.select([pipe], [], [], remaining_s)[0]:
            return late
        chunk = os.read(pipe, _LONGEST_OUTPUT_BYTES)
        if not chunk:
            break
        output += chunk
        if len(output) > _LONGEST_OUTPUT_BYTES:
            return unknown(f"{command.argv[0]} wrote more than {_LONGEST_OUTPUT_BYTES} bytes")
    try:
        return Ended(process.wait(max(0.0, deadline_s - clock.monotonic())), bytes(output))
    except subprocess.TimeoutExpired:
        return late
