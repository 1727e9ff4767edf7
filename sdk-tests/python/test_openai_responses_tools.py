"""OpenAI SDK: tool calls and reasoning in the Responses API, and the other SDKs' ways to an upstream that speaks it."""

from __future__ import annotations

import json

import openai
import pytest

from samples import NO_ARGUMENTS_SCHEMA, PNG_DATA_URL, PNG_SEEN, anthropic_tool, openai_tool, responses_tool
from targets import RESPONSES_UPSTREAM, marked
from test_openai_responses import TRANSLATED, ask, client, upstream  # noqa: F401 (fixtures)

PARIS = {"city": "Paris", "unit": "celsius"}
TOKYO = {"city": "Tōkyō", "unit": "celsius"}
THINKING_TEXT = "The user wants an answer. I weigh the options."
ENCRYPTED = ["reasoning.encrypted_content"]


def calls_in(response) -> list:
    return [item for item in response.output if item.type == "function_call"]


def result_of(call, output) -> dict:
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}


def last_response(stream):
    return list(stream)[-1].response


def test_parallel_tool_calls_stay_apart(client, upstream):
    answer = ask(client, upstream, "@script{parallel-tools}", tools=[responses_tool()])
    assert answer.status == "completed"
    first, second = calls_in(answer)
    assert [json.loads(call.arguments) for call in (first, second)] == [PARIS, TOKYO]
    assert first.call_id != second.call_id
    assert answer.tools[0].name == "get_weather"


def test_tool_calls_can_be_kept_from_being_parallel(client, upstream):
    answer = ask(client, upstream, "@script{parallel-tools}", tools=[responses_tool()], parallel_tool_calls=False)
    assert len(calls_in(answer)) == 1


def test_streamed_tool_arguments_come_in_pieces_and_add_up(client, upstream):
    events = list(ask(client, upstream, "@script{parallel-tools}", tools=[responses_tool()], stream=True))
    pieces: dict[str, str] = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            pieces[event.item_id] = pieces.get(event.item_id, "") + event.delta
    assert [json.loads(piece) for piece in pieces.values()] == [PARIS, TOKYO]
    done = {event.item_id: event.arguments for event in events if event.type == "response.function_call_arguments.done"}
    assert done == pieces
    assert [call.id for call in calls_in(events[-1].response)] == list(pieces)


def test_text_comes_before_the_tool_call(client, upstream):
    answer = ask(client, upstream, "@script{text-and-tool}", tools=[responses_tool()])
    assert [item.type for item in answer.output] == ["message", "function_call"]
    assert answer.output_text == "Let me look."


def test_a_tool_without_arguments_gives_an_empty_object(client, upstream):
    tools = [responses_tool("get_time", NO_ARGUMENTS_SCHEMA)]
    (call,) = calls_in(ask(client, upstream, "@script{tool-without-arguments}", tools=tools))
    assert json.loads(call.arguments) == {}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_time"}], ids=["required", "named"])
def test_a_forced_tool_is_called(client, upstream, choice):
    tools = [responses_tool("get_time", NO_ARGUMENTS_SCHEMA), responses_tool()]
    (call,) = calls_in(ask(client, upstream, "Just talk", tools=tools, tool_choice=choice))
    assert call.name == "get_time"


def test_only_the_allowed_tools_are_called(client, upstream):
    tools = [responses_tool(), responses_tool("get_time", NO_ARGUMENTS_SCHEMA)]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
    (call,) = calls_in(ask(client, upstream, "Just talk", tools=tools, tool_choice=allowed))
    assert call.name == "get_time"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_tool_results_make_the_round_trip(client, upstream, is_streamed):
    items = [{"role": "user", "content": marked("@script{parallel-tools}")}]
    answer = ask(client, upstream, items, tools=[responses_tool()], stream=is_streamed)
    answer = last_response(answer) if is_streamed else answer
    items += answer.output
    items += [result_of(call, f"{20 + at} degrees") for at, call in enumerate(calls_in(answer))]
    text = ask(client, upstream, items, tools=[responses_tool()]).output_text
    assert "tool result: 20 degrees" in text and "tool result: 21 degrees" in text


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda one: one.vendor)
def test_a_tool_of_free_text_makes_the_round_trip(client, gateway_only, translated, is_streamed):
    """Neither upstream knows such tools."""
    items = [{"role": "user", "content": marked("Just talk")}]
    tools = [{"type": "custom", "name": "sql", "description": "Runs a query."}]
    forced = {"type": "custom", "name": "sql"}
    answer = ask(client, translated, items, tools=tools, tool_choice=forced, stream=is_streamed)
    (call,) = (last_response(answer) if is_streamed else answer).output
    assert (call.type, call.name, call.input) == ("custom_tool_call", "sql", "sample")
    items += [call, {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "21 rows"}]
    assert "tool result: 21 rows" in ask(client, translated, items, tools=tools).output_text


def test_a_picture_in_a_tool_result_is_never_dropped_in_silence(client, upstream):
    items = [{"role": "user", "content": "@script{tools}"}]
    answer = ask(client, upstream, items, tools=[responses_tool()])
    picture = {"type": "input_image", "image_url": PNG_DATA_URL, "detail": "auto"}
    items += [*answer.output, result_of(calls_in(answer)[0], [{"type": "input_text", "text": "here"}, picture])]
    try:
        said = ask(client, upstream, items, tools=[responses_tool()]).output_text
    except openai.BadRequestError as error:
        # Chat Completions takes no pictures in tool messages.
        assert upstream.vendor == "openai"
        said = f"image: {PNG_SEEN}" if "image_url" in error.message else error.message
    assert f"image: {PNG_SEEN}" in said


def test_a_reasoning_summary_comes_before_the_answer(client, upstream):
    answer = ask(client, upstream, "@script{thinking}", reasoning={"effort": "low", "summary": "auto"})
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert reasoning_text(answer.output[0]) == THINKING_TEXT
    assert answer.output_text == "The answer is 42."
    assert answer.usage.output_tokens_details.reasoning_tokens == 40
    assert answer.reasoning.effort == "low"


def reasoning_text(item) -> str:
    return "".join(part.text for part in item.summary or item.content or [])


def test_reasoning_streams_before_the_answer(client, upstream):
    settings = {"reasoning": {"effort": "low", "summary": "auto"}, "stream": True}
    events = list(ask(client, upstream, "@script{thinking}", **settings))
    thoughts = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
    assert "".join(event.delta for event in events if event.type in thoughts) == THINKING_TEXT
    kinds = [event.type for event in events if event.type.endswith("text.delta")]
    assert kinds == sorted(kinds, key=lambda kind: kind == "response.output_text.delta")
    assert [item.type for item in events[-1].response.output] == ["reasoning", "message"]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("store", [None, False], ids=["stored", "unstored"])
def test_reasoning_goes_back_on_the_tool_turn(client, upstream, store, is_streamed):
    """Anthropic refuses the second request unless thinking and signature return unchanged."""
    items = [{"role": "user", "content": marked("@script{thinking-tools}")}]
    settings = {"tools": [responses_tool()], "reasoning": {"effort": "low"}, "store": store, "include": ENCRYPTED}
    answer = ask(client, upstream, items, stream=is_streamed, **settings)
    answer = last_response(answer) if is_streamed else answer
    assert reasoning_text(answer.output[0]) == THINKING_TEXT
    assert upstream.vendor == "openai" or answer.output[0].encrypted_content
    items += [*answer.output, result_of(calls_in(answer)[0], "21 degrees")]
    assert "tool result: 21 degrees" in ask(client, upstream, items, **settings).output_text
    if upstream.vendor == "anthropic":
        sent = upstream.calls(items[0]["content"])[-1]["body"]
        assert sent["messages"][1]["content"][0]["type"] == "thinking"


def ask_chat(openai_client, messages: list, **more):
    return openai_client.chat.completions.create(model=RESPONSES_UPSTREAM.model, messages=messages, **more)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_chat_completions_reach_a_responses_upstream(openai_client, gateway_only, is_streamed):
    text = marked("Hello")
    given = ask_chat(openai_client, [{"role": "user", "content": text}], stream=is_streamed, max_tokens=900)
    if is_streamed:
        said = "".join(chunk.choices[0].delta.content or "" for chunk in given if chunk.choices)
    else:
        said = given.choices[0].message.content
        assert given.usage.cost == pytest.approx(RESPONSES_UPSTREAM.cost())
    assert said.startswith(f"You said: {text}")
    call = RESPONSES_UPSTREAM.call(text)
    assert (call["path"], call["body"]["max_output_tokens"]) == ("/v1/responses", 900)


def test_chat_tool_results_make_the_round_trip_at_a_responses_upstream(openai_client, gateway_only):
    messages = [{"role": "user", "content": marked("@script{thinking-tools}")}]
    settings = {"tools": [openai_tool()], "reasoning_effort": "low"}
    message = ask_chat(openai_client, messages, **settings).choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == PARIS
    assert message.reasoning_content == THINKING_TEXT
    messages.append(message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "21 degrees"})
    assert "tool result: 21 degrees" in ask_chat(openai_client, messages, **settings).choices[0].message.content


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_messages_reach_a_responses_upstream(anthropic_client, gateway_only, is_streamed):
    text = marked("Hello")
    settings = {"model": RESPONSES_UPSTREAM.model, "max_tokens": 900, "messages": [{"role": "user", "content": text}]}
    if is_streamed:
        with anthropic_client.messages.stream(**settings) as stream:
            said = stream.get_final_message()
    else:
        said = anthropic_client.messages.create(**settings)
    assert said.content[0].text.startswith(f"You said: {text}")
    assert (said.stop_reason, said.usage.input_tokens, said.usage.output_tokens) == ("end_turn", 100, 20)


def test_messages_tool_results_make_the_round_trip_at_a_responses_upstream(anthropic_client, gateway_only):
    messages = [{"role": "user", "content": marked("@script{thinking-tools}")}]
    settings = {"model": RESPONSES_UPSTREAM.model, "max_tokens": 4000, "tools": [anthropic_tool()]}
    settings |= {"messages": messages, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    answer = anthropic_client.messages.create(**settings)
    assert [block.type for block in answer.content] == ["thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": answer.content[1].id, "content": "21 degrees"}
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    assert "tool result: 21 degrees" in anthropic_client.messages.create(**settings).content[0].text
