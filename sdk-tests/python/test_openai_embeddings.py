"""OpenAI SDK: embeddings of a provider with OpenAI's shape, and of Google's."""

from __future__ import annotations

import openai
import pytest

from targets import ANTHROPIC_UPSTREAM, IS_DIRECT, OPENAI_UPSTREAM, marked

MODEL = "embedding-model" if IS_DIRECT else "up-openai/embedding-model"
GOOGLE_MODEL = "up-google/embedding-model"


@pytest.fixture(params=[MODEL, GOOGLE_MODEL], ids=["openai-upstream", "google-upstream"])
def model(request: pytest.FixtureRequest) -> str:
    if IS_DIRECT and request.param == GOOGLE_MODEL:
        pytest.skip("needs the gateway to translate")
    return request.param


def test_vectors_come_as_numbers(openai_client, model):
    answer = openai_client.embeddings.create(model=model, input="four", encoding_format="float")
    assert answer.data[0].embedding == [(4 + n) / 16 for n in range(8)]
    assert answer.data[0].index == 0
    assert answer.usage.prompt_tokens == 10


def test_vectors_come_as_base64_when_the_sdk_asks_so(openai_client, model):
    """The SDK asks for base64 unless told otherwise, and decodes it itself."""
    text = marked("x")
    answer = openai_client.embeddings.create(model=model, input=text)
    assert answer.data[0].embedding == [(len(text) + n) / 16 for n in range(8)]
    if model == MODEL:
        assert OPENAI_UPSTREAM.call(text)["body"]["encoding_format"] == "base64"


def test_base64_is_handed_through_undecoded(openai_client, model):
    answer = openai_client.embeddings.create(model=model, input="four", encoding_format="base64")
    assert isinstance(answer.data[0].embedding, str)


def test_several_texts_keep_their_order(openai_client, model):
    answer = openai_client.embeddings.create(model=model, input=["a", "bb", "ccc"], encoding_format="float")
    assert [round(one.embedding[0] * 16) for one in answer.data] == [1, 2, 3]
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.usage.total_tokens == 30


def test_dimensions_reach_the_model(openai_client, model):
    answer = openai_client.embeddings.create(model=model, input="four", dimensions=4, encoding_format="float")
    assert len(answer.data[0].embedding) == 4


def test_tokens_reach_a_model_of_the_same_vendor(openai_client):
    answer = openai_client.embeddings.create(model=MODEL, input=[1, 2, 3], encoding_format="float")
    assert answer.data[0].embedding[0] == 3 / 16


def test_tokens_are_refused_by_any_other(openai_client, gateway_only):
    with pytest.raises(openai.BadRequestError, match="send the texts themselves") as caught:
        openai_client.embeddings.create(model=GOOGLE_MODEL, input=[1, 2, 3])
    assert caught.value.param == "input"


def test_what_a_vector_is_for_may_be_said(openai_client, gateway_only):
    said = {"input_type": "search_query"}
    raw = openai_client.embeddings.with_raw_response.create(model=GOOGLE_MODEL, input="four", extra_body=said)
    assert "x-signalbox-warnings" not in raw.headers
    raw = openai_client.embeddings.with_raw_response.create(model=GOOGLE_MODEL, input="four", user="u-1")
    assert raw.headers["x-signalbox-warnings"].startswith("user (gemini_batch): dropped")


def test_embeddings_have_a_cost_record(openai_client, gateway_only):
    raw = openai_client.embeddings.with_raw_response.create(model=MODEL, input="four")
    assert raw.headers["x-requesty-provider"] == "up-openai"
    assert raw.headers["x-request-id"]


def test_a_provider_without_embeddings_is_a_typed_error(openai_client, gateway_only):
    with pytest.raises(openai.APIStatusError) as caught:
        openai_client.embeddings.create(model=ANTHROPIC_UPSTREAM.model, input="four")
    assert 400 <= caught.value.status_code < 500
