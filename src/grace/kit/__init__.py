"""What every room needs and no room owns: time, ids, canonical JSON, digests, redaction, fault points.

Nothing here knows GRACE: a module that names a run, an incident or a ledger belongs elsewhere.
"""
