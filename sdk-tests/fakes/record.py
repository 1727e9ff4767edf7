"""What reached a fake, and how each call ended. Bounded, thread-safe."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

CALLS_KEPT_MAX = 1000


class Call:
    """One request that reached the fake."""

    def __init__(self, path: str, headers: dict[str, str], body: Any, text: str) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.text = text
        # One of: running, completed, rejected, failed, broken, cancelled.
        self.outcome = "running"
        self.status = 0
        self.reason = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "headers": self.headers,
            "body": self.body,
            "outcome": self.outcome,
            "status": self.status,
            "reason": self.reason,
        }


class Record:
    """All calls since the fake started, newest last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=CALLS_KEPT_MAX)

    def begin(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def last(self) -> Call | None:
        with self._lock:
            return self._calls[-1] if self._calls else None

    def all(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def containing(self, needle: str) -> list[Call]:
        return [call for call in self.all() if needle in call.text]

    def stats(self) -> dict[str, int]:
        calls = self.all()
        outcomes = Counter(call.outcome for call in calls)
        return {
            "calls": len(calls),
            "completed": outcomes["completed"],
            "rejected": outcomes["rejected"],
            "cancelled_streams": outcomes["cancelled"],
            "broken_streams": outcomes["broken"],
            "failed": outcomes["failed"],
            "running": outcomes["running"],
        }
