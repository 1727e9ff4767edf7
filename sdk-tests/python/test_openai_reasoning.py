"""OpenAI SDK: reasoning, its text and signature, and both on their way back."""

from __future__ import annotations

import json

import openai
import pytest

from samples import openai_tool
from targets import ANTHROPIC_UPSTREAM, OPENAI_UPSTREAM, Upstream, marked

THINKING_TEXT = "The user wants an answer. I weigh the options."


def ask(client: openai.OpenAI, upstream: Upstream, text: str, **more):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=upstream.model, messages=messages, **more)


def test_reasoning_text_comes_beside_the_answer(openai_client, upstream):
    answer = ask(openai_client, upstream, "@script{thinking}", reasoning_effort="low", max_tokens=4000)
    message = answer.choices[0].message
    assert message.content == "The answer is 42."
    assert message.reasoning_content == THINKING_TEXT
    assert answer.usage.completion_tokens == 60
    assert answer.usage.completion_tokens_details.reasoning_tokens == 40


def test_reasoning_streams_before_the_answer(openai_client, upstream):
    stream = ask(openai_client, upstream, "@script{thinking}", reasoning_effort="low", max_tokens=4000, stream=True)
    order, reasoning, content = [], "", ""
    for chunk in stream:
        delta = chunk.choices[0].delta if chunk.choices else None
        if delta and (piece := getattr(delta, "reasoning_content", None)):
            reasoning, order = reasoning + piece, order + ["reasoning"]
        if delta and delta.content:
            content, order = content + delta.content, order + ["content"]
    assert reasoning == THINKING_TEXT
    assert content == "The answer is 42."
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high"])
def test_every_effort_is_accepted(openai_client, upstream, effort):
    answer = ask(openai_client, upstream, "@script{thinking}", reasoning_effort=effort)
    assert answer.choices[0].message.content == "The answer is 42."


@pytest.mark.parametrize("effort", ["min", "max", "1500", "10000"])
def test_efforts_that_only_the_gateway_knows_are_accepted(openai_client, upstream, gateway_only, effort):
    answer = ask(openai_client, upstream, "@script{thinking}", extra_body={"reasoning_effort": effort})
    assert answer.choices[0].message.content == "The answer is 42."


def test_a_small_token_limit_and_reasoning_do_not_exclude_each_other(openai_client, upstream):
    answer = ask(openai_client, upstream, "@script{thinking}", reasoning_effort="high", max_tokens=50)
    assert answer.choices[0].message.content == "The answer is 42."


def test_a_budget_becomes_the_thinking_budget(openai_client, gateway_only):
    text = marked("@script{thinking}")
    ask(openai_client, ANTHROPIC_UPSTREAM, text, extra_body={"reasoning_effort": "3000"}, max_tokens=8000)
    assert ANTHROPIC_UPSTREAM.call(text)["body"]["thinking"]["budget_tokens"] == 3000


def test_reasoning_goes_with_a_temperature(openai_client, upstream):
    """Anthropic refuses any temperature but 1 while thinking."""
    answer = ask(openai_client, upstream, "@script{thinking}", reasoning_effort="low", temperature=0.2)
    assert answer.choices[0].message.content == "The answer is 42."


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_signed_reasoning_goes_back_on_the_tool_turn(openai_client, gateway_only, is_streamed):
    """Anthropic refuses the second request unless thinking and signature return unchanged."""
    settings = {"model": ANTHROPIC_UPSTREAM.model, "tools": [openai_tool()], "reasoning_effort": "low"}
    messages = [{"role": "user", "content": marked("@script{thinking-tools}")}]
    settings |= {"messages": messages, "max_tokens": 4000}
    if is_streamed:
        message = collect(openai_client.chat.completions.create(**settings, stream=True))
    else:
        message = openai_client.chat.completions.create(**settings).choices[0].message.model_dump(exclude_none=True)
    assert message["reasoning_content"] == THINKING_TEXT
    assert message["reasoning_signature"]
    messages.append(message)
    messages.append({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "21 degrees"})
    answer = openai_client.chat.completions.create(**settings)
    assert "tool result: 21 degrees" in answer.choices[0].message.content
    sent = ANTHROPIC_UPSTREAM.calls(messages[0]["content"])[-1]["body"]
    assert sent["messages"][1]["content"][0]["type"] == "thinking"


def collect(stream) -> dict:
    """Adds up one streamed message, as a client that knows the reasoning fields does."""
    message = {"role": "assistant", "content": None, "reasoning_content": "", "reasoning_signature": ""}
    call = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    for chunk in stream:
        delta = chunk.choices[0].delta if chunk.choices else None
        for field in ("reasoning_content", "reasoning_signature"):
            message[field] += (getattr(delta, field, None) or "") if delta else ""
        for piece in (delta.tool_calls or []) if delta else []:
            call["id"] = call["id"] or piece.id
            call["function"]["name"] = call["function"]["name"] or piece.function.name
            call["function"]["arguments"] += piece.function.arguments or ""
    return message | {"tool_calls": [call]}


def test_a_tool_turn_without_its_reasoning_still_works(openai_client, upstream):
    """Most clients drop what they do not know; the gateway must not let the upstream refuse them for it."""
    text = marked("Weather?")
    call = {"id": "call_made_up_1", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps({})}}
    messages = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"},
    ]
    answer = openai_client.chat.completions.create(
        model=upstream.model, messages=messages, tools=[openai_tool()], reasoning_effort="low"
    )
    assert "tool result: 21 degrees" in answer.choices[0].message.content


def test_reasoning_with_a_forced_tool_still_calls_the_tool(openai_client, upstream):
    """Anthropic refuses a forced tool while thinking."""
    answer = ask(
        openai_client, upstream, "@script{tools}", tools=[openai_tool()], tool_choice="required", reasoning_effort="low"
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"


def test_redacted_thinking_does_not_disturb_the_answer(openai_client, gateway_only):
    answer = ask(openai_client, ANTHROPIC_UPSTREAM, "@script{redacted-thinking}", reasoning_effort="low")
    assert answer.choices[0].message.content == "The answer is 42."
    assert "redacted:" not in (answer.choices[0].message.content or "")


def test_a_conversation_can_move_from_one_vendor_to_the_other(openai_client, gateway_only):
    """Signed reasoning of one vendor means nothing to the other, which may refuse the field."""
    first = ask(openai_client, ANTHROPIC_UPSTREAM, "@script{thinking}", reasoning_effort="low", max_tokens=4000)
    text = marked("Go on")
    messages = [{"role": "user", "content": "x"}, first.choices[0].message, {"role": "user", "content": text}]
    answer = openai_client.chat.completions.create(model=OPENAI_UPSTREAM.model, messages=messages)
    assert "turns: 3" in answer.choices[0].message.content
    assert "reasoning_signature" not in str(OPENAI_UPSTREAM.call(text)["body"])


def test_unsigned_reasoning_can_move_to_a_vendor_that_signs(openai_client, gateway_only):
    first = ask(openai_client, OPENAI_UPSTREAM, "@script{thinking}", reasoning_effort="low")
    messages = [{"role": "user", "content": "x"}, first.choices[0].message, {"role": "user", "content": "Go on"}]
    answer = openai_client.chat.completions.create(
        model=ANTHROPIC_UPSTREAM.model, messages=messages, reasoning_effort="low"
    )
    assert "turns: 3" in answer.choices[0].message.content
