"""What the gateway wrote down, read by its own command line."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from targets import wait_until

COMMAND_SECONDS_MAX = 15
RECORDS_READ = 20


def newest(count: int) -> list[dict[str, Any]]:
    """The newest records, newest first."""
    command = [os.environ["SIGNALBOX_BINARY"], "requests", "tail", "--json", "--limit", str(count)]
    command += ["--data-dir", os.environ["SIGNALBOX_DATA_DIR"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def of_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of calls that reached a fake, in their order, once all are written."""
    # The gateway tells every provider the id of the request, and behind it which attempt this is.
    ids = [call["headers"]["x-client-request-id"].rsplit("-", 1)[0] for call in calls]

    def find() -> list[dict[str, Any]] | None:
        written = {record["id"]: record for record in newest(RECORDS_READ)}
        return [written[id] for id in ids] if all(id in written for id in ids) else None

    return wait_until(find)
