"""OpenAI SDK: embeddings."""

from __future__ import annotations

import openai
import pytest

from targets import ANTHROPIC_UPSTREAM, IS_DIRECT, OPENAI_UPSTREAM, marked

MODEL = "embedding-model" if IS_DIRECT else "up-openai/embedding-model"


def test_vectors_come_as_numbers(openai_client):
    answer = openai_client.embeddings.create(model=MODEL, input="four", encoding_format="float")
    assert answer.data[0].embedding == [(4 + n) / 16 for n in range(8)]
    assert answer.data[0].index == 0
    assert answer.usage.prompt_tokens == 10


def test_vectors_come_as_base64_when_the_sdk_asks_so(openai_client):
    """The SDK asks for base64 unless told otherwise, and decodes it itself."""
    text = marked("x")
    answer = openai_client.embeddings.create(model=MODEL, input=text)
    assert answer.data[0].embedding == [(len(text) + n) / 16 for n in range(8)]
    assert OPENAI_UPSTREAM.call(text)["body"]["encoding_format"] == "base64"


def test_base64_is_handed_through_undecoded(openai_client):
    answer = openai_client.embeddings.create(model=MODEL, input="four", encoding_format="base64")
    assert isinstance(answer.data[0].embedding, str)


def test_several_texts_keep_their_order(openai_client):
    answer = openai_client.embeddings.create(model=MODEL, input=["a", "bb", "ccc"], encoding_format="float")
    assert [round(one.embedding[0] * 16) for one in answer.data] == [1, 2, 3]
    assert [one.index for one in answer.data] == [0, 1, 2]


def test_tokens_and_dimensions_reach_the_model(openai_client):
    answer = openai_client.embeddings.create(model=MODEL, input=[1, 2, 3], dimensions=4, encoding_format="float")
    assert len(answer.data[0].embedding) == 4


def test_embeddings_have_a_cost_record(openai_client, gateway_only):
    raw = openai_client.embeddings.with_raw_response.create(model=MODEL, input="four")
    assert raw.headers["x-requesty-provider"] == "up-openai"
    assert raw.headers["x-request-id"]


def test_a_provider_without_embeddings_is_a_typed_error(openai_client, gateway_only):
    with pytest.raises(openai.APIStatusError) as caught:
        openai_client.embeddings.create(model=ANTHROPIC_UPSTREAM.model, input="four")
    assert 400 <= caught.value.status_code < 500
