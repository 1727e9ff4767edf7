"""Tells a fake beforehand what to answer."""

from __future__ import annotations

from typing import Any

import httpx

from targets import Upstream

TELL_SECONDS_MAX = 10


def tell(upstream: Upstream, mark: str, *answers: dict[str, Any], for_all: bool = False) -> None:
    """Queues answers for requests with this mark; only for those that offer tools, unless `for_all`."""
    told = {"mark": mark, "answers": list(answers), "for_all": for_all}
    httpx.post(f"{upstream.url}/__script", json=told, timeout=TELL_SECONDS_MAX).raise_for_status()
