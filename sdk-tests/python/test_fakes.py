"""The fakes themselves: they refuse what the vendors refuse, so that a sloppy translation cannot pass unseen.

These tests never go through the gateway.
"""

from __future__ import annotations

import os
import uuid

import anthropic
import httpx
import openai
import pytest

from samples import anthropic_tool, openai_tool

OPENAI_URL, ANTHROPIC_URL = os.environ["FAKE_OPENAI_URL"], os.environ["FAKE_ANTHROPIC_URL"]
OPENAI_KEY, ANTHROPIC_KEY = os.environ["FAKE_OPENAI_KEY"], os.environ["FAKE_ANTHROPIC_KEY"]
HI = [{"role": "user", "content": "Hi"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
ENABLED = {"type": "enabled", "budget_tokens": 1024}


def said(role: str, content, **more) -> dict:
    return {"role": role, "content": content, **more}


OPENAI_REFUSALS = {
    "a field it does not know": ({"extra_body": {"requesty": {}}}, "Unknown parameter: 'requesty'"),
    "a message field it does not know": ({"messages": [said("user", "x", tags=[])]}, "messages[0].tags"),
    "a role it does not know": ({"messages": [said("wizard", "x")]}, "Invalid value: 'wizard'"),
    "no messages": ({"messages": []}, "Invalid 'messages': empty array"),
    "a user message of nothing": ({"messages": [said("user", None)]}, "expected a string, got null"),
    "a part of the other vendor": ({"messages": [said("user", [{"type": "image", "source": {}}])]}, "'image'"),
    "a cache mark of the other vendor": (
        {"messages": [said("user", [{"type": "text", "text": "x", "cache_control": {}}])]},
        "cache_control",
    ),
    "a tool message without a call": (
        {"messages": [*HI, said("tool", "x", tool_call_id="call_1")]},
        "must be a response to a preceeding message with 'tool_calls'",
    ),
    "a call without its tool message": (
        {"messages": [*HI, said("assistant", None, tool_calls=[CALL]), *HI]},
        "must be followed by tool messages",
    ),
    "a picture in a tool message": (
        {
            "messages": [
                *HI,
                said("assistant", None, tool_calls=[CALL]),
                said("tool", [{"type": "image_url", "image_url": {"url": "https://x.example"}}], tool_call_id="call_1"),
            ]
        },
        "'image_url'",
    ),
    "a token limit of zero": ({"max_tokens": 0}, "Expected a value >= 1"),
    "both token limits": ({"max_tokens": 9, "max_completion_tokens": 9}, "at the same time"),
    "a tool choice without tools": ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
    "stream options without a stream": ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
    "an unknown effort": ({"extra_body": {"reasoning_effort": "10000"}}, "'10000'"),
    "a signature": ({"messages": [*HI, said("assistant", "x", reasoning_signature="c2ln"), *HI]}, "reasoning_signature"),
}

RESPONSES_REFUSALS = {
    "a field of the other API": ({"extra_body": {"messages": HI}}, "Unknown parameter: 'messages'"),
    "a tool of the other API": ({"tools": [openai_tool()]}, "Unknown parameter: 'tools[0].function'"),
    "a part of the other API": ({"input": [said("user", [{"type": "text", "text": "x"}])]}, "'text'"),
    "an answer's part from a user": ({"input": [said("user", [{"type": "output_text", "text": "x"}])]}, "'output_text'"),
    "an item it does not know": ({"input": [*HI, {"type": "made_up"}]}, "'made_up'"),
    "a result without a call": (
        {"input": [*HI, {"type": "function_call_output", "call_id": "call_1", "output": "x"}]},
        "No tool call found",
    ),
    "a call without its result": (
        {"input": [*HI, {"type": "function_call", "call_id": "call_1", "name": "x", "arguments": "{}"}]},
        "No tool output found",
    ),
    "a thought of somebody else": (
        {"input": [*HI, {"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "c2ln"}]},
        "could not be verified",
    ),
    "an unstored thought by its id": (
        {"input": [*HI, {"type": "reasoning", "id": "rs_0", "summary": []}], "store": False},
        "'rs_0' not found",
    ),
    "an unknown earlier answer": ({"previous_response_id": "resp_1"}, "'resp_1' not found"),
    "a token limit below 16": ({"max_output_tokens": 15}, "Expected a value >= 16"),
    "an unknown effort": ({"extra_body": {"reasoning": {"effort": "10000"}}}, "'10000'"),
}

ANTHROPIC_REFUSALS = {
    "a field it does not know": ({"extra_body": {"requesty": {}}}, "requesty: Extra inputs are not permitted"),
    "a field of the other vendor": ({"extra_body": {"stop": ["x"]}}, "stop: Extra inputs are not permitted"),
    "a block field it does not know": (
        {"messages": [said("user", [{"type": "text", "text": "x", "index": 0}])]},
        "messages.0.content.0.text.index: Extra inputs are not permitted",
    ),
    "no messages": ({"messages": []}, "at least one message is required"),
    "a system message": ({"messages": [*HI, said("system", "x"), *HI]}, "role 'system' is not supported"),
    "an assistant who begins": ({"messages": [said("assistant", "x"), *HI]}, "first message must use"),
    "an empty message": ({"messages": [said("user", ""), said("assistant", "x"), *HI]}, "non-empty content"),
    "an empty text block": ({"messages": [said("user", [{"type": "text", "text": " "}])]}, "must be non-empty"),
    "a budget not below the limit": ({"thinking": ENABLED, "max_tokens": 1024}, "must be greater than"),
    "a budget too small": ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "equal to 1024"),
    "a temperature while thinking": ({"thinking": ENABLED, "extra_body": {"temperature": 0.5}}, "only be set to 1"),
    "a temperature above one": ({"extra_body": {"temperature": 1.5}}, "range: 0..1"),
    "a forced tool while thinking": (
        {"thinking": ENABLED, "tools": [anthropic_tool()], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled",
    ),
    "thinking without a signature": (
        {"messages": [*HI, said("assistant", [{"type": "thinking", "thinking": "x"}]), *HI]},
        "thinking.signature: Field required",
    ),
    "thinking with a forged signature": (
        {"messages": [*HI, said("assistant", [{"type": "thinking", "thinking": "x", "signature": ""}]), *HI]},
        "Invalid `signature`",
    ),
    "a result without its use": (
        {"messages": [said("user", [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}])]},
        "unexpected `tool_use_id`",
    ),
    "a use without its result": ({"messages": [*HI, said("assistant", [USE]), *HI]}, "without `tool_result` blocks"),
    "a tool turn without its thinking": (
        {
            "thinking": ENABLED,
            "tools": [anthropic_tool()],
            "messages": [
                *HI,
                said("assistant", [USE]),
                said("user", [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}]),
            ],
        },
        "Expected `thinking` or `redacted_thinking`",
    ),
    "a tool without a schema type": ({"tools": [anthropic_tool(schema={})]}, "input_schema.type: Field required"),
    "an open schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "'additionalProperties' must be explicitly set to false",
    ),
    "a temperature on a newer model": (
        {"model": "claude-opus-5", "extra_body": {"temperature": 1}},
        "`temperature` is deprecated",
    ),
    "a budget on a newer model": ({"model": "claude-opus-5", "thinking": ENABLED}, "thinking.type.adaptive"),
}


@pytest.mark.parametrize("what", OPENAI_REFUSALS)
def test_the_openai_fake_refuses(what):
    settings, words = OPENAI_REFUSALS[what]
    client = openai.OpenAI(base_url=f"{OPENAI_URL}/v1", api_key=OPENAI_KEY, max_retries=0)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "chat-model", "messages": HI} | settings)
    assert words in caught.value.message


@pytest.mark.parametrize("what", RESPONSES_REFUSALS)
def test_the_responses_fake_refuses(what):
    settings, words = RESPONSES_REFUSALS[what]
    client = openai.OpenAI(base_url=f"{OPENAI_URL}/v1", api_key=OPENAI_KEY, max_retries=0)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "responses-model", "input": HI} | settings)
    assert words in caught.value.message


@pytest.mark.parametrize("what", ANTHROPIC_REFUSALS)
def test_the_anthropic_fake_refuses(what):
    settings, words = ANTHROPIC_REFUSALS[what]
    client = anthropic.Anthropic(base_url=ANTHROPIC_URL, api_key=ANTHROPIC_KEY, max_retries=0)
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**{"model": "claude-model", "max_tokens": 2000, "messages": HI} | settings)
    assert words in caught.value.api_message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_tokens": 9}, "Use 'max_completion_tokens' instead"),
        ({"extra_body": {"top_k": 9}}, "Unknown parameter: 'top_k'"),
        ({"messages": [*HI, said("assistant", "x", reasoning_content="y"), *HI]}, "reasoning_content"),
    ],
    ids=["max_tokens", "top_k", "reasoning_content"],
)
def test_the_strict_openai_fake_refuses_more(settings, words):
    client = openai.OpenAI(base_url=f"{OPENAI_URL}/strict/v1", api_key=OPENAI_KEY, max_retries=0)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "gpt-5.2", "messages": HI} | settings)
    assert words in caught.value.message


def test_both_fakes_refuse_every_credential_but_their_own():
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{OPENAI_URL}/v1", api_key=ANTHROPIC_KEY, max_retries=0).models.list()
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=ANTHROPIC_URL, api_key=OPENAI_KEY, max_retries=0).models.list()


def test_the_anthropic_fake_insists_on_a_version():
    client = anthropic.Anthropic(base_url=ANTHROPIC_URL, api_key=ANTHROPIC_KEY, max_retries=0)
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(
            model="claude-model", max_tokens=9, messages=HI, extra_headers={"anthropic-version": anthropic.Omit()}
        )
    assert "anthropic-version: header is required" in caught.value.api_message


def test_a_whole_conversation_with_tools_is_accepted_by_both():
    openai_client = openai.OpenAI(base_url=f"{OPENAI_URL}/v1", api_key=OPENAI_KEY, max_retries=0)
    messages = [*HI, said("assistant", None, tool_calls=[CALL]), said("tool", "21 degrees", tool_call_id="call_1")]
    answer = openai_client.chat.completions.create(model="chat-model", messages=messages, tools=[openai_tool()])
    assert "21 degrees" in answer.choices[0].message.content
    anthropic_client = anthropic.Anthropic(base_url=ANTHROPIC_URL, api_key=ANTHROPIC_KEY, max_retries=0)
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 degrees"}
    messages = [*HI, said("assistant", [USE]), said("user", [result])]
    message = anthropic_client.messages.create(
        model="claude-model", max_tokens=99, messages=messages, tools=[anthropic_tool()]
    )
    assert "21 degrees" in message.content[0].text


def test_a_script_answers_those_who_offer_its_tool_and_is_then_over():
    prompt = f"Look it up [{uuid.uuid4().hex}]"
    answers = [{"tool": "get_weather", "arguments": {"city": "Oslo"}}, {"text": "It rains."}]
    httpx.post(f"{ANTHROPIC_URL}/__script", json={"mark": prompt, "answers": answers}, timeout=10).raise_for_status()
    client = anthropic.Anthropic(base_url=ANTHROPIC_URL, api_key=ANTHROPIC_KEY, max_retries=0)
    ask = {"model": "claude-model", "max_tokens": 100, "messages": [said("user", prompt)]}

    title = client.messages.create(**ask).content[0]
    call, closing, after = (client.messages.create(**ask, tools=[anthropic_tool()]).content[0] for _ in range(3))

    assert title.text.startswith("You said") and after.text.startswith("You said")
    assert (call.type, call.input, closing.text) == ("tool_use", {"city": "Oslo"}, "It rains.")


def test_a_preview_is_taken_from_those_who_ask_for_it():
    client = anthropic.Anthropic(base_url=ANTHROPIC_URL, api_key=ANTHROPIC_KEY, max_retries=0)
    ask = {"model": "claude-model", "max_tokens": 100, "messages": HI, "extra_body": {"context_management": {"edits": []}}}
    with pytest.raises(anthropic.BadRequestError, match="context_management: Extra inputs"):
        client.messages.create(**ask)
    assert client.messages.create(**ask, extra_headers={"anthropic-beta": "context-management-2025-06-27"}).content


def asked(*content: dict) -> list[dict]:
    return [{"role": "user", "content": list(content)}]


BEDROCK_REFUSALS = {
    "a field it does not know": ({"model": "x"}, "[model] is not permitted"),
    "no messages": ({"messages": []}, "must start with a user message"),
    "two turns of a speaker": ({"messages": asked({"text": "x"}) * 2}, "must alternate"),
    "a blank text": ({"messages": asked({"text": " "})}, "is blank"),
    "a document alone": (
        {"messages": asked({"document": {"format": "txt", "name": "a", "source": {"bytes": "eA=="}}})},
        "needs a text block",
    ),
    "a document's name": (
        {"messages": asked({"text": "x"}, {"document": {"format": "txt", "name": "a.txt", "source": {"bytes": "eA=="}}})},
        "file name",
    ),
    "a result without a call": (
        {"messages": asked({"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}})},
        "Expected toolResult blocks",
    ),
    "a thought of somebody else": (
        {"messages": asked({"reasoningContent": {"reasoningText": {"text": "x", "signature": "c2ln"}}})},
        "Invalid `signature`",
    ),
    "a temperature above one": ({"inferenceConfig": {"temperature": 1.5}}, "out of its range"),
    "no tools": ({"toolConfig": {"tools": []}}, "toolConfig.tools"),
}


@pytest.mark.parametrize("what", BEDROCK_REFUSALS)
def test_the_bedrock_fake_refuses(what):
    settings, words = BEDROCK_REFUSALS[what]
    body = {"messages": asked({"text": "Hi"})} | settings
    headers = {"authorization": f"Bearer {os.environ['FAKE_BEDROCK_KEY']}"}
    url = f"{os.environ['FAKE_BEDROCK_URL']}/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    answer = httpx.post(url, json=body, headers=headers)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert words in answer.json()["message"]
