"""What a locked image is waited for is of no interest to tests."""

import pytest

from understudy.recovery import image_lock


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_lock, "_PATIENCE", 0.3)
