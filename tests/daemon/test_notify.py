"""What systemd hears."""

import os
import socket
from pathlib import Path

import pytest

from understudy.daemon.notify import Notifier


def test_a_service_says_what_systemd_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        notifier = Notifier.of_environment()
        assert notifier.watchdog_seconds == 60
        notifier.ready()
        notifier.reloading()
        notifier.alive()
        notifier.stopping()
        said = [systemd.recv(4096).decode() for _ in range(4)]
    assert said[0] == "READY=1"
    assert said[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert said[2:] == ["WATCHDOG=1", "STOPPING=1"]
    notifier.alive()  # nobody listens any more


def test_another_process_is_not_watched_and_children_do_not_speak_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier.of_environment().watchdog_seconds == 0
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    Notifier().ready()
