"""Take out of names and messages what differs between two sightings of one fault: numbers, ids, addresses, paths."""

from __future__ import annotations

import re
from typing import Final

_LONGEST_MESSAGE: Final = 1_000
_READ: Final = 4_000
"""So much of a message is read: what is cut off within a quotation or an address would make two faults of one."""

_PATH_PART: Final = r"[\w.@+~$%{}-]+"
_METHODS: Final = "|".join(rf"(?<=\b{one}\x20)" for one in ("GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"))
_VARYING: Final = re.compile(
    rf"""
    (?P<text> (?<!\w)'[^'\n]*'(?!\w) | "[^"\n]*(?:"|\Z) | `[^`\n]*`)
  | (?P<url> \b[a-z][a-z0-9+.-]{{1,15}}://[^\s'"<>)\]]+)
  | (?P<email> (?<![\w.+-])[\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+)
  | (?P<uuid> \b[0-9a-f]{{8}}-?(?:[0-9a-f]{{4}}-?){{3}}[0-9a-f]{{12}}\b)
  | (?P<time> \b\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[ ]?[+-]\d\d:?\d\d)?)?
            | \b\d\d:\d\d:\d\d(?:[.,]\d+)?)
  | (?P<address> \b\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d+)?\b
               | \[?\b[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{3,7}}(?:(?:\.\d{{1,3}}){{3}})?(?:\]:\d+)?
               | (?<![\w:])\[?(?=[0-9a-f]*::[0-9a-f.:]*\d)(?:(?=[0-9a-f]*\d)[0-9a-f]{{1,4}})?::[0-9a-f:.]*[0-9a-f]
                 (?:%\w+)?(?![\w:])(?:\](?::\d+)?)?)
  | (?P<path> (?:{_METHODS})/[^\s"'<>]*
            | (?<![\w.<])(?:[a-z]:)?(?:[\\/]{_PATH_PART}){{2,}}[\\/]?
            | (?<![\w.<])(?:~|\.{{1,2}})?/{_PATH_PART}(?:/{_PATH_PART})*/?(?:\?[\w=&%.+~:;,*-]*)?)
  | (?P<hex> \b0x[0-9a-f]+\b | \b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{{6,}}\b)
  | (?P<id> \b(?=\w*\d[a-z]|\w*[a-z]\d)(?=\w*\d\w*\d\w*\d)[a-z0-9]{{10,}}\b)
  | (?P<n> (?<![^\W_])[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BLANKS: Final = re.compile(r"\s+")

_VARYING_IN_NAME: Final = re.compile(
    r"""
    0x[0-9a-f]+                                 # an address
  | (?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{8,}(?![0-9a-z])  # a hash
  | (?<=::h)[0-9a-f]{16}                        # the hash that Rust adds to a symbol
  | (?<=[$@\#:/.<_-])\d+                        # a counter that a compiler adds
  | (?:(?<=proxy)|(?<=accessor)|(?<=lambda))\d+ # the number of a generated class
  | \d{4,}                                      # a number too long to be part of a word
    """,
    re.IGNORECASE | re.VERBOSE,
)


def normal_message(message: str) -> str:
    """Return a message with everything that varies replaced by the name of its kind: `order <n> in <path>`."""
    varying = _VARYING.sub(lambda match: f"<{match.lastgroup}>", message[:_READ])
    return _BLANKS.sub(" ", varying)[:_LONGEST_MESSAGE].strip().lower()


def normal_name(name: str) -> str:
    """Return the name of a module, function or type without addresses, hashes and counters; digits of words stay."""
    return _VARYING_IN_NAME.sub("#", name)


def normal_file(file: str) -> str:
    """Return the last two parts of a path, without hashes: what an install location does not change."""
    parts = [part for part in re.split(r"[\\/]+", file.partition("?")[0]) if part]
    return normal_name("/".join(parts[-2:]))
