"""Both SDKs: listing and reading models."""

from __future__ import annotations

import openai
import pytest

pytestmark = pytest.mark.usefixtures("gateway_only")

EXPECTED = {"up-openai/chat-model", "up-openai/embedding-model", "up-anthropic/claude-model"}


def test_the_list_names_every_configured_model_for_openai(openai_client):
    models = {model.id: model for model in openai_client.models.list()}
    assert EXPECTED <= set(models)
    assert models["up-openai/chat-model"].object == "model"
    assert isinstance(models["up-openai/chat-model"].created, int)


def test_the_list_tells_prices_per_token(openai_client):
    models = {model.id: model for model in openai_client.models.list()}
    chat = models["up-openai/chat-model"]
    assert chat.input_price == pytest.approx(0.10e-6)
    assert chat.output_price == pytest.approx(0.40e-6)


def test_the_list_names_every_configured_model_for_anthropic(anthropic_client):
    assert EXPECTED <= {model.id for model in anthropic_client.models.list()}


def test_one_model_can_be_read_by_its_name(openai_client):
    assert openai_client.models.retrieve("up-anthropic/claude-model").id == "up-anthropic/claude-model"


def test_reading_an_unknown_model_is_not_found(openai_client):
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("up-openai/no-such-model")
