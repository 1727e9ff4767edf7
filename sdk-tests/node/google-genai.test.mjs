// Google's SDK: answers, streams, tools, pictures and failures, at all three upstreams.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  CRUMBS_TEXT,
  PARIS,
  PNG_BASE64,
  PNG_SEEN,
  TOKYO,
  anthropicTool,
  anthropicUpstream,
  collect,
  gatewayOnly,
  google,
  googleUpstream,
  isDirect,
  marked,
  openaiUpstream,
} from "./support.mjs";

const { input_schema: parametersJsonSchema, ...described } = anthropicTool();
const tools = [{ functionDeclarations: [{ ...described, parametersJsonSchema }] }];
const textOf = (pieces) => pieces.map((piece) => piece.text ?? "").join("");

for (const upstream of [googleUpstream, openaiUpstream, anthropicUpstream]) {
  if (isDirect && upstream.vendor !== "google") continue;
  describe(`google SDK, ${upstream.vendor} upstream`, () => {
    const ask = (contents, config = {}) => google.models.generateContent({ model: upstream.model, contents, config });
    const stream = async (contents, config = {}) =>
      collect(await google.models.generateContentStream({ model: upstream.model, contents, config }));

    test("a plain question is answered and counted", async () => {
      const said = marked("Hello");
      const answer = await ask(said, { systemInstruction: "Be terse.", maxOutputTokens: 200 });
      assert.ok(answer.text.includes(said) && answer.text.includes("system: Be terse."));
      assert.equal(answer.candidates[0].finishReason, "STOP");
      assert.equal(answer.usageMetadata.totalTokenCount, 120);
    });

    test("a stream is whole, however it was cut", async () => {
      const pieces = await stream("@script{crumbs}");
      assert.equal(textOf(pieces), CRUMBS_TEXT);
      assert.equal(pieces.at(-1).usageMetadata.totalTokenCount, 120);
    });

    test("tools are called and answered", async () => {
      const contents = [{ role: "user", parts: [{ text: marked("Weather? @script{parallel-tools}") }] }];
      const pieces = await stream(contents, { tools });
      const parts = pieces.flatMap((piece) => piece.candidates[0].content?.parts ?? []);
      const calls = parts.flatMap((part) => part.functionCall ?? []);
      assert.deepEqual(calls.map((call) => call.args), [PARIS, TOKYO]);
      const results = calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: "Rain" } } }));
      contents.push({ role: "model", parts }, { role: "user", parts: results });
      assert.match((await ask(contents, { tools })).text, /tool result: Rain \| tool result: Rain/);
    });

    test("a chat remembers its streams", async () => {
      const chat = google.chats.create({ model: upstream.model });
      assert.ok(textOf(await collect(await chat.sendMessageStream({ message: marked("One") }))).includes("One"));
      assert.match((await chat.sendMessage({ message: marked("Two") })).text, /turns: 3/);
    });

    test("a picture reaches the model", async () => {
      const contents = [{ inlineData: { mimeType: "image/png", data: PNG_BASE64 } }, { text: marked("Look.") }];
      assert.ok((await ask(contents)).text.includes(`image: ${PNG_SEEN}`));
    });

    test("a failure is the SDK's own", async () => {
      await assert.rejects(ask(marked("@script{error:429}")), (error) => error.status === 429);
    });
  });
}

test("google SDK: models are listed", gatewayOnly, async () => {
  const models = await collect(await google.models.list());
  assert.ok(models.some((model) => model.name === `models/${googleUpstream.model}`));
});

for (const [name, model] of [
  ["google", isDirect ? "embedding-model" : "up-google/embedding-model"],
  ["openai", "up-openai/embedding-model"],
]) {
  test(`google SDK: vectors of the ${name} upstream`, name === "openai" ? gatewayOnly : {}, async () => {
    const config = { outputDimensionality: 4, taskType: "RETRIEVAL_QUERY" };
    const answer = await google.models.embedContent({ model, contents: ["four", "x"], config });
    const vector = (length) => Array.from({ length: 4 }, (_, at) => (length + at) / 16);
    assert.deepEqual(answer.embeddings.map((one) => one.values), [vector(4), vector(1)]);
  });
}
