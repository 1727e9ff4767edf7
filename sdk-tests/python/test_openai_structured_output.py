"""OpenAI SDK: answers that follow a schema, read with the SDK's own parse helpers."""

from __future__ import annotations

import json

import openai

from samples import Person, openai_tool

def test_parse_returns_the_typed_object(openai_client, upstream):
    messages = [{"role": "user", "content": "Who?"}]
    answer = openai_client.chat.completions.parse(model=upstream.model, messages=messages, response_format=Person)
    choice = answer.choices[0]
    assert isinstance(choice.message.parsed, Person)
    assert choice.message.parsed.addresses[0].number == 7
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls


def test_parse_works_while_streaming(openai_client, upstream):
    messages = [{"role": "user", "content": "Who?"}]
    with openai_client.chat.completions.stream(
        model=upstream.model, messages=messages, response_format=Person
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Person)
    assert final.choices[0].finish_reason == "stop"


def test_parse_works_beside_tools(openai_client, upstream):
    tool = openai.pydantic_function_tool(Person, name="save_person", description="Saves a person.")
    messages = [{"role": "user", "content": "@script{say:hi}"}]
    answer = openai_client.chat.completions.parse(model=upstream.model, messages=messages, tools=[tool], tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Person)


def test_a_schema_without_strictness_is_taken(openai_client, upstream):
    """Nothing closes these objects, and Anthropic refuses open ones."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    messages = [{"role": "user", "content": "Where?"}]
    answer = openai_client.chat.completions.create(model=upstream.model, messages=messages, response_format=wanted)
    assert json.loads(answer.choices[0].message.content) == {"city": "sample"}


def test_json_mode_answers_in_json(openai_client, upstream):
    messages = [{"role": "user", "content": "@script{json-object} Answer in json."}]
    answer = openai_client.chat.completions.create(
        model=upstream.model, messages=messages, response_format={"type": "json_object"}
    )
    assert json.loads(answer.choices[0].message.content) == {"ok": True}


def test_a_schema_goes_with_reasoning(openai_client, upstream):
    messages = [{"role": "user", "content": "Who?"}]
    answer = openai_client.chat.completions.parse(
        model=upstream.model, messages=messages, response_format=Person, reasoning_effort="low"
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_offered_tools_stay_callable_beside_a_schema(openai_client, upstream):
    schema = {"name": "person", "schema": Person.model_json_schema()}
    answer = openai_client.chat.completions.create(
        model=upstream.model,
        messages=[{"role": "user", "content": "@script{tools}"}],
        response_format={"type": "json_schema", "json_schema": schema},
        tools=[openai_tool()],
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"
    assert answer.choices[0].finish_reason == "tool_calls"
