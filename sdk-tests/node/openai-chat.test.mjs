// OpenAI SDK: conversations, streams, stop reasons, usage and cost, pictures and documents.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CRUMBS_TEXT,
  PDF_DATA_URL,
  PDF_SEEN,
  PICTURE_URL,
  PNG_DATA_URL,
  PNG_SEEN,
  assertClose,
  collect,
  forEachUpstream,
  gatewayOnly,
  isDirect,
  marked,
  openai,
} from "./support.mjs";

const user = (content) => [{ role: "user", content }];

forEachUpstream("openai", (upstream) => {
  const ask = (content, more = {}) =>
    openai.chat.completions.create({ model: upstream.model, messages: user(content), ...more });
  const textOf = async (content, more) => (await ask(content, more)).choices[0].message.content;

  test("a plain question is answered", async () => {
    const text = marked("Hello");
    const answer = await ask(text);
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.choices[0].message.content.startsWith(`You said: ${text}`));
  });

  for (const role of ["system", "developer"]) {
    test(`a ${role} prompt reaches the model`, async () => {
      const messages = [{ role, content: "Be terse." }, ...user("Hi")];
      const answer = await openai.chat.completions.create({ model: upstream.model, messages });
      assert.match(answer.choices[0].message.content, /system: Be terse\./);
    });
  }

  test("a conversation of several turns keeps its order", async () => {
    const text = marked("And now?");
    const messages = [...user("First"), { role: "assistant", content: "Second" }, ...user(text)];
    const answer = await openai.chat.completions.create({ model: upstream.model, messages });
    assert.match(answer.choices[0].message.content, /turns: 3/);
    const sent = (await upstream.call(text)).body.messages;
    assert.deepEqual(sent.map((message) => message.role), ["user", "assistant", "user"]);
  });

  test("a streamed answer equals the whole one", async () => {
    const text = marked("Stream it");
    const chunks = await collect(await ask(text, { stream: true }));
    const pieces = chunks.map((chunk) => chunk.choices[0].delta.content).filter(Boolean);
    assert.equal(pieces.join(""), await textOf(text));
    assert.ok(pieces.length > 3, "the stream came in one lump");
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  });

  test("the stream helper collects the answer", async () => {
    const stream = openai.chat.completions.stream({ model: upstream.model, messages: user("Collect it") });
    let streamed = "";
    stream.on("content", (piece) => (streamed += piece));
    assert.equal(await stream.finalContent(), streamed);
    assert.ok(streamed.startsWith("You said: Collect it"));
  });

  test("a stream cut into crumbs keeps every character", async () => {
    const chunks = await collect(await ask("@script{crumbs}", { stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), CRUMBS_TEXT);
  });

  test("a stop sequence ends the answer", async () => {
    const answer = await ask("@script{say:one two STOP three}", { stop: ["STOP"] });
    assert.equal(answer.choices[0].message.content.trim(), "one two");
    assert.equal(answer.choices[0].finish_reason, "stop");
  });

  for (const [script, reason] of [["length", "length"], ["refusal", "content_filter"]]) {
    test(`the finish reason ${reason} is told whole and streamed`, async () => {
      assert.equal((await ask(`@script{${script}}`)).choices[0].finish_reason, reason);
      const chunks = await collect(await ask(`@script{${script}}`, { stream: true }));
      assert.equal(chunks.at(-1).choices[0].finish_reason, reason);
    });
  }

  test("usage adds up and has a cost", async () => {
    const { usage } = await ask("Hi");
    assert.deepEqual([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], [100, 20, 120]);
    if (!isDirect) assertClose(usage.cost, upstream.cost());
  });

  test("prompt tokens include cached ones", async () => {
    const { usage } = await ask("@script{cache-read}");
    assert.equal(usage.prompt_tokens, 1200);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 1000);
  });

  test("streams tell usage once and last when asked", async () => {
    const chunks = await collect(await ask("Hi", { stream: true, stream_options: { include_usage: true } }));
    assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.deepEqual([last.usage.prompt_tokens, last.usage.completion_tokens], [100, 20]);
    if (!isDirect) assertClose(last.usage.cost, upstream.cost());
  });

  test("streams tell no usage when not asked", async () => {
    const chunks = await collect(await ask("Hi", { stream: true }));
    assert.ok(chunks.every((chunk) => !chunk.usage && chunk.choices.length === 1));
  });

  for (const [what, url, seen] of [
    ["as a data URL", PNG_DATA_URL, PNG_SEEN],
    ["by address", PICTURE_URL, `url ${PICTURE_URL}`],
  ]) {
    test(`a picture ${what} reaches the model`, async () => {
      const content = [{ type: "text", text: "What?" }, { type: "image_url", image_url: { url } }];
      assert.ok((await textOf(content)).includes(`image: ${seen}`));
    });
  }

  test("a file part with a PDF reaches the model", async () => {
    const file = { type: "file", file: { filename: "paper.pdf", file_data: PDF_DATA_URL } };
    assert.ok((await textOf([{ type: "text", text: "What?" }, file])).includes(PDF_SEEN));
  });

  test("an input_file part with a PDF reaches the model", gatewayOnly, async () => {
    const file = { type: "input_file", filename: "paper.pdf", file_data: PDF_DATA_URL };
    assert.ok((await textOf([{ type: "text", text: "What?" }, file])).includes(PDF_SEEN));
  });

  test("metadata and headers stay in the gateway", gatewayOnly, async () => {
    const text = marked("Hi");
    const { data, response } = await openai.chat.completions
      .create(
        { model: upstream.model, messages: user(text), requesty: { tags: ["sdk-tests"], user_id: "end-user-7" } },
        { headers: { "X-Requesty-Team": "Panda" } },
      )
      .withResponse();
    const { body, headers } = await upstream.call(text);
    assert.doesNotMatch(JSON.stringify(body), /requesty/i);
    assert.deepEqual(Object.keys(headers).filter((name) => /^x-(requesty|stainless)/.test(name)), []);
    assert.equal(response.headers.get("x-requesty-provider"), upstream.provider);
    assert.equal(data._request_id, response.headers.get("x-requesty-request-id"));
  });
});
