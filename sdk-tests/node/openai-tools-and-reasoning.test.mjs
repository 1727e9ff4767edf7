// OpenAI SDK: tool calls, reasoning, structured output.

import assert from "node:assert/strict";
import { test } from "node:test";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import {
  EMPTY_SCHEMA,
  PARIS,
  PNG_DATA_URL,
  PNG_SEEN,
  Person,
  THINKING_TEXT,
  TOKYO,
  collect,
  forEachUpstream,
  gatewayOnly,
  marked,
  openai,
  openaiTool,
} from "./support.mjs";

const user = (content) => [{ role: "user", content }];

forEachUpstream("openai", (upstream) => {
  const ask = (content, more = {}) =>
    openai.chat.completions.create({ model: upstream.model, messages: user(content), ...more });

  test("parallel tool calls stay apart", async () => {
    const [choice] = (await ask("@script{parallel-tools}", { tools: [openaiTool()] })).choices;
    assert.equal(choice.finish_reason, "tool_calls");
    assert.deepEqual(choice.message.tool_calls.map((call) => JSON.parse(call.function.arguments)), [PARIS, TOKYO]);
    assert.notEqual(choice.message.tool_calls[0].id, choice.message.tool_calls[1].id);
  });

  test("streamed tool arguments come in pieces and add up", async () => {
    const stream = openai.chat.completions.stream({
      model: upstream.model,
      messages: user("@script{parallel-tools}"),
      tools: [openaiTool()],
    });
    const pieces = [];
    stream.on("tool_calls.function.arguments.delta", (event) => pieces.push(event.arguments_delta));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(
      final.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments)),
      [PARIS, TOKYO],
    );
    assert.ok(pieces.length > 4, "the arguments came in one lump");
  });

  test("a tool without arguments gives an empty object", async () => {
    const tools = [openaiTool("get_time", EMPTY_SCHEMA)];
    const answer = await ask("@script{tool-without-arguments}", { tools });
    assert.deepEqual(JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments), {});
  });

  test("tool results make the round trip", async () => {
    const messages = user(marked("@script{parallel-tools}"));
    const settings = { model: upstream.model, messages, tools: [openaiTool()] };
    const { message } = (await openai.chat.completions.create(settings)).choices[0];
    messages.push(message);
    message.tool_calls.forEach((call, at) =>
      messages.push({ role: "tool", tool_call_id: call.id, content: `${20 + at} degrees` }),
    );
    const answer = (await openai.chat.completions.create(settings)).choices[0].message.content;
    assert.match(answer, /tool result: 20 degrees/);
    assert.match(answer, /tool result: 21 degrees/);
  });

  test("the tool runner goes all the way round", async () => {
    const asked = [];
    const tool = openaiTool();
    tool.function = { ...tool.function, parse: JSON.parse, function: (input) => (asked.push(input), "21 degrees") };
    const runner = openai.chat.completions.runTools({ model: upstream.model, messages: user("@script{tools}"), tools: [tool] });
    assert.match(await runner.finalContent(), /tool result: 21 degrees/);
    assert.deepEqual(asked, [PARIS]);
  });

  test("a picture in a tool result is never dropped in silence", gatewayOnly, async () => {
    const call = { id: "call_made_up_1", type: "function", function: { name: "get_weather", arguments: "{}" } };
    const content = [{ type: "text", text: "here" }, { type: "image_url", image_url: { url: PNG_DATA_URL } }];
    const messages = [
      ...user("Weather?"),
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: call.id, content },
    ];
    const asked = openai.chat.completions.create({ model: upstream.model, messages, tools: [openaiTool()] });
    // OpenAI itself takes no pictures in tool messages, and says so.
    const said = await asked.then((answer) => answer.choices[0].message.content, (error) => error.message);
    assert.ok(said.includes(`image: ${PNG_SEEN}`) || (upstream.vendor === "openai" && said.includes("image_url")), said);
  });

  for (const choice of ["required", { type: "function", function: { name: "get_time" } }]) {
    test(`the forced tool choice ${JSON.stringify(choice)} makes the model call`, async () => {
      const tools = [openaiTool("get_time", EMPTY_SCHEMA), openaiTool()];
      const answer = await ask("Just talk", { tools, tool_choice: choice });
      assert.equal(answer.choices[0].message.tool_calls[0].function.name, "get_time");
    });
  }

  test("reasoning text comes beside the answer", async () => {
    const answer = await ask("@script{thinking}", { reasoning_effort: "low", max_tokens: 4000 });
    const { message } = answer.choices[0];
    assert.equal(message.content, "The answer is 42.");
    assert.equal(message.reasoning_content, THINKING_TEXT);
    assert.equal(answer.usage.completion_tokens_details.reasoning_tokens, 40);
  });

  test("reasoning streams before the answer", async () => {
    const chunks = await collect(await ask("@script{thinking}", { reasoning_effort: "low", stream: true }));
    const deltas = chunks.map((chunk) => chunk.choices[0]?.delta ?? {});
    assert.equal(deltas.map((delta) => delta.reasoning_content ?? "").join(""), THINKING_TEXT);
    const firstText = deltas.findIndex((delta) => delta.content);
    const lastReasoning = deltas.findLastIndex((delta) => delta.reasoning_content);
    assert.ok(lastReasoning < firstText);
  });

  test("reasoning goes back on the tool turn", async () => {
    const messages = user(marked("@script{thinking-tools}"));
    const settings = { model: upstream.model, messages, tools: [openaiTool()], reasoning_effort: "low" };
    const { message } = (await openai.chat.completions.create(settings)).choices[0];
    assert.equal(message.reasoning_content, THINKING_TEXT);
    if (upstream.vendor === "anthropic") assert.ok(message.reasoning_signature);
    messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "21 degrees" });
    const answer = await openai.chat.completions.create(settings);
    assert.match(answer.choices[0].message.content, /tool result: 21 degrees/);
  });

  test("parse returns the typed object", async () => {
    const answer = await openai.chat.completions.parse({
      model: upstream.model,
      messages: user("Who?"),
      response_format: zodResponseFormat(Person, "person"),
    });
    assert.equal(answer.choices[0].message.parsed.addresses[0].number, 7);
    assert.equal(answer.choices[0].finish_reason, "stop");
  });

  test("parse works while streaming", async () => {
    const stream = openai.chat.completions.stream({
      model: upstream.model,
      messages: user("Who?"),
      response_format: zodResponseFormat(Person, "person"),
    });
    assert.equal((await stream.finalChatCompletion()).choices[0].message.parsed.age, 7);
  });

  test("parse reads tool arguments", async () => {
    const tools = [zodFunction({ name: "save_person", parameters: Person })];
    const answer = await openai.chat.completions.parse({
      model: upstream.model,
      messages: user("Who?"),
      tools,
      tool_choice: "required",
    });
    assert.equal(answer.choices[0].message.tool_calls[0].function.parsed_arguments.age, 7);
  });

  test("json mode answers in JSON", async () => {
    const answer = await ask("@script{json-object} in json", { response_format: { type: "json_object" } });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { ok: true });
  });
});
