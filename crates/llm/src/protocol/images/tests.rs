//! What vendors of pictures are sent, and what is read of their answers.

use super::*;
use crate::form::{Form, boundary};
use serde_json::{Value, json};

fn sent(shape: Shape, body: &Value) -> Result<(Value, Vec<String>), TranslateError> {
    let sent = shape.encode_pictures(body.to_string().as_bytes(), "m")?;
    let warnings = sent.warnings.iter().map(ToString::to_string).collect();
    Ok((serde_json::from_slice(&sent.body.concat()).unwrap(), warnings))
}

/// The fields of a form, in order, and what is told.
fn form_of(model: &str, body: &Value) -> (Vec<(String, String)>, Vec<String>) {
    let sent = Shape::Stability.encode_pictures(body.to_string().as_bytes(), model).unwrap();
    let form = Form::parse(sent.body.concat().into(), boundary(&sent.content_type).unwrap()).unwrap();
    let names = form.parts().iter().map(|part| part.name.clone());
    let fields = names.map(|name| (name.clone(), form.text(&name).unwrap().to_owned())).collect();
    (fields, sent.warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn a_size_becomes_the_nearest_ratio_and_that_is_told() {
    for (size, stability, imagen) in [
        ("1024x1024", "1:1", "1:1"),
        ("1024x1536", "2:3", "3:4"),
        ("1792x1024", "16:9", "16:9"),
        ("4000x1000", "21:9", "16:9"),
    ] {
        let body = json!({"prompt": "a cat", "size": size, "model": "m"});
        let (of_stability, warnings) = sent(Shape::BedrockStability, &body).unwrap();
        assert_eq!(of_stability, json!({"prompt": "a cat", "aspect_ratio": stability}));
        assert!(warnings[0].contains(&format!("{size} became a ratio of {stability}")), "{warnings:?}");
        let (of_imagen, _) = sent(Shape::Imagen, &body).unwrap();
        let parameters = json!({"sampleCount": 1, "aspectRatio": imagen});
        assert_eq!(of_imagen, json!({"instances": [{"prompt": "a cat"}], "parameters": parameters}));
    }
    let plain = json!({"prompt": "a cat", "size": "auto", "response_format": "b64_json", "quality": "auto"});
    assert_eq!(sent(Shape::BedrockStability, &plain).unwrap(), (json!({"prompt": "a cat"}), Vec::new()));
}

#[test]
fn what_cannot_be_drawn_is_named_and_what_is_lost_is_told() {
    for shape in [Shape::BedrockStability, Shape::Imagen] {
        for (body, param) in [
            (json!({}), "prompt"),
            (json!({"prompt": "a", "n": 0}), "n"),
            (json!({"prompt": "a", "n": 5}), "n"),
            // What is held for a call counts it as one.
            (json!({"prompt": "a", "n": 2.0}), "n"),
            (json!({"prompt": "a", "size": "big"}), "size"),
            (json!({"prompt": "a", "size": "0x9"}), "size"),
            (json!({"prompt": "a", "response_format": "url"}), "response_format"),
            (json!({"prompt": "a", "stream": true}), "stream"),
        ] {
            assert_eq!(sent(shape, &body).unwrap_err().param(), Some(param), "{body}");
        }
        let body = json!({"prompt": "a", "quality": "high", "seed": 1, "signalbox": {}});
        let told = sent(shape, &body).unwrap().1.join("; ");
        assert!(told.contains("quality") && told.contains("dropped: seed"), "{told}");
    }
    assert!(Shape::Cohere.encode_pictures(br#"{"prompt":"a"}"#, "m").is_err());
}

#[test]
fn pictures_are_read_and_why_there_are_none_is_told() {
    let of = |shape: Shape, body: &str| {
        shape
            .decode_pictures(body.as_bytes())
            .map(|pictures| (pictures.count(), String::from_utf8(pictures.encode(7)).unwrap()))
    };
    let stability = r#"{"seeds":[2130420379],"finish_reasons":[null],"images":["eA=="]}"#;
    let expected = r#"{"created":7,"data":[{"b64_json":"eA=="}]}"#.to_owned();
    assert_eq!(of(Shape::BedrockStability, stability).unwrap(), (1, expected));
    let imagen = r#"{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"eA=="},{"raiFilteredReason":"no"},{"bytesBase64Encoded":"eQ=="}]}"#;
    assert_eq!(of(Shape::Imagen, imagen).unwrap().0, 2);
    for (shape, body, reason) in [
        (Shape::BedrockStability, r#"{"finish_reasons":["Filter reason: prompt"]}"#, "Filter reason: prompt"),
        (Shape::Imagen, r#"{"predictions":[{"raiFilteredReason":"Unsafe."}]}"#, "Unsafe."),
        (Shape::Imagen, "{}", "does not say why"),
        (Shape::Imagen, "[]", "cannot be read"),
    ] {
        let error = of(shape, body).unwrap_err();
        assert!(matches!(error, TranslateError::InvalidResponse { .. }));
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn stability_is_sent_a_form_that_names_a_stable_diffusion() {
    let body = json!({"prompt": "a \"cat\"\r\n--x", "size": "1024x1536", "output_format": "webp", "quality": "high"});
    let (fields, warnings) = form_of("stable-image-ultra", &body);
    let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let prompt = ("prompt", "a \"cat\"\r\n--x");
    assert_eq!(fields, of(&[prompt, ("aspect_ratio", "2:3"), ("output_format", "webp")]));
    assert!(warnings[0].contains("quality (stability): dropped") && warnings[1].contains("ratio of 2:3"));
    let (fields, warnings) = form_of("sd3.5-large-turbo", &body);
    assert_eq!(fields, of(&[prompt, ("model", "sd3.5-large-turbo"), ("aspect_ratio", "2:3")]));
    assert!(warnings[2].contains("the provider makes png and jpeg, not `webp`"), "{warnings:?}");
    assert_eq!(form_of("stable-image-core", &json!({"prompt": "a"})), (of(&[("prompt", "a")]), Vec::new()));
}

#[test]
fn a_picture_that_stabilitys_filters_blurred_is_none() {
    let of = |body: &str| {
        let pictures = Shape::Stability.decode_pictures(body.as_bytes());
        pictures.map(|pictures| pictures.count()).map_err(|error| error.to_string())
    };
    assert_eq!(of(r#"{"image":"eA==","finish_reason":"SUCCESS","seed":343940597}"#), Ok(1));
    assert!(
        of(r#"{"image":"eA==","finish_reason":"CONTENT_FILTERED","seed":1}"#)
            .unwrap_err()
            .ends_with("no picture was made: CONTENT_FILTERED")
    );
    assert!(of("{}").is_err());
}
