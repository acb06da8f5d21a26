"""The command line, a visitor: one file per command group, each an API call through the client.

`program.py` knows the commands by name and imports a file only when its command is asked for; `visiting.py` gives a
command its way to the server and the screen. Only `serve`, `demo` and what works on a data folder without a server use
the wiring; ledger verification and playbook linting also work offline.
"""

import sys

from grace.cli.program import run


def main() -> None:
    """Run the command that was typed and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))
