"""Anthropic SDK: plain conversations, streams, sampling, stop reasons, credentials, token counting."""

from __future__ import annotations

import anthropic
import pytest

from targets import ANTHROPIC_UPSTREAM, GATEWAY_KEY, GATEWAY_URL, Upstream, address_of, marked

CRUMBS_TEXT = "Grüße, 世界 👋🏽\u2028done"


def ask(client: anthropic.Anthropic, upstream: Upstream, text: str, **more):
    more.setdefault("max_tokens", 200)
    return client.messages.create(model=upstream.model, messages=[{"role": "user", "content": text}], **more)


def test_a_plain_question_is_answered(anthropic_client, upstream):
    text = marked("Hello")
    message = ask(anthropic_client, upstream, text)
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text.startswith(f"You said: {text}")
    assert message.id
    assert message.stop_sequence is None


@pytest.mark.parametrize(
    "system",
    ["Be terse.", [{"type": "text", "text": "Be terse.", "cache_control": {"type": "ephemeral"}}]],
    ids=["string", "blocks"],
)
def test_a_system_prompt_reaches_the_model(anthropic_client, upstream, system):
    assert "system: Be terse." in ask(anthropic_client, upstream, "Hi", system=system).content[0].text


def test_a_conversation_of_several_turns_keeps_its_order(anthropic_client, upstream):
    text = marked("And now?")
    messages = [
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": [{"type": "text", "text": "Second"}]},
        {"role": "user", "content": text},
    ]
    message = anthropic_client.messages.create(model=upstream.model, max_tokens=200, messages=messages)
    assert "turns: 3" in message.content[0].text
    sent = upstream.call(text)["body"]["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "user"]


def test_a_streamed_answer_equals_the_whole_one(anthropic_client, upstream):
    text = marked("Stream it")
    whole = ask(anthropic_client, upstream, text).content[0].text
    events = list(ask(anthropic_client, upstream, text, stream=True))
    pieces = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert "".join(pieces) == whole
    assert len(pieces) > 3, "the stream came in one lump"


def test_stream_events_come_in_the_order_of_the_protocol(anthropic_client, upstream):
    events = list(ask(anthropic_client, upstream, "Hi", stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert events[0].message.content == [] and events[0].message.stop_reason is None
    assert events[-2].delta.stop_reason == "end_turn"


def test_the_stream_helper_collects_the_answer(anthropic_client, upstream):
    text = marked("Collect it")
    messages = [{"role": "user", "content": text}]
    with anthropic_client.messages.stream(model=upstream.model, max_tokens=200, messages=messages) as stream:
        streamed = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].text == streamed
    assert streamed.startswith(f"You said: {text}")
    assert final.stop_reason == "end_turn"


def test_a_stream_cut_into_crumbs_keeps_every_character(anthropic_client, upstream):
    messages = [{"role": "user", "content": "@script{crumbs}"}]
    with anthropic_client.messages.stream(model=upstream.model, max_tokens=200, messages=messages) as stream:
        assert "".join(stream.text_stream) == CRUMBS_TEXT


@pytest.mark.anyio
async def test_the_asynchronous_client_streams_too(anthropic_client, upstream):
    async with anthropic.AsyncAnthropic(**address_of("anthropic"), max_retries=0) as client:
        messages = [{"role": "user", "content": "Hi there"}]
        async with client.messages.stream(model=upstream.model, max_tokens=200, messages=messages) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    assert text.startswith("You said: Hi there")


def test_a_stop_sequence_ends_the_answer(anthropic_client, upstream):
    message = ask(anthropic_client, upstream, "@script{say:one two STOP three}", stop_sequences=["STOP"])
    assert message.content[0].text.strip() == "one two"
    # OpenAI does not tell which stop sequence it met, or whether it met any.
    known = {"anthropic": [("stop_sequence", "STOP")], "openai": [("end_turn", None), ("stop_sequence", "STOP")]}
    assert (message.stop_reason, message.stop_sequence) in known[upstream.vendor]


@pytest.mark.parametrize(("script", "reason"), [("length", "max_tokens"), ("refusal", "refusal")])
def test_stop_reasons_are_told_whole_and_streamed(anthropic_client, upstream, script, reason):
    assert ask(anthropic_client, upstream, f"@script{{{script}}}").stop_reason == reason
    events = list(ask(anthropic_client, upstream, f"@script{{{script}}}", stream=True))
    assert [event.delta.stop_reason for event in events if event.type == "message_delta"] == [reason]


def test_the_token_limit_and_sampling_reach_the_model(anthropic_client, upstream):
    text = marked("Limited")
    ask(anthropic_client, upstream, text, max_tokens=77, extra_body={"temperature": 0.5, "top_p": 0.9})
    body = upstream.call(text)["body"]
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert (body["temperature"], body["top_p"]) == (0.5, 0.9)


def test_settings_that_an_upstream_does_not_know_do_not_fail_the_request(anthropic_client, upstream):
    settings = {"metadata": {"user_id": "end-user-1"}, "service_tier": "auto", "extra_body": {"top_k": 40}}
    assert ask(anthropic_client, upstream, "Hi", **settings).content


def test_cache_marks_do_not_disturb_an_upstream_without_them(anthropic_client, upstream):
    mark = {"type": "ephemeral"}
    content = [{"type": "text", "text": marked("Long context"), "cache_control": mark}]
    messages = [{"role": "user", "content": content}]
    message = anthropic_client.messages.create(model=upstream.model, max_tokens=200, messages=messages)
    assert message.content[0].text.startswith("You said: Long context")
    if upstream.vendor == "anthropic":
        sent = upstream.call(content[0]["text"])["body"]["messages"][0]["content"][0]
        assert sent["cache_control"] == mark


@pytest.mark.parametrize("credential", ["auth_token", "x-api-key"])
def test_both_ways_to_show_the_key_are_accepted(upstream, gateway_only, credential):
    if credential == "auth_token":
        client = anthropic.Anthropic(base_url=GATEWAY_URL, auth_token=GATEWAY_KEY, max_retries=0)
    else:
        # How the SDKs before version 2 showed it.
        headers = {"x-api-key": GATEWAY_KEY, "Authorization": anthropic.Omit()}
        client = anthropic.Anthropic(base_url=GATEWAY_URL, api_key="unused", default_headers=headers, max_retries=0)
    assert ask(client, upstream, "Hi").stop_reason == "end_turn"


def test_the_path_below_anthropic_is_the_same_endpoint(upstream, gateway_only):
    client = anthropic.Anthropic(base_url=f"{GATEWAY_URL}/anthropic", api_key=GATEWAY_KEY, max_retries=0)
    assert ask(client, upstream, "Hi").stop_reason == "end_turn"


def test_tokens_are_counted_without_asking_for_an_answer(anthropic_client, upstream):
    messages = [{"role": "user", "content": "How many tokens is this?"}]
    count = anthropic_client.messages.count_tokens(model=upstream.model, system="Be terse.", messages=messages)
    assert count.input_tokens == 14 if upstream.vendor == "anthropic" else 3 < count.input_tokens < 60


def test_fields_newer_than_the_gateway_reach_their_own_vendor(anthropic_client):
    text = marked("Hi")
    newer = {"inference_geo": "us", "cache_control": {"type": "ephemeral"}}
    ask(anthropic_client, ANTHROPIC_UPSTREAM, text, extra_body=newer)
    body = ANTHROPIC_UPSTREAM.call(text)["body"]
    assert {name: body[name] for name in newer} == newer


def test_the_answer_can_be_prefilled(anthropic_client, upstream):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "The best answer is ("}]
    message = anthropic_client.messages.create(model=upstream.model, max_tokens=200, messages=messages)
    assert "turns: 2" in message.content[0].text


def test_newer_models_get_no_settings_that_they_refuse(openai_client, gateway_only):
    """From Opus 4.7 on, sampling settings and thinking budgets are refused by Anthropic."""
    text = marked("@script{thinking}")
    answer = openai_client.chat.completions.create(
        model="up-anthropic/claude-opus-5",
        messages=[{"role": "user", "content": text}],
        temperature=0.2,
        top_p=0.9,
        reasoning_effort="medium",
    )
    assert answer.choices[0].message.content == "The answer is 42."
    assert ANTHROPIC_UPSTREAM.call(text)["body"]["thinking"]["type"] == "adaptive"
