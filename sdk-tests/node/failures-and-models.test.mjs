// Both SDKs: typed errors, broken streams, abandoned streams, models and embeddings.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import {
  addressOf,
  anthropic,
  anthropicUpstream,
  collect,
  forEachUpstream,
  gatewayOnly,
  isDirect,
  marked,
  openai,
  openaiUpstream,
} from "./support.mjs";

const user = (content) => [{ role: "user", content }];
const askOpenai = (model, text, more = {}) => openai.chat.completions.create({ model, messages: user(text), ...more });
const askAnthropic = (model, text, more = {}) =>
  anthropic.messages.create({ model, max_tokens: 200, messages: user(text), ...more });

// What the upstream answers: the status and the error the caller gets, by SDK.
const upstreamFailures = [
  [400, 400, OpenAI.BadRequestError, Anthropic.BadRequestError],
  [429, 429, OpenAI.RateLimitError, Anthropic.RateLimitError],
  [500, 502, OpenAI.InternalServerError, Anthropic.InternalServerError],
  [502, 502, OpenAI.InternalServerError, Anthropic.InternalServerError],
  [503, 503, OpenAI.InternalServerError, Anthropic.ServiceUnavailableError],
  [529, 529, OpenAI.InternalServerError, Anthropic.OverloadedError],
  [401, 502, OpenAI.InternalServerError, Anthropic.InternalServerError],
];

async function caught(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("nothing was thrown");
}

forEachUpstream("openai", (upstream) => {
  for (const [upstreamStatus, status, kind] of upstreamFailures) {
    test(`an upstream ${upstreamStatus} is a typed error`, async () => {
      const error = await caught(askOpenai(upstream.model, `@script{error:${upstreamStatus}}`));
      assert.ok(error instanceof OpenAI.APIError);
      if (upstreamStatus === 429) assert.equal(error.headers.get("retry-after"), "7");
      if (isDirect) return;
      assert.ok(error instanceof kind, `${error.constructor.name} instead of ${kind.name}`);
      assert.equal(error.status, status);
      assert.equal(error.error.origin, "provider");
    });
  }

  for (const fault of ["cut-stream", "short-stream", "error-in-stream"]) {
    test(`a stream broken by ${fault} throws and never looks complete`, gatewayOnly, async () => {
      const got = [];
      const error = await caught(
        (async () => {
          for await (const chunk of await askOpenai(upstream.model, `@script{${fault}}`, { stream: true })) got.push(chunk);
        })(),
      );
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.ok(got.length > 0);
      assert.ok(!got.some((chunk) => chunk.choices[0]?.finish_reason));
    });
  }

  test("leaving a stream cancels the upstream", gatewayOnly, async () => {
    const text = marked("@script{long-stream}");
    for await (const _ of await askOpenai(upstream.model, text, { stream: true })) break;
    await upstream.waitForOutcome(text, "cancelled");
  });
});

forEachUpstream("anthropic", (upstream) => {
  for (const [upstreamStatus, status, , kind] of upstreamFailures) {
    test(`an upstream ${upstreamStatus} is a typed error`, async () => {
      const error = await caught(askAnthropic(upstream.model, `@script{error:${upstreamStatus}}`));
      assert.ok(error instanceof Anthropic.APIError);
      assert.equal(error.error.type, "error");
      if (upstreamStatus === 429) assert.equal(error.headers.get("retry-after"), "7");
      if (isDirect) return;
      assert.ok(error instanceof kind, `${error.constructor.name} instead of ${kind.name}`);
      assert.equal(error.status, status);
      assert.equal(error.error.error.origin, "provider");
    });
  }

  for (const fault of ["cut-stream", "short-stream", "error-in-stream"]) {
    test(`a stream broken by ${fault} throws and never looks complete`, gatewayOnly, async () => {
      const got = [];
      const error = await caught(
        (async () => {
          for await (const event of await askAnthropic(upstream.model, `@script{${fault}}`, { stream: true }))
            got.push(event.type);
        })(),
      );
      assert.ok(error instanceof Anthropic.APIError, String(error));
      assert.equal(error.error.type, "error");
      assert.equal(got[0], "message_start");
      assert.ok(!got.includes("message_stop"));
    });
  }

  test("leaving a stream cancels the upstream", gatewayOnly, async () => {
    const text = marked("@script{long-stream}");
    for await (const _ of await askAnthropic(upstream.model, text, { stream: true })) break;
    await upstream.waitForOutcome(text, "cancelled");
  });
});

describe("keys, models and embeddings", () => {
  test("a bad key is an authentication error in both SDKs", async () => {
    const badOpenai = new OpenAI({ ...addressOf("openai"), apiKey: "sk-made-up-unknown" });
    const request = { model: openaiUpstream.model, messages: user("Hi") };
    assert.ok((await caught(badOpenai.chat.completions.create(request))) instanceof OpenAI.AuthenticationError);
    const badAnthropic = new Anthropic({ ...addressOf("anthropic"), apiKey: "sk-made-up-unknown" });
    const error = await caught(
      badAnthropic.messages.create({ model: anthropicUpstream.model, max_tokens: 9, messages: user("Hi") }),
    );
    assert.ok(error instanceof Anthropic.AuthenticationError);
    assert.equal(error.type, "authentication_error");
  });

  test("an unknown model is not found in both SDKs", gatewayOnly, async () => {
    const error = await caught(askOpenai("up-openai/no-such-model", "Hi"));
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.match(error.message, /Provider and\/or model not supported/);
    assert.ok((await caught(askAnthropic("nobody/no-such-model", "Hi"))) instanceof Anthropic.NotFoundError);
  });

  test("a missing token limit is a bad request for Anthropic", async () => {
    const error = await caught(anthropic.messages.create({ model: anthropicUpstream.model, messages: user("Hi") }));
    assert.ok(error instanceof Anthropic.BadRequestError);
  });

  test("models can be listed and read", gatewayOnly, async () => {
    const ids = (await collect(await openai.models.list())).map((model) => model.id);
    for (const id of ["up-openai/chat-model", "up-anthropic/claude-model"]) assert.ok(ids.includes(id), id);
    assert.equal((await openai.models.retrieve("up-openai/chat-model")).id, "up-openai/chat-model");
    assert.ok((await collect(await anthropic.models.list())).some((model) => model.id === "up-anthropic/claude-model"));
  });

  test("embeddings come as numbers and as base64", async () => {
    const model = isDirect ? "embedding-model" : "up-openai/embedding-model";
    const expected = Array.from({ length: 8 }, (_, at) => (4 + at) / 16);
    const asDefault = await openai.embeddings.create({ model, input: "four" });
    assert.deepEqual([...asDefault.data[0].embedding], expected);
    const asFloat = await openai.embeddings.create({ model, input: ["four", "x"], encoding_format: "float" });
    assert.deepEqual(asFloat.data[0].embedding, expected);
    assert.equal(asFloat.data.length, 2);
  });
});
