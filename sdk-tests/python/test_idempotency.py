"""Both SDKs: a call under an `Idempotency-Key` is made once, and another one under it raises a typed exception."""

from __future__ import annotations

import uuid

import anthropic
import openai
import pytest

from targets import marked

pytestmark = pytest.mark.usefixtures("gateway_only")


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def test_the_same_call_is_made_once_for_openai(openai_client, upstream):
    text, headers = marked("Hi"), key()

    def ask(text: str):
        messages = [{"role": "user", "content": text}]
        create = openai_client.chat.completions.with_raw_response.create
        return create(model=upstream.model, messages=messages, extra_headers=headers)

    first, second = ask(text), ask(text)
    assert first.parse() == second.parse()
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["x-request-id"] == first.headers["x-request-id"]
    upstream.call(text)
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        ask(marked("Other"))
    assert caught.value.code == "idempotency_key_reused"


def test_the_same_call_is_made_once_for_anthropic(anthropic_client, upstream):
    text, headers = marked("Hi"), key()

    def ask(text: str):
        messages = [{"role": "user", "content": text}]
        create = anthropic_client.messages.with_raw_response.create
        return create(model=upstream.model, max_tokens=100, messages=messages, extra_headers=headers)

    first, second = ask(text), ask(text)
    assert first.parse() == second.parse()
    assert second.headers["idempotent-replayed"] == "true"
    upstream.call(text)
    with pytest.raises(anthropic.UnprocessableEntityError) as caught:
        ask(marked("Other"))
    assert caught.value.body["error"]["code"] == "idempotency_key_reused"


def test_a_stream_is_heard_again_from_its_beginning(openai_client, anthropic_client, upstream):
    text, headers = marked("Hi"), key()
    messages = [{"role": "user", "content": text}]

    def chunks() -> list:
        create = openai_client.chat.completions.create
        return list(create(model=upstream.model, messages=messages, stream=True, extra_headers=headers))

    def events() -> list:
        create = anthropic_client.messages.create
        return list(
            create(model=upstream.model, max_tokens=100, messages=messages, stream=True, extra_headers=headers)
        )

    assert (chunks(), events()) == (chunks(), events())
    # One for each endpoint: a key belongs to the endpoint it was sent to.
    assert len(upstream.calls(text)) == 2
