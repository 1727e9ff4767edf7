"""Fixtures: each test runs once per upstream, so both SDKs meet both wire formats."""

from __future__ import annotations

import anthropic
import boto3
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from google import genai
from google.genai import types

from targets import ANTHROPIC_UPSTREAM, IS_DIRECT, OPENAI_UPSTREAM, Upstream, address_of

TIMEOUT_SECONDS = 30.0


@pytest.fixture(params=[OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM], ids=lambda upstream: f"{upstream.vendor}-upstream")
def upstream(request: pytest.FixtureRequest) -> Upstream:
    return request.param


@pytest.fixture
def openai_client(request: pytest.FixtureRequest) -> openai.OpenAI:
    _skip_what_needs_the_gateway(request, "openai")
    return openai.OpenAI(**address_of("openai"), max_retries=0, timeout=TIMEOUT_SECONDS)


@pytest.fixture
def anthropic_client(request: pytest.FixtureRequest) -> anthropic.Anthropic:
    _skip_what_needs_the_gateway(request, "anthropic")
    return anthropic.Anthropic(**address_of("anthropic"), max_retries=0, timeout=TIMEOUT_SECONDS)


@pytest.fixture
def google_client() -> genai.Client:
    address = address_of("google")
    options = types.HttpOptions(base_url=address["base_url"], timeout=int(TIMEOUT_SECONDS * 1000))
    return genai.Client(api_key=address["api_key"], http_options=options)


@pytest.fixture
def bedrock_client():
    return bedrock_with(address_of("bedrock")["api_key"])


def bedrock_with(key: str):
    """Amazon's client with this key. From the environment it takes one for HTTPS only."""
    url = address_of("bedrock")["base_url"]
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, read_timeout=TIMEOUT_SECONDS)
    client = boto3.client("bedrock-runtime", endpoint_url=url, region_name="eu-west-1", config=config)

    def show_key(request, **_: object) -> None:
        request.headers["Authorization"] = f"Bearer {key}"

    client.meta.events.register("before-sign.bedrock-runtime", show_key)
    return client


@pytest.fixture
def gateway_only() -> None:
    """For tests of what only the gateway does."""
    if IS_DIRECT:
        pytest.skip("needs the gateway")


def _skip_what_needs_the_gateway(request: pytest.FixtureRequest, vendor: str) -> None:
    if not IS_DIRECT or "upstream" not in request.fixturenames:
        return
    if request.getfixturevalue("upstream").vendor != vendor:
        pytest.skip("needs the gateway to translate")
