"""Talks to a real model through the gateway with both SDKs, and prints what came back, with usage and cost.

Started by `run --real-model`. Each step prints one line that begins with `ok` or `FAILED`.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Callable

import anthropic
import openai

CHAT_MODEL = os.environ["CHAT_MODEL"]
EMBEDDING_MODEL = os.environ["EMBEDDING_MODEL"]
URL, KEY = os.environ["SIGNALBOX_URL"], os.environ["SIGNALBOX_KEY"]
INPUT_PRICE, OUTPUT_PRICE = 0.10e-6, 0.40e-6
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
# Greedy decoding with a fixed seed: the same question has the same answer, streamed or not.
GREEDY = {"temperature": 0, "seed": 7, "max_tokens": 40}

openai_client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=120)
anthropic_client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=120)
answers: dict[str, str] = {}


def check(is_true: bool, what: str) -> None:
    if not is_true:
        raise AssertionError(what)


def check_bill(uncached: int, output: int, cached: int, cost: float) -> str:
    """Cached tokens have no price of their own in this configuration, hence only the two bounds."""
    low, high = uncached * INPUT_PRICE + output * OUTPUT_PRICE, (uncached + cached) * INPUT_PRICE + output * OUTPUT_PRICE
    check(uncached + cached > 0 and output > 0, "no tokens were counted")
    check(low * 0.999 <= cost <= high * 1.001, f"cost {cost} is not within {low} and {high}")
    return f"[{uncached} uncached + {cached} cached + {output} output tokens, ${cost:.9f}]"


def openai_bill(usage) -> str:
    cached = (usage.prompt_tokens_details.cached_tokens or 0) if usage.prompt_tokens_details else 0
    return check_bill(usage.prompt_tokens - cached, usage.completion_tokens, cached, usage.cost)


def anthropic_bill(usage) -> str:
    return check_bill(usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens or 0, usage.cost)


def chat() -> str:
    answer = openai_client.chat.completions.create(model=CHAT_MODEL, messages=QUESTION, **GREEDY)
    answers["chat"] = answer.choices[0].message.content
    check(bool(answers["chat"].strip()), "the answer is empty")
    return f"{answers['chat']!r} {answer.choices[0].finish_reason} {openai_bill(answer.usage)}"


def streamed_chat() -> str:
    options = {"include_usage": True}
    chunks = list(
        openai_client.chat.completions.create(
            model=CHAT_MODEL, messages=QUESTION, stream=True, stream_options=options, **GREEDY
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    check(len(pieces) > 2, "the stream came in one lump")
    check("".join(pieces) == answers["chat"], f"{''.join(pieces)!r} differs from the whole answer")
    return f"{len(pieces)} pieces, equal to the whole answer {openai_bill(chunks[-1].usage)}"


def messages() -> str:
    message = anthropic_client.messages.create(
        model=CHAT_MODEL, messages=QUESTION, max_tokens=40, extra_body={"temperature": 0}
    )
    answers["messages"] = message.content[0].text
    check(bool(answers["messages"].strip()), "the answer is empty")
    return f"{answers['messages']!r} {message.stop_reason} {anthropic_bill(message.usage)}"


def streamed_messages() -> str:
    with anthropic_client.messages.stream(
        model=CHAT_MODEL, messages=QUESTION, max_tokens=40, extra_body={"temperature": 0}
    ) as stream:
        events = list(stream)
    pieces = [event.text for event in events if event.type == "text"]
    # The helper's final message keeps only the fields that the SDK knows, and `cost` is none of them.
    (usage,) = [event.usage for event in events if event.type == "message_delta"]
    check(len(pieces) > 2, "the stream came in one lump")
    check("".join(pieces) == answers["messages"], f"{''.join(pieces)!r} differs from the whole answer")
    return f"{len(pieces)} pieces, equal to the whole answer {anthropic_bill(usage)}"


def a_token_limit() -> str:
    answer = openai_client.chat.completions.create(model=CHAT_MODEL, messages=QUESTION, max_tokens=3)
    check(answer.choices[0].finish_reason == "length", f"finish reason {answer.choices[0].finish_reason}")
    check(answer.usage.completion_tokens == 3, f"{answer.usage.completion_tokens} tokens")
    return f"{answer.choices[0].message.content!r} {openai_bill(answer.usage)}"


def embeddings() -> str:
    texts = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose by one percent."]
    answer = openai_client.embeddings.create(model=EMBEDDING_MODEL, input=texts)
    cat, kitten, rates = (one.embedding for one in answer.data)
    near, far = cosine(cat, kitten), cosine(cat, rates)
    check(near > far, "texts of one meaning are no nearer than others")
    return f"{len(cat)} dimensions, similarity {near:.3f} against {far:.3f} [{answer.usage.prompt_tokens} tokens]"


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right)) / (math.hypot(*left) * math.hypot(*right))


def main() -> int:
    steps: list[Callable[[], str]] = [chat, streamed_chat, messages, streamed_messages, a_token_limit, embeddings]
    failed = 0
    for step in steps:
        try:
            print(f"ok {step.__name__}: {step()}", flush=True)
        except (AssertionError, openai.OpenAIError, anthropic.AnthropicError, AttributeError, KeyError) as error:
            failed += 1
            print(f"FAILED {step.__name__}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
