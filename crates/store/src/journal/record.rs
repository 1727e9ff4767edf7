//! What the journal's frames hold: one letter for the kind and its layout, then the fields in their order.
//!
//! Every call writes two of these and another thread reads them, so they are short: `postcard`, ids as bytes. A
//! journal that an older version left behind must be read by a newer one: a layout that changes takes another
//! letter, and the old one stays readable.

mod kinds;

use domain::record::{AttemptRecord, Metadata, Operation, Outcome, RequestRecord};
use domain::{
    AttemptId, GroupId, KeyId, Money, OrgId, ProjectId, RequestId, Scope, ServiceAccountId, Timestamp, Usage,
    UsageSource, UserId,
};
use foldhash::HashSet;
use kinds::{FirstKinds, Kinds, SecondKinds};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

/// What is known of an attempt before its bytes leave.
#[derive(Clone, PartialEq, Debug)]
pub struct Intent {
    /// Which attempt.
    pub attempt: AttemptId,
    /// When its request was admitted.
    pub at: Timestamp,
    /// Who pays.
    pub org: OrgId,
    /// The key that was shown.
    pub key: KeyId,
    /// Everything whose spending it counts against.
    pub scopes: Arc<[Scope]>,
    /// Which endpoint.
    pub operation: Operation,
    /// The model as the caller named it.
    pub model_requested: Arc<str>,
    /// Name of the provider that is asked.
    pub provider: Arc<str>,
    /// What the provider calls the model.
    pub model: Arc<str>,
    /// The answer is to be streamed.
    pub is_stream: bool,
    /// What it may cost at the most.
    pub held: Money,
    /// No price is known: `held` is zero because nobody knows better.
    pub is_unpriced: bool,
}

impl Intent {
    /// What is written down of an attempt whose end nobody has seen: it cost what was held for it.
    pub fn assumed(&self, outcome: Outcome, error: &str) -> AttemptRecord {
        AttemptRecord {
            provider: self.provider.clone(),
            model: self.model.clone(),
            is_byok: false,
            status: 0,
            outcome,
            error: error.to_owned(),
            started_at: self.at,
            duration_us: 0,
            first_token_us: 0,
            usage: Usage::ZERO,
            usage_source: UsageSource::HoldAssumed,
            cost: self.held,
            held: self.held,
            is_unpriced: self.is_unpriced,
        }
    }
}

/// How far a running attempt has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What is held for it now.
    pub held: Money,
    /// Output tokens so far, estimated.
    pub output_tokens: u64,
}

/// An intent as its frame holds it. Nearly every attempt is seen to end, and then nobody needs to read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// Reads it.
    pub fn open(&self) -> Result<Intent, String> {
        let fields = self.0.get(1..).unwrap_or_default();
        parse::<IntentWire<'_>>(fields)?.into_intent()
    }
}

/// One record on its way into the journal.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// An attempt is about to be sent.
    Intent(&'a Intent),
    /// The same, written again.
    Sealed(&'a Sealed),
    /// An attempt goes on.
    Checkpoint(&'a Checkpoint),
    /// An attempt has ended and its request goes on with another.
    Ended(AttemptId, &'a AttemptRecord),
    /// A request has ended, with all its attempts.
    Request(&'a RequestRecord),
}

/// One record as it is read back.
#[derive(Clone, PartialEq, Debug)]
pub enum Owned {
    /// An attempt was about to be sent.
    Intent(AttemptId, Sealed),
    /// An attempt went on.
    Checkpoint(Checkpoint),
    /// An attempt ended and its request went on with another.
    Ended(AttemptId, Box<AttemptRecord>),
    /// A request ended, with all its attempts.
    Request(Box<RequestRecord>),
}

impl Record<'_> {
    /// Appends the record's bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Intent(intent) => write(out, INTENT, &IntentWire::of(intent)),
            Record::Sealed(intent) => out.extend_from_slice(&intent.0),
            Record::Checkpoint(checkpoint) => {
                let Checkpoint { attempt, held, output_tokens } = checkpoint;
                write(out, b'C', &(attempt_wire(*attempt), held.nano(), *output_tokens));
            }
            Record::Ended(attempt, record) => {
                write(out, b'G', &(attempt_wire(*attempt), AttemptWire::<Kinds>::of(record)));
            }
            Record::Request(record) => write(out, b'T', &RequestWire::<Kinds>::of(record)),
        }
    }
}

impl Owned {
    /// Reads a frame's payload.
    pub fn read(payload: &[u8], texts: &mut Texts) -> Result<Self, String> {
        let (kind, fields) = payload.split_first().ok_or("it is empty")?;
        match *kind {
            INTENT => {
                // The attempt is its first field.
                let attempt = postcard::take_from_bytes::<AttemptIdWire>(fields);
                let (attempt, _) = attempt.map_err(|error| error.to_string())?;
                Ok(Owned::Intent(attempt_of(attempt), Sealed(payload.into())))
            }
            b'C' => {
                let (attempt, held, output_tokens): (AttemptIdWire, i64, u64) = parse(fields)?;
                let (attempt, held) = (attempt_of(attempt), Money::from_nano(held));
                Ok(Owned::Checkpoint(Checkpoint { attempt, held, output_tokens }))
            }
            b'G' => ended::<Kinds>(fields, texts),
            b'T' => request::<Kinds>(fields, texts),
            b'F' => ended::<SecondKinds>(fields, texts),
            b'S' => request::<SecondKinds>(fields, texts),
            b'E' => ended::<FirstKinds>(fields, texts),
            b'R' => request::<FirstKinds>(fields, texts),
            other => Err(format!("its kind {other:?} is unknown")),
        }
    }
}

fn ended<'a, K: Into<Usage> + Deserialize<'a>>(fields: &'a [u8], texts: &mut Texts) -> Result<Owned, String> {
    let (attempt, record): (AttemptIdWire, AttemptWire<'a, K>) = parse(fields)?;
    Ok(Owned::Ended(attempt_of(attempt), Box::new(record.into_record(texts)?)))
}

fn request<'a, K: Into<Usage> + Deserialize<'a>>(
    fields: &'a [u8],
    texts: &mut Texts,
) -> Result<Owned, String> {
    Ok(Owned::Request(Box::new(parse::<RequestWire<'a, K>>(fields)?.into_record(texts)?)))
}

/// The letter of an intent.
const INTENT: u8 = b'I';

/// Texts that are remembered: the names of models and the like, which come again and again.
const TEXTS_MAX: usize = 1_000;
/// Longer texts are not: they are no names that come again.
const TEXT_BYTES_MAX: usize = 256;

/// Texts that were read before, to be shared.
#[derive(Default, Debug)]
pub struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn share(&mut self, text: &str) -> Arc<str> {
        if text.len() > TEXT_BYTES_MAX {
            return text.into();
        }
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        if self.0.len() >= TEXTS_MAX {
            self.0.clear();
        }
        let text: Arc<str> = text.into();
        self.0.insert(text.clone());
        text
    }
}

fn write(out: &mut Vec<u8>, kind: u8, fields: &impl Serialize) {
    out.push(kind);
    // Memory takes everything, and no field is of a kind that cannot be written.
    if let Ok(written) = postcard::to_extend(fields, std::mem::take(out)) {
        *out = written;
    }
}

fn parse<'a, T: Deserialize<'a>>(fields: &'a [u8]) -> Result<T, String> {
    postcard::from_bytes(fields).map_err(|error| error.to_string())
}

fn word<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// An id's bytes.
type Id = [u8; 16];
/// A request's id and the attempt's number.
type AttemptIdWire = (Id, u16);

fn attempt_wire(attempt: AttemptId) -> AttemptIdWire {
    (attempt.request.to_bytes(), attempt.number)
}

fn attempt_of((request, number): AttemptIdWire) -> AttemptId {
    AttemptId { request: RequestId::from_bytes(request), number }
}

/// A scope: which kind, and the id. The order is part of the layout.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum ScopeWire {
    Organization(Id),
    Project(Id),
    Group(Id),
    User(Id),
    ServiceAccount(Id),
    Key(Id),
}

impl From<&Scope> for ScopeWire {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Organization(id) => ScopeWire::Organization(id.to_bytes()),
            Scope::Project(id) => ScopeWire::Project(id.to_bytes()),
            Scope::Group(id) => ScopeWire::Group(id.to_bytes()),
            Scope::User(id) => ScopeWire::User(id.to_bytes()),
            Scope::ServiceAccount(id) => ScopeWire::ServiceAccount(id.to_bytes()),
            Scope::Key(id) => ScopeWire::Key(id.to_bytes()),
        }
    }
}

impl From<ScopeWire> for Scope {
    fn from(scope: ScopeWire) -> Self {
        match scope {
            ScopeWire::Organization(id) => Scope::Organization(OrgId::from_bytes(id)),
            ScopeWire::Project(id) => Scope::Project(ProjectId::from_bytes(id)),
            ScopeWire::Group(id) => Scope::Group(GroupId::from_bytes(id)),
            ScopeWire::User(id) => Scope::User(UserId::from_bytes(id)),
            ScopeWire::ServiceAccount(id) => Scope::ServiceAccount(ServiceAccountId::from_bytes(id)),
            ScopeWire::Key(id) => Scope::Key(KeyId::from_bytes(id)),
        }
    }
}

/// Scopes in their layout: those of a caller as they are written, and those that were read.
enum ScopesWire<'a> {
    Given(&'a [Scope]),
    Read(Vec<ScopeWire>),
}

impl Serialize for ScopesWire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ScopesWire::Given(scopes) => serializer.collect_seq(scopes.iter().map(ScopeWire::from)),
            ScopesWire::Read(scopes) => scopes.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ScopesWire<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(ScopesWire::Read)
    }
}

impl From<ScopesWire<'_>> for Arc<[Scope]> {
    fn from(scopes: ScopesWire<'_>) -> Self {
        match scopes {
            ScopesWire::Given(scopes) => scopes.into(),
            ScopesWire::Read(scopes) => scopes.into_iter().map(Scope::from).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct IntentWire<'a> {
    id: AttemptIdWire,
    at: i64,
    org: Id,
    key: Id,
    #[serde(borrow)]
    sc: ScopesWire<'a>,
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    mr: Cow<'a, str>,
    #[serde(borrow)]
    p: Cow<'a, str>,
    #[serde(borrow)]
    m: Cow<'a, str>,
    st: bool,
    he: i64,
    un: bool,
}

impl<'a> IntentWire<'a> {
    fn of(intent: &'a Intent) -> Self {
        Self {
            id: attempt_wire(intent.attempt),
            at: intent.at.unix_ms(),
            org: intent.org.to_bytes(),
            key: intent.key.to_bytes(),
            sc: ScopesWire::Given(&intent.scopes),
            op: intent.operation.as_str().into(),
            mr: (&*intent.model_requested).into(),
            p: (&*intent.provider).into(),
            m: (&*intent.model).into(),
            st: intent.is_stream,
            he: intent.held.nano(),
            un: intent.is_unpriced,
        }
    }

    fn into_intent(self) -> Result<Intent, String> {
        Ok(Intent {
            attempt: attempt_of(self.id),
            at: Timestamp::from_unix_ms(self.at),
            org: OrgId::from_bytes(self.org),
            key: KeyId::from_bytes(self.key),
            scopes: self.sc.into(),
            operation: word(&self.op)?,
            model_requested: self.mr.into(),
            provider: self.p.into(),
            model: self.m.into(),
            is_stream: self.st,
            held: Money::from_nano(self.he),
            is_unpriced: self.un,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct AttemptWire<'a, K> {
    #[serde(borrow)]
    p: Cow<'a, str>,
    #[serde(borrow)]
    m: Cow<'a, str>,
    by: bool,
    st: u16,
    #[serde(borrow)]
    oc: Cow<'a, str>,
    #[serde(borrow)]
    er: Cow<'a, str>,
    sa: i64,
    du: u64,
    ft: u64,
    us: K,
    #[serde(borrow)]
    so: Cow<'a, str>,
    co: i64,
    he: i64,
    un: bool,
}

impl<'a, K> AttemptWire<'a, K> {
    fn of(record: &'a AttemptRecord) -> Self
    where
        K: From<Usage>,
    {
        Self {
            p: (&*record.provider).into(),
            m: (&*record.model).into(),
            by: record.is_byok,
            st: record.status,
            oc: record.outcome.as_str().into(),
            er: record.error.as_str().into(),
            sa: record.started_at.unix_ms(),
            du: record.duration_us,
            ft: record.first_token_us,
            us: record.usage.into(),
            so: record.usage_source.as_str().into(),
            co: record.cost.nano(),
            he: record.held.nano(),
            un: record.is_unpriced,
        }
    }

    fn into_record(self, texts: &mut Texts) -> Result<AttemptRecord, String>
    where
        K: Into<Usage>,
    {
        Ok(AttemptRecord {
            provider: texts.share(&self.p),
            model: texts.share(&self.m),
            is_byok: self.by,
            status: self.st,
            outcome: word::<Outcome>(&self.oc)?,
            error: self.er.into_owned(),
            started_at: Timestamp::from_unix_ms(self.sa),
            duration_us: self.du,
            first_token_us: self.ft,
            usage: self.us.into(),
            usage_source: word::<UsageSource>(&self.so)?,
            cost: Money::from_nano(self.co),
            held: Money::from_nano(self.he),
            is_unpriced: self.un,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct MetadataWire {
    tags: Vec<String>,
    user: String,
    trace: String,
    extra: Vec<(String, String)>,
    referer: String,
    title: String,
}

impl MetadataWire {
    fn of(metadata: &Metadata) -> Self {
        let Metadata { tags, user_id, trace_id, extra, origin_referer, origin_title } = metadata.clone();
        Self { tags, user: user_id, trace: trace_id, extra, referer: origin_referer, title: origin_title }
    }

    fn into_metadata(self) -> Metadata {
        let Self { tags, user, trace, extra, referer, title } = self;
        Metadata { tags, user_id: user, trace_id: trace, extra, origin_referer: referer, origin_title: title }
    }
}

#[derive(Serialize, Deserialize)]
struct RequestWire<'a, K> {
    id: Id,
    org: Id,
    key: Id,
    #[serde(borrow)]
    sc: ScopesWire<'a>,
    #[serde(borrow)]
    op: Cow<'a, str>,
    at: i64,
    #[serde(borrow)]
    mr: Cow<'a, str>,
    st: u16,
    #[serde(borrow)]
    oc: Cow<'a, str>,
    #[serde(borrow)]
    ec: Cow<'a, str>,
    is: bool,
    #[serde(borrow)]
    fr: Cow<'a, str>,
    du: u64,
    ft: u64,
    #[serde(borrow)]
    ri: Cow<'a, str>,
    tc: Vec<String>,
    wa: Vec<String>,
    md: Option<MetadataWire>,
    #[serde(borrow)]
    tr: Vec<AttemptWire<'a, K>>,
}

impl<'a, K> RequestWire<'a, K> {
    fn of(record: &'a RequestRecord) -> Self
    where
        K: From<Usage>,
    {
        Self {
            id: record.id.to_bytes(),
            org: record.org.to_bytes(),
            key: record.key.to_bytes(),
            sc: ScopesWire::Given(&record.scopes),
            op: record.operation.as_str().into(),
            at: record.at.unix_ms(),
            mr: (&*record.model_requested).into(),
            st: record.status,
            oc: record.outcome.as_str().into(),
            ec: (&*record.error_code).into(),
            is: record.is_stream,
            fr: (&*record.finish_reason).into(),
            du: record.duration_us,
            ft: record.first_token_us,
            ri: record.response_id.as_str().into(),
            tc: record.tool_calls.clone(),
            wa: record.warnings.clone(),
            md: record.metadata.as_deref().map(MetadataWire::of),
            tr: record.attempts.iter().map(AttemptWire::of).collect(),
        }
    }

    fn into_record(self, texts: &mut Texts) -> Result<RequestRecord, String>
    where
        K: Into<Usage>,
    {
        let attempts = self.tr.into_iter().map(|attempt| attempt.into_record(texts));
        let attempts = attempts.collect::<Result<_, _>>()?;
        Ok(RequestRecord {
            id: RequestId::from_bytes(self.id),
            org: OrgId::from_bytes(self.org),
            key: KeyId::from_bytes(self.key),
            scopes: self.sc.into(),
            operation: word(&self.op)?,
            at: Timestamp::from_unix_ms(self.at),
            model_requested: texts.share(&self.mr),
            status: self.st,
            outcome: word::<Outcome>(&self.oc)?,
            error_code: Cow::Owned(self.ec.into_owned()),
            is_stream: self.is,
            finish_reason: texts.share(&self.fr),
            duration_us: self.du,
            first_token_us: self.ft,
            response_id: self.ri.into_owned(),
            tool_calls: self.tc,
            warnings: self.wa,
            metadata: self.md.map(|metadata| Box::new(metadata.into_metadata())),
            attempts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_texts_are_remembered() {
        let mut texts = Texts::default();
        for (bytes, is_shared) in [(TEXT_BYTES_MAX, true), (TEXT_BYTES_MAX + 1, false)] {
            let text = "m".repeat(bytes);
            let (first, second) = (texts.share(&text), texts.share(&text));
            assert_eq!((&*first, Arc::ptr_eq(&first, &second)), (text.as_str(), is_shared), "{bytes}");
        }
    }

    #[test]
    fn what_an_older_version_wrote_is_read() {
        let intent = Intent {
            attempt: AttemptId { request: RequestId::from_bytes([1; 16]), number: 1 },
            at: Timestamp::from_unix_ms(1),
            org: OrgId::from_bytes([2; 16]),
            key: KeyId::from_bytes([3; 16]),
            scopes: Arc::from([]),
            operation: Operation::Messages,
            model_requested: "p/m".into(),
            provider: "p".into(),
            model: "m".into(),
            is_stream: true,
            held: Money::from_nano(5),
            is_unpriced: false,
        };
        let usage = Usage { input: 300, images: 4, ..Usage::ZERO };
        let attempt = AttemptRecord { usage, ..intent.assumed(Outcome::Success, "") };
        let AttemptWire { p, m, by, st, oc, er, sa, du, ft, so, co, he, un, .. } =
            AttemptWire::<Kinds>::of(&attempt);
        let read = |bytes: &[u8]| Owned::read(bytes, &mut Texts::default()).unwrap();
        let mut first = [0; 12];
        first.copy_from_slice(&usage.to_array()[..12]);
        let us = FirstKinds(first);
        let first = AttemptWire { p, m, by, st, oc, er, sa, du, ft, us, so, co, he, un };
        let mut bytes = Vec::new();
        write(&mut bytes, b'E', &(attempt_wire(intent.attempt), first));
        assert_eq!(read(&bytes), Owned::Ended(intent.attempt, Box::new(attempt.clone())));

        let AttemptWire { p, m, by, st, oc, er, sa, du, ft, so, co, he, un, .. } =
            AttemptWire::<Kinds>::of(&attempt);
        let mut second = [0; 15];
        second.copy_from_slice(&usage.to_array()[..15]);
        let us = SecondKinds(second);
        let second = AttemptWire { p, m, by, st, oc, er, sa, du, ft, us, so, co, he, un };
        let mut bytes = Vec::new();
        write(&mut bytes, b'F', &(attempt_wire(intent.attempt), second));
        assert_eq!(read(&bytes), Owned::Ended(intent.attempt, Box::new(attempt)));
    }
}
