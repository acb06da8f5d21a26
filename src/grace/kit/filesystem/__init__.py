"""Exact states of files and folders: read one, name it by digest, say how two differ, write one atomically.

Every step below a root goes through folder descriptors and follows no symlink. What a state covers: content, mode,
owner, modification time, symlinks, extended attributes, entries of folders, hard links among them. Not: access and
change times, inode numbers.

`paths.py` names and opens, `entries.py` is the state as a value, `survey.py` and `scan.py` read it, `mounts.py` tells
what is mounted there, `fitness.py` refuses what could not be given back, `writing.py` makes it so, `places.py` holds
the folder around while that is done.
"""
