"""Both SDKs: every failure raises the exception an application catches, with the fields it reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

from targets import ANTHROPIC_UPSTREAM, IS_DIRECT, OPENAI_UPSTREAM, Upstream, address_of, marked

# What the upstream answers: the status and the exception the caller gets, by SDK.
UPSTREAM_FAILURES = [
    (400, 400, "BadRequestError", "BadRequestError"),
    (429, 429, "RateLimitError", "RateLimitError"),
    (500, 502, "InternalServerError", "InternalServerError"),
    (502, 502, "InternalServerError", "InternalServerError"),
    (503, 503, "InternalServerError", "ServiceUnavailableError"),
    (529, 529, "InternalServerError", "OverloadedError"),
    (401, 502, "InternalServerError", "InternalServerError"),
    (403, 502, "InternalServerError", "InternalServerError"),
]


def ask_openai(client: openai.OpenAI, model: str, text: str, **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def ask_anthropic(client: anthropic.Anthropic, model: str, text: str, **more):
    messages = [{"role": "user", "content": text}]
    return client.messages.create(model=model, max_tokens=100, messages=messages, **more)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("failure", UPSTREAM_FAILURES, ids=lambda failure: str(failure[0]))
def test_an_upstream_failure_is_typed_for_openai(openai_client, upstream, failure, is_streamed):
    upstream_status, status, kind, _ = failure
    with pytest.raises(openai.APIStatusError) as caught:
        ask_openai(openai_client, upstream.model, f"@script{{error:{upstream_status}}}", stream=is_streamed)
    assert caught.value.status_code == (upstream_status if IS_DIRECT else status)
    assert IS_DIRECT or type(caught.value).__name__ == kind
    assert isinstance(caught.value.body["message"], str)
    assert IS_DIRECT or caught.value.body["origin"] == "provider"
    assert caught.value.type
    if upstream_status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("failure", UPSTREAM_FAILURES, ids=lambda failure: str(failure[0]))
def test_an_upstream_failure_is_typed_for_anthropic(anthropic_client, upstream, failure, is_streamed):
    upstream_status, status, _, kind = failure
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask_anthropic(anthropic_client, upstream.model, f"@script{{error:{upstream_status}}}", stream=is_streamed)
    assert caught.value.status_code == (upstream_status if IS_DIRECT else status)
    assert IS_DIRECT or type(caught.value).__name__ == kind
    assert caught.value.body["type"] == "error"
    assert isinstance(caught.value.body["error"]["message"], str)
    assert IS_DIRECT or caught.value.body["error"]["origin"] == "provider"
    assert caught.value.type
    if upstream_status == 429:
        assert caught.value.type == "rate_limit_error"
        assert caught.value.response.headers["retry-after"] == "7"


def test_a_bad_key_is_an_authentication_error_for_openai(openai_client):
    client = openai_client.with_options(api_key="sk-signalbox-made-up-unknown-key")
    with pytest.raises(openai.AuthenticationError) as caught:
        ask_openai(client, OPENAI_UPSTREAM.model, "Hi")
    assert IS_DIRECT or caught.value.body["origin"] == "router"


def test_a_bad_key_is_an_authentication_error_for_anthropic(anthropic_client):
    client = anthropic.Anthropic(**address_of("anthropic") | {"api_key": "sk-made-up-unknown"}, max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as caught:
        ask_anthropic(client, ANTHROPIC_UPSTREAM.model, "Hi")
    assert caught.value.type == "authentication_error"


def test_an_unknown_model_is_not_found_for_openai(openai_client, gateway_only):
    for model in ("up-openai/no-such-model", "no-such-provider/chat-model", "no-such-model"):
        with pytest.raises(openai.NotFoundError) as caught:
            ask_openai(openai_client, model, "Hi")
        assert "Provider and/or model not supported" in caught.value.message
        assert caught.value.body["origin"] == "router"


def test_an_unknown_model_is_not_found_for_anthropic(anthropic_client, gateway_only):
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask_anthropic(anthropic_client, "up-anthropic/no-such-model", "Hi")
    assert caught.value.type == "not_found_error"
    assert caught.value.body["error"]["origin"] == "router"


def test_an_absent_provider_is_a_server_error(openai_client, anthropic_client, gateway_only):
    with pytest.raises(openai.InternalServerError):
        ask_openai(openai_client, "up-absent/chat-model", "Hi")
    with pytest.raises(anthropic.InternalServerError):
        ask_anthropic(anthropic_client, "up-absent/chat-model", "Hi")


def test_a_refused_gateway_credential_is_not_blamed_on_the_caller(openai_client, anthropic_client, gateway_only):
    with pytest.raises(openai.InternalServerError) as caught:
        ask_openai(openai_client, "up-denied/chat-model", "Hi")
    assert caught.value.status_code == 502
    assert "sk-made-up-wrong-credential" not in str(caught.value.body)
    with pytest.raises(anthropic.InternalServerError):
        ask_anthropic(anthropic_client, "up-denied/chat-model", "Hi")


def test_a_silent_provider_is_given_up(openai_client, anthropic_client, upstream, gateway_only):
    """The configuration of this run allows four seconds to the first event and eight to the whole answer."""
    with ThreadPoolExecutor() as pool:
        asked = [
            (kind, pool.submit(ask, client, upstream.model, "@script{slow:15}", stream=is_streamed))
            for is_streamed in (False, True)
            for kind, ask, client in (
                (openai.InternalServerError, ask_openai, openai_client),
                (anthropic.ServiceUnavailableError, ask_anthropic, anthropic_client),
            )
        ]
        for kind, answer in asked:
            with pytest.raises(kind) as caught:
                answer.result()
            assert caught.value.status_code == 503


@pytest.mark.parametrize("messages", [[], [{"role": "wizard", "content": "x"}], "not a list"], ids=str)
def test_a_malformed_request_is_a_bad_request_for_openai(openai_client, upstream, messages):
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model=upstream.model, messages=messages)


@pytest.mark.parametrize("messages", [[], [{"role": "wizard", "content": "x"}], "not a list"], ids=str)
def test_a_malformed_request_is_a_bad_request_for_anthropic(anthropic_client, upstream, messages):
    with pytest.raises(anthropic.BadRequestError) as caught:
        anthropic_client.messages.create(model=upstream.model, max_tokens=100, messages=messages)
    assert caught.value.type == "invalid_request_error"


def test_a_missing_token_limit_is_a_bad_request_for_anthropic(anthropic_client, upstream):
    body = {"model": upstream.model, "messages": [{"role": "user", "content": "Hi"}]}
    with pytest.raises(anthropic.BadRequestError):
        anthropic_client.post("/v1/messages", cast_to=object, body=body)


@pytest.mark.parametrize("break_", ["cut-stream", "short-stream", "error-in-stream"])
def test_a_broken_stream_raises_and_never_looks_complete_for_openai(openai_client, upstream, gateway_only, break_):
    text = marked(f"@script{{{break_}}}")
    got = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in ask_openai(openai_client, upstream.model, text, stream=True):
            got.append(chunk)
    assert got, "what came before the break is delivered"
    assert not any(chunk.choices and chunk.choices[0].finish_reason for chunk in got)
    assert not isinstance(caught.value, openai.APIConnectionError), "the error comes as an event of the protocol"
    assert len(upstream.calls(text)) == 1, "what was half delivered is not asked again"


@pytest.mark.parametrize("break_", ["cut-stream", "short-stream", "error-in-stream"])
def test_a_broken_stream_raises_and_never_looks_complete_for_anthropic(anthropic_client, upstream, gateway_only, break_):
    text = marked(f"@script{{{break_}}}")
    got = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        for event in ask_anthropic(anthropic_client, upstream.model, text, stream=True):
            got.append(event.type)
    assert got[0] == "message_start"
    assert "message_stop" not in got
    assert caught.value.body["type"] == "error"
    assert len(upstream.calls(text)) == 1
