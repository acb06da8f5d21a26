"""Rights: as which user GRACE acts, and what it refuses to do as root whatever the policy says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from grace.doctor.saying import doubtful, well
from grace.model.examination import CheckResult

_ROOT = 0


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether a person has allowed that processes are ended and signalled as root."""

    allows_as_root: bool

    def checks(self) -> Iterator[CheckResult]:
        """Say as which user GRACE acts."""
        user = os.geteuid()
        check, about = "rights.processes", f"user {user}"
        if user != _ROOT:
            yield well(check, about, "may end and signal its own processes, and no others")
        elif self.allows_as_root:
            yield well(check, about, "is root, and may end and signal processes: GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT")
        else:
            found = "is root: every plan that ends or signals a process is refused, for it could be anybody's"
            advice = "run GRACE as the user of your service, or set GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT=true"
            yield doubtful(check, about, found, advice)
