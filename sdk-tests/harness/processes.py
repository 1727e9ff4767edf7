"""Child processes that never outlive the run: each is ended by its own process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

STOP_SECONDS_MAX = 10.0
LOG_LINES_SHOWN = 40


class StartError(Exception):
    """A process did not come up."""


class Child:
    """One running program with its output in a file."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_clean_environment(), **(environment or {})},
                start_new_session=True,
            )

    def wait_until_ready(self, url: str, seconds_max: float) -> None:
        """Asks `url` until it answers 200. Raises `StartError` when the process ends or time runs out."""
        ends_at = time.monotonic() + seconds_max
        while time.monotonic() < ends_at:
            if self._process.poll() is not None:
                raise StartError(f"{self.name} ended with {self._process.returncode}:\n{self.log_tail()}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise StartError(f"{self.name} was not ready after {seconds_max:.0f} s:\n{self.log_tail()}")

    def log_tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def stop(self) -> None:
        """Asks the process to end, then insists."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            self._process.send_signal(sign)
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                continue


def _clean_environment() -> dict[str, str]:
    """This process's environment without what would add providers or settings to a gateway."""
    foreign = ("SIGNALBOX_", "OPENAI_", "ANTHROPIC_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.endswith(("_API_KEY", "_KEY", "_TOKEN"))
    }


def free_port() -> int:
    """A port that was free a moment ago; the caller takes it at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
