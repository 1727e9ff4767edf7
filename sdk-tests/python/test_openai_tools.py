"""OpenAI SDK: tool calls, their streams, and the way back."""

from __future__ import annotations

import json

import openai
import pytest

from samples import NO_ARGUMENTS_SCHEMA, PNG_DATA_URL, PNG_SEEN, openai_tool
from targets import Upstream, marked

PARIS = {"city": "Paris", "unit": "celsius"}
TOKYO = {"city": "Tōkyō", "unit": "celsius"}


def ask(client: openai.OpenAI, upstream: Upstream, text: str, **more):
    more.setdefault("tools", [openai_tool()])
    return client.chat.completions.create(model=upstream.model, messages=[{"role": "user", "content": text}], **more)


def test_a_tool_call_arrives_with_its_arguments(openai_client, upstream):
    choice = ask(openai_client, upstream, "@script{tools}").choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == PARIS
    assert call.id


def test_text_before_a_tool_call_is_kept(openai_client, upstream):
    message = ask(openai_client, upstream, "@script{text-and-tool}").choices[0].message
    assert message.content == "Let me look."
    assert len(message.tool_calls) == 1


def test_parallel_tool_calls_stay_apart(openai_client, upstream):
    calls = ask(openai_client, upstream, "@script{parallel-tools}").choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [PARIS, TOKYO]
    assert len({call.id for call in calls}) == 2


def test_parallel_tool_calls_can_be_switched_off(openai_client, upstream):
    answer = ask(openai_client, upstream, "@script{parallel-tools}", parallel_tool_calls=False)
    assert len(answer.choices[0].message.tool_calls) == 1


def test_streamed_tool_arguments_come_in_pieces_and_add_up(openai_client, upstream):
    chunks = list(ask(openai_client, upstream, "@script{parallel-tools}", stream=True))
    names, arguments, ids = {}, {}, {}
    for chunk in chunks:
        for piece in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            ids.setdefault(piece.index, piece.id)
            names[piece.index] = names.get(piece.index) or piece.function.name
            arguments.setdefault(piece.index, []).append(piece.function.arguments or "")
    assert {at: json.loads("".join(parts)) for at, parts in arguments.items()} == {0: PARIS, 1: TOKYO}
    assert names == {0: "get_weather", 1: "get_weather"}
    assert ids[0] and ids[1] and ids[0] != ids[1]
    assert len(arguments[0]) > 2, "the arguments came in one lump"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"


def test_a_tool_without_arguments_gives_an_empty_object(openai_client, upstream):
    tools = [openai_tool("get_time", NO_ARGUMENTS_SCHEMA)]
    whole = ask(openai_client, upstream, "@script{tool-without-arguments}", tools=tools)
    assert json.loads(whole.choices[0].message.tool_calls[0].function.arguments) == {}
    messages = [{"role": "user", "content": "@script{tool-without-arguments}"}]
    with openai_client.chat.completions.stream(model=upstream.model, messages=messages, tools=tools) as stream:
        final = stream.get_final_completion()
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments or "{}") == {}


def test_a_tool_without_parameters_can_be_offered(openai_client, upstream):
    tools = [{"type": "function", "function": {"name": "get_time"}}]
    answer = ask(openai_client, upstream, "@script{tool-without-arguments}", tools=tools)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_time"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_tool_results_make_the_round_trip(openai_client, upstream, is_streamed):
    messages = [{"role": "user", "content": marked("@script{parallel-tools}")}]
    first = openai_client.chat.completions.create(model=upstream.model, messages=messages, tools=[openai_tool()])
    messages.append(first.choices[0].message)
    for at, call in enumerate(first.choices[0].message.tool_calls):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{20 + at} degrees"})
    more = {"model": upstream.model, "messages": messages, "tools": [openai_tool()]}
    if is_streamed:
        chunks = openai_client.chat.completions.create(**more, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        text = openai_client.chat.completions.create(**more).choices[0].message.content
    assert "tool result: 20 degrees" in text
    assert "tool result: 21 degrees" in text


def test_a_tool_result_in_parts_makes_the_round_trip(openai_client, upstream):
    answer = answer_tool(openai_client, upstream, [{"type": "text", "text": "part one"}, {"type": "text", "text": "part two"}])
    assert "part one" in answer and "part two" in answer


def test_a_picture_in_a_tool_result_is_never_dropped_in_silence(openai_client, upstream, gateway_only):
    """OpenAI takes no pictures in tool messages, yet clients send them; it may say so itself."""
    content = [{"type": "text", "text": "here"}, {"type": "image_url", "image_url": {"url": PNG_DATA_URL}}]
    try:
        assert f"image: {PNG_SEEN}" in answer_tool(openai_client, upstream, content)
    except openai.BadRequestError as refused:
        assert upstream.vendor == "openai"
        assert "image_url" in refused.message


def test_an_empty_tool_result_is_accepted(openai_client, upstream):
    assert "turns:" in answer_tool(openai_client, upstream, "")


def answer_tool(client: openai.OpenAI, upstream: Upstream, content) -> str:
    call = {"id": "call_made_up_1", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(PARIS)}}
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": content},
    ]
    answer = client.chat.completions.create(model=upstream.model, messages=messages, tools=[openai_tool()])
    return answer.choices[0].message.content


@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "function": {"name": "get_time"}}],
    ids=["required", "named"],
)
def test_a_forced_tool_choice_makes_the_model_call(openai_client, upstream, choice):
    tools = [openai_tool("get_time", NO_ARGUMENTS_SCHEMA), openai_tool()]
    answer = ask(openai_client, upstream, "Just talk", tools=tools, tool_choice=choice)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_time"


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_an_unforced_tool_choice_leaves_the_model_free(openai_client, upstream, choice):
    text = marked("Just talk")
    answer = ask(openai_client, upstream, text, tool_choice=choice)
    assert answer.choices[0].message.tool_calls is None
    if choice == "none":
        sent = upstream.call(text)["body"].get("tool_choice")
        assert sent in ("none", {"type": "none"}) or not upstream.call(text)["body"].get("tools")


def test_allowed_tools_narrow_the_choice(openai_client, upstream):
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}
    tools = [openai_tool("get_time", NO_ARGUMENTS_SCHEMA), openai_tool()]
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    answer = ask(openai_client, upstream, "Just talk", tools=tools, tool_choice=choice)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"
