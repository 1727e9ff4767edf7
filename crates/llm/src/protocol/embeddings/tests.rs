//! Unit tests of all shapes.

use super::*;
use crate::ir::EmbeddingTask;
use proptest::prelude::*;
use serde_json::{Value, json};

fn request(shape: Shape, body: &Value) -> Result<EmbeddingRequest, TranslateError> {
    shape.decode_embeddings(body.to_string().as_bytes(), "p/m")
}

fn sent(body: &Value, to: Shape, model: &str) -> Result<(Value, Vec<String>), TranslateError> {
    let encoded = to.encode_embeddings(&request(Shape::OpenAi, body)?, model)?;
    let warnings = encoded.warnings.iter().map(ToString::to_string).collect();
    Ok((serde_json::from_slice(&encoded.body).unwrap(), warnings))
}

fn one(numbers: &str) -> EmbeddingResponse<'_> {
    bare(vec![Vector::Numbers(numbers)])
}

fn answer(response: &EmbeddingResponse<'_>, format: VectorFormat) -> Value {
    serde_json::from_slice(&Shape::OpenAi.encode_vectors(response, format, None).unwrap()).unwrap()
}

#[test]
fn tokens_are_refused_where_only_texts_are_taken() {
    for input in [json!([1, 2, 3]), json!([[1], [2, 3]]), json!(["a", [1]])] {
        let body = json!({"model": "p/m", "input": input});
        for shape in Shape::OF_VECTORS {
            let error = sent(&body, shape, "m").unwrap_err();
            assert_eq!(error.param(), Some("input"), "{shape:?}");
            assert!(error.to_string().contains("send the texts themselves"), "{error}");
        }
    }
}

#[test]
fn what_is_malformed_is_named() {
    for (shape, body, param) in [
        (Shape::OpenAi, json!({}), "input"),
        (Shape::OpenAi, json!({"input": 1}), "input"),
        (Shape::OpenAi, json!({"input": ["a", {}]}), "input[1]"),
        (Shape::OpenAi, json!({"input": [[1], ["a"]]}), "input[1]"),
        (Shape::OpenAi, json!({"input": [-1]}), "input"),
        (Shape::OpenAi, json!({"input": "a", "dimensions": -1}), "dimensions"),
        (Shape::OpenAi, json!({"input": "a", "encoding_format": "int8"}), "encoding_format"),
        (Shape::OpenAi, json!({"input": "a", "input_type": "poem"}), "input_type"),
        (Shape::OpenAi, json!({"input": "a", "truncate": "SIDE"}), "truncate"),
        (Shape::OpenAi, json!({"input": "a", "stream": true}), "stream"),
        (Shape::GeminiEmbed, json!({}), "content"),
        (Shape::GeminiEmbed, json!({"content": {}}), "content.parts"),
        (Shape::GeminiEmbed, json!({"content": {"parts": [{"text": 1}]}}), "content.parts[0].text"),
        (Shape::GeminiEmbed, json!({"model": "models/x/y", "content": {"parts": [{"text": "a"}]}}), "model"),
        (Shape::GeminiBatch, json!({"requests": []}), "requests"),
        (Shape::GeminiBatch, json!({"requests": [{}]}), "requests[0].content"),
    ] {
        assert_eq!(request(shape, &body).unwrap_err().param(), Some(param), "{body}");
    }
    let nothing = request(Shape::OpenAi, &json!({"input": []})).unwrap();
    assert!(Shape::Cohere.encode_embeddings(&nothing, "m").is_err());
}

#[test]
fn pictures_reach_google_alone() {
    let content = json!({"role": "user", "parts": [{"text": "a"}, {"inline_data": {"mime_type": "image/png", "data": "eA=="}}]});
    let body = json!({"content": content});
    let request = request(Shape::GeminiEmbed, &body).unwrap();
    for shape in Shape::OF_VECTORS {
        let encoded = shape.encode_embeddings(&request, "gemini-embedding-2");
        let is_googles = matches!(shape, Shape::GeminiEmbed | Shape::GeminiBatch | Shape::VertexEmbed);
        match encoded {
            Ok(encoded) => {
                assert!(is_googles, "{shape:?}");
                let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
                let found = sent.get("content").unwrap_or(&sent["requests"][0]["content"]);
                assert_eq!(found, &content, "{shape:?}");
            }
            Err(error) => {
                assert!(!is_googles, "{shape:?}: {error}");
                assert_eq!(error.param(), Some("content.parts"));
            }
        }
    }
}

#[test]
fn a_batch_agrees_in_its_settings_or_is_refused() {
    let of = |task: &str| json!({"content": {"parts": [{"text": "a"}]}, "taskType": task});
    let alike = json!({"requests": [of("CLUSTERING"), of("clustering")]});
    assert_eq!(request(Shape::GeminiBatch, &alike).unwrap().task, Some(EmbeddingTask::Clustering));
    let mixed = json!({"requests": [of("CLUSTERING"), of("CLASSIFICATION")]});
    assert_eq!(request(Shape::GeminiBatch, &mixed).unwrap_err().param(), Some("requests[1]"));
}

#[test]
fn neither_inputs_nor_a_title_for_each_are_without_bound() {
    let many = |count: usize| json!({"input": vec!["a"; count]});
    assert_eq!(request(Shape::OpenAi, &many(INPUTS_MAX)).unwrap().inputs.len(), INPUTS_MAX);
    let error = request(Shape::OpenAi, &many(INPUTS_MAX + 1)).unwrap_err();
    assert_eq!((error.param(), error.to_string().contains("takes 4096 inputs")), (Some("input"), true));
    let batch = json!({"requests": vec![json!({}); INPUTS_MAX + 1]});
    let error = request(Shape::GeminiBatch, &batch).unwrap_err();
    assert_eq!((error.param(), error.to_string().contains("takes 4096 inputs")), (Some("requests"), true));
    let error = name_models(batch["requests"].to_string().as_bytes(), "p/m", "m").unwrap_err();
    assert_eq!(error.param(), Some("requests"));
    // A long list of tokens is one input.
    let tokens = json!({"input": vec![7; INPUTS_MAX + 1]});
    assert_eq!(request(Shape::OpenAi, &tokens).unwrap().inputs.len(), 1);
    let titled = |bytes: usize| json!({"input": ["a", "b"], "title": "t".repeat(bytes)});
    let inputs = request(Shape::OpenAi, &titled(1_024)).unwrap().inputs;
    assert!(inputs.iter().all(|input| input.title.as_ref().is_some_and(|title| title.len() == 1_024)));
    assert_eq!(request(Shape::OpenAi, &titled(1_025)).unwrap_err().param(), Some("title"));
}

#[test]
fn titan_takes_one_text_a_call() {
    let two = json!({"input": ["a", "b"]});
    let error = sent(&two, Shape::BedrockTitan, "amazon.titan-embed-text-v2:0").unwrap_err();
    assert!(error.to_string().contains("one text a call, and 2 came"), "{error}");
    let one = json!({"input": ["a"], "dimensions": 256});
    let (body, _) = sent(&one, Shape::BedrockTitan, "amazon.titan-embed-text-v2:0").unwrap();
    assert_eq!(body, json!({"inputText": "a", "dimensions": 256}));
    let error = sent(&one, Shape::BedrockTitan, "amazon.titan-embed-text-v1").unwrap_err();
    assert!(error.to_string().starts_with("dimensions cannot be sent"), "{error}");
}

#[test]
fn the_newest_model_of_google_is_told_no_task() {
    let body = json!({"input": "a", "input_type": "search_query", "title": "t"});
    let (old, warnings) = sent(&body, Shape::GeminiBatch, "gemini-embedding-001").unwrap();
    let expected = json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "title": "t"});
    assert_eq!((&old["requests"][0], warnings.len()), (&expected, 0));
    let (new, warnings) = sent(&body, Shape::GeminiBatch, "gemini-embedding-2").unwrap();
    assert_eq!((&new["requests"][0]["taskType"], &new["requests"][0]["title"]), (&Value::Null, &Value::Null));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn generations_of_cohere_differ_on_bedrock() {
    let body = json!({"input": "a", "input_type": "query", "truncate": "START", "dimensions": 512});
    let (sent_body, _) = sent(&body, Shape::BedrockCohere, "us.cohere.embed-v4:0").unwrap();
    assert_eq!((&sent_body["truncate"], &sent_body["output_dimension"]), (&json!("LEFT"), &json!(512)));
    assert!(sent(&body, Shape::BedrockCohere, "cohere.embed-english-v3").is_err());
}

#[test]
fn as_many_vectors_as_inputs_come_or_none() {
    let body = br#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}]}"#;
    assert!(Shape::OpenAi.decode_vectors(body, 2).is_ok());
    let error = Shape::OpenAi.decode_vectors(body, 3).unwrap_err();
    assert_eq!(error.to_string(), "the provider's answer cannot be read: 2 vectors came for 3 inputs");
    let twice = br#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#;
    assert!(Shape::OpenAi.decode_vectors(twice, 2).is_err());
}

#[test]
fn vectors_come_in_the_order_of_their_inputs() {
    let body = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
    let response = Shape::OpenAi.decode_vectors(body, 2).unwrap();
    assert_eq!(response.vectors, [Vector::Numbers("[1]"), Vector::Numbers("[2]")]);
}

#[test]
fn numbers_are_copied_as_they_came_and_turn_into_the_bytes_of_floats() {
    let response = one("[\n  -0.0123456789012345678,\n  1e-3, 2]");
    let text = Shape::OpenAi.encode_vectors(&response, VectorFormat::Numbers, None).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("[-0.0123456789012345678,1e-3,2]"), "{text}");
    // As `numpy.array([1, -2.5], dtype="<f4").tobytes()` in base64.
    assert_eq!(answer(&one("[1, -2.5]"), VectorFormat::Base64)["data"][0]["embedding"], "AACAPwAAIMA=");
    let back = bare(vec![Vector::Base64("AACAPwAAIMA=".into())]);
    assert_eq!(answer(&back, VectorFormat::Numbers)["data"][0]["embedding"], json!([1.0, -2.5]));
}

#[test]
fn what_is_no_vector_is_refused() {
    for text in ["[]", "[[1]]", "[null]", "[\"1\"]", "[1,[2]]", "[true]"] {
        for format in [VectorFormat::Numbers, VectorFormat::Base64] {
            assert!(Shape::OpenAi.encode_vectors(&one(text), format, None).is_err(), "{text} {format:?}");
        }
    }
    // Three bytes, none, no base64, and a float that is no number.
    for text in ["AAAA", "", "?", "AADAfw=="] {
        let response = bare(vec![Vector::Base64(text.into())]);
        for format in [VectorFormat::Numbers, VectorFormat::Base64] {
            assert!(
                Shape::GeminiEmbed.encode_vectors(&response, VectorFormat::Numbers, None).is_err(),
                "{text}"
            );
            assert!(Shape::OpenAi.encode_vectors(&response, format, None).is_err(), "{text} {format:?}");
        }
    }
    assert!(Shape::OpenAi.encode_vectors(&one("[1e39]"), VectorFormat::Base64, None).is_err());
}

#[test]
fn a_batch_that_passes_through_names_the_model_as_google_does() {
    let requests = br#"[{"content":{"x" : 1.0},"model":"models/google/e"},{"content":{}}]"#;
    let named = name_models(requests, "google/e", "e").unwrap();
    let expected = r#"[{"content":{"x" : 1.0},"model":"models/e"},{"content":{},"model":"models/e"}]"#;
    assert_eq!(std::str::from_utf8(&named).unwrap(), expected);
    let other = br#"[{"model":"models/google/f"}]"#;
    assert_eq!(name_models(other, "google/e", "e").unwrap_err().param(), Some("requests[0].model"));
    assert_eq!(name_models(b"1", "google/e", "e").unwrap_err().param(), Some("requests"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), inputs in 0..3_usize) {
        for shape in Shape::OF_VECTORS {
            let _ = shape.decode_embeddings(&bytes, "p/m");
            let _ = shape.decode_vectors(&bytes, inputs);
        }
    }

    #[test]
    fn floats_survive_base64(numbers in proptest::collection::vec(-1e30_f32..1e30, 1..20)) {
        let text = serde_json::to_string(&numbers).unwrap();
        let coded = answer(&one(&text), VectorFormat::Base64)["data"][0]["embedding"].as_str().unwrap().to_owned();
        let back = answer(&bare(vec![Vector::Base64(coded.into())]), VectorFormat::Numbers);
        let back: Vec<f32> = serde_json::from_value(back["data"][0]["embedding"].clone()).unwrap();
        prop_assert_eq!(back, numbers);
    }
}
