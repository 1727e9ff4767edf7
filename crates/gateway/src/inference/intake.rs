//! Reading a request: the body's bytes, and the few fields that the gateway itself needs.

use super::called::Called;
use super::documents::PdfBy;
use super::{BODY_BYTES_INLINE, protocol_of};
use crate::bodies::Held;
use crate::random;
use crate::refusal::Refusal;
use bytes::Bytes;
use domain::record::texts::NAME_BYTES_MAX;
use domain::record::{Metadata, Operation};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use llm::Protocol;
use llm::form::Form;
use llm::ir::Reasoning;
use llm::raw::RawObject;
use llm::set_aside::SetAside;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The objects that carry options for the gateway: ours, and the one that existing clients send.
pub(super) const OPTION_OBJECTS: [&str; 2] = ["requesty", "signalbox"];
/// Where Converse has what is told for logs.
const REQUEST_METADATA: &str = "requestMetadata";
/// Headers with these prefixes become metadata.
const METADATA_HEADERS: [&str; 2] = ["x-requesty-", "x-signalbox-"];
/// Metadata fields of one request.
const FIELDS_MAX: usize = 64;
/// Bytes of the name of one.
const KEY_BYTES_MAX: usize = 256;
/// Bytes of one metadata value.
const VALUE_BYTES_MAX: usize = 2_048;

/// One inbound call, read as far as the gateway must.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The body without the gateway's own options.
    pub body: RawObject,
    /// The long runs that were set aside of it, for which marks stand there.
    pub aside: Option<SetAside>,
    /// The form that came in place of a JSON body. Then `body` holds its texts.
    pub form: Option<Form>,
    /// As it came, with the share it takes.
    pub held: Held,
    /// The model as the caller named it.
    pub model: String,
    /// The caller wants a stream.
    pub is_stream: bool,
    /// The caller wants usage at the end of an OpenAI stream.
    pub wants_usage: bool,
    /// What the caller told beside the request.
    pub metadata: Option<Box<Metadata>>,
    /// Options that are not known here, to be warned about.
    pub unknown_options: Vec<String>,
    /// How many fewer tokens than bytes its texts have, once somebody has counted.
    pub saved_bytes: Option<u64>,
    /// What was changed so that it can be paid for.
    pub notes: Vec<String>,
    /// The caller would rather be refused than have something of the request given up on its way.
    pub is_strict: bool,
    /// Whether the provider is to keep the prompt for later calls. Not said: by who calls.
    pub auto_cache: Option<bool>,
    /// How much to think, where the model's name says so.
    pub reasoning: Option<Reasoning>,
    /// Who reads its PDFs, where its caller says so.
    pub pdf: Option<PdfBy>,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl Intake {
    /// The length of the body as it came.
    pub fn bytes(&self) -> u64 {
        self.held.bytes.len() as u64
    }

    /// How many bytes a text of the body had as it came.
    pub fn bytes_of(&self, text: &[u8]) -> u64 {
        let aside = self.aside.as_ref().map_or(0, |aside| aside.bytes_behind(text));
        (text.len() + aside) as u64
    }
}

/// Reads a JSON body.
pub fn read(called: impl Into<Called>, held: Held, default_model: &str) -> Result<Box<Intake>, Refusal> {
    let Called { operation, model, is_stream } = called.into();
    let (body, aside) = match set_aside(operation, &held.bytes) {
        Some((body, aside)) => (body, Some(aside)),
        None => (held.bytes.clone(), None),
    };
    let default_model = Some(default_model).filter(|_| operation == Operation::ChatCompletions);
    let has_stream_format = operation == Operation::Speech;
    let outside = Outside { model: model.as_deref(), is_stream, has_stream_format, default_model };
    understand(body, aside, None, held, outside)
}

/// What of a call does not stand in its body.
#[derive(Default)]
struct Outside<'a> {
    /// The model, where the address names it.
    model: Option<&'a str>,
    /// The address asks for a stream.
    is_stream: bool,
    /// Speech is asked to come in events by a field of its own, which means nothing elsewhere.
    has_stream_format: bool,
    /// The model where nobody names one.
    default_model: Option<&'a str>,
}

/// Reads a form: its texts stand for a body.
pub fn read_form(held: Held, headers: &HeaderMap) -> Result<Box<Intake>, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = llm::form::boundary(kind).ok_or_else(|| {
        Refusal::invalid("this endpoint takes multipart/form-data, with its boundary in `content-type`")
    })?;
    let form =
        Form::parse(held.bytes.clone(), boundary).map_err(|error| Refusal::invalid(error.to_string()))?;
    understand(texts_of(&form), None, Some(form), held, Outside::default())
}

fn understand(
    body: Bytes,
    aside: Option<SetAside>,
    form: Option<Form>,
    held: Held,
    outside: Outside<'_>,
) -> Result<Box<Intake>, Refusal> {
    let mut body = RawObject::parse(body).map_err(|error| Refusal::invalid(error.to_string()))?;
    let model = match (outside.model, body.get("model").filter(|raw| *raw != b"null")) {
        (Some(model), _) => model.to_owned(),
        (None, Some(raw)) => string("model", raw)?.into_owned(),
        (None, None) => match outside.default_model {
            Some(model) => model.to_owned(),
            None => return Err(Refusal::invalid_param("model", "the field `model` is required")),
        },
    };
    let model = bounded_model(model)?;
    let is_stream = match body.get("stream") {
        // Where the address says which model, it says this too.
        _ if outside.model.is_some() => outside.is_stream,
        None | Some(b"false" | b"null") => false,
        Some(b"true") => true,
        Some(_) => return Err(Refusal::invalid_param("stream", "`stream` must be true or false")),
    };
    let is_stream = is_stream || (outside.has_stream_format && body.get("stream_format") == Some(b"\"sse\""));
    let options: StreamOptions = match body.get("stream_options").filter(|raw| *raw != b"null") {
        Some(raw) => serde_json::from_slice(raw).map_err(|error| {
            Refusal::invalid_param("stream_options", format!("`stream_options` cannot be read: {error}"))
        })?,
        None => StreamOptions::default(),
    };
    let mut intake = Box::new(Intake {
        model,
        is_stream,
        wants_usage: options.include_usage == Some(true),
        metadata: None,
        unknown_options: Vec::new(),
        saved_bytes: None,
        notes: Vec::new(),
        is_strict: false,
        auto_cache: None,
        reasoning: None,
        pdf: None,
        form,
        aside,
        held,
        body: RawObject::parse(Bytes::from_static(b"{}")).map_err(|_| Refusal::Internal)?,
    });
    for object in OPTION_OBJECTS {
        if let Some(raw) = body.get(object).filter(|raw| *raw != b"null") {
            own_options(object, raw, &mut intake)?;
            body.remove(object);
        }
    }
    if outside.model.is_some()
        && let Some(raw) = body.get(REQUEST_METADATA).filter(|raw| *raw != b"null")
    {
        request_metadata(raw, intake.metadata.get_or_insert_default())?;
    }
    intake.body = body;
    Ok(intake)
}

/// Reads what a caller of Converse tells for logs; a provider that speaks it gets it too.
fn request_metadata(raw: &[u8], metadata: &mut Metadata) -> Result<(), Refusal> {
    let refuse = |_| {
        let message = format!("`{REQUEST_METADATA}` must be an object of strings");
        Refusal::invalid_param(REQUEST_METADATA, message)
    };
    let told: BTreeMap<String, String> = serde_json::from_slice(raw).map_err(refuse)?;
    told.into_iter().try_for_each(|(key, value)| add(metadata, REQUEST_METADATA, &key, value))
}

/// The fields of a form that are texts, as a JSON object.
fn texts_of(form: &Form) -> Bytes {
    let mut object = serde_json::Map::new();
    for part in form.parts().iter().filter(|part| !part.is_file) {
        let Some(text) = form.text(&part.name).filter(|_| !object.contains_key(&part.name)) else { continue };
        // What is no text in JSON either.
        let is_json = part.name == "stream" || OPTION_OBJECTS.contains(&part.name.as_str());
        let value = serde_json::from_str(text).ok().filter(|_| is_json);
        object.insert(part.name.clone(), value.unwrap_or_else(|| text.into()));
    }
    serde_json::Value::Object(object).to_string().into()
}

/// Sets aside what only makes a body long. Where the gateway counts a prompt itself, it must see all of it.
fn set_aside(operation: Operation, body: &Bytes) -> Option<(Bytes, SetAside)> {
    let is_long = body.len() > BODY_BYTES_INLINE && !operation.is_count();
    is_long.then(|| SetAside::of(body, random::ten_bytes())).flatten()
}

fn string<'a>(param: &str, raw: &'a [u8]) -> Result<Cow<'a, str>, Refusal> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_slice(raw)
        .map(|Text(text)| text)
        .map_err(|_| Refusal::invalid_param(param, format!("`{param}` must be a string")))
}

/// Reads the `requesty` (or `signalbox`) object into the metadata.
fn own_options(object: &str, raw: &[u8], intake: &mut Intake) -> Result<(), Refusal> {
    let refuse = |field: &str, what: &str| {
        Refusal::invalid_param(&format!("{object}.{field}"), format!("`{object}.{field}` must be {what}"))
    };
    let options = RawObject::parse(Bytes::copy_from_slice(raw))
        .map_err(|_| Refusal::invalid_param(object, format!("`{object}` must be an object")))?;
    let metadata = intake.metadata.get_or_insert_default();
    for key in options.keys() {
        let Some(raw) = options.get(key).filter(|raw| *raw != b"null") else { continue };
        let text = || serde_json::from_slice::<String>(raw).map_err(|_| refuse(key, "a string"));
        match key {
            "user_id" => metadata.user_id = bounded(object, key, text()?)?,
            "trace_id" => metadata.trace_id = bounded(object, key, text()?)?,
            "tags" => {
                let tags: Vec<String> =
                    serde_json::from_slice(raw).map_err(|_| refuse(key, "a list of strings"))?;
                if tags.len() > FIELDS_MAX || tags.iter().any(|tag| tag.len() > VALUE_BYTES_MAX) {
                    return Err(refuse(key, &format!("at most {FIELDS_MAX} short strings")));
                }
                metadata.tags = tags;
            }
            "extra" => extra(object, raw, metadata)?,
            "auto_cache" if matches!(raw, b"true" | b"false") => intake.auto_cache = Some(raw == b"true"),
            "strict" if matches!(raw, b"true" | b"false") => intake.is_strict = raw == b"true",
            "auto_cache" | "strict" => return Err(refuse(key, "true or false")),
            "pdf" => {
                intake.pdf = Some(match text()?.as_str() {
                    "native" => PdfBy::Model,
                    "text" => PdfBy::Gateway,
                    _ => return Err(refuse(key, "\"native\" or \"text\"")),
                });
            }
            other => intake.unknown_options.push(format!("{object}.{other}")),
        }
    }
    Ok(())
}

/// The name of a model, where it is no longer than one can be.
pub fn bounded_model(model: String) -> Result<String, Refusal> {
    if model.len() <= NAME_BYTES_MAX {
        return Ok(model);
    }
    let message = format!("the model's name is longer than {NAME_BYTES_MAX} bytes");
    Err(Refusal::invalid_param("model", message))
}

fn bounded(object: &str, key: &str, value: String) -> Result<String, Refusal> {
    if value.len() <= VALUE_BYTES_MAX {
        return Ok(value);
    }
    let message = format!("`{object}.{key}` is longer than {VALUE_BYTES_MAX} bytes");
    Err(Refusal::invalid_param(&format!("{object}.{key}"), message))
}

fn extra(object: &str, raw: &[u8], metadata: &mut Metadata) -> Result<(), Refusal> {
    let param = format!("{object}.extra");
    let fields = RawObject::parse(Bytes::copy_from_slice(raw))
        .map_err(|_| Refusal::invalid_param(&param, format!("`{param}` must be an object")))?;
    for key in fields.keys() {
        let Some(raw) = fields.get(key) else { continue };
        let value = serde_json::from_slice::<String>(raw).unwrap_or_else(|_| {
            serde_json::from_slice::<&RawValue>(raw).map_or("", RawValue::get).to_owned()
        });
        add(metadata, &param, key, value)?;
    }
    Ok(())
}

/// Adds a field of an object of metadata.
fn add(metadata: &mut Metadata, object: &str, key: &str, value: String) -> Result<(), Refusal> {
    if key.len() > KEY_BYTES_MAX {
        let message = format!("a name in `{object}` is longer than {KEY_BYTES_MAX} bytes");
        return Err(Refusal::invalid_param(object, message));
    }
    let value = bounded(object, key, value)?;
    if metadata.extra.len() >= FIELDS_MAX {
        return Err(Refusal::invalid(format!("a request carries at most {FIELDS_MAX} metadata fields")));
    }
    // The body is the more deliberate place: a header does not override it.
    if !metadata.extra.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
        metadata.extra.push((key.to_owned(), value));
    }
    Ok(())
}

/// Gives a field that decides what a call costs its one name, where Google's callers may spell it in two ways.
pub fn spell_once(operation: Operation, body: &mut RawObject) -> Result<(), Refusal> {
    const SPELLINGS: [&str; 2] = ["serviceTier", "service_tier"];
    if protocol_of(operation) != Protocol::Gemini {
        return Ok(());
    }
    let Some(raw) = body.get(SPELLINGS[1]).map(<[u8]>::to_vec) else { return Ok(()) };
    if body.get(SPELLINGS[0]).is_some() {
        let message = "`serviceTier` stands there in both of its spellings";
        return Err(Refusal::invalid_param(SPELLINGS[0], message));
    }
    body.remove(SPELLINGS[1]);
    body.set(SPELLINGS[0], raw);
    Ok(())
}

/// Adds what the request's head tells: `X-Requesty-*`, `HTTP-Referer`, `X-Title`.
pub fn read_headers(headers: &HeaderMap, metadata: &mut Option<Box<Metadata>>) -> Result<(), Refusal> {
    for (name, value) in headers {
        let Some(field) = metadata_field(name) else { continue };
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = text.chars().take(VALUE_BYTES_MAX / 4).collect();
        let metadata = metadata.get_or_insert_default();
        match field {
            Field::Referer => metadata.origin_referer = text,
            Field::Title => metadata.origin_title = text,
            Field::Extra(key) => add(metadata, "headers", key, text)?,
        }
    }
    Ok(())
}

enum Field<'a> {
    Referer,
    Title,
    Extra(&'a str),
}

fn metadata_field(name: &HeaderName) -> Option<Field<'_>> {
    match name.as_str() {
        "http-referer" | "referer" => Some(Field::Referer),
        "x-title" => Some(Field::Title),
        other => METADATA_HEADERS
            .iter()
            .find_map(|prefix| other.strip_prefix(prefix))
            .filter(|key| !key.is_empty())
            .map(Field::Extra),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: &'static str) -> Result<Box<Intake>, Refusal> {
        read(
            Operation::ChatCompletions,
            Held::short(Bytes::from_static(body.as_bytes())),
            "openai/gpt-4o-mini",
        )
    }

    #[test]
    fn the_gateways_options_are_read_and_taken_out() {
        let intake = chat(
            r#"{"model":"a/b","requesty":{"tags":["x"],"user_id":"u","trace_id":"t","extra":{"n":1.0,"s":"v"},"prompt_id":"p"},"messages":[]}"#,
        )
        .unwrap();
        let metadata = intake.metadata.unwrap();
        assert_eq!((metadata.user_id.as_str(), metadata.trace_id.as_str()), ("u", "t"));
        assert_eq!(metadata.extra, [("n".into(), "1.0".into()), ("s".into(), "v".into())]);
        assert_eq!(intake.unknown_options, ["requesty.prompt_id"]);
        assert_eq!(&intake.body.to_bytes()[..], br#"{"model":"a/b","messages":[]}"#);
    }

    #[test]
    fn a_chat_without_a_model_asks_for_the_default_one() {
        assert_eq!(chat("{\"messages\":[]}").unwrap().model, "openai/gpt-4o-mini");
        let refusal = read(Operation::Messages, Held::short(Bytes::from_static(b"{}")), "x/y").unwrap_err();
        assert_eq!(refusal.param(), Some("model"));
    }

    #[test]
    fn only_speech_is_streamed_by_its_format() {
        let body = r#"{"model":"a/b","stream_format":"sse"}"#;
        assert!(!chat(body).unwrap().is_stream);
        let speech = Held::short(Bytes::from_static(body.as_bytes()));
        assert!(read(Operation::Speech, speech, "x/y").unwrap().is_stream);
    }

    #[test]
    fn fields_of_the_wrong_type_are_refused_by_name() {
        for (body, param) in [
            (r#"{"model":1}"#, "model"),
            (r#"{"model":"a/b","stream":"yes"}"#, "stream"),
            (r#"{"model":"a/b","stream_options":[1,2]}"#, "stream_options"),
            (r#"{"model":"a/b","requesty":1}"#, "requesty"),
            (r#"{"model":"a/b","requesty":{"tags":"x"}}"#, "requesty.tags"),
            (r#"{"model":"a/b","signalbox":{"extra":[]}}"#, "signalbox.extra"),
            (r#"{"model":"a/b","signalbox":{"strict":1}}"#, "signalbox.strict"),
            (r#"{"model":"a/b","signalbox":{"pdf":"ocr"}}"#, "signalbox.pdf"),
        ] {
            assert_eq!(chat(body).unwrap_err().param(), Some(param), "{body}");
        }
    }

    #[test]
    fn names_of_fields_are_no_longer_than_they_may_be() {
        let read = |object: &str, bytes: usize| {
            let fields = format!("{{\"{}\":\"v\"}}", "k".repeat(bytes));
            let (called, body) = match object {
                "requestMetadata" => {
                    let model = Some("a/b".into());
                    let called = Called { operation: Operation::Converse, model, is_stream: false };
                    (called, format!("{{\"requestMetadata\":{fields}}}"))
                }
                _ => {
                    let body = format!("{{\"model\":\"a/b\",\"signalbox\":{{\"extra\":{fields}}}}}");
                    (Operation::ChatCompletions.into(), body)
                }
            };
            super::read(called, Held::short(body.into()), "")
        };
        for object in ["requestMetadata", "signalbox.extra"] {
            assert!(read(object, KEY_BYTES_MAX).is_ok(), "{object}");
            assert_eq!(read(object, KEY_BYTES_MAX + 1).unwrap_err().param(), Some(object));
        }
    }

    #[test]
    fn headers_become_metadata_and_the_body_wins() {
        let mut headers = HeaderMap::new();
        headers.insert("x-requesty-branch", "main".parse().unwrap());
        headers.insert("x-requesty-team", "a".parse().unwrap());
        headers.insert("x-title", "App".parse().unwrap());
        let mut metadata =
            Some(Box::new(Metadata { extra: vec![("Team".into(), "b".into())], ..Metadata::default() }));
        read_headers(&headers, &mut metadata).unwrap();
        let metadata = metadata.unwrap();
        assert_eq!(metadata.origin_title, "App");
        assert_eq!(metadata.extra, [("Team".into(), "b".into()), ("branch".into(), "main".into())]);
    }
}
