"""The command line, a visitor: one file per command group, each an API call through the client.

Only `serve` and `demo` use the wiring; ledger verification and playbook linting also work offline.
"""
