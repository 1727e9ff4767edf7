//! Demo: a provider inside this process, so that a first call works with no account anywhere.
//!
//! It speaks OpenAI's chat protocol, streams, counts tokens and has a price. `demo/echo` says back what the
//! last message said; `demo/slow` does so a word every 100 ms; `demo/embed` makes a vector of a text's
//! letters. Nothing here is intelligent, and nothing leaves the machine.

use super::{AbortPolicy, Auth, OPENAI_COMPATIBLE, ProviderSpec};
use crate::tokens;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::time::Duration;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "demo",
    name: "Demo (built in)",
    base_url: Some("demo:"),
    auth: Auth::None,
    abort: AbortPolicy::Cancel,
    ..OPENAI_COMPATIBLE
};

/// Numbers in an embedding.
const DIMENSIONS: usize = 64;

/// What the demo provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body is a stream of server-sent events.
    pub is_stream: bool,
    /// The pieces of the body, in order.
    pub pieces: Vec<Vec<u8>>,
    /// How long to wait before each piece but the first.
    pub pause: Duration,
}

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    messages: Vec<Message<'a>>,
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TextPart {
    #[serde(default)]
    text: String,
}

/// Answers a request body sent to `path` (one of the provider's routes) at `created` (unix seconds).
pub fn respond(path: &str, body: &[u8], created: i64) -> Reply {
    let request: Request<'_> = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return refuse(400, &format!("the request cannot be read: {error}")),
    };
    match (path, request.model.as_str()) {
        ("/chat/completions", "echo" | "slow") => chat(&request, created),
        ("/embeddings", "embed") => embed(&request),
        (_, model) => refuse(404, &format!("the demo provider has no model `{model}` here")),
    }
}

fn chat(request: &Request<'_>, created: i64) -> Reply {
    let prompt: u64 = request.messages.iter().map(|message| tokens::of_text(&text_of(message.content))).sum();
    let said = request.messages.last().map(|message| text_of(message.content)).unwrap_or_default();
    let said = if said.is_empty() { "Hello! Say something and I will say it back.".to_owned() } else { said };
    let limit = request.max_completion_tokens.or(request.max_tokens).unwrap_or(u64::MAX);
    let mut words: Vec<&str> = said.split_inclusive(' ').collect();
    let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
    let finish = if words.len() > allowed { "length" } else { "stop" };
    words.truncate(allowed);
    let output: u64 = words.iter().map(|word| tokens::of_text(word)).sum();
    let usage =
        json!({"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output});
    let head = |object: &str| json!({"id": "chatcmpl-demo", "object": object, "created": created, "model": request.model});
    if !request.stream {
        let mut answer = head("chat.completion");
        let message = json!({"role": "assistant", "content": words.concat()});
        answer["choices"] = json!([{"index": 0, "message": message, "finish_reason": finish}]);
        answer["usage"] = usage;
        return whole(200, &answer);
    }
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        let mut chunk = head("chat.completion.chunk");
        chunk["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        frame(&chunk)
    };
    let mut pieces = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    pieces.extend(words.iter().map(|word| chunk(json!({"content": word}), None)));
    pieces.push(chunk(json!({}), Some(finish)));
    if request.stream_options.as_ref().is_some_and(|options| options.include_usage) {
        let mut last = head("chat.completion.chunk");
        last["choices"] = json!([]);
        last["usage"] = usage;
        pieces.push(frame(&last));
    }
    pieces.push(b"data: [DONE]\n\n".to_vec());
    let pause = if request.model == "slow" { 100 } else { 15 };
    Reply { status: 200, is_stream: true, pieces, pause: Duration::from_millis(pause) }
}

fn embed(request: &Request<'_>) -> Reply {
    let raw = request.input.map_or("", |raw| raw.get());
    let texts: Vec<String> = match serde_json::from_str::<String>(raw) {
        Ok(text) => vec![text],
        Err(_) => match serde_json::from_str(raw) {
            Ok(texts) => texts,
            Err(_) => return refuse(400, "`input` must be a text or a list of texts"),
        },
    };
    let prompt: u64 = texts.iter().map(|text| tokens::of_text(text)).sum();
    let data: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)}))
        .collect();
    whole(
        200,
        &json!({"object": "list", "model": request.model, "data": data,
                "usage": {"prompt_tokens": prompt, "total_tokens": prompt}}),
    )
}

/// Counts neighbouring letters into buckets and scales to length one: texts that share words lie close.
fn vector(text: &str) -> Vec<f32> {
    let mut counts = [0f32; DIMENSIONS];
    for pair in text.to_lowercase().as_bytes().windows(2) {
        counts[(usize::from(pair[0]) * 31 + usize::from(pair[1])) % DIMENSIONS] += 1.0;
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    counts.iter().map(|count| count / length).collect()
}

fn text_of(content: Option<&RawValue>) -> String {
    let raw = content.map_or("", |raw| raw.get());
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| {
        let parts: Vec<TextPart> = serde_json::from_str(raw).unwrap_or_default();
        parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join(" ")
    })
}

fn frame(chunk: &serde_json::Value) -> Vec<u8> {
    format!("data: {chunk}\n\n").into_bytes()
}

fn whole(status: u16, body: &serde_json::Value) -> Reply {
    Reply { status, is_stream: false, pieces: vec![body.to_string().into_bytes()], pause: Duration::ZERO }
}

fn refuse(status: u16, message: &str) -> Reply {
    whole(status, &json!({"error": {"message": message, "type": "invalid_request_error", "code": null}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &str, body: &str) -> (u16, String) {
        let reply = respond(path, body.as_bytes(), 1);
        (reply.status, String::from_utf8(reply.pieces.concat()).unwrap())
    }

    #[test]
    fn echo_says_back_the_last_message() {
        let body = r#"{"model":"echo","messages":[{"role":"user","content":[{"type":"text","text":"hello there"}]}]}"#;
        let (status, answer) = ask("/chat/completions", body);
        assert!(status == 200 && answer.contains(r#""content":"hello there""#), "{answer}");
    }

    #[test]
    fn a_stream_ends_with_usage_and_done() {
        let body = r#"{"model":"echo","stream":true,"stream_options":{"include_usage":true},"messages":[{"content":"a b c"}]}"#;
        let (_, answer) = ask("/chat/completions", body);
        assert!(answer.contains("\"usage\"") && answer.ends_with("data: [DONE]\n\n"));
    }

    #[test]
    fn an_unknown_model_is_refused() {
        assert_eq!(ask("/chat/completions", r#"{"model":"gpt"}"#).0, 404);
        assert_eq!(ask("/chat/completions", "[").0, 400);
    }

    #[test]
    fn like_texts_have_like_vectors() {
        let near: f32 = vector("a red house").iter().zip(vector("the red house")).map(|(a, b)| a * b).sum();
        let far: f32 = vector("a red house").iter().zip(vector("quantum physics")).map(|(a, b)| a * b).sum();
        assert!(near > far);
    }
}
