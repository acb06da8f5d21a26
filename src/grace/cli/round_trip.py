"""One visit at a server: does it answer, is it our version, what may our token, does the door take what we send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

import httpx
from grace_sdk.client import ApiProblem, Client, Json, ServerUnreachable
from pydantic import ValidationError

from grace.cli.addresses import Address
from grace.kit.clock import Clock
from grace.kit.wording import in_words
from grace.model.examination import CheckResult, Examination, Health

_PATIENCE_S: Final = 5.0
_LONGEST_LOOK_S: Final = 120.0
_DATED_WITHIN_S: Final = 2.0
"""An HTTP date has whole seconds, and a server may write the same one for a second."""
LARGEST_SKEW_S: Final = 2.0
_ELSEWHERE: Final = "grace serve, or name another --server"
_EMPTY: Final[Json] = {"signals": []}
_OK: Final = 200
_REFUSES_EMPTY: Final = 422
_NO_TOKEN: Final = 401
_NO_ROLE: Final = 403
_NOT_THERE: Final = 404
_NO_SERVICE: Final = ":no-service"


@dataclass(slots=True)
class RoundTrip:
    """What a visit finds; `reached` comes first."""

    address: Address
    clock: Clock
    is_alive: bool = False
    _said: dict[str, Json] = field(default_factory=dict[str, Json])
    _dated: datetime | None = None
    _sent: datetime | None = None
    _came: datetime | None = None

    def reached(self, *, is_named: bool) -> Iterator[CheckResult]:
        """Ask whether the server lives; nobody needs to, unless one was named."""
        begun, self._sent = self.clock.monotonic(), self.clock.now()
        try:
            answer = httpx.get(f"{self.address.url.rstrip('/')}/api/healthz", timeout=_PATIENCE_S, trust_env=False)
            self._said = answer.json() if answer.headers.get("content-type", "").endswith("json") else {}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            yield self._silent(str(error) or type(error).__name__, is_named=is_named)
            return
        self._came = self.clock.now()
        took_ms = round((self.clock.monotonic() - begun) * 1000.0, 1)
        self._dated = _date(answer.headers.get("date"))
        self.is_alive = "status" in self._said
        if answer.status_code != _OK or not self.is_alive:
            why = str(self._said.get("detail") or f"status {answer.status_code}, and not as GRACE does")
            yield _result("online.alive", self.address.url, Health.FAILED, why, _ELSEWHERE)
            return
        yield _result("online.alive", self.address.url, Health.OK, f"answers in {took_ms:g} ms", "", took_ms, "ms")

    def _silent(self, why: str, *, is_named: bool) -> CheckResult:
        if is_named:
            return _result(
                "online.alive", self.address.url, Health.FAILED, why, "grace serve, or name another --server"
            )
        found = f"no server answers ({why}): what lies on disk is looked at instead"
        return _result("online.alive", self.address.url, Health.OK, found)

    def checks(self) -> Iterator[CheckResult]:
        """Hold version and clock against ours, and try the token at two doors."""
        yield self._version()
        yield self._clock()
        with Client(self.address.url, self.address.token, timeout_s=_PATIENCE_S) as client:
            yield self._role(client)
            yield self._door(client)

    def examination(self, service: str | None) -> Iterator[CheckResult]:
        """Let the server look at itself, and tell what it found."""
        with Client(self.address.url, self.address.token, timeout_s=_LONGEST_LOOK_S) as client:
            try:
                found = Examination.model_validate(client.get("/api/doctor", {"service": service}))
            except ApiProblem as problem:
                yield _refused("online.examination", "the server's own look", problem)
            except ServerUnreachable as error:
                why = f"broke off: {error.reason}"
                yield _result("online.examination", self.address.url, Health.FAILED, why, "grace doctor again")
            except ValidationError as error:
                why = f"is not understood by this version: {in_words(error)}"
                yield _result("online.examination", self.address.url, Health.UNKNOWN, why, "use the same version twice")
            else:
                yield from found.results

    def _version(self) -> CheckResult:
        ours, theirs = version("grace-heal"), str(self._said.get("version"))
        if ours != theirs:
            found = f"the server is {theirs}, this command {ours}"
            return _result("online.version", "version", Health.WARNING, found, "install the same version on both sides")
        return _result("online.version", "version", Health.OK, f"{ours} on both sides")

    def _clock(self) -> CheckResult:
        check, about = "online.clock", "the server's clock beside ours"
        if self._dated is None or self._sent is None or self._came is None:
            return _result(check, about, Health.UNKNOWN, "the answer has no Date", f"curl -I {self.address.url}")
        skew_s = skew(self._dated, self._sent, self._came)
        found = f"its Date is {skew_s:+.1f} s from ours, beyond the second that a Date leaves open"
        if abs(skew_s) > LARGEST_SKEW_S:
            return _result(check, about, Health.WARNING, found, "set both clocks: see `timedatectl`", skew_s, "s")
        return _result(check, about, Health.OK, found, "", skew_s, "s")

    def _role(self, client: Client) -> CheckResult:
        check, about = "online.token", "token"
        if not self.address.token:
            advice = "grace token create NAME --role operator --keep"
            return _result(check, about, Health.FAILED, "no token is known for this server", advice)
        try:
            said = client.get("/api/auth/whoami")
        except ApiProblem as problem:
            if problem.status == _NO_ROLE:
                return _result(check, about, Health.OK, problem.detail)
            return _refused(check, about, problem)
        except ServerUnreachable as error:
            return _result(check, about, Health.FAILED, error.reason, "grace doctor again")
        told = said if isinstance(said, dict) else {}
        return _result(check, about, Health.OK, f"belongs to {told.get('name')}, role {told.get('role')}")

    def _door(self, client: Client) -> CheckResult:
        """Knock with an empty batch: let in, read and refused as it should be, and nothing is written."""
        check, about, begun = "online.door", "native door", self.clock.monotonic()
        try:
            client.post("/api/intake/native", body=_EMPTY)
        except ApiProblem as problem:
            took_ms = round((self.clock.monotonic() - begun) * 1000.0, 1)
            if problem.status != _REFUSES_EMPTY:
                return _refused(check, about, problem)
            found = f"lets this token in, and refuses an empty batch in {took_ms:g} ms; no signal was made to try it"
            return _result(check, about, Health.OK, found, "", took_ms, "ms")
        except ServerUnreachable as error:
            return _result(check, about, Health.FAILED, error.reason, "grace doctor again")
        return _result(
            check, about, Health.FAILED, "took an empty batch", "compare `grace --version` with the server's"
        )


def skew(dated: datetime, sent: datetime, came: datetime) -> float:
    """Return how far a clock is from ours at least, in seconds, when it wrote `dated` between `sent` and `came`."""
    ahead_s = (dated - came).total_seconds()
    behind_s = (dated - sent).total_seconds() + _DATED_WITHIN_S
    return ahead_s if ahead_s > 0 else min(0.0, behind_s)


def _refused(check: str, about: str, problem: ApiProblem) -> CheckResult:
    detail = problem.detail or problem.title
    if problem.status == _NO_ROLE:
        return _result(check, about, Health.UNKNOWN, detail, problem.next or "grace token create NAME --role operator")
    if problem.status == _NO_TOKEN:
        return _result(check, about, Health.FAILED, detail, "grace token create NAME --role operator --keep")
    if str(problem.members.get("type")).endswith(_NO_SERVICE):
        return _result(check, about, Health.FAILED, detail, "grace status shows which services there are")
    if problem.status == _NOT_THERE:
        return _result(check, about, Health.UNKNOWN, detail, "grace status; is it an older server?")
    return _result(check, about, Health.FAILED, detail, problem.next or "grace status")


def _date(written: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(written) if written else None
    except ValueError:
        return None


def _result(
    check: str, about: str, health: Health, found: str, next_step: str = "", value: float | None = None, unit: str = ""
) -> CheckResult:
    return CheckResult(check=check, about=about, health=health, found=found, value=value, unit=unit, next=next_step)
