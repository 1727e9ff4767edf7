"""The frameworks of the guides: a round with a tool, and a stream, on both upstreams."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Callable

import pytest

import programs
from targets import ANTHROPIC_UPSTREAM, GATEWAY_KEY, GATEWAY_URL, OPENAI_UPSTREAM, Upstream, marked

WEATHER = "18 degrees and rain"
OPENAI_URL = f"{GATEWAY_URL}/v1"
TIMEOUT_SECONDS = 30


@pytest.fixture(params=[OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM], ids=lambda upstream: f"{upstream.vendor}-upstream")
def upstream(request: pytest.FixtureRequest) -> Upstream:
    return request.param


def get_weather(city: str, unit: str = "celsius") -> str:
    """Tells the weather of a city."""
    return f"{WEATHER} in {city}, {unit}"


def check_tool_round(upstream: Upstream, prompt: str, answer: str) -> None:
    """The fake's closing answer repeats the result of the tool, as it reached it."""
    assert f"tool result: {WEATHER} in Paris" in answer.replace('"', ""), answer
    calls = upstream.calls(prompt)
    assert [call["outcome"] for call in calls] == ["completed"] * 2, [call["reason"] for call in calls]


def check_stream(upstream: Upstream, prompt: str, pieces: list[str]) -> None:
    assert len([piece for piece in pieces if piece]) > 1, "the answer came in one piece"
    assert f"You said: {prompt}" in "".join(pieces)
    (call,) = upstream.calls(prompt)
    assert call["body"]["stream"] is True and call["outcome"] == "completed"


def langchain_openai(model: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=model, base_url=OPENAI_URL, api_key=GATEWAY_KEY, max_retries=0, timeout=TIMEOUT_SECONDS)


def langchain_responses(model: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=model, base_url=OPENAI_URL, api_key=GATEWAY_KEY, max_retries=0, timeout=TIMEOUT_SECONDS, use_responses_api=True
    )


def langchain_anthropic(model: str) -> Any:
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(
        model=model, base_url=GATEWAY_URL, api_key=GATEWAY_KEY, max_retries=0, timeout=TIMEOUT_SECONDS, max_tokens=1000
    )


LANGCHAIN = pytest.mark.parametrize("make", [langchain_openai, langchain_responses, langchain_anthropic])


@LANGCHAIN
def test_langchain_calls_a_tool(make: Callable[[str], Any], upstream: Upstream):
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool

    prompt, weather = marked("@script{tools}"), tool(get_weather)
    chat = make(upstream.model).bind_tools([weather])
    messages: list[Any] = [HumanMessage(prompt)]
    messages.append(chat.invoke(messages))
    messages += [weather.invoke(call) for call in messages[-1].tool_calls]
    check_tool_round(upstream, prompt, chat.invoke(messages).text)


@LANGCHAIN
def test_langchain_streams(make: Callable[[str], Any], upstream: Upstream):
    prompt = marked("Hello")
    pieces = [chunk.text for chunk in make(upstream.model).stream(prompt)]
    check_stream(upstream, prompt, pieces)


def haystack_generator(model: str, **more: Any) -> Any:
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.utils import Secret

    key = Secret.from_token(GATEWAY_KEY)
    return OpenAIChatGenerator(
        model=model, api_base_url=OPENAI_URL, api_key=key, max_retries=0, timeout=TIMEOUT_SECONDS, **more
    )


def test_haystack_calls_a_tool(upstream: Upstream):
    from haystack.dataclasses import ChatMessage
    from haystack.tools import create_tool_from_function

    prompt, tools = marked("@script{tools}"), [create_tool_from_function(get_weather)]
    generator = haystack_generator(upstream.model, tools=tools)
    messages = [ChatMessage.from_user(prompt)]
    messages += generator.run(messages)["replies"]
    for call in messages[-1].tool_calls:
        messages.append(ChatMessage.from_tool(tools[0].invoke(**call.arguments), origin=call))
    check_tool_round(upstream, prompt, generator.run(messages)["replies"][0].text)


def test_haystack_streams(upstream: Upstream):
    from haystack.dataclasses import ChatMessage

    prompt, pieces = marked("Hello"), []
    generator = haystack_generator(upstream.model, streaming_callback=lambda chunk: pieces.append(chunk.content))
    generator.run([ChatMessage.from_user(prompt)])
    check_stream(upstream, prompt, pieces)


def pydantic_agent(model: str, **more: Any) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    gateway = OpenAIProvider(base_url=OPENAI_URL, api_key=GATEWAY_KEY)
    return Agent(OpenAIChatModel(model, provider=gateway), model_settings={"timeout": TIMEOUT_SECONDS}, **more)


def test_pydantic_ai_calls_a_tool(upstream: Upstream):
    prompt = marked("@script{tools}")
    answer = pydantic_agent(upstream.model, tools=[get_weather]).run_sync(prompt)
    check_tool_round(upstream, prompt, answer.output)


def test_pydantic_ai_streams(upstream: Upstream):
    prompt = marked("Hello")

    async def stream() -> list[str]:
        async with pydantic_agent(upstream.model).run_stream(prompt) as answer:
            return [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]

    check_stream(upstream, prompt, asyncio.run(stream()))


def llamaindex_llm(model: str) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=model,
        api_base=OPENAI_URL,
        api_key=GATEWAY_KEY,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
        timeout=TIMEOUT_SECONDS,
    )


def test_llamaindex_calls_a_tool(upstream: Upstream):
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.tools import FunctionTool

    prompt, llm, weather = marked("@script{tools}"), llamaindex_llm(upstream.model), FunctionTool.from_defaults(get_weather)
    history = [ChatMessage(role="user", content=prompt)]
    answer = llm.chat_with_tools([weather], chat_history=history)
    history.append(answer.message)
    for call in llm.get_tool_calls_from_response(answer):
        result = str(weather(**call.tool_kwargs))
        history.append(ChatMessage(role="tool", content=result, additional_kwargs={"tool_call_id": call.tool_id}))
    check_tool_round(upstream, prompt, llm.chat_with_tools([weather], chat_history=history).message.content)


def test_llamaindex_streams(upstream: Upstream):
    from llama_index.core.base.llms.types import ChatMessage

    prompt = marked("Hello")
    chunks = llamaindex_llm(upstream.model).stream_chat([ChatMessage(role="user", content=prompt)])
    check_stream(upstream, prompt, [chunk.delta for chunk in chunks])


@pytest.mark.parametrize("kind", ["anthropic", "compatible", "requesty"])
def test_the_vercel_ai_sdk_calls_a_tool_and_streams(kind: str, upstream: Upstream, tmp_path: Path):
    prompts = [marked("@script{tools}"), marked("Hello")]
    done = programs.run_script("vercel.mjs", [kind, GATEWAY_URL, upstream.model, *prompts], tmp_path)
    assert done.code == 0, done
    answer = json.loads(done.output)
    check_tool_round(upstream, prompts[0], answer["text"])
    check_stream(upstream, prompts[1], answer["pieces"])
