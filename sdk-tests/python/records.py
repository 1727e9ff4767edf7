"""What the gateway wrote down, read by its own command line."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any
from urllib.parse import unquote

from targets import wait_until

COMMAND_SECONDS_MAX = 15
RECORDS_READ = 50


def signalbox(*words: str) -> str:
    """Runs the command line of the binary on the running gateway's data."""
    command = [os.environ["SIGNALBOX_BINARY"], *words, "--data-dir", os.environ["SIGNALBOX_DATA_DIR"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_requests(ids: list[str]) -> list[dict[str, Any]]:
    """The records of these requests, in their order, once all are written."""

    def find() -> list[dict[str, Any]] | None:
        lines = signalbox("requests", "tail", "--json", "--limit", str(RECORDS_READ)).splitlines()
        written = {record["id"]: record for record in (json.loads(line) for line in lines if line.startswith("{"))}
        return [written[id] for id in ids] if all(id in written for id in ids) else None

    return wait_until(find)


def of_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of calls that reached a fake, in their order, once all are written."""
    # The gateway tells every provider the id of the request, and behind it which attempt this is.
    return of_requests([call["headers"]["x-client-request-id"].rsplit("-", 1)[0] for call in calls])


def model_asked(call: dict[str, Any]) -> str:
    """The model that a call asked a fake for; Google's protocol and Amazon's have it in the path."""
    if call["path"].startswith("/model/"):
        return unquote(call["path"].split("/")[2])
    return call["body"].get("model") or call["path"].split("/models/")[1].split(":")[0]
