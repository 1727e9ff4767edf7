//! The life of an inference request.
//!
//! [`serve`] runs in the connection's task up to the moment the upstream call starts; [`call`] then owns
//! it in a task of its own, which no leaving caller can cut short.

pub mod admit;
pub mod body;
pub mod bound;
pub mod call;
pub mod called;
pub mod converse;
pub mod documents;
pub mod intake;
pub mod keeping;
pub mod media;
pub mod nested;
pub mod prepare;
pub mod preset;
pub mod relay;
pub mod reply;
pub mod stream;

use crate::bodies::Held;
use crate::providers::{Ask, Providers, Target};
use crate::rates::Admission;
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::shed::Shed;
use crate::{Gateway, auth, idempotency};
use admit::Denied;
use axum::body::Body;
use called::Called;
use domain::record::{Metadata, Operation, Outcome};
use domain::{Account, Money, Timestamp};
use http::{HeaderMap, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use intake::Intake;
use llm::Protocol;
use llm::protocol::Shape;
use llm::provider::{ChatSearch, RouteKind};
use llm::server_tools;
use prepare::Next;
use std::sync::Arc;
use std::time::Instant;
use store::Hold;

/// Longer bodies are read on a thread of their own: parsing one takes longer than other requests on the same
/// core should wait.
const BODY_BYTES_INLINE: usize = 256 * 1024;

/// The protocol an endpoint speaks.
pub const fn protocol_of(operation: Operation) -> Protocol {
    match operation {
        Operation::ChatCompletions
        | Operation::Embeddings
        | Operation::Completions
        | Operation::Rerank
        | Operation::Moderations
        | Operation::ImageGenerations
        | Operation::ImageEdits
        | Operation::Speech
        | Operation::Transcriptions
        | Operation::Translations
        | Operation::Realtime => Protocol::OpenAiChat,
        Operation::Responses | Operation::CountInputTokens => Protocol::OpenAiResponses,
        Operation::Messages | Operation::CountTokens => Protocol::AnthropicMessages,
        Operation::GenerateContent
        | Operation::CountContentTokens
        | Operation::EmbedContent
        | Operation::BatchEmbedContents => Protocol::Gemini,
        Operation::Converse | Operation::CountConverseTokens => Protocol::BedrockConverse,
    }
}

/// The shape of an endpoint that is no conversation, where vendors have shapes of their own.
pub const fn shape_of(operation: Operation) -> Option<Shape> {
    match operation {
        Operation::Embeddings
        | Operation::Rerank
        | Operation::Speech
        | Operation::Transcriptions
        | Operation::ImageGenerations
        | Operation::ImageEdits => Some(Shape::OpenAi),
        Operation::EmbedContent => Some(Shape::GeminiEmbed),
        Operation::BatchEmbedContents => Some(Shape::GeminiBatch),
        Operation::ChatCompletions
        | Operation::Responses
        | Operation::Messages
        | Operation::CountTokens
        | Operation::GenerateContent
        | Operation::CountContentTokens
        | Operation::CountInputTokens
        | Operation::Converse
        | Operation::CountConverseTokens
        | Operation::Completions
        | Operation::Moderations
        | Operation::Translations
        | Operation::Realtime => None,
    }
}

/// What an endpoint asks of a provider.
pub const fn route_of(operation: Operation) -> RouteKind {
    match operation {
        Operation::ChatCompletions
        | Operation::Responses
        | Operation::Messages
        | Operation::GenerateContent
        | Operation::Converse => RouteKind::Chat,
        Operation::Embeddings | Operation::EmbedContent | Operation::BatchEmbedContents => {
            RouteKind::Embeddings
        }
        Operation::CountTokens
        | Operation::CountContentTokens
        | Operation::CountInputTokens
        | Operation::CountConverseTokens => RouteKind::CountTokens,
        Operation::Completions => RouteKind::Completions,
        Operation::Rerank => RouteKind::Rerank,
        Operation::Moderations => RouteKind::Moderations,
        Operation::ImageGenerations => RouteKind::ImageGenerations,
        Operation::ImageEdits => RouteKind::ImageEdits,
        Operation::Speech => RouteKind::Speech,
        Operation::Transcriptions => RouteKind::Transcriptions,
        Operation::Translations => RouteKind::Translations,
        Operation::Realtime => RouteKind::Realtime,
    }
}

/// What an endpoint asks of a provider, and how.
pub const fn ask(operation: Operation, is_stream: bool) -> Ask {
    Ask {
        kind: route_of(operation),
        preferred: protocol_of(operation),
        shape: shape_of(operation),
        is_stream,
    }
}

/// Whether an endpoint takes a form, with files in it.
pub const fn takes_form(operation: Operation) -> bool {
    matches!(operation, Operation::ImageEdits | Operation::Transcriptions | Operation::Translations)
}

/// Serves one inference call. Strangers are refused before they can occupy anything.
pub async fn serve(
    gateway: &Arc<Gateway>,
    called: &Called,
    headers: &HeaderMap,
    body: Incoming,
) -> Response<Body> {
    let operation = called.operation;
    let protocol = protocol_of(operation);
    let id = gateway.request_id();
    let refuse = |refusal: Refusal| reply::refusal(protocol, id, &refusal);
    let now = gateway.clock.now();
    let principal = match auth::authenticate(&gateway.snapshot.load(), headers, now) {
        Ok(principal) => principal,
        Err(refusal) => return refuse(refusal),
    };
    if let Err(refusal) = gateway.check_open() {
        return refuse(refusal);
    }
    // Before the slot, so that bodies that wait for room keep no other call from running.
    let share = match gateway.bodies.admit(&body.size_hint()).await {
        Ok(share) => share,
        Err(Shed) => return refuse(gateway.shed()),
    };
    let slot = match gateway.gate.enter(principal.key).await {
        Ok(slot) => slot,
        Err(Shed) => return refuse(gateway.shed()),
    };
    if let Some(keys) = &gateway.idempotency
        && headers.contains_key(idempotency::IDEMPOTENCY_KEY)
        && !operation.is_count()
    {
        let call = idempotency::Keyed { called, principal: &principal, headers, id, at: now };
        return Box::pin(idempotency::serve(gateway, keys, call, slot, (body, share))).await;
    }
    let mut entry = Entry::open(gateway.recorder.clone(), id, &principal, operation, now);
    entry.take_slot(slot);
    // Until the call task takes over, a vanished caller drops this future: the record then says so.
    entry.end(499, Outcome::ClientGone);
    let next = match body::read(gateway, body, share).await {
        Ok(body) => steps(gateway, &principal.account, called, headers, body, &mut entry).await,
        Err(refusal) => Err(refusal),
    };
    match next {
        Ok(Next::Call(prepared)) => call::start(gateway, principal.account, prepared, entry).await,
        Ok(Next::Estimate { input_tokens }) => {
            entry.end(200, Outcome::Success);
            let warnings = ["input_tokens: estimated, the provider cannot count".to_owned()];
            let head = reply::Head {
                id,
                provider: None,
                warnings: &warnings,
                clamped: None,
                standing: None,
                provider_headers: None,
            };
            let body = counted(operation, input_tokens);
            reply::whole(&head, body.into(), false, entry.started.elapsed())
        }
        Err(refusal) => {
            entry.fail(refusal.status(), &refusal);
            refuse(refusal)
        }
    }
}

/// Tokens that were counted here, as the endpoint's callers read them.
fn counted(operation: Operation, tokens: u64) -> String {
    let (before, field) = match protocol_of(operation) {
        Protocol::Gemini => ("", "totalTokens"),
        Protocol::OpenAiResponses => ("\"object\":\"response.input_tokens\",", "input_tokens"),
        Protocol::BedrockConverse => ("", "inputTokens"),
        Protocol::OpenAiChat | Protocol::AnthropicMessages | Protocol::CohereChat => ("", "input_tokens"),
    };
    format!("{{{before}\"{field}\":{tokens}}}")
}

/// From a body to what is sent. The order of the lines is the order of enforcement.
pub async fn steps(
    gateway: &Arc<Gateway>,
    account: &Arc<Account>,
    called: &Called,
    headers: &HeaderMap,
    body: Held,
    entry: &mut Entry,
) -> Result<Next, Refusal> {
    let at = entry.record().map_or_else(|| gateway.clock.now(), |record| record.at);
    let call = Inbound { called: called.clone(), at, account: account.clone(), pdfs: Pdfs::AsTheyCame };
    let understood = match look(gateway, call, headers, body, entry).await? {
        Allowed::OnceRead(unread) => Box::pin(read_pdfs(gateway, *unread, headers, entry)).await?,
        allowed @ (Allowed::Now(_) | Allowed::OnceCounted(_)) => {
            allowed.once_counted(gateway, headers).await?
        }
    };
    if let Some(hold) = &understood.hold {
        // The ledger counts a call where it was admitted, also when the clock has stepped back before that day.
        let day = hold.day();
        entry.note(|record| record.at = record.at.max(day));
    }
    entry.hold = understood.hold;
    entry.admission = understood.admission;
    if let Next::Call(prepared) = &understood.next
        && let Some(previous) = &prepared.goes_on_from
    {
        Box::pin(may_go_on(gateway, previous, entry)).await?;
    }
    Ok(understood.next)
}

/// May the caller go on from a stored answer: nobody reads another organization's conversation.
async fn may_go_on(gateway: &Gateway, previous: &str, entry: &Entry) -> Result<(), Refusal> {
    let org = entry.record().ok_or(Refusal::Internal)?.org;
    match gateway.stored.may_go_on(previous, org).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::NoPreviousAnswer(previous.to_owned())),
        Err(error) => {
            tracing::error!(%error, "stored answers cannot be looked up");
            Err(gateway.overloaded())
        }
    }
}

/// Understands a body, a long one on a thread of its own, and notes what its record must know of it.
async fn look(
    gateway: &Arc<Gateway>,
    call: Inbound,
    headers: &HeaderMap,
    body: Held,
    entry: &mut Entry,
) -> Result<Allowed, Refusal> {
    let (facts, next) = if body.bytes.len() > BODY_BYTES_INLINE {
        let (shared, headers) = (gateway.clone(), headers.clone());
        let bytes = body.bytes.len();
        Box::pin(apart(gateway, bytes, move || understand(&shared, call, &headers, body))).await?
    } else {
        understand(gateway, call, headers, body)
    };
    if let Some(Facts { model, is_stream, metadata }) = facts {
        entry.note(|record| {
            record.model_requested = model;
            record.is_stream = is_stream;
            record.metadata = metadata;
        });
    }
    next
}

/// Works on so many bytes of a body, on a thread of its own and where there is room.
async fn apart<T: Send + 'static>(
    gateway: &Gateway,
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let room = gateway.bodies.work(bytes).await;
    let work = move || {
        let _room = room;
        work()
    };
    // The only fault of such a thread is a panic, which has been logged.
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Internal)
}

/// Reads the PDFs of a body, and looks at it again with their texts in their places.
async fn read_pdfs(
    gateway: &Arc<Gateway>,
    Unread { call, body, is_strict, admission }: Unread,
    headers: &HeaderMap,
    entry: &mut Entry,
) -> Result<Understood, Refusal> {
    let reader = gateway.pdfs.as_ref().ok_or(Refusal::Internal)?;
    let org = entry.record().ok_or(Refusal::Internal)?.org;
    let asked = documents::Asked { org, protocol: protocol_of(call.called.operation), is_strict };
    let (body, warnings) = documents::read(gateway, reader, asked, body).await?;
    let call = Inbound { pdfs: Pdfs::AreTexts(admission), ..call };
    let mut understood =
        look(gateway, call, headers, body, entry).await?.once_counted(gateway, headers).await?;
    if let Next::Call(prepared) = &mut understood.next {
        prepared.warnings.extend(warnings);
    }
    Ok(understood)
}

/// Who calls what.
struct Inbound {
    called: Called,
    /// When it arrived: decides the windows it counts in.
    at: Timestamp,
    account: Arc<Account>,
    pdfs: Pdfs,
}

/// What has become of the PDFs that the model does not read.
enum Pdfs {
    /// Nothing yet.
    AsTheyCame,
    /// They are texts. Before that, this was taken of the caller's rates.
    AreTexts(Option<Admission>),
}

/// What comes of a request, and what is reserved for it.
struct Understood {
    next: Next,
    hold: Option<Hold>,
    admission: Option<Admission>,
}

/// A request that is read, and whose caller's rates allow it.
struct Read {
    call: Inbound,
    intake: Box<Intake>,
    target: Target,
    admission: Option<Admission>,
}

/// A request whose body may hold PDFs that its model does not read.
struct Unread {
    call: Inbound,
    body: Held,
    is_strict: bool,
    admission: Option<Admission>,
}

/// May it be made.
enum Allowed {
    /// It may.
    Now(Understood),
    /// It may, if its tokens fit where its bytes do not.
    OnceCounted(Box<Read>),
    /// Its body is to be looked at again once its PDFs are read, which its model does not read.
    OnceRead(Box<Unread>),
}

impl Allowed {
    /// Counts, where that is wanted.
    async fn once_counted(self, gateway: &Arc<Gateway>, headers: &HeaderMap) -> Result<Understood, Refusal> {
        match self {
            Self::Now(understood) => Ok(understood),
            Self::OnceCounted(call) => Box::pin(count(gateway, call, headers)).await,
            Self::OnceRead(_) => Err(Refusal::Internal),
        }
    }
}

/// What the record must know of a request even if it is refused.
struct Facts {
    model: Arc<str>,
    is_stream: bool,
    metadata: Option<Box<Metadata>>,
}

/// Reads a body, finds who is asked, reserves what it may cost, and prepares what is sent. No waiting.
fn understand(
    gateway: &Gateway,
    call: Inbound,
    headers: &HeaderMap,
    body: Held,
) -> (Option<Facts>, Result<Allowed, Refusal>) {
    let operation = call.called.operation;
    let read = match takes_form(operation) {
        true => intake::read_form(body, headers),
        false => intake::read(call.called.clone(), body, &gateway.default_model),
    };
    let mut intake = match read {
        Ok(intake) => intake,
        Err(refusal) => return (None, Err(refusal)),
    };
    let told = intake::spell_once(operation, &mut intake.body)
        .and_then(|()| intake::read_headers(headers, &mut intake.metadata));
    let facts = Facts {
        model: intake.model.as_str().into(),
        is_stream: intake.is_stream,
        metadata: intake.metadata.take().filter(|metadata| !metadata.is_empty()),
    };
    let next = told.and_then(|()| target(&gateway.providers.load(), operation, &intake)).and_then(|target| {
        let target = target.for_account(&call.account);
        if gateway.pdfs.is_some()
            && matches!(call.pdfs, Pdfs::AsTheyCame)
            && documents::are_read_here(operation, &intake, &target)
        {
            let admission = allow_reading(gateway, &call, &intake, &target)?;
            let is_strict = intake.is_strict;
            let unread = Unread { call, body: intake.held, is_strict, admission };
            return Ok(Allowed::OnceRead(Box::new(unread)));
        }
        preset::apply(operation, &mut intake, &target);
        allow(gateway, call, intake, target, headers)
    });
    (Some(facts), next)
}

/// May they, before anything is read for them: takes one request of the caller's rates, and looks whether there is money.
fn allow_reading(
    gateway: &Gateway,
    call: &Inbound,
    intake: &Intake,
    target: &Target,
) -> Result<Option<Admission>, Refusal> {
    let rates = &call.account.rates;
    let admission = match rates.is_empty() {
        true => None,
        // How much its texts say nobody knows yet.
        false => Some(gateway.rates.admit(rates, 1, Instant::now())?),
    };
    let bound = bound::of(call.called.operation, intake, target, true);
    let is_free = bound.is_ok_and(|bound| bound.cost() == Money::ZERO);
    let least = if is_free { Money::ZERO } else { Money::from_nano(1) };
    gateway.recorder.budgets.fits(&call.account, least, call.at).map_err(|over| admit::refuse(&over))?;
    Ok(admission)
}

/// May they, now: takes of the caller's rates and money what the call needs, and prepares it.
fn allow(
    gateway: &Gateway,
    mut call: Inbound,
    intake: Box<Intake>,
    target: Target,
    headers: &HeaderMap,
) -> Result<Allowed, Refusal> {
    let operation = call.called.operation;
    if operation.is_count() {
        let next = prepare::prepare(operation, intake, target, headers)?;
        return Ok(Allowed::Now(Understood { next, hold: None, admission: None }));
    }
    let rates = &call.account.rates;
    let (tokens, now) = (llm::tokens::of_bytes(intake.bytes()), Instant::now());
    let admission = match std::mem::replace(&mut call.pdfs, Pdfs::AreTexts(None)) {
        Pdfs::AreTexts(Some(mut admission)) => {
            admission.grow(rates, tokens, now)?;
            Some(admission)
        }
        Pdfs::AreTexts(None) | Pdfs::AsTheyCame if rates.is_empty() => None,
        Pdfs::AreTexts(None) | Pdfs::AsTheyCame => Some(gateway.rates.admit(rates, tokens, now)?),
    };
    pay(gateway, Read { call, intake, target, admission }, headers)
}

/// Counts a prompt's tokens on a thread of its own, and tries again.
async fn count(
    gateway: &Arc<Gateway>,
    mut read: Box<Read>,
    headers: &HeaderMap,
) -> Result<Understood, Refusal> {
    let (shared, headers, bytes) = (gateway.clone(), headers.clone(), read.intake.held.bytes.len());
    let work = move || {
        bound::count(read.call.called.operation, &mut read.intake, &read.target);
        pay(&shared, *read, &headers)
    };
    match apart(gateway, bytes, work).await?? {
        Allowed::Now(understood) => Ok(understood),
        // Nothing is counted twice.
        Allowed::OnceCounted(_) | Allowed::OnceRead(_) => Err(Refusal::Internal),
    }
}

/// Takes of the caller's money what the call needs, and prepares it.
fn pay(gateway: &Gateway, mut read: Read, headers: &HeaderMap) -> Result<Allowed, Refusal> {
    let (account, operation, at) = (&read.call.account, read.call.called.operation, read.call.at);
    let admitted = match admit::admit(gateway, account, operation, &mut read.intake, &read.target, at) {
        Ok(admitted) => admitted,
        Err(Denied::Refused(refusal)) => return Err(refusal),
        Err(Denied::Uncounted) => return Ok(Allowed::OnceCounted(Box::new(read))),
    };
    let Read { intake, target, admission, .. } = read;
    let mut next = prepare::prepare(operation, intake, target, headers)?;
    if let Next::Call(prepared) = &mut next {
        prepared.is_unpriced = admitted.is_unpriced;
        prepared.clamped = admitted.clamped;
        prepared.output = admitted.output;
        prepared.terms = admitted.terms;
        prepared.bound = admitted.bound.filter(|_| prepared.form.is_some());
        prepared.keeping = keeping::plan(gateway, account, prepared);
        prepared.standing = admission.as_ref().map(Admission::standing);
        prepared.warnings.extend(admitted.warnings);
        let lifecycle = prepared.target.model.as_ref().map(|model| &model.lifecycle);
        prepared.warnings.extend(
            lifecycle.and_then(|lifecycle| lifecycle.notice(at)).map(|notice| format!("model: {notice}")),
        );
    }
    Ok(Allowed::Now(Understood { next, hold: Some(admitted.hold), admission }))
}

/// Where a request goes.
pub fn target(providers: &Providers, operation: Operation, intake: &Intake) -> Result<Target, Refusal> {
    let ask = ask(operation, intake.is_stream);
    let target = match providers.target(&intake.model, ask) {
        // A provider that cannot count is no obstacle: then the gateway estimates.
        Err(Refusal::WrongEndpoint { .. }) if operation.is_count() => {
            providers.target(&intake.model, Ask { kind: RouteKind::Chat, ..ask })
        }
        found => found,
    }?;
    if must_search_elsewhere(operation, intake, &target) {
        let responses =
            providers.target(&intake.model, Ask { preferred: Protocol::OpenAiResponses, ..ask })?;
        if responses.endpoint.route.protocol == Protocol::OpenAiResponses {
            return Ok(responses);
        }
    }
    Ok(target)
}

/// Whether a search of the web is asked for that the model makes in Responses only.
fn must_search_elsewhere(operation: Operation, intake: &Intake, target: &Target) -> bool {
    let search = target.provider.spec.chat_search;
    route_of(operation) == RouteKind::Chat
        && target.endpoint.route.protocol == Protocol::OpenAiChat
        && matches!(search, ChatSearch::Named(_))
        && !search.is_of(target.known_id())
        && server_tools::asks_for_search(&intake.body)
}
