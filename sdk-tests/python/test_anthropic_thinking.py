"""Anthropic SDK: thinking, its signature, and both on their way back."""

from __future__ import annotations

import anthropic
import pytest

from samples import anthropic_tool
from targets import ANTHROPIC_UPSTREAM, OPENAI_UPSTREAM, Upstream, marked

THINKING_TEXT = "The user wants an answer. I weigh the options."
STRICT_MODEL = "up-openai-strict/gpt-5.2"
ENABLED = {"type": "enabled", "budget_tokens": 2048}


def ask(client: anthropic.Anthropic, upstream: Upstream, text: str, **more):
    settings = {"max_tokens": 4000, "thinking": ENABLED} | more
    return client.messages.create(model=upstream.model, messages=[{"role": "user", "content": text}], **settings)


def test_thinking_comes_before_the_answer(anthropic_client, upstream):
    message = ask(anthropic_client, upstream, "@script{thinking}")
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == THINKING_TEXT
    assert isinstance(message.content[0].signature, str)
    assert message.content[1].text == "The answer is 42."
    assert message.usage.output_tokens == 60


def test_thinking_streams_before_the_answer(anthropic_client, upstream):
    events = list(ask(anthropic_client, upstream, "@script{thinking}", stream=True))
    starts = [event.content_block.type for event in events if event.type == "content_block_start"]
    assert starts == ["thinking", "text"]
    deltas = [event for event in events if event.type == "content_block_delta"]
    thinking = "".join(event.delta.thinking for event in deltas if event.delta.type == "thinking_delta")
    assert thinking == THINKING_TEXT
    assert {event.index for event in deltas if event.delta.type == "thinking_delta"} == {0}
    assert {event.index for event in deltas if event.delta.type == "text_delta"} == {1}
    if upstream.vendor == "anthropic":
        assert sum(event.delta.type == "signature_delta" for event in deltas) == 1


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "disabled"}], ids=["adaptive", "disabled"])
def test_every_kind_of_thinking_is_accepted(anthropic_client, upstream, thinking):
    message = ask(anthropic_client, upstream, "@script{thinking}", thinking=thinking)
    assert message.content[-1].text == "The answer is 42."
    if thinking["type"] == "disabled":
        assert [block.type for block in message.content] == ["text"]


def test_an_effort_is_accepted(anthropic_client, upstream):
    message = ask(
        anthropic_client, upstream, "@script{thinking}", thinking={"type": "adaptive"}, output_config={"effort": "low"}
    )
    assert message.content[-1].text == "The answer is 42."


def test_a_budget_beyond_the_token_limit_is_refused(anthropic_client):
    with pytest.raises(anthropic.BadRequestError):
        ask(anthropic_client, ANTHROPIC_UPSTREAM, "Hi", max_tokens=2000)


def test_thinking_becomes_an_effort_for_an_upstream_that_knows_efforts(anthropic_client, gateway_only):
    text = marked("@script{thinking}")
    ask(anthropic_client, OPENAI_UPSTREAM, text)
    assert OPENAI_UPSTREAM.call(text)["body"]["reasoning_effort"] in ("low", "medium", "high")


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_thinking_goes_back_on_the_tool_turn(anthropic_client, upstream, is_streamed):
    """Anthropic refuses the second request unless thinking and signature return unchanged."""
    messages = [{"role": "user", "content": marked("@script{thinking-tools}")}]
    settings = {"model": upstream.model, "max_tokens": 4000, "thinking": ENABLED, "tools": [anthropic_tool()]}
    if is_streamed:
        with anthropic_client.messages.stream(**settings, messages=messages) as stream:
            first = stream.get_final_message()
    else:
        first = anthropic_client.messages.create(**settings, messages=messages)
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "21 degrees"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = anthropic_client.messages.create(**settings, messages=messages)
    assert "tool result: 21 degrees" in second.content[0].text


def test_redacted_thinking_makes_the_round_trip(anthropic_client):
    messages = [{"role": "user", "content": "@script{redacted-thinking}"}]
    settings = {"model": ANTHROPIC_UPSTREAM.model, "max_tokens": 4000, "thinking": ENABLED}
    first = anthropic_client.messages.create(**settings, messages=messages)
    assert first.content[0].type == "redacted_thinking"
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "Go on"}]
    assert "turns: 3" in anthropic_client.messages.create(**settings, messages=messages).content[0].text


@pytest.mark.parametrize(
    ("first_upstream", "second_upstream"),
    [(OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM), (ANTHROPIC_UPSTREAM, OPENAI_UPSTREAM)],
    ids=["openai-to-anthropic", "anthropic-to-openai"],
)
def test_a_conversation_can_move_from_one_vendor_to_the_other(
    anthropic_client, gateway_only, first_upstream, second_upstream
):
    first = ask(anthropic_client, first_upstream, "@script{thinking}")
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": first.content}]
    messages.append({"role": "user", "content": "Go on"})
    second = anthropic_client.messages.create(
        model=second_upstream.model, max_tokens=4000, thinking=ENABLED, messages=messages
    )
    assert "turns: 3" in second.content[-1].text


def test_the_strict_openai_gets_its_own_words_for_limit_and_thinking(anthropic_client, gateway_only):
    """OpenAI's reasoning models refuse `max_tokens`."""
    message = anthropic_client.messages.create(
        model=STRICT_MODEL, max_tokens=4000, thinking=ENABLED, messages=[{"role": "user", "content": "Hi"}]
    )
    assert message.content[-1].text.startswith("You said: Hi")


def test_the_strict_openai_gets_no_thinking_of_others(anthropic_client, gateway_only):
    """OpenAI refuses every field it does not know."""
    first = ask(anthropic_client, OPENAI_UPSTREAM, "@script{thinking}")
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": first.content}]
    messages.append({"role": "user", "content": "Go on"})
    second = anthropic_client.messages.create(
        model=STRICT_MODEL, max_tokens=4000, thinking=ENABLED, messages=messages
    )
    assert "turns: 3" in second.content[-1].text


def test_the_strict_openai_gets_no_settings_of_others(anthropic_client, gateway_only):
    marked_text = {"type": "text", "text": "Be terse.", "cache_control": {"type": "ephemeral"}}
    message = anthropic_client.messages.create(
        model=STRICT_MODEL,
        max_tokens=4000,
        system=[marked_text],
        tools=[anthropic_tool() | {"cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": [marked_text]}],
        metadata={"user_id": "end-user-1"},
        extra_body={"top_k": 40},
    )
    assert "system: Be terse." in message.content[-1].text
