"""Google's SDK: vectors of Google's provider, and of OpenAI's."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors, types

from targets import ANTHROPIC_UPSTREAM, IS_DIRECT

OPENAI_MODEL = "up-openai/embedding-model"
GOOGLE_MODEL = "embedding-model" if IS_DIRECT else "up-google/embedding-model"


@pytest.fixture(params=[GOOGLE_MODEL, OPENAI_MODEL], ids=["google-upstream", "openai-upstream"])
def model(request: pytest.FixtureRequest) -> str:
    if IS_DIRECT and request.param == OPENAI_MODEL:
        pytest.skip("needs the gateway to translate")
    return request.param


def test_a_text_becomes_a_vector(google_client: genai.Client, model: str) -> None:
    answer = google_client.models.embed_content(model=model, contents="four")
    assert [one.values for one in answer.embeddings] == [[(4 + n) / 16 for n in range(8)]]
    assert answer.usage_metadata.prompt_token_count == 10


def test_several_texts_keep_their_order(google_client: genai.Client, model: str) -> None:
    answer = google_client.models.embed_content(model=model, contents=["a", "bb", "ccc"])
    assert [round(one.values[0] * 16) for one in answer.embeddings] == [1, 2, 3]


def test_settings_reach_the_model(google_client: genai.Client, model: str) -> None:
    config = types.EmbedContentConfig(output_dimensionality=4, task_type="RETRIEVAL_DOCUMENT", title="Numbers")
    answer = google_client.models.embed_content(model=model, contents="four", config=config)
    assert len(answer.embeddings[0].values) == 4
    if model == OPENAI_MODEL:
        warnings = answer.sdk_http_response.headers["x-signalbox-warnings"]
        assert "task_type (openai)" in warnings and "title (openai)" in warnings


def test_what_is_refused_is_the_sdks_own_exception(google_client: genai.Client, gateway_only: None) -> None:
    with pytest.raises(errors.ClientError) as caught:
        google_client.models.embed_content(model=ANTHROPIC_UPSTREAM.model, contents="four")
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    with pytest.raises(errors.ClientError) as caught:
        config = types.EmbedContentConfig(task_type="POETRY")
        google_client.models.embed_content(model=OPENAI_MODEL, contents="four", config=config)
    assert "POETRY" in caught.value.message


def test_a_model_tells_that_it_makes_vectors(google_client: genai.Client, gateway_only: None) -> None:
    assert google_client.models.get(model=OPENAI_MODEL).supported_actions == ["embedContent", "batchEmbedContents"]
