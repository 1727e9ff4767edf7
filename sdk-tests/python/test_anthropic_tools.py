"""Anthropic SDK: tool use, its streams, and the way back."""

from __future__ import annotations

import json

import anthropic
import pytest

from samples import NO_ARGUMENTS_SCHEMA, PDF_BASE64, PICTURE_URL, PNG_BASE64, PNG_SEEN, anthropic_tool
from targets import Upstream, marked

PARIS = {"city": "Paris", "unit": "celsius"}
TOKYO = {"city": "Tōkyō", "unit": "celsius"}


def ask(client: anthropic.Anthropic, upstream: Upstream, text: str, **more):
    more.setdefault("tools", [anthropic_tool()])
    more.setdefault("max_tokens", 200)
    return client.messages.create(model=upstream.model, messages=[{"role": "user", "content": text}], **more)


def test_a_tool_use_arrives_with_its_input(anthropic_client, upstream):
    message = ask(anthropic_client, upstream, "@script{tools}")
    assert message.stop_reason == "tool_use"
    (block,) = message.content
    assert (block.type, block.name, block.input) == ("tool_use", "get_weather", PARIS)
    assert block.id


def test_text_before_a_tool_use_is_kept(anthropic_client, upstream):
    message = ask(anthropic_client, upstream, "@script{text-and-tool}")
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.content[0].text == "Let me look."


def test_parallel_tool_uses_stay_apart(anthropic_client, upstream):
    blocks = ask(anthropic_client, upstream, "@script{parallel-tools}").content
    assert [block.input for block in blocks] == [PARIS, TOKYO]
    assert len({block.id for block in blocks}) == 2


def test_parallel_tool_use_can_be_switched_off(anthropic_client, upstream):
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(ask(anthropic_client, upstream, "@script{parallel-tools}", tool_choice=choice).content) == 1


def test_streamed_tool_inputs_come_in_pieces_and_add_up(anthropic_client, upstream):
    events = list(ask(anthropic_client, upstream, "@script{parallel-tools}", stream=True))
    starts = {event.index: event.content_block for event in events if event.type == "content_block_start"}
    inputs: dict[int, str] = {}
    pieces = 0
    for event in events:
        if event.type == "content_block_delta":
            assert event.delta.type == "input_json_delta"
            inputs[event.index] = inputs.get(event.index, "") + event.delta.partial_json
            pieces += bool(event.delta.partial_json)
    assert {at: json.loads(text) for at, text in inputs.items()} == {0: PARIS, 1: TOKYO}
    assert pieces > 4, "the inputs came in one lump"
    assert [(block.type, block.name) for block in starts.values()] == [("tool_use", "get_weather")] * 2
    assert starts[0].id != starts[1].id
    assert events[-2].delta.stop_reason == "tool_use"


def test_the_stream_helper_collects_tool_inputs(anthropic_client, upstream):
    messages = [{"role": "user", "content": "@script{text-and-tool}"}]
    with anthropic_client.messages.stream(
        model=upstream.model, max_tokens=200, messages=messages, tools=[anthropic_tool()]
    ) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["text", "tool_use"]
    assert final.content[1].input == PARIS


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_a_tool_without_arguments_gives_an_empty_input(anthropic_client, upstream, is_streamed):
    settings = {"tools": [anthropic_tool("get_time", NO_ARGUMENTS_SCHEMA)], "model": upstream.model, "max_tokens": 200}
    settings["messages"] = [{"role": "user", "content": "@script{tool-without-arguments}"}]
    if is_streamed:
        with anthropic_client.messages.stream(**settings) as stream:
            message = stream.get_final_message()
    else:
        message = anthropic_client.messages.create(**settings)
    assert message.content[0].input == {}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_tool_results_make_the_round_trip(anthropic_client, upstream, is_streamed):
    messages = [{"role": "user", "content": marked("@script{parallel-tools}")}]
    settings = {"model": upstream.model, "max_tokens": 200, "tools": [anthropic_tool()], "messages": messages}
    if is_streamed:
        with anthropic_client.messages.stream(**settings) as stream:
            first = stream.get_final_message()
    else:
        first = anthropic_client.messages.create(**settings)
    messages.append({"role": "assistant", "content": first.content})
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"{20 + at} degrees"}
        for at, block in enumerate(first.content)
    ]
    messages.append({"role": "user", "content": results})
    text = anthropic_client.messages.create(**settings).content[0].text
    assert "tool result: 20 degrees" in text and "tool result: 21 degrees" in text


def answer_tool(client: anthropic.Anthropic, upstream: Upstream, result: dict, *more_blocks: dict) -> str:
    use = {"type": "tool_use", "id": "toolu_made_up_1", "name": "get_weather", "input": PARIS}
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], **result}, *more_blocks]},
    ]
    return ask_again(client, upstream, messages)


def ask_again(client: anthropic.Anthropic, upstream: Upstream, messages: list) -> str:
    message = client.messages.create(
        model=upstream.model, max_tokens=200, messages=messages, tools=[anthropic_tool()]
    )
    return message.content[0].text


@pytest.mark.parametrize(
    "source",
    [{"type": "base64", "media_type": "image/png", "data": PNG_BASE64}, {"type": "url", "url": PICTURE_URL}],
    ids=["base64", "url"],
)
def test_a_picture_in_a_tool_result_is_not_lost(anthropic_client, upstream, source):
    content = [{"type": "text", "text": "here it is"}, {"type": "image", "source": source}]
    answer = answer_tool(anthropic_client, upstream, {"content": content})
    assert "here it is" in answer
    assert f"image: {PNG_SEEN if source['type'] == 'base64' else 'url ' + PICTURE_URL}" in answer


def test_a_document_in_a_tool_result_is_not_lost(anthropic_client, upstream):
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}
    answer = answer_tool(anthropic_client, upstream, {"content": [{"type": "document", "source": source}]})
    assert "application/pdf" in answer


def test_a_failed_tool_is_told_to_the_model(anthropic_client, upstream):
    answer = answer_tool(anthropic_client, upstream, {"content": "no such city", "is_error": True})
    assert "no such city" in answer


def test_an_empty_tool_result_is_accepted(anthropic_client, upstream):
    assert "turns:" in answer_tool(anthropic_client, upstream, {})


def test_text_after_a_tool_result_is_read_too(anthropic_client, upstream):
    text = marked("And tomorrow?")
    answer_tool(anthropic_client, upstream, {"content": "21 degrees"}, {"type": "text", "text": text})
    assert "21 degrees" in str(upstream.call(text)["body"])


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_time"}], ids=["any", "tool"])
def test_a_forced_tool_choice_makes_the_model_call(anthropic_client, upstream, choice):
    tools = [anthropic_tool("get_time", NO_ARGUMENTS_SCHEMA), anthropic_tool()]
    message = ask(anthropic_client, upstream, "Just talk", tools=tools, tool_choice=choice)
    assert (message.content[0].type, message.content[0].name) == ("tool_use", "get_time")


@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "none"}], ids=["auto", "none"])
def test_an_unforced_tool_choice_leaves_the_model_free(anthropic_client, upstream, choice):
    text = marked("Just talk")
    message = ask(anthropic_client, upstream, text, tool_choice=choice)
    assert [block.type for block in message.content] == ["text"]
    if choice["type"] == "none":
        body = upstream.call(text)["body"]
        assert body.get("tool_choice") in ("none", {"type": "none"}) or not body.get("tools")
