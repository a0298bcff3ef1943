"""What every test finds as a new process would."""

import hypothesis
import pytest

from pipelines.http import pacing

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def released_brakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the brakes of other tests, whose simulated vendor may have had the same address."""
    monkeypatch.setattr(pacing, "_brakes", {})
