"""What a host must have to mount points, and what it is told if it has not."""

import os
from pathlib import Path

import pytest

from understudy.errors import AccessDenied, Unsupported
from understudy.mounts.ability import must_be_able, must_have_tools, must_open


def test_what_a_host_must_have_is_said(tmp_path: Path) -> None:
    before = os.geteuid()
    os.seteuid(before or 65534)
    try:
        with pytest.raises(AccessDenied, match="root"):
            must_be_able()
    finally:
        os.seteuid(before)
    with pytest.raises(Unsupported, match="no fuse") as caught:
        must_open(tmp_path / "fuse", "fuse")
    assert "modprobe fuse" in caught.value.hint
    with pytest.raises(Unsupported) as caught:
        must_have_tools("/nowhere")
    assert caught.value.hint == "apt-get install mount qemu-system-common qemu-utils util-linux"
