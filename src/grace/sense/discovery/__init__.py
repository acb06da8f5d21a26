"""Discovery: what runs on this machine, seen without touching it, and the `grace.yaml` that follows from it.

One file for each kind of thing that is found; `survey.py` puts them together, `writing.py` writes the proposal down.
Everything here only reads. What may not be looked into is told as unknown, never passed over.
"""
