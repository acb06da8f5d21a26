"""Names: what a team would call a process, and which processes nobody calls a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from grace.kit.redaction import redact_text

_LONGEST: Final = 63
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9_.-]+")
_INTERPRETER: Final = re.compile(
    r"(?:python|pypy|node|nodejs|ruby|perl|php|java|deno|bun|bash|sh|dash|dotnet|uv|poetry|npm)[0-9.]*"
)
_SERVERS: Final = re.compile(r"gunicorn|uvicorn|hypercorn|daphne|waitress-serve|uwsgi|celery|puma|flask")
"""Programs that run somebody's application, which they are given by name."""
_FACELESS: Final = frozenset(
    {"app", "main", "server", "index", "manage", "wsgi", "asgi", "run", "start", "serve", "api", "web", "__main__"}
)
"""Names of files that say nothing: the folder says more."""
_FACELESS_FOLDERS: Final = frozenset({"", "src", "bin", "dist", "build", "lib", "app", "tmp", "root", "home"})
_SCRIPTS: Final = frozenset({".py", ".js", ".mjs", ".ts", ".rb", ".pl", ".php", ".jar", ".sh", ".dll"})
_APPLICATION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?::[A-Za-z_][A-Za-z0-9_.]*(?:\(\))?)?")
_SYSTEM: Final = re.compile(
    r"sshd|systemd.*|init|dbus-.*|cupsd|cups-.*|avahi-daemon|chronyd|ntpd|timesyncd|dhclient|dhcpcd|dnsmasq|named|"
    r"NetworkManager|rpcbind|rpc\..*|containerd.*|dockerd|docker-proxy|podman|kubelet|kube-proxy|gpg-agent|ssh-agent|"
    r"ssh|agetty|getty|cron|crond|atd|rsyslogd|syslog-ng|polkitd|udisksd|snapd|exim4?|master|smtpd|sendmail|"
    r"node_exporter|prometheus-node-exporter|prometheus-node-.*|auditd|fail2ban-server|tailscaled|wpa_supplicant|"
    r"in\.tftpd|inetd|xinetd|Xorg|gdm.*|pulseaudio|pipewire.*|code-server|sudo|login"
)
_OWN: Final = re.compile(r"grace(?:\..+)?")


def service_name(argv: Sequence[str], cwd: str) -> str:
    """Return a name that `grace.yaml` takes, from the program, or the script, module or application that it runs."""
    subject = _subject(argv)
    if subject in _FACELESS:
        folder = _folder_of(argv, cwd)
        subject = folder or subject
    return as_name(subject)


def as_name(words: str) -> str:
    """Return the words as a name that `grace.yaml` takes."""
    return _NOT_A_NAME.sub("-", words.lower()).strip("-._")[:_LONGEST] or "service"


def told_command(argv: Sequence[str]) -> str:
    """Return a command line for people: program and subject. Arguments are left out, for any may be a secret."""
    program, subject = _base(argv[0]), _argument(argv)
    rest = "" if len(argv) <= (2 if subject else 1) else " ..."
    return printable(redact_text(f"{program} {subject}{rest}" if subject else f"{program}{rest}"))


def printable(text: str) -> str:
    """Return the text on one line, without letters that drive a terminal or break a comment."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def is_system(argv: Sequence[str], name: str) -> bool:
    """Tell whether a process belongs to the machine rather than to a team."""
    return any(_SYSTEM.fullmatch(one) for one in (_base(argv[0]), name))


def is_own(argv: Sequence[str]) -> bool:
    """Tell whether a process is one of GRACE's."""
    program = _base(argv[0])
    if not _INTERPRETER.fullmatch(program):
        return program == "grace"
    words = list(argv[1:])
    while words and words[0].startswith("-") and words[0] != "-m":
        words.pop(0)
    if words[:1] == ["-m"]:
        return bool(_OWN.fullmatch(words[1])) if len(words) > 1 else False
    return bool(words) and _base(words[0]) == "grace"


def program_of(argv: Sequence[str]) -> str:
    """Return the program's name without its folder; `postgres: writer` is `postgres`."""
    return _base(argv[0])


def _subject(argv: Sequence[str]) -> str:
    argument, program = _argument(argv), _base(argv[0])
    if _SERVERS.fullmatch(program) or _SERVERS.fullmatch(_base(argument or program)):
        return _application(argv) or program
    if not argument:
        return program
    path = PurePosixPath(argument)
    if "/" in argument or path.suffix in _SCRIPTS:
        return path.stem
    if program == "java":
        return argument.rpartition(".")[2]  # a class
    return argument.partition(".")[0]  # a module: its package


def _argument(argv: Sequence[str]) -> str:
    """Return the script, module, archive or application that an interpreter or server was given; else nothing."""
    if not (_INTERPRETER.fullmatch(_base(argv[0])) or _SERVERS.fullmatch(_base(argv[0]))):
        return ""
    words = list(argv[1:])
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in {"-m", "-jar"}:
            return words[0] if words else ""
        if word in {"-c", "-e", "-p"}:
            return ""  # a program in an argument: it may hold anything
        if word in {"-X", "-W", "-cp", "-r"} and words:
            words.pop(0)
    return words[0] if words and not _is_risky(words[0]) else ""


def _application(argv: Sequence[str]) -> str:
    """Return the package of `package.module:application`, given to a server anywhere on its command line."""
    words = " ".join(argv).split()[1:]  # one word, where the process gave itself a title
    for word in (each.strip("[]") for each in words):
        if ":" in word and _APPLICATION.fullmatch(word):
            module = word.partition(":")[0]
            parts = [part for part in module.split(".") if part not in _FACELESS]
            return parts[0] if parts else module.rpartition(".")[2]
    return ""


def _is_risky(word: str) -> bool:
    return "=" in word or "@" in word or "://" in word


def _folder_of(argv: Sequence[str], cwd: str) -> str:
    """Return the nearest folder with a face: that of the script, else the working folder and those above."""
    argument = _argument(argv)
    start = PurePosixPath(cwd) / argument if "/" in argument or "." in argument else PurePosixPath(cwd) / "_"
    return next((one.name for one in start.parents if one.name not in _FACELESS_FOLDERS), "")


def _base(word: str) -> str:
    """Return the last part of a path; of a title such as `nginx: master process` the program."""
    told = word.partition(": ")[0]
    path = told.partition(" -")[0] if told.startswith("/") else told.split(" ")[0]
    return PurePosixPath(path or word).name
