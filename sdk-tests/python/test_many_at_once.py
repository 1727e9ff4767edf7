"""Both SDKs: many streams at once, each with its own answer."""

from __future__ import annotations

import asyncio

import anthropic
import openai
import pytest

from targets import IS_DIRECT, Upstream, address_of, marked

STREAMS = 24


async def ask_openai(client: openai.AsyncOpenAI, upstream: Upstream, text: str) -> str:
    messages = [{"role": "user", "content": text}]
    stream = await client.chat.completions.create(model=upstream.model, messages=messages, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def ask_anthropic(client: anthropic.AsyncAnthropic, upstream: Upstream, text: str) -> str:
    messages = [{"role": "user", "content": text}]
    async with client.messages.stream(model=upstream.model, max_tokens=200, messages=messages) as stream:
        return "".join([piece async for piece in stream.text_stream])


@pytest.mark.anyio
async def test_streams_of_both_protocols_never_mix(upstream):
    texts = [marked("Hi") for _ in range(STREAMS)]
    async with (
        openai.AsyncOpenAI(**address_of("openai"), max_retries=0) as openai_client,
        anthropic.AsyncAnthropic(**address_of("anthropic"), max_retries=0) as anthropic_client,
    ):
        asked = []
        if not IS_DIRECT or upstream.vendor == "openai":
            asked += [(text, ask_openai(openai_client, upstream, text)) for text in texts]
        if not IS_DIRECT or upstream.vendor == "anthropic":
            asked += [(text, ask_anthropic(anthropic_client, upstream, text)) for text in texts]
        answers = await asyncio.gather(*(answer for _, answer in asked))
    for (text, _), answer in zip(asked, answers):
        assert answer.startswith(f"You said: {text}")
