"""Read probes where this runs: a list of them comes as JSON, and what each answered goes out as JSON.

Each is `{"probe": ..., "with": {...}, "reads": 2}`; the reads of all of them take turns, a second apart.
"""

from __future__ import annotations

import json
import sys

from grace.kit.clock import SystemClock
from grace.model.reading import Known, Unknown
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint

_APART_S = 1.0


def main() -> None:
    clock = SystemClock()
    with Eyes(found_collectors(Viewpoint(clock))) as eyes:
        asked = [(eyes.aim(one["probe"], one["with"]), one["reads"]) for one in json.loads(sys.argv[1])]
        answers: list[Known | Unknown] = [Unknown(why="not read")] * len(asked)
        for turn in range(max(reads for _, reads in asked)):
            if turn:
                clock.sleep(_APART_S)
            for place, (meter, reads) in enumerate(asked):
                if turn < reads:
                    answers[place] = meter.read()
    sys.stdout.write(json.dumps([one.model_dump(mode="json") for one in answers]))


if __name__ == "__main__":
    main()
