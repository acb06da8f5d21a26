"""Playbooks in Python: read as source, held to what is pure, called in a small process of its own, never imported here.

`allowed` says what a pure function may use, `source` and `references` find what it may not, `child` is the process,
`asking` the parent's side of it, `reading` loads a file, and `drafting` turns one call into a playbook like any other.
"""
