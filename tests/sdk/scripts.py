"""Small applications in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it printed."""
    return finish(sys.executable, "-c", code, *arguments)


def run_file(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program from a file: under spawn and forkserver a child imports its parent's main module from there."""
    path = folder / "program.py"
    path.write_text(code)
    return finish(sys.executable, str(path), *arguments)


def finish(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program and wait for its first line, which says that it is ready."""
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
