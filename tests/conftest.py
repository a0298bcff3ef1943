"""What every test finds as a new process would."""

import pytest

from pipelines.http import pacing


@pytest.fixture(autouse=True)
def released_brakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the brakes of other tests, whose simulated vendor may have had the same address."""
    monkeypatch.setattr(pacing, "_brakes", {})
