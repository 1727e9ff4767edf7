"""Both SDKs: token counts in each protocol's own arithmetic, and what a request costs.

The same call is 200 uncached, 1000 read and 300 written tokens. OpenAI counts all of them as prompt tokens; Anthropic
counts cached ones beside its input tokens.
"""

from __future__ import annotations

import pytest

from targets import IS_DIRECT, Upstream


def ask_openai(client, upstream: Upstream, text: str, **more):
    return client.chat.completions.create(model=upstream.model, messages=[{"role": "user", "content": text}], **more)


def ask_anthropic(client, upstream: Upstream, text: str, **more):
    messages = [{"role": "user", "content": text}]
    return client.messages.create(model=upstream.model, max_tokens=200, messages=messages, **more)


def assert_cost(usage, expected: float) -> None:
    if not IS_DIRECT:
        assert isinstance(usage.cost, float)
        assert usage.cost == pytest.approx(expected)


def test_openai_usage_adds_up_and_has_a_cost(openai_client, upstream):
    usage = ask_openai(openai_client, upstream, "Hi").usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 20, 120)
    assert_cost(usage, upstream.cost())


def test_openai_prompt_tokens_include_cached_ones(openai_client, upstream):
    usage = ask_openai(openai_client, upstream, "@script{cache-read}").usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1200, 50, 1250)
    assert usage.prompt_tokens_details.cached_tokens == 1000
    assert_cost(usage, upstream.cost(200, 50, cache_read=1000))


def test_openai_prompt_tokens_include_written_ones(openai_client, upstream):
    usage = ask_openai(openai_client, upstream, "@script{cache}").usage
    assert (usage.prompt_tokens, usage.total_tokens) == (1500, 1550)
    assert usage.prompt_tokens_details.cached_tokens == 1000
    details = usage.prompt_tokens_details
    # OpenAI's own word, and the one that gateways of this kind have used before it existed.
    assert 300 in (details.cache_write_tokens, getattr(details, "caching_tokens", None))
    assert_cost(usage, upstream.cost(200, 50, cache_read=1000, cache_write=300))


def test_openai_streams_tell_usage_once_and_last_when_asked(openai_client, upstream):
    options = {"include_usage": True}
    chunks = list(ask_openai(openai_client, upstream, "@script{cache}", stream=True, stream_options=options))
    assert [bool(chunk.usage) for chunk in chunks].count(True) == 1
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (1500, 50)
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 1000
    assert_cost(chunks[-1].usage, upstream.cost(200, 50, cache_read=1000, cache_write=300))


def test_openai_streams_tell_no_usage_when_not_asked(openai_client, upstream):
    chunks = list(ask_openai(openai_client, upstream, "Hi", stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert not any(chunk.usage for chunk in chunks)


def test_the_cost_of_a_stream_equals_that_of_the_whole_answer(openai_client, upstream, gateway_only):
    options = {"include_usage": True}
    last = list(ask_openai(openai_client, upstream, "Hi", stream=True, stream_options=options))[-1]
    assert last.usage.cost == pytest.approx(ask_openai(openai_client, upstream, "Hi").usage.cost)


def test_anthropic_usage_adds_up_and_has_a_cost(anthropic_client, upstream):
    usage = ask_anthropic(anthropic_client, upstream, "Hi").usage
    assert (usage.input_tokens, usage.output_tokens) == (100, 20)
    assert_cost(usage, upstream.cost())


def test_anthropic_input_tokens_exclude_cached_ones(anthropic_client, upstream):
    usage = ask_anthropic(anthropic_client, upstream, "@script{cache-read}").usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (200, 1000, 50)
    assert_cost(usage, upstream.cost(200, 50, cache_read=1000))


def test_anthropic_input_tokens_exclude_written_ones(anthropic_client, upstream):
    usage = ask_anthropic(anthropic_client, upstream, "@script{cache}").usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (200, 1000, 300)
    assert_cost(usage, upstream.cost(200, 50, cache_read=1000, cache_write=300))


def test_anthropic_streams_end_with_usage_and_cost(anthropic_client, upstream):
    events = list(ask_anthropic(anthropic_client, upstream, "@script{cache}", stream=True))
    (last,) = [event.usage for event in events if event.type == "message_delta"]
    assert (last.input_tokens, last.cache_read_input_tokens, last.output_tokens) == (200, 1000, 50)
    assert_cost(last, upstream.cost(200, 50, cache_read=1000, cache_write=300))
    assert events[0].message.usage.input_tokens >= 0


def test_the_anthropic_stream_helper_reports_the_final_usage(anthropic_client, upstream):
    messages = [{"role": "user", "content": "Hi"}]
    with anthropic_client.messages.stream(model=upstream.model, max_tokens=200, messages=messages) as stream:
        usage = stream.get_final_message().usage
    assert (usage.input_tokens, usage.output_tokens) == (100, 20)


def test_both_protocols_charge_the_same(openai_client, anthropic_client, upstream, gateway_only):
    for script in ("Hi", "@script{cache}", "@script{cache-read}"):
        openai_usage = ask_openai(openai_client, upstream, script).usage
        anthropic_usage = ask_anthropic(anthropic_client, upstream, script).usage
        assert openai_usage.cost == pytest.approx(anthropic_usage.cost)
