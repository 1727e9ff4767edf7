"""OpenAI SDK: plain conversations, streams, sampling, stop reasons."""

from __future__ import annotations

import openai
import pytest

from targets import OPENAI_UPSTREAM, Upstream, address_of, marked

STRICT_MODEL = "up-openai-strict/gpt-5.2"
CRUMBS_TEXT = "Grüße, 世界 👋🏽\u2028done"


def ask(client: openai.OpenAI, upstream: Upstream, text: str, **more):
    return client.chat.completions.create(model=upstream.model, messages=[{"role": "user", "content": text}], **more)


def test_a_plain_question_is_answered(openai_client, upstream):
    text = marked("Hello")
    answer = ask(openai_client, upstream, text)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content.startswith(f"You said: {text}")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.created > 1_600_000_000
    assert answer.id


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_prompt_reaches_the_model(openai_client, upstream, role):
    messages = [{"role": role, "content": "Be terse."}, {"role": "user", "content": "Hi"}]
    answer = openai_client.chat.completions.create(model=upstream.model, messages=messages)
    assert "system: Be terse." in answer.choices[0].message.content


def test_several_system_prompts_all_reach_the_model(openai_client, upstream):
    messages = [
        {"role": "system", "content": "Be terse."},
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hi"},
    ]
    answer = openai_client.chat.completions.create(model=upstream.model, messages=messages).choices[0].message.content
    assert "Be terse." in answer and "Be kind." in answer


def test_a_conversation_of_several_turns_keeps_its_order(openai_client, upstream):
    text = marked("And now?")
    messages = [
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": "Second"},
        {"role": "user", "content": text},
    ]
    answer = openai_client.chat.completions.create(model=upstream.model, messages=messages)
    assert "turns: 3" in answer.choices[0].message.content
    sent = upstream.call(text)["body"]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]


def test_two_user_messages_in_a_row_are_both_read(openai_client, upstream):
    first, second = marked("One"), marked("Two")
    messages = [{"role": "user", "content": first}, {"role": "user", "content": second}]
    openai_client.chat.completions.create(model=upstream.model, messages=messages)
    assert first in str(upstream.call(second)["body"])


def test_text_parts_are_read_like_a_string(openai_client, upstream):
    content = [{"type": "text", "text": "Part one."}, {"type": "text", "text": "Part two."}]
    answer = openai_client.chat.completions.create(
        model=upstream.model, messages=[{"role": "user", "content": content}]
    )
    assert "Part one." in answer.choices[0].message.content and "Part two." in answer.choices[0].message.content


def test_a_streamed_answer_equals_the_whole_one(openai_client, upstream):
    text = marked("Stream it")
    whole = ask(openai_client, upstream, text).choices[0].message.content
    chunks = list(ask(openai_client, upstream, text, stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == whole
    assert len(pieces) > 3, "the stream came in one lump"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}


def test_the_stream_helper_collects_the_answer(openai_client, upstream):
    text = marked("Collect it")
    messages = [{"role": "user", "content": text}]
    with openai_client.chat.completions.stream(model=upstream.model, messages=messages) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content.startswith(f"You said: {text}")


def test_a_stream_cut_into_crumbs_keeps_every_character(openai_client, upstream):
    chunks = ask(openai_client, upstream, "@script{crumbs}", stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == CRUMBS_TEXT


@pytest.mark.anyio
async def test_the_asynchronous_client_streams_too(openai_client, upstream):
    async with openai.AsyncOpenAI(**address_of("openai"), max_retries=0) as client:
        messages = [{"role": "user", "content": "Hi there"}]
        stream = await client.chat.completions.create(model=upstream.model, messages=messages, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text.startswith("You said: Hi there")


@pytest.mark.parametrize("stop", ["STOP", ["never", "STOP"]])
def test_a_stop_sequence_ends_the_answer(openai_client, upstream, stop):
    answer = ask(openai_client, upstream, "@script{say:one two STOP three}", stop=stop)
    assert answer.choices[0].message.content.strip() == "one two"
    assert answer.choices[0].finish_reason == "stop"


def test_an_answer_at_its_token_limit_says_length(openai_client, upstream):
    answer = ask(openai_client, upstream, "@script{length}", max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    chunks = list(ask(openai_client, upstream, "@script{length}", max_tokens=5, stream=True))
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"


def test_a_refusal_says_content_filter(openai_client, upstream):
    answer = ask(openai_client, upstream, "@script{refusal}")
    assert answer.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_reaches_the_model(openai_client, upstream, field):
    text = marked("Limited")
    ask(openai_client, upstream, text, **{field: 77})
    body = upstream.call(text)["body"]
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_sampling_settings_reach_the_model(openai_client, upstream):
    text = marked("Sampled")
    ask(openai_client, upstream, text, temperature=0.5, top_p=0.9)
    body = upstream.call(text)["body"]
    assert (body["temperature"], body["top_p"]) == (0.5, 0.9)


def test_settings_that_an_upstream_does_not_know_do_not_fail_the_request(openai_client, upstream):
    sampling = {"seed": 7, "frequency_penalty": 0.1, "presence_penalty": 0.1, "temperature": 1.5, "n": 1}
    labels = {"user": "end-user-1", "safety_identifier": "s", "metadata": {"job": "7"}, "prompt_cache_key": "k"}
    others = {"logit_bias": {}, "store": False, "service_tier": "auto", "verbosity": "low", "logprobs": False}
    assert ask(openai_client, upstream, "Hi", **sampling, **labels, **others).choices[0].message.content


def test_fields_newer_than_the_gateway_reach_their_own_vendor(openai_client):
    text = marked("Hi")
    newer = {"prompt_cache_options": {"mode": "explicit"}, "moderation": {"model": "made-up"}}
    ask(openai_client, OPENAI_UPSTREAM, text, extra_body=newer)
    body = OPENAI_UPSTREAM.call(text)["body"]
    assert {name: body[name] for name in newer} == newer


def test_the_strict_openai_gets_its_own_word_for_the_token_limit(openai_client, gateway_only):
    """OpenAI's reasoning models refuse `max_tokens`."""
    answer = openai_client.chat.completions.create(
        model=STRICT_MODEL,
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=50,
        reasoning_effort="low",
        extra_body={"requesty": {"tags": ["x"]}},
    )
    assert answer.choices[0].message.content.startswith("You said: Hi")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning_signature"])
def test_the_strict_openai_gets_no_reasoning_of_others(openai_client, gateway_only, field):
    """The gateway gave these fields to the client, and OpenAI refuses every field it does not know."""
    earlier = {"role": "assistant", "content": "Second", field: "x"}
    messages = [{"role": "user", "content": "First"}, earlier, {"role": "user", "content": "Third"}]
    answer = openai_client.chat.completions.create(model=STRICT_MODEL, messages=messages)
    assert "turns: 3" in answer.choices[0].message.content
