"""The crash matrix: the whole house, killed at every named cut, started again, and held to what the world shows.

`scenarios.py` says what is healed and how the world would show a fault, `lives.py` what one life of GRACE does,
`oracle.py` what must be true afterwards, `server.py` forks the lives, `cases.py` runs many of them.
"""
