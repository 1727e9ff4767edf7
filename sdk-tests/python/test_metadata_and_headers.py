"""Both SDKs: what callers tell beside the request stays in the gateway, and what the gateway tells beside the answer."""

from __future__ import annotations

import pytest

from targets import ANTHROPIC_UPSTREAM, GATEWAY_KEY, OPENAI_UPSTREAM, marked

pytestmark = pytest.mark.usefixtures("gateway_only")

METADATA = {
    "tags": ["nightly", "sdk-tests"],
    "user_id": "end-user-7",
    "trace_id": "trace-1",
    "extra": {"team": "panda"},
    "auto_cache": False,
}
HEADERS = {
    "X-Requesty-Team": "Panda",
    "x-requesty-branch": "main",
    "X-Signalbox-Repo": "example/repo",
    "HTTP-Referer": "https://app.example",
    "X-Title": "SDK tests",
}


def assert_nothing_leaked(call: dict) -> None:
    assert "requesty" not in str(call["body"]).lower()
    assert "signalbox" not in str(call["body"]).lower()
    leaked = [name for name in call["headers"] if name.startswith(("x-requesty", "x-signalbox", "x-stainless"))]
    assert leaked == []
    assert GATEWAY_KEY not in str(call["headers"])


def test_metadata_stays_in_the_gateway_for_openai(openai_client, upstream):
    text = marked("Hi")
    openai_client.chat.completions.create(
        model=upstream.model,
        messages=[{"role": "user", "content": text}],
        extra_body={"requesty": METADATA},
        extra_headers=HEADERS,
    )
    assert_nothing_leaked(upstream.call(text))


def test_metadata_stays_in_the_gateway_for_anthropic(anthropic_client, upstream):
    text = marked("Hi")
    anthropic_client.messages.create(
        model=upstream.model,
        max_tokens=100,
        messages=[{"role": "user", "content": text}],
        extra_body={"requesty": METADATA},
        extra_headers=HEADERS,
    )
    assert_nothing_leaked(upstream.call(text))


def test_the_upstream_sees_its_own_name_of_the_model(openai_client, upstream):
    text = marked("Hi")
    openai_client.chat.completions.create(model=upstream.model, messages=[{"role": "user", "content": text}])
    assert upstream.call(text)["body"]["model"] == upstream.model_name


def test_beta_headers_reach_the_vendor_they_are_for(anthropic_client):
    text = marked("Hi")
    anthropic_client.messages.create(
        model=ANTHROPIC_UPSTREAM.model,
        max_tokens=100,
        messages=[{"role": "user", "content": text}],
        extra_headers={"anthropic-beta": "made-up-beta-2026-01-01"},
    )
    assert ANTHROPIC_UPSTREAM.call(text)["headers"]["anthropic-beta"] == "made-up-beta-2026-01-01"


def test_answers_name_request_and_provider_for_openai(openai_client, upstream):
    raw = openai_client.chat.completions.with_raw_response.create(
        model=upstream.model, messages=[{"role": "user", "content": "Hi"}]
    )
    assert raw.headers["x-request-id"] == raw.headers["x-requesty-request-id"]
    assert raw.headers["x-requesty-provider"] == upstream.provider
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_streams_name_request_and_provider_for_openai(openai_client, upstream):
    with openai_client.chat.completions.with_streaming_response.create(
        model=upstream.model, messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as raw:
        assert raw.headers["x-requesty-provider"] == upstream.provider
        assert raw.headers["content-type"].startswith("text/event-stream")
        lines = list(raw.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""] or lines[-1] == "data: [DONE]"


def test_answers_name_request_and_provider_for_anthropic(anthropic_client, upstream):
    raw = anthropic_client.messages.with_raw_response.create(
        model=upstream.model, max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
    )
    assert raw.headers["x-requesty-request-id"]
    assert raw.headers["x-requesty-provider"] == upstream.provider


def test_requests_have_ids_of_their_own(openai_client):
    ask = openai_client.chat.completions.with_raw_response.create
    messages = [{"role": "user", "content": "Hi"}]
    ids = {ask(model=OPENAI_UPSTREAM.model, messages=messages).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_what_a_translation_cannot_carry_is_named(openai_client):
    raw = openai_client.chat.completions.with_raw_response.create(
        model=ANTHROPIC_UPSTREAM.model, messages=[{"role": "user", "content": "Hi"}], seed=7, logit_bias={"50256": -100}
    )
    warnings = raw.headers["x-signalbox-warnings"]
    assert "seed" in warnings and "logit_bias" in warnings


def test_a_lossless_request_has_no_warnings(openai_client, anthropic_client):
    messages = [{"role": "user", "content": "Hi"}]
    raw = openai_client.chat.completions.with_raw_response.create(model=OPENAI_UPSTREAM.model, messages=messages)
    assert "x-signalbox-warnings" not in raw.headers
    raw = anthropic_client.messages.with_raw_response.create(
        model=ANTHROPIC_UPSTREAM.model, max_tokens=100, messages=messages
    )
    assert "x-signalbox-warnings" not in raw.headers
