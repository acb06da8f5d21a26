"""Knowledge: what is known about faults, as files. Each rule names a cause, its signature, its source and examples.

Reading, checking and matching are here; what follows from a match is the sentinel's.
"""
