from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from grace.kit import cuts
from grace.kit.clock import SystemClock
from grace.kit.cut_names import FIXED
from grace.model.events import EventType
from grace.model.service import Mode
from grace.settings import (
    ClientSettings,
    CutPoint,
    LogLevel,
    Settings,
    SettingsInvalidError,
    StartRefusedError,
    arm_cut_points,
    load_client_settings,
    load_settings,
    refuse_unknown_entries,
    refuse_unsafe_start,
)

ROOT = Path(__file__).resolve().parents[2]
OTHER_THAN_DEFAULT = {
    "data_folder": ("/var/lib/grace", Path("/var/lib/grace")),
    "services_file": ("/etc/grace.yaml", Path("/etc/grace.yaml")),
    "webhooks_file": ("/etc/webhooks.yaml", Path("/etc/webhooks.yaml")),
    "host": ("::1", "::1"),
    "port": ("9000", 9000),
    "playbook_folders": ("/a:/b", (Path("/a"), Path("/b"))),
    "action_folders": ("/a:/b", (Path("/a"), Path("/b"))),
    "knowledge_folders": ("/a", (Path("/a"),)),
    "policy_folders": ("/a::/b", (Path("/a"), Path("/b"))),
    "drill_folder": ("/tmp/drills", Path("/tmp/drills")),
    "drill_folders": ("/tmp/drill", (Path("/tmp/drill"),)),
    "default_mode": ("suggest", Mode.SUGGEST),
    "witness_file": ("/mnt/usb/witness", Path("/mnt/usb/witness")),
    "observe_every": ("2s", 2.0),
    "observe_for": ("7d", 604_800.0),
    "witness_interval": ("250ms", 0.25),
    "approval_lifetime": ("1h", 3600.0),
    "session_lifetime": ("5m", 300.0),
    "run_concurrency": ("8", 8),
    "body_limit_bytes": ("2048", 2048),
    "allow_process_control_as_root": ("true", True),
    "log_level": ("debug", LogLevel.DEBUG),
    "log_format": ("json", "json"),
    "cut_points": (
        "store.commit.after,ledger.run.settled.before:3",
        (CutPoint("store.commit.after", 1), CutPoint("ledger.run.settled.before", 3)),
    ),
}


@pytest.fixture(autouse=True)
def no_settings_of_the_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, *ClientSettings.model_fields):
        monkeypatch.delenv(f"GRACE_{name.upper()}", raising=False)


def test_every_setting_has_a_case_here() -> None:
    assert set(OTHER_THAN_DEFAULT) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(OTHER_THAN_DEFAULT))
def test_every_setting_is_read_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written, expected = OTHER_THAN_DEFAULT[name]
    assert getattr(load_settings(), name) != expected
    monkeypatch.setenv(f"GRACE_{name.upper()}", written)
    assert getattr(load_settings(), name) == expected


def test_every_setting_is_documented_with_its_default_and_no_other_is() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(GRACE_\w+)` \| (.*?) \|", page, re.MULTILINE))
    defaults = {
        f"GRACE_{name.upper()}": field.default
        for model in (Settings, ClientSettings)
        for name, field in model.model_fields.items()
    }
    assert set(rows) == set(defaults)
    for name, default in defaults.items():
        assert rows[name].strip("`") == _as_documented(name, default), name


def _as_documented(name: str, default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case None | ():
            return "none"
        case float():
            return {
                "GRACE_WITNESS_INTERVAL": "1s",
                "GRACE_APPROVAL_LIFETIME": "30m",
                "GRACE_SESSION_LIFETIME": "12h",
                "GRACE_OBSERVE_EVERY": "15s",
                "GRACE_OBSERVE_FOR": "1d",
            }[name]
        case _:
            return str(default)


def test_the_defaults_are_careful() -> None:
    told = load_settings()
    assert told.default_mode is Mode.OBSERVE
    assert told.host == "127.0.0.1"
    assert not told.is_public
    assert not told.allow_process_control_as_root
    assert told.witness == Path("grace-data/ledger.checkpoints")


def test_what_a_command_says_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_PORT", "9000")
    assert load_settings(port=9001).port == 9001
    assert load_settings(port=None).port == 9000


def test_the_environment_is_checked_beside_what_a_command_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_PORT", "many")
    with pytest.raises(SettingsInvalidError, match="GRACE_PORT"):
        load_settings(host="127.0.0.1")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("GRACE_PORT", "70000"),
        ("GRACE_PORT", "eight thousand"),
        ("GRACE_APPROVAL_LIFETIME", "30 bananas"),
        ("GRACE_APPROVAL_LIFETIME", "0s"),
        ("GRACE_APPROVAL_LIFETIME", "99999999d"),
        ("GRACE_APPROVAL_LIFETIME", "9" * 400),
        ("GRACE_SESSION_LIFETIME", "3651d"),
        ("GRACE_OBSERVE_FOR", "3651d"),
        ("GRACE_OBSERVE_EVERY", "25h"),
        ("GRACE_WITNESS_INTERVAL", "25h"),
        ("GRACE_DEFAULT_MODE", "yolo"),
        ("GRACE_CUT_POINTS", "a:0"),
        ("GRACE_CUT_POINTS", ":1"),
        ("GRACE_CUT_POINTS", "store.commit.befor"),
        ("GRACE_CUT_POINTS", "no.such.point"),
        ("GRACE_DRILL_FOLDERS", "/tmp/drill:drills/here"),
        ("GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT", "perhaps"),
        ("GRACE_BODY_LIMIT_BYTES", "1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(
    name: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, written)
    with pytest.raises(SettingsInvalidError, match=rf"^{name}: .+\nAll settings: docs/settings\.md$"):
        load_settings()


@pytest.mark.parametrize("name", ["approval_lifetime", "session_lifetime", "observe_for"])
def test_the_longest_duration_ends_before_time_does(name: str) -> None:
    longest = timedelta(seconds=getattr(load_settings(**{name: "3650d"}), name))
    assert SystemClock().now() + longest > SystemClock().now() - longest


def test_an_unknown_setting_is_refused_with_what_was_probably_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_DATA_FODLER", "/tmp")
    monkeypatch.setenv("GRACE_XYZZY", "1")
    with pytest.raises(SettingsInvalidError) as caught:
        load_settings()
    assert caught.value.problems == (
        "GRACE_DATA_FODLER: there is no such setting; did you mean GRACE_DATA_FOLDER?",
        "GRACE_XYZZY: there is no such setting",
    )


def test_names_of_the_sdk_are_no_settings_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_DSN", "http://token@127.0.0.1:1/orders")
    assert load_settings().port == 8000


def test_an_empty_setting_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_PORT", "")
    assert load_settings().port == 8000


def test_the_command_lines_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_TOKEN", "grace_opened-sesame")
    told = load_client_settings(server="http://127.0.0.1:1")
    assert told.token is not None
    assert told.token.get_secret_value() == "grace_opened-sesame"
    assert "sesame" not in repr(told)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.5", True),
        ("grace.example", True),
        ("localhost.example", True),
    ],
)
def test_only_a_loopback_address_is_not_public(host: str, public: bool) -> None:
    assert load_settings(host=host).is_public == public


def test_a_public_address_without_any_token_refuses_to_start() -> None:
    with pytest.raises(StartRefusedError, match="grace token create"):
        refuse_unsafe_start(load_settings(host="0.0.0.0"), usable_tokens=0)
    refuse_unsafe_start(load_settings(host="0.0.0.0"), usable_tokens=1)
    refuse_unsafe_start(load_settings(), usable_tokens=0)


def test_fault_points_are_armed_only_when_asked_for() -> None:
    struck: list[str] = []
    with cuts.observe():
        arm_cut_points(load_settings())
        cuts.cut("store.commit.before")
        arm_cut_points(load_settings(cut_points="store.commit.before:2"), lambda: struck.append("cut"))
        for _ in range(3):
            cuts.cut("store.commit.before")
    assert struck == ["cut"]


EVENT_TYPES = frozenset(kind.value for kind in EventType)
CUT = re.compile(r"""cut(?:\(|, )f?"(?P<name>[^"]+)\"""")


def test_every_fault_point_of_the_code_can_be_armed_and_no_other_is_listed() -> None:
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "src/grace").rglob("*.py")]
    names = {found["name"] for source in sources for found in CUT.finditer(source)}
    for name in names:
        meant = name.replace("{deed.kind}", "step")
        load_settings(cut_points=re.sub(r"\{[^}]+\}", "file.write", meant))
    assert {name for name in names if "{" not in name} == FIXED
    for kind in EventType:
        refuse_unknown_entries(load_settings(cut_points=f"ledger.{kind.value}.after:7"), EVENT_TYPES)


def test_a_misspelt_fault_point_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsInvalidError, match=r"'run\.setled'; did you mean run\.settled\?"):
        refuse_unknown_entries(load_settings(cut_points="ledger.run.setled.before:2"), EVENT_TYPES)
    with pytest.raises(SettingsInvalidError, match=r"store\.commit\.befor'; did you mean"):
        load_settings(cut_points="store.commit.befor")
