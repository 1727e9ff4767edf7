"""Bounds every test in time: a client that hangs fails its own test, not the run."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

TEST_SECONDS_MAX = 90


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError(f"the test took more than {TEST_SECONDS_MAX} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_SECONDS_MAX)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
