"""What is found on machines whose `/proc` was written down."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from grace.kit.clock import SystemClock
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.discovery.findings import NO_NARROWING, Finding, FoundService, Kind, Narrowing, Survey
from grace.sense.discovery.processes import Unlisted, see_processes
from grace.sense.discovery.survey import Ground, survey
from tests.sense.discovery.recorded import Recorded

APPEND = os.O_WRONLY | os.O_APPEND
Look = Callable[..., Survey]


@pytest.fixture
def machine(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path / "proc")


@pytest.fixture
def look(machine: Recorded, tmp_path: Path) -> Look:
    """Return a function that looks at the recorded machine, and asks nobody anything."""

    def looked(narrowing: Narrowing = NO_NARROWING, own: Path | None = None) -> Survey:
        machine.close()
        ground = Ground(
            machine.proc, (tmp_path / "etc", tmp_path / "usr"), tmp_path / "docker.sock", own, asks_pages=False
        )
        return survey(ground, Viewpoint(SystemClock()), narrowing)

    return looked


def _only(found: Survey) -> FoundService:
    assert len(found.services) == 1, found.services
    return found.services[0]


def _of(found: Survey, kind: Kind) -> list[Finding]:
    return [one for one in found.findings if one.kind is kind]


def _database(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    connection.close()
    return path


def test_workers_that_share_a_socket_are_one_service(machine: Recorded, look: Look) -> None:
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/usr/bin/python3", "/usr/bin/gunicorn", "shop.wsgi:app"], sockets=[71])
    for worker in (101, 102):
        machine.process(worker, ["/usr/bin/python3", "/usr/bin/gunicorn", "shop.wsgi:app"], parent=100, sockets=[71])
    service = _only(look())
    assert (service.name, service.main_pid) == ("shop", 100)
    assert [at.port for at in service.endpoints] == [8001]


def test_two_ports_of_one_process_are_one_service_and_ipv6_is_read(machine: Recorded, look: Look) -> None:
    machine.listens(71, "127.0.0.1", 8001)
    machine.listens(72, "::1", 8002)
    machine.listens(73, "::ffff:127.0.0.1", 8003)
    machine.process(100, ["/srv/notes/notesd"], sockets=[71, 72, 73])
    service = _only(look())
    assert [f"{at.address} {at.port}" for at in service.endpoints] == ["127.0.0.1 8001", "::1 8002", "127.0.0.1 8003"]


def test_the_machine_itself_and_grace_are_left_out_and_counted(machine: Recorded, look: Look) -> None:
    own = (["grace", "serve"], ["/v/bin/python", "/v/bin/grace", "serve"], ["python3", "-I", "-m", "grace.kit.x"])
    others = (["/usr/sbin/sshd", "-D"], ["/lib/systemd/systemd-resolved"], ["sshd: ann [priv]"])
    for number, argv in enumerate((*own, *others)):
        machine.listens(70 + number, "0.0.0.0", 2000 + number)
        machine.process(100 + number, argv, sockets=[70 + number])
    machine.process(2, [], name="kthreadd")
    found = look()
    assert found.services == ()
    assert found.left_out.own == 3
    assert found.left_out.system == ("sshd", "sshd", "systemd-resolved")


def test_a_process_that_is_named_is_found_though_it_listens_nowhere(machine: Recorded, look: Look) -> None:
    machine.process(100, ["python3", "/srv/mail/sender.py"])
    assert look().services == ()
    service = _only(look(Narrowing(pids=frozenset({100}))))
    assert (service.name, service.endpoints) == ("sender", ())


@pytest.mark.parametrize(
    "narrowing",
    [
        Narrowing(pids=frozenset({101})),
        Narrowing(ports=frozenset({8002})),
        Narrowing(services=frozenset({"notes"})),
    ],
)
def test_a_narrowed_look_finds_what_was_named_alone(machine: Recorded, look: Look, narrowing: Narrowing) -> None:
    for pid, port, name in ((100, 8001, "shop"), (101, 8002, "notes")):
        machine.listens(pid, "127.0.0.1", port)
        machine.process(pid, [f"/srv/{name}"], sockets=[pid])
    found = look(narrowing)
    assert _only(found).name == "notes"
    assert {one.service for one in found.findings} == {"notes"}


def test_equal_names_are_told_apart_by_their_ports_and_the_order_never_changes(machine: Recorded, look: Look) -> None:
    for pid, port in ((107, 8003), (103, 8001), (105, 8002)):
        machine.listens(pid, "127.0.0.1", port)
        machine.process(pid, ["/srv/shop"], sockets=[pid])
    assert [one.name for one in look().services] == ["shop-8001", "shop-8002", "shop-8003"]
    assert look() == look()
    assert len(look(Narrowing(services=frozenset({"shop"}))).services) == 3
    assert _only(look(Narrowing(services=frozenset({"shop-8002"})))).main_pid == 105


def test_a_socket_of_nobody_who_may_be_looked_into_is_unknown(machine: Recorded, look: Look) -> None:
    machine.listens(71, "0.0.0.0", 5432, uid=110)
    found = look()
    assert found.services == ()
    assert [one.what for one in found.unseen] == ["port 0.0.0.0:5432"]
    assert "110" in found.unseen[0].why


def test_a_database_is_known_by_its_first_bytes(machine: Recorded, look: Look, tmp_path: Path) -> None:
    real = _database(tmp_path / "notes.data")
    fake = tmp_path / "fake.db"
    fake.write_text("not a database")
    pipe = tmp_path / "pipe.db"
    os.mkfifo(pipe)
    machine.listens(71, "127.0.0.1", 8001)
    files = {str(path): os.O_RDWR for path in (real, fake, pipe)} | {f"{tmp_path}/gone.db (deleted)": os.O_RDWR}
    machine.process(100, ["/srv/notes"], sockets=[71], files=files)
    found = look()
    assert [(one.value, one.source) for one in _only(found).databases] == [
        (str(real), "open in process 100 (descriptor 50)")
    ]
    assert found.unseen == ()


def test_a_database_of_a_worker_or_beside_the_process_is_found_too(
    machine: Recorded, look: Look, tmp_path: Path
) -> None:
    (tmp_path / "srv" / "data").mkdir(parents=True)
    closed = _database(tmp_path / "srv" / "data" / "closed.sqlite3")
    told = _database(tmp_path / "told.db")
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/srv/notes", "--db", str(told)], cwd=tmp_path / "srv", sockets=[71])
    found = {one.value: one.source for one in _only(look()).databases}
    assert "not open at this moment" in found[str(closed)]
    assert "command line" in found[str(told)]


def test_what_lies_in_the_own_folder_is_no_target(machine: Recorded, look: Look, tmp_path: Path) -> None:
    own = tmp_path / "grace-data"
    own.mkdir()
    database = _database(own / "grace.db")
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/srv/notes"], sockets=[71], files={str(database): os.O_RDWR})
    assert _only(look(own=own)).databases == ()


def test_the_record_of_another_grace_is_no_target_either(machine: Recorded, look: Look, tmp_path: Path) -> None:
    data = tmp_path / "srv" / "data"
    data.mkdir(parents=True)
    database = _database(data / "grace.db")
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/srv/notes"], cwd=tmp_path / "srv", sockets=[71])
    assert [one.value for one in _only(look()).databases] == [str(database)]
    (data / "ledger.key").touch()
    assert _only(look()).databases == ()


def test_logs_are_files_open_for_append(machine: Recorded, look: Look, tmp_path: Path) -> None:
    machine.listens(71, "127.0.0.1", 8001)
    flags = {"app": APPEND, "out.log": os.O_WRONLY, "state": os.O_RDWR, "seen.log": os.O_RDONLY}
    for name in flags:
        (tmp_path / name).touch()
    files = {str(tmp_path / name): how for name, how in flags.items()}
    machine.process(100, ["/srv/notes/notesd"], sockets=[71], files={**files, "/dev/null": APPEND})
    assert [one.value for one in _only(look()).logs] == [str(tmp_path / "app"), str(tmp_path / "out.log")]


def test_files_of_another_file_system_are_not_named_as_ours(machine: Recorded, look: Look, tmp_path: Path) -> None:
    """A container's `/data/app.db` is not our `/data/app.db`."""
    ours, theirs = _database(tmp_path / "app.db"), _database(tmp_path / "inside.db")
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/srv/notes", str(ours)], cwd=tmp_path, sockets=[71], files={str(ours): os.O_RDWR})
    link = machine.proc / "100" / "fd" / "50"
    assert [one.value for one in _only(look()).databases] == [str(ours), str(theirs)]
    seen = see_processes(machine.proc).by_pid[100]
    assert seen.files[0].is_here
    link.unlink()
    link.symlink_to(theirs)
    assert not seen.files[0].is_here
    cwd = machine.proc / "100" / "cwd"
    cwd.unlink()
    cwd.symlink_to(tmp_path / "gone")
    link.unlink()
    service = _only(look())
    assert (service.databases, service.logs, service.pid_file) == ((), (), None)
    assert "file system of its own" in service.notes[0]


def test_a_unit_gives_its_name_its_pid_file_its_log_and_what_it_needs(
    machine: Recorded, look: Look, tmp_path: Path
) -> None:
    pid_file = tmp_path / "shop.pid"
    pid_file.write_text("100\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "shop.service").write_text(
        f"[Unit]\nRequires=store.service\n[Service]\nPIDFile={pid_file}\nStandardOutput=append:/var/log/shop.out\n"
    )
    machine.listens(71, "127.0.0.1", 8001)
    machine.listens(72, "127.0.0.1", 8002)
    machine.process(100, ["/opt/x/server"], sockets=[71], cgroup="/system.slice/shop.service")
    machine.process(101, ["/opt/y/server"], sockets=[72], cgroup="/system.slice/store.service")
    found = look()
    shop, store = found.services
    assert (shop.name, store.name) == ("shop", "store")
    assert shop.pid_file
    assert shop.pid_file.value == str(pid_file)
    assert [one.value for one in shop.logs] == ["/var/log/shop.out"]
    assert store.notes[0] == "unit store: unknown, no unit file of this name was found"
    assert [one.what for one in _of(found, Kind.UNIT)] == ["shop", "store"]


def test_a_worker_of_an_administrators_unit_is_a_service_without_a_port(
    machine: Recorded, look: Look, tmp_path: Path
) -> None:
    for folder, name in (("etc", "mailer"), ("usr", "cron-like")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.service").write_text("[Service]\n")
    machine.process(100, ["/srv/mailer"], cgroup="/system.slice/mailer.service")
    machine.process(101, ["/srv/mailer"], parent=100, cgroup="/system.slice/mailer.service")
    machine.process(102, ["/usr/lib/x"], cgroup="/system.slice/cron-like.service")
    assert (_only(look()).name, _only(look()).main_pid) == ("mailer", 100)


def test_a_pid_file_that_names_another_process_is_not_believed(machine: Recorded, look: Look, tmp_path: Path) -> None:
    (tmp_path / "a.pid").write_text("99")
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/srv/notes"], cwd=tmp_path, sockets=[71])
    assert _only(look()).pid_file is None
    (tmp_path / "b.pid").write_text("100\n")
    found = _only(look()).pid_file
    assert found
    assert found.value == str(tmp_path / "b.pid")


def test_what_a_service_is_connected_to_is_what_it_depends_on(machine: Recorded, look: Look) -> None:
    machine.listens(71, "127.0.0.1", 8001)
    machine.listens(72, "0.0.0.0", 5432)
    machine.connected(73, "127.0.0.1", 5432)
    machine.connected(74, "10.0.0.9", 6379)
    machine.process(100, ["/srv/notes"], sockets=[71, 73, 74])
    machine.process(101, ["/usr/lib/postgresql/15/bin/postgres", "-D", "/data"], sockets=[72])
    notes, postgres = look().services
    assert [one.value for one in notes.depends_on] == ["postgresql"]
    assert postgres.depends_on == ()
    assert "not spoken to" in postgres.notes[0]


def test_a_machine_without_proc_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unlisted, match="cannot be read"):
        see_processes(tmp_path / "nothing")


def test_a_write_ahead_log_is_no_log_and_neither_is_what_a_database_appends_to(
    machine: Recorded, look: Look, tmp_path: Path
) -> None:
    written = {
        "00000000": b"\x01\x00\x20\x00\x00\x00",
        "app": b"started\n",
        "coloured": b"\x1b[32mstarted\n",
        "new": b"",
    }
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
    machine.listens(71, "127.0.0.1", 8001)
    machine.process(100, ["/srv/notes/notesd"], sockets=[71], files={str(tmp_path / name): APPEND for name in written})
    appended = {name: tmp_path / name for name in ("appendonly.aof", "redis.log")}
    for file in appended.values():
        file.write_text("*2\r\n$6\r\nSELECT\r\n")
    machine.listens(72, "127.0.0.1", 6379)
    machine.process(101, ["redis-server *:6379"], sockets=[72], files={str(one): APPEND for one in appended.values()})
    notes, redis = look().services
    assert [Path(one.value).name for one in notes.logs] == ["app", "coloured", "new"]
    assert [Path(one.value).name for one in redis.logs] == ["redis.log"]


def test_a_database_is_found_at_its_socket_and_other_local_listeners_are_not(machine: Recorded, look: Look) -> None:
    machine.listens_locally(71, "/run/postgresql/.s.PGSQL.5432")
    machine.listens_locally(72, "/run/agent.sock")
    machine.listens_locally(73, "@abstract")
    machine.process(100, ["/usr/lib/postgresql/15/bin/postgres", "-D", "/data"], sockets=[71, 73])
    machine.process(101, ["postgres: checkpointer "], parent=100, sockets=[71])
    machine.process(102, ["/srv/agent"], sockets=[72])
    service = _only(look())
    assert (service.name, service.main_pid, service.endpoints) == ("postgresql", 100, ())
    assert service.source.endswith("listens at /run/postgresql/.s.PGSQL.5432")
