//! What the journal's frames hold: one letter for the kind, then JSON.
//!
//! JSON because a journal that an older version left behind must be read by a newer one: fields are added
//! with a default, never renamed. Names are short, since every call writes them.

use domain::record::{AttemptRecord, Metadata, Operation, Outcome, RequestRecord};
use domain::{AttemptId, KeyId, Money, OrgId, RequestId, Scope, Timestamp, Usage, UsageSource};
use serde::{Deserialize, Serialize};
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

/// One record on its way into the journal.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// An attempt is about to be sent.
    Intent(&'a Intent),
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
    Intent(Intent),
    /// An attempt went on.
    Checkpoint(Checkpoint),
    /// An attempt ended and its request went on with another.
    Ended(AttemptId, AttemptRecord),
    /// A request ended, with all its attempts.
    Request(Box<RequestRecord>),
}

impl Record<'_> {
    /// Appends the record's bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail, and every key is a text.
        let _ = match self {
            Record::Intent(intent) => {
                out.push(b'I');
                serde_json::to_writer(out, &IntentWire::of(intent))
            }
            Record::Checkpoint(checkpoint) => {
                out.push(b'C');
                let Checkpoint { attempt, held, output_tokens } = checkpoint;
                serde_json::to_writer(out, &(Id(*attempt), held.nano(), output_tokens))
            }
            Record::Ended(attempt, record) => {
                out.push(b'E');
                serde_json::to_writer(out, &(Id(*attempt), AttemptWire::of(record)))
            }
            Record::Request(record) => {
                out.push(b'R');
                serde_json::to_writer(out, &RequestWire::of(record))
            }
        };
    }
}

impl Owned {
    /// Reads a frame's payload.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let (kind, json) = payload.split_first().ok_or("it is empty")?;
        match kind {
            b'I' => parse::<IntentWire<'_>>(json)?.into_intent().map(Owned::Intent),
            b'C' => {
                let (Id(attempt), held, output_tokens) = parse(json)?;
                Ok(Owned::Checkpoint(Checkpoint { attempt, held: Money::from_nano(held), output_tokens }))
            }
            b'E' => {
                let (Id(attempt), record): (Id<AttemptId>, AttemptWire<'_>) = parse(json)?;
                Ok(Owned::Ended(attempt, record.into_record()?))
            }
            b'R' => Ok(Owned::Request(Box::new(parse::<RequestWire<'_>>(json)?.into_record()?))),
            other => Err(format!("its kind {other:?} is unknown")),
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

fn word<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// An id as its text.
#[derive(Clone, Copy, Debug)]
struct Id<T>(T);

impl<T: std::fmt::Display> Serialize for Id<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Id<T>
where
    T::Err: std::fmt::Display,
{
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Id).map_err(serde::de::Error::custom)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn scopes_wire(scopes: &[Scope]) -> Vec<Id<Scope>> {
    scopes.iter().copied().map(Id).collect()
}

fn scopes_of(wire: &[Id<Scope>]) -> Arc<[Scope]> {
    wire.iter().map(|Id(scope)| *scope).collect()
}

#[derive(Serialize, Deserialize)]
struct IntentWire<'a> {
    id: Id<AttemptId>,
    at: i64,
    org: Id<OrgId>,
    key: Id<KeyId>,
    sc: Vec<Id<Scope>>,
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    mr: Cow<'a, str>,
    #[serde(borrow)]
    p: Cow<'a, str>,
    #[serde(borrow)]
    m: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    st: bool,
    he: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    un: bool,
}

impl<'a> IntentWire<'a> {
    fn of(intent: &'a Intent) -> Self {
        Self {
            id: Id(intent.attempt),
            at: intent.at.unix_ms(),
            org: Id(intent.org),
            key: Id(intent.key),
            sc: scopes_wire(&intent.scopes),
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
            attempt: self.id.0,
            at: Timestamp::from_unix_ms(self.at),
            org: self.org.0,
            key: self.key.0,
            scopes: scopes_of(&self.sc),
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
struct AttemptWire<'a> {
    #[serde(borrow)]
    p: Cow<'a, str>,
    #[serde(borrow)]
    m: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    by: bool,
    st: u16,
    #[serde(borrow)]
    oc: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    er: Cow<'a, str>,
    sa: i64,
    du: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    ft: u64,
    us: [u64; 12],
    #[serde(borrow)]
    so: Cow<'a, str>,
    co: i64,
    he: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    un: bool,
}

impl<'a> AttemptWire<'a> {
    fn of(record: &'a AttemptRecord) -> Self {
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
            us: record.usage.to_array(),
            so: record.usage_source.as_str().into(),
            co: record.cost.nano(),
            he: record.held.nano(),
            un: record.is_unpriced,
        }
    }

    fn into_record(self) -> Result<AttemptRecord, String> {
        Ok(AttemptRecord {
            provider: self.p.into(),
            model: self.m.into(),
            is_byok: self.by,
            status: self.st,
            outcome: word::<Outcome>(&self.oc)?,
            error: self.er.into_owned(),
            started_at: Timestamp::from_unix_ms(self.sa),
            duration_us: self.du,
            first_token_us: self.ft,
            usage: Usage::from_array(self.us),
            usage_source: word::<UsageSource>(&self.so)?,
            cost: Money::from_nano(self.co),
            held: Money::from_nano(self.he),
            is_unpriced: self.un,
        })
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct MetadataWire {
    #[serde(skip_serializing_if = "is_default")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    user: String,
    #[serde(skip_serializing_if = "is_default")]
    trace: String,
    #[serde(skip_serializing_if = "is_default")]
    extra: Vec<(String, String)>,
    #[serde(skip_serializing_if = "is_default")]
    referer: String,
    #[serde(skip_serializing_if = "is_default")]
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
struct RequestWire<'a> {
    id: Id<RequestId>,
    org: Id<OrgId>,
    key: Id<KeyId>,
    sc: Vec<Id<Scope>>,
    #[serde(borrow)]
    op: Cow<'a, str>,
    at: i64,
    #[serde(borrow)]
    mr: Cow<'a, str>,
    st: u16,
    #[serde(borrow)]
    oc: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    ec: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    is: bool,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    fr: Cow<'a, str>,
    du: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    ft: u64,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    ri: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    tc: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    wa: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md: Option<MetadataWire>,
    #[serde(borrow, default)]
    tr: Vec<AttemptWire<'a>>,
}

impl<'a> RequestWire<'a> {
    fn of(record: &'a RequestRecord) -> Self {
        Self {
            id: Id(record.id),
            org: Id(record.org),
            key: Id(record.key),
            sc: scopes_wire(&record.scopes),
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

    fn into_record(self) -> Result<RequestRecord, String> {
        Ok(RequestRecord {
            id: self.id.0,
            org: self.org.0,
            key: self.key.0,
            scopes: scopes_of(&self.sc),
            operation: word(&self.op)?,
            at: Timestamp::from_unix_ms(self.at),
            model_requested: self.mr.into(),
            status: self.st,
            outcome: word::<Outcome>(&self.oc)?,
            error_code: Cow::Owned(self.ec.into_owned()),
            is_stream: self.is,
            finish_reason: self.fr.into(),
            duration_us: self.du,
            first_token_us: self.ft,
            response_id: self.ri.into_owned(),
            tool_calls: self.tc,
            warnings: self.wa,
            metadata: self.md.map(|metadata| Box::new(metadata.into_metadata())),
            attempts: self.tr.into_iter().map(AttemptWire::into_record).collect::<Result<_, _>>()?,
        })
    }
}
