"""Both SDKs: a caller who leaves stops the upstream, and every request leaves a record."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

import records
from samples import openai_tool
from targets import OPENAI_UPSTREAM, Upstream, address_of, marked, wait_until

pytestmark = pytest.mark.usefixtures("gateway_only")


def record_of(request_id: str) -> dict:
    (record,) = records.of_requests([request_id])
    return record


def ask(client: openai.OpenAI, upstream: Upstream, text: str, **more):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.with_raw_response.create(model=upstream.model, messages=messages, **more)


def test_closing_a_stream_cancels_the_upstream_for_openai(openai_client, upstream):
    text = marked("@script{long-stream}")
    messages = [{"role": "user", "content": text}]
    stream = openai_client.chat.completions.create(model=upstream.model, messages=messages, stream=True)
    next(iter(stream))
    stream.close()
    upstream.wait_for_outcome(text, "cancelled")


def test_closing_a_stream_cancels_the_upstream_for_anthropic(anthropic_client, upstream):
    text = marked("@script{long-stream}")
    messages = [{"role": "user", "content": text}]
    stream = anthropic_client.messages.create(model=upstream.model, max_tokens=200, messages=messages, stream=True)
    next(iter(stream))
    stream.close()
    upstream.wait_for_outcome(text, "cancelled")


def test_a_caller_who_stops_waiting_cancels_the_upstream(upstream):
    text = marked("@script{slow:20}")
    client = openai.OpenAI(**address_of("openai"), max_retries=0, timeout=1.0)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=upstream.model, messages=[{"role": "user", "content": text}])
    upstream.wait_for_outcome(text, "cancelled")
    client = anthropic.Anthropic(**address_of("anthropic"), max_retries=0, timeout=1.0)
    with pytest.raises(anthropic.APITimeoutError):
        client.messages.create(model=upstream.model, max_tokens=9, messages=[{"role": "user", "content": text}])
    wait_until(lambda: [call["outcome"] for call in upstream.calls(text)] == ["cancelled", "cancelled"])


def test_the_record_has_tokens_and_cost(openai_client, upstream):
    raw = ask(openai_client, upstream, "Hi")
    record = record_of(raw.headers["x-request-id"])
    assert record["outcome"] == "success"
    assert record["status"] == 200
    assert (record["input_tokens"], record["output_tokens"]) == (100, 20)
    assert float(record["cost"]) == pytest.approx(upstream.cost())


def test_the_record_of_a_stream_has_tokens_even_if_nobody_asked_for_usage(openai_client, upstream):
    with openai_client.chat.completions.with_streaming_response.create(
        model=upstream.model, messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as raw:
        request_id = raw.headers["x-request-id"]
        list(raw.iter_lines())
    record = record_of(request_id)
    assert (record["input_tokens"], record["output_tokens"]) == (100, 20)
    assert float(record["cost"]) == pytest.approx(upstream.cost())


def test_the_record_of_an_abandoned_stream_says_so_and_is_not_free(openai_client):
    messages = [{"role": "user", "content": marked("@script{long-stream}")}]
    with openai_client.chat.completions.with_streaming_response.create(
        model=OPENAI_UPSTREAM.model, messages=messages, stream=True
    ) as raw:
        request_id = raw.headers["x-request-id"]
        next(raw.iter_lines())
    record = record_of(request_id)
    assert record["outcome"] == "client_gone"
    assert float(record["cost"]) > 0


def test_the_record_of_a_failure_names_it(openai_client, upstream):
    with pytest.raises(openai.InternalServerError) as caught:
        ask(openai_client, upstream, "@script{error:500}")
    record = record_of(caught.value.request_id)
    assert record["status"] == 502
    assert record["outcome"] == "provider_error"


def test_the_record_keeps_what_the_caller_told(openai_client, upstream):
    metadata = {"tags": ["nightly"], "user_id": "end-user-7", "trace_id": "trace-1", "extra": {"team": "panda"}}
    headers = {"X-Requesty-Branch": "main", "HTTP-Referer": "https://app.example", "X-Title": "SDK tests"}
    raw = ask(openai_client, upstream, "Hi", extra_body={"requesty": metadata}, extra_headers=headers)
    record = record_of(raw.headers["x-request-id"])
    assert record["tags"] == ["nightly"]
    assert (record["user_id"], record["trace_id"]) == ("end-user-7", "trace-1")
    assert record["extra"]["team"] == "panda"
    assert {name.lower(): value for name, value in record["extra"].items()}["branch"] == "main"
    assert (record["origin_referer"], record["origin_title"]) == ("https://app.example", "SDK tests")


def test_the_record_tells_cached_tokens_apart(openai_client, upstream):
    record = record_of(ask(openai_client, upstream, "@script{cache}").headers["x-request-id"])
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    assert tuple(record[name] for name in names) == (200, 1000, 300, 50)
    assert float(record["cost"]) == pytest.approx(upstream.cost(200, 50, cache_read=1000, cache_write=300))


def test_the_record_names_the_tools_that_were_called(openai_client, upstream):
    raw = ask(openai_client, upstream, "@script{parallel-tools}", tools=[openai_tool()])
    assert "get_weather" in record_of(raw.headers["x-request-id"])["tool_calls"]


def test_a_prompt_is_not_kept_in_the_record(openai_client):
    text = marked("A secret of mine")
    record = record_of(ask(openai_client, OPENAI_UPSTREAM, text).headers["x-request-id"])
    assert text not in json.dumps(record)


def test_one_request_can_be_shown(openai_client):
    request_id = ask(openai_client, OPENAI_UPSTREAM, "Hi").headers["x-request-id"]
    record_of(request_id)
    shown = json.loads(records.signalbox("requests", "show", request_id, "--json"))
    assert shown["id"] == request_id
    assert "up-openai" in json.dumps(shown)


def test_a_key_made_on_the_command_line_works(openai_client):
    key = records.signalbox("keys", "create", "--name", "sdk-tests").strip()
    wait_until(lambda: is_accepted(openai_client, key))


def is_accepted(client: openai.OpenAI, key: str) -> bool:
    try:
        ask(client.with_options(api_key=key), OPENAI_UPSTREAM, "Hi")
    except openai.AuthenticationError:
        return False
    return True

