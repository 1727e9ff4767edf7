"""Where the tests send their requests, and what the fakes saw of them.

Two modes: through the gateway, or (`run --direct`) straight to the fake of the SDK's own vendor.
"""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, replace
from typing import Any, Callable

import httpx

GATEWAY_URL = os.environ.get("SIGNALBOX_URL", "")
GATEWAY_KEY = os.environ.get("SIGNALBOX_KEY", "")
IS_DIRECT = not GATEWAY_URL
WAIT_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Upstream:
    """One fake provider, as a test sees it."""

    # Whose wire format it speaks: openai, anthropic, or responses for OpenAI's other API.
    vendor: str
    provider: str
    model_name: str
    url: str
    # USD per token, as configured.
    input_price: float
    output_price: float
    cache_read_price: float
    cache_write_price: float

    @property
    def model(self) -> str:
        """The model as callers name it."""
        return self.model_name if IS_DIRECT else f"{self.provider}/{self.model_name}"

    def calls(self, needle: str) -> list[dict[str, Any]]:
        """The calls that reached the fake with this text in their bodies, oldest first."""
        return httpx.get(f"{self.url}/__find", params={"text": needle}, timeout=10).json()

    def call(self, needle: str) -> dict[str, Any]:
        """The one call with this text."""
        found = self.calls(needle)
        assert len(found) == 1, f"{len(found)} calls reached the fake instead of one"
        return found[0]

    def wait_for_outcome(self, needle: str, outcome: str) -> None:
        wait_until(lambda: any(call["outcome"] == outcome for call in self.calls(needle)))

    def cost(self, uncached: int = 100, output: int = 20, *, cache_read: int = 0, cache_write: int = 0) -> float:
        cached = cache_read * self.cache_read_price + cache_write * self.cache_write_price
        return uncached * self.input_price + output * self.output_price + cached


OPENAI_UPSTREAM = Upstream(
    vendor="openai",
    provider="up-openai",
    model_name="chat-model",
    url=os.environ["FAKE_OPENAI_URL"],
    input_price=0.10e-6,
    output_price=0.40e-6,
    cache_read_price=0.05e-6,
    cache_write_price=0.20e-6,
)
ANTHROPIC_UPSTREAM = Upstream(
    vendor="anthropic",
    provider="up-anthropic",
    model_name="claude-model",
    url=os.environ["FAKE_ANTHROPIC_URL"],
    input_price=3e-6,
    output_price=15e-6,
    cache_read_price=0.30e-6,
    cache_write_price=3.75e-6,
)

GOOGLE_UPSTREAM = Upstream(
    vendor="google",
    provider="up-google",
    model_name="gemini-3-flash-preview",
    url=os.environ["FAKE_GOOGLE_URL"],
    input_price=0.50e-6,
    output_price=3e-6,
    cache_read_price=0.05e-6,
    cache_write_price=0.0,
)


BEDROCK_UPSTREAM = replace(
    ANTHROPIC_UPSTREAM,
    vendor="bedrock",
    provider="up-bedrock",
    model_name="anthropic.claude-sonnet-4-5-20250929-v1:0",
    url=os.environ["FAKE_BEDROCK_URL"],
)


RESPONSES_UPSTREAM = replace(
    OPENAI_UPSTREAM, vendor="responses", provider="up-responses", model_name="responses-model"
)


LIVE_UPSTREAM = replace(
    OPENAI_UPSTREAM,
    provider="up-live",
    model_name="live-model",
    input_price=4e-6,
    output_price=16e-6,
    cache_read_price=0.40e-6,
)


def address_of(vendor: str) -> dict[str, str]:
    """Base URL and key for the SDK of this vendor."""
    base = GATEWAY_URL or os.environ[f"FAKE_{vendor.upper()}_URL"]
    key = GATEWAY_KEY or os.environ[f"FAKE_{vendor.upper()}_KEY"]
    return {"base_url": f"{base}/v1" if vendor == "openai" else base, "api_key": key}


def marked(text: str) -> str:
    """The text with a mark no other test has, so that its call can be found at the fake."""
    return f"{text} [{uuid.uuid4().hex[:12]}]"


def wait_until(is_done: Callable[[], Any]) -> Any:
    """Polls until the answer is truthy; fails the test when it stays false."""
    ends_at = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < ends_at:
        if found := is_done():
            return found
        time.sleep(0.05)
    raise AssertionError("what the test waits for did not happen in time")
