//! From a request as it came to the request that is sent.
//!
//! Where the provider speaks the caller's protocol the body's bytes are kept and only edited in place;
//! elsewhere they are translated (`translate`). [`mode`] alone decides which. Of a body that passes through, a field with
//! something in it that the provider is known to refuse is written anew (`rewrite`). What is no conversation has shapes in
//! place of protocols (`reshape`).

mod caching;
mod reshape;
mod rewrite;
mod translate;

use super::admit::OutputAllowance;
use super::bound::{Bound, is_in_background};
use super::intake::{Intake, OPTION_OBJECTS};
use super::keeping::Keeping;
use super::media;
use super::{BODY_BYTES_INLINE, protocol_of, shape_of, takes_form};
use crate::providers::{Target, Tariff};
use crate::rates::Standing;
use crate::refusal::Refusal;
use crate::upstream::Payload;
use bytes::Bytes;
use domain::record::Operation;
use domain::{Money, RequestId, Terms, Usage};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use llm::Protocol;
use llm::ir::ChatResponse;
use llm::job::Job;
use llm::protocol::sound::TranscriptFormat;
use llm::protocol::{Echo, TranslateError, embeddings};
use llm::provider::{OutputLimit, Route, RouteKind, StreamFraming};
use llm::raw::RawObject;
use llm::set_aside::SetAside;
use llm::structured::Form;
pub use reshape::Vectors;
use reshape::reshape;
use rewrite::rewrite;
use std::sync::Arc;
pub(super) use translate::set_aside;
use translate::{How, translate};

/// The version of Anthropic's API that is asked for when the caller names none.
/// <https://platform.claude.com/docs/en/api/versioning>, read 2026-11-22.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Headers of the caller that matter to a provider of the same protocol.
const PASSED_HEADERS: [HeaderName; 3] = [VERSION, BETA, HeaderName::from_static("openai-beta")];

/// Shorter bodies, and shorter values of longer ones, are copied.
const PIECE_BYTES_MIN: usize = 64 * 1024;

/// Whether bytes pass through or are translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Caller and provider speak one protocol.
    Passthrough,
    /// They do not.
    Translate,
}

/// Equal protocols pass through, others are translated; where it is no conversation, equal shapes. Nothing else chooses.
pub fn mode(operation: Operation, route: &Route) -> Mode {
    let is_same = match shape_of(operation) {
        Some(shape) => shape == route.shape,
        None => protocol_of(operation) == route.protocol,
    };
    if is_same { Mode::Passthrough } else { Mode::Translate }
}

/// A request ready to be sent, and what must be known of it later.
#[derive(Debug)]
pub struct Prepared {
    /// The endpoint that was called.
    pub operation: Operation,
    /// Where it goes.
    pub target: Target,
    /// How.
    pub mode: Mode,
    /// Headers for the provider beside those that every call to it carries.
    pub own_headers: Vec<(HeaderName, HeaderValue)>,
    /// The body for the provider.
    pub body: Payload,
    /// The caller wants a stream.
    pub is_stream: bool,
    /// The caller wants usage at the end of an OpenAI stream.
    pub wants_usage: bool,
    /// The model as the caller named it.
    pub requested_model: String,
    /// How many answers the caller asked for.
    pub answers: u32,
    /// What the translation could not carry.
    pub warnings: Vec<String>,
    /// The model has no price.
    pub is_unpriced: bool,
    /// The answer was cut to so many tokens, because no more are affordable.
    pub clamped: Option<u64>,
    /// What of the answer is paid for.
    pub output: OutputAllowance,
    /// The terms that it is asked for on: they count where the answer tells none.
    pub terms: Terms,
    /// How far the caller's rate limits are used up, where it has any.
    pub standing: Option<Standing>,
    /// What a call that is no conversation consumes, where its provider does not tell.
    pub about: Option<Usage>,
    /// What is asked for where vectors are translated.
    pub vectors: Option<Vectors>,
    /// How a transcript is wanted, where it is translated.
    pub transcript: Option<TranscriptFormat>,
    /// What follows the request, where the work is not answered at once.
    pub job: Option<Job>,
    /// What of the request a translated answer repeats (OpenAI's Responses).
    pub echo: Option<Arc<Echo>>,
    /// The form that was asked for in words, of an answer that is not streamed.
    pub form: Option<Arc<Form>>,
    /// What the call may cost, where its answer may have to be asked for again.
    pub bound: Option<Bound>,
    /// Its provider makes the answer in the background, whoever waits for it.
    pub is_background: bool,
    /// The caller wants its prompt to be kept for calls to come.
    pub keeps_prompt: bool,
    /// The beginning of its prompt, where it may be kept at Google.
    pub keeping: Option<Box<Keeping>>,
    /// The stored answer that it goes on from.
    pub goes_on_from: Option<Box<str>>,
    /// What was spent for the call beside the attempt that answers it.
    pub beside: Money,
}

impl Prepared {
    /// All headers for the provider.
    pub fn headers(&self) -> HeaderMap {
        self.target.provider.headers(self.is_stream, &self.own_headers)
    }

    /// How a streamed answer is framed.
    pub fn framing(&self) -> StreamFraming {
        self.target.endpoint.route.framing
    }

    /// Whether what comes is read and written anew. Sound never is.
    pub fn reads_answer(&self) -> bool {
        self.mode == Mode::Translate && self.target.endpoint.route.kind != RouteKind::Speech
    }

    /// Whether an answer is one that takes longer to read than other calls on the same core should wait.
    pub fn is_long_to_read(&self, body: &[u8]) -> bool {
        body.len() > BODY_BYTES_INLINE && self.reads_answer() && shape_of(self.operation).is_some()
    }

    /// Gives an answer what its protocol does not tell: an id, and the model.
    pub fn name(&self, response: &mut ChatResponse, id: RequestId) {
        if response.id.is_empty() {
            response.id = id.to_string();
        }
        if response.model.is_empty() || self.names_as_asked() {
            response.model.clone_from(&self.requested_model);
        }
    }

    /// Whether the model is named in the answer as the caller named it. Claude Code forgets what a model thought where its
    /// name is another (version 2.1.197, seen 2026-11-26).
    pub fn names_as_asked(&self) -> bool {
        protocol_of(self.operation) == Protocol::AnthropicMessages
    }

    /// What its caller is told that it costs: all that was spent for it.
    pub fn tariff(&self) -> Tariff {
        self.target.tariff(self.terms).with(self.beside)
    }
}

/// What comes of a request.
#[derive(Debug)]
pub enum Next {
    /// A provider is asked.
    Call(Box<Prepared>),
    /// The prompt's tokens are estimated here, for providers that cannot count.
    Estimate {
        /// The estimate.
        input_tokens: u64,
    },
}

/// Prepares a call to `target`.
///
/// Of a body with long runs set aside that is done with the marks, which then give way to the runs. Should a mark be
/// lost on the way, or the request be refused, it is done again with the whole body: only that one counts.
pub fn prepare(
    operation: Operation,
    mut intake: Box<Intake>,
    target: Target,
    caller: &HeaderMap,
) -> Result<Next, Refusal> {
    let echo = echo(operation, &intake, &target);
    let goes_on_from = previous_answer(operation, &intake.body);
    let mut next = match intake.aside.take() {
        Some(aside) => prepare_marked(operation, intake, &aside, target, caller),
        None => prepare_as_it_is(operation, intake, target, caller),
    }?;
    if let Next::Call(prepared) = &mut next {
        prepared.echo = echo;
        prepared.goes_on_from = goes_on_from;
    }
    Ok(next)
}

/// The stored answer that a request of Responses goes on from.
fn previous_answer(operation: Operation, body: &RawObject) -> Option<Box<str>> {
    let raw =
        body.get("previous_response_id").filter(|_| protocol_of(operation) == Protocol::OpenAiResponses)?;
    // What is no text its provider refuses.
    serde_json::from_slice(raw).ok()
}

/// What of the request its answer repeats, where the answer is not the provider's own. A field in which something was
/// set aside is left out: nobody wants it back.
fn echo(operation: Operation, intake: &Intake, target: &Target) -> Option<Arc<Echo>> {
    let mode = mode(operation, target.endpoint.route);
    let is_whole = |raw: &[u8]| intake.bytes_of(raw) == raw.len() as u64;
    (operation == Operation::Responses && mode == Mode::Translate)
        .then(|| Arc::new(Echo::of(&intake.body, is_whole)))
}

fn prepare_marked(
    operation: Operation,
    mut intake: Box<Intake>,
    aside: &SetAside,
    target: Target,
    caller: &HeaderMap,
) -> Result<Next, Refusal> {
    // Gemini's callers write either alphabet of base64, and others read one.
    let outbound = target.endpoint.route.protocol;
    let is_to_change =
        protocol_of(operation) == Protocol::Gemini && outbound != Protocol::Gemini && aside.is_url_safe();
    let marked = match is_to_change {
        true => Err(Refusal::Internal),
        false => prepare_as_it_is(operation, intake.clone(), target.clone(), caller),
    };
    if let Ok(Next::Call(mut prepared)) = marked {
        let restored = aside.restore(prepared.body.into_pieces());
        if restored.is_complete {
            prepared.body = restored.pieces.into();
            return Ok(Next::Call(prepared));
        }
    }
    let whole = aside.restore(intake.body.into_pieces(PIECE_BYTES_MIN)).pieces.concat();
    intake.body = RawObject::parse(whole.into()).map_err(|_| Refusal::Internal)?;
    prepare_as_it_is(operation, intake, target, caller)
}

fn prepare_as_it_is(
    operation: Operation,
    mut intake: Box<Intake>,
    mut target: Target,
    caller: &HeaderMap,
) -> Result<Next, Refusal> {
    let inbound = protocol_of(operation);
    let outbound = target.endpoint.route.protocol;
    let mut about = media::consumed(operation, &intake, &target, false).map(|consumed| consumed.about);
    // What is counted in another protocol would be told in that one's shape.
    let can_count = target.endpoint.route.kind == RouteKind::CountTokens && inbound == outbound;
    if operation.is_count() && !can_count {
        refuse_unseen(&intake.body)?;
        let request = inbound.decode_request(&counted(operation, &intake.body)?).map_err(refused)?;
        return Ok(Next::Estimate { input_tokens: llm::tokens::of_request(&request) });
    }
    let mut warnings = Vec::new();
    let mode = mode(operation, target.endpoint.route);
    let is_background = is_in_background(operation, &intake.body);
    let takes_markers = caching::takes_markers(&target);
    let keeps_prompt = (takes_markers || outbound == Protocol::Gemini) && caching::is_wanted(&intake, caller);
    let is_cached = takes_markers && keeps_prompt;
    let mut form = None;
    let (mut vectors, mut transcript, mut job, mut content_type) = (None, None, None, None);
    let (body, answers) = match mode {
        Mode::Passthrough => {
            if matches!(target.endpoint.route.kind, RouteKind::Chat | RouteKind::CountTokens) {
                form = rewrite(&mut intake.body, intake.reasoning.as_ref(), &target, &mut warnings)?;
            }
            edit(operation, &mut intake, &target)?;
            name_betas(&mut intake.body, &target, caller);
            if is_cached {
                caching::mark(&mut intake.body, &target);
            }
            let body = match &intake.form {
                Some(form) => form.with("model", &target.model_id, &OPTION_OBJECTS).into(),
                None => payload(intake.body),
            };
            (body, 1)
        }
        Mode::Translate if shape_of(operation).is_some() => {
            let shaped = reshape(operation, &mut intake, &mut target)?;
            warnings.extend(shaped.warnings.iter().map(ToString::to_string));
            (vectors, transcript, content_type) = (shaped.vectors, shaped.transcript, shaped.content_type);
            job = shaped.job;
            about = shaped.about.or(about);
            (shaped.body, 1)
        }
        Mode::Translate => {
            demand_limit(operation, &intake.body)?;
            warnings.extend(lost_headers(caller));
            let (model, is_stream) = (intake.model.as_str(), intake.is_stream);
            let reasoning = intake.reasoning.as_ref();
            let how = How { inbound, model, is_stream, is_cached, reasoning };
            let translated = translate(intake.body, intake.held, how, &target)?;
            warnings.extend(translated.warnings.iter().map(ToString::to_string));
            form = translated.form;
            (translated.body, translated.answers)
        }
    };
    if intake.is_strict && !warnings.is_empty() {
        return Err(Refusal::TranslationLoss(warnings.join("; ")));
    }
    warnings.extend(intake.unknown_options.iter().map(|option| format!("{option}: unknown option, ignored")));
    let mut own_headers =
        own_headers(operation, &target, caller, Asking { mode, is_stream: intake.is_stream });
    if let Some(kind) = content_type {
        own_headers.retain(|(name, _)| *name != CONTENT_TYPE);
        own_headers.push((CONTENT_TYPE, kind));
    }
    Ok(Next::Call(Box::new(Prepared {
        operation,
        own_headers,
        mode,
        body,
        is_stream: intake.is_stream,
        wants_usage: intake.wants_usage,
        requested_model: intake.model,
        answers,
        warnings,
        is_unpriced: false,
        clamped: None,
        output: OutputAllowance::default(),
        terms: Terms::default(),
        standing: None,
        about,
        vectors,
        transcript,
        job,
        echo: None,
        form: form.filter(|_| !intake.is_stream).map(Arc::new),
        bound: None,
        is_background,
        keeps_prompt,
        keeping: None,
        goes_on_from: None,
        beside: Money::ZERO,
        target,
    })))
}

/// What a provider keeps can be counted by that provider only.
fn refuse_unseen(body: &RawObject) -> Result<(), Refusal> {
    let kept = ["previous_response_id", "conversation", "cachedContent", "cached_content"];
    let named = |field: &&&str| body.get(field).is_some_and(|raw| raw != b"null");
    kept.iter().find(named).map_or(Ok(()), |field| {
        let message =
            format!("{field}: the provider of this model cannot count, and what it keeps is not known here");
        Err(Refusal::invalid_param(field, message))
    })
}

/// What is to be counted: Gemini's callers may wrap it, and those of Converse do.
/// <https://ai.google.dev/api/tokens> and
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>, read 2026-11-26.
fn counted(operation: Operation, body: &RawObject) -> Result<Bytes, Refusal> {
    if operation == Operation::CountConverseTokens {
        let input = body.get("input").and_then(|raw| RawObject::parse(Bytes::copy_from_slice(raw)).ok());
        let converse = input.as_ref().and_then(|input| input.get("converse")).map(Bytes::copy_from_slice);
        return converse.ok_or_else(|| {
            let message = "the provider of this model counts nothing in Bedrock's protocol: only `input.converse` can be \
                           estimated for it, no body of another protocol";
            Refusal::invalid_param("input", message)
        });
    }
    let wrapped = ["generateContentRequest", "generate_content_request"];
    Ok(match wrapped.iter().find_map(|name| body.get(name)) {
        Some(raw) => Bytes::copy_from_slice(raw),
        None => body.to_bytes(),
    })
}

/// A short body is copied with its edits, which costs less than to send it in pieces; of a long one nothing is.
fn payload(body: RawObject) -> Payload {
    if body.original().len() < PIECE_BYTES_MIN {
        body.to_bytes().into()
    } else {
        body.into_pieces(PIECE_BYTES_MIN).into()
    }
}

/// What the encoders must know of the target.
fn describe(target: &Target) -> llm::protocol::Target<'_> {
    llm::protocol::Target {
        model: &target.model_id,
        max_output_tokens: target.model.as_ref().map_or(0, |model| model.max_output_tokens),
        output_limit: target.provider.spec.output_limit,
        takes_stream_options: target.provider.spec.takes_stream_options,
        takes_cache_control: target.provider.spec.takes_cache_control,
        takes_unsigned_thoughts: target.provider.spec.takes_unsigned_thoughts,
        takes_custom_tools: target.provider.spec.takes_custom_tools,
        takes_schema: target.provider.spec.takes_schema,
        searches_in_chat: target.provider.spec.chat_search.is_of(target.known_id()),
    }
}

/// A request that cannot be translated is the caller's to change.
fn refused(error: TranslateError) -> Refusal {
    Refusal::InvalidRequest { message: error.to_string(), param: error.param().map(str::to_owned) }
}

/// Anthropic's protocol demands a limit; where its own provider is asked, that provider does.
fn demand_limit(operation: Operation, body: &RawObject) -> Result<(), Refusal> {
    let is_set = body.get("max_tokens").is_some_and(|limit| limit != b"null");
    if operation == Operation::Messages && !is_set {
        return Err(Refusal::invalid_param("max_tokens", "max_tokens: field required"));
    }
    Ok(())
}

/// Beta features are asked for in headers, which mean nothing in another protocol.
fn lost_headers(caller: &HeaderMap) -> impl Iterator<Item = String> {
    let betas = PASSED_HEADERS.into_iter().filter(|name| name.as_str().ends_with("-beta"));
    let lost = betas.filter(|name| caller.contains_key(name));
    lost.map(|name| format!("{name}: dropped, the provider speaks another protocol"))
}

/// The edits of a body that passes through.
fn edit(operation: Operation, intake: &mut Intake, target: &Target) -> Result<(), Refusal> {
    let body = &mut intake.body;
    if operation == Operation::BatchEmbedContents
        && let Some(requests) = body.get("requests")
    {
        let named = embeddings::name_models(requests, &intake.model, &target.model_id).map_err(refused)?;
        body.set("requests", named);
    }
    name_model(body, target);
    if !target.endpoint.route.has_stream_field {
        body.remove("stream");
    }
    let has_usage_option = matches!(operation, Operation::ChatCompletions | Operation::Completions);
    if !has_usage_option {
        return Ok(());
    }
    let spec = target.provider.spec;
    if spec.output_limit == OutputLimit::MaxCompletionTokens
        && operation == Operation::ChatCompletions
        && body.get("max_completion_tokens").is_none()
        && let Some(limit) = body.get("max_tokens").map(<[u8]>::to_vec)
    {
        body.remove("max_tokens");
        body.set("max_completion_tokens", limit);
    }
    if intake.is_stream && !intake.wants_usage && spec.takes_stream_options {
        ask_for_usage(body)?;
    }
    Ok(())
}

/// Says which model is asked, where that does not stand in the address. Who hosts Anthropic's models takes the version
/// of the protocol in the body.
fn name_model(body: &mut RawObject, target: &Target) {
    let route = target.endpoint.route;
    if route.has_model_in_path() {
        body.remove("model");
    } else {
        body.set_string("model", &target.model_id);
    }
    if let Some(version) = route.anthropic_version {
        body.set_string("anthropic_version", version);
    }
}

/// Names beta features in the body where the provider wants them there.
fn name_betas(body: &mut RawObject, target: &Target, caller: &HeaderMap) {
    let route = target.endpoint.route;
    if route.has_stream_field || body.get("anthropic_beta").is_some() {
        return;
    }
    let named = caller.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
    let betas: Vec<&str> =
        named.flat_map(|text| text.split(',')).map(str::trim).filter(|b| !b.is_empty()).collect();
    if !betas.is_empty()
        && let Ok(list) = serde_json::to_vec(&betas)
    {
        body.set("anthropic_beta", list);
    }
}

/// The same for a body that was written here.
fn hosted(body: Vec<u8>, target: &Target, is_cached: bool) -> Vec<u8> {
    let is_hosted = target.endpoint.route.anthropic_version.is_some();
    if !is_hosted && !is_cached {
        return body;
    }
    let body = Bytes::from(body);
    // What was written here can be read.
    let Ok(mut object) = RawObject::parse(body.clone()) else { return body.into() };
    if is_hosted {
        name_model(&mut object, target);
        if !target.endpoint.route.has_stream_field {
            object.remove("stream");
        }
    }
    if is_cached {
        caching::mark(&mut object, target);
    }
    object.to_bytes().into()
}

/// Asks for the usage event at the end of a stream, keeping the caller's other stream options.
fn ask_for_usage(body: &mut RawObject) -> Result<(), Refusal> {
    let options = match body.get("stream_options").filter(|raw| *raw != b"null") {
        None => b"{\"include_usage\":true}".to_vec(),
        Some(raw) => {
            let mut options = RawObject::parse(Bytes::copy_from_slice(raw)).map_err(|error| {
                Refusal::invalid_param("stream_options", format!("`stream_options` cannot be read: {error}"))
            })?;
            options.set("include_usage", b"true".to_vec());
            options.to_bytes().to_vec()
        }
    };
    body.set("stream_options", options);
    Ok(())
}

/// How a request is made, and its answer asked for.
#[derive(Clone, Copy)]
struct Asking {
    mode: Mode,
    is_stream: bool,
}

fn own_headers(
    operation: Operation,
    target: &Target,
    caller: &HeaderMap,
    asking: Asking,
) -> Vec<(HeaderName, HeaderValue)> {
    let Asking { mode, is_stream } = asking;
    let mut headers = Vec::new();
    let framing = target.endpoint.route.framing;
    if is_stream && framing != StreamFraming::ServerSentEvents {
        headers.push((ACCEPT, HeaderValue::from_static(framing.media_type())));
    }
    let kind = target.endpoint.route.kind;
    if !kind.is_text() && (mode == Mode::Passthrough || kind == RouteKind::Speech) {
        // Sound, or whatever was asked for. What is read here is JSON.
        headers.push((ACCEPT, HeaderValue::from_static("*/*")));
    }
    if takes_form(operation)
        && let Some(kind) = caller.get(CONTENT_TYPE)
    {
        headers.push((CONTENT_TYPE, kind.clone()));
    }
    if mode == Mode::Passthrough && target.endpoint.route.has_stream_field {
        let passed = PASSED_HEADERS.into_iter();
        headers.extend(passed.filter_map(|name| caller.get(&name).cloned().map(|value| (name, value))));
    }
    let route = target.endpoint.route;
    if route.protocol == Protocol::AnthropicMessages
        && route.anthropic_version.is_none()
        && !headers.iter().any(|(name, _)| *name == VERSION)
    {
        headers.push((VERSION, ANTHROPIC_VERSION));
    }
    headers
}

#[cfg(test)]
mod tests;
