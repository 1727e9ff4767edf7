//! Amazon Web Services: keys that sign each request, and where they come from.
//!
//! Keys are given, or fetched and kept: a role taken on at STS with other keys or with a token of somebody whom AWS
//! trusts, the service beside a container, the service of a machine. Files and variables are read elsewhere.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>, read 2026-11-26.

mod machine;
mod sign;
mod sts;

use super::kept::Kept;
use super::{CredentialError, Exchange, Reader};
use bytes::Bytes;
use domain::{Secret, Timestamp};
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use sign::Signing;
use std::sync::Arc;
use std::time::Duration;

pub(super) use sts::element;

/// The service that requests to models are signed for, whichever host they go to.
const SERVICE: &str = "bedrock";

/// An access key and its secret; with a session's token where they are good for a while only.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Names the key.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: Secret<String>,
    /// Goes along with each request.
    pub session_token: Option<Secret<String>>,
}

/// A role to be taken on.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name in all of AWS: `arn:aws:iam::…`.
    pub arn: String,
    /// What the session is called in AWS's logs.
    pub session_name: String,
    /// What its owner wants to hear, where that is agreed.
    pub external_id: Option<String>,
}

/// Where keys come from.
pub enum KeySource {
    /// They are known.
    Given(Keys),
    /// STS gives them for a token of somebody whom AWS trusts.
    WebIdentity {
        /// The role that is taken on.
        role: Role,
        /// Reads the token, which its issuer replaces.
        token: Reader,
    },
    /// STS gives them for other keys.
    Assumed {
        /// The role that is taken on.
        role: Role,
        /// Where those keys come from.
        base: Box<KeySource>,
    },
    /// The service beside a container gives them.
    Container {
        /// Where it is.
        address: String,
        /// Reads what it wants to see in `authorization`.
        token: Option<Reader>,
    },
    /// The service of a machine in EC2 gives them.
    Machine,
}

/// Who signs, for which region.
pub struct Aws {
    region: String,
    sts: String,
    source: KeySource,
    kept: Kept<Arc<Keys>>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A request that is about to be sent.
#[derive(Debug)]
pub struct Unsigned<'a> {
    /// Its method.
    pub method: Method,
    /// Its whole address.
    pub uri: &'a Uri,
    /// Its body, in order.
    pub body: &'a [Bytes],
    /// The region it goes to, where that is not the identity's own.
    pub region: Option<&'a str>,
}

impl Aws {
    /// An identity for a region. `sts` is where roles are taken on; not given: that region's own service.
    pub fn new(region: &str, sts: Option<&str>, source: KeySource) -> Self {
        let sts = sts.map_or_else(|| format!("https://sts.{region}.{}", domain_of(region)), str::to_owned);
        Self { region: region.to_owned(), sts, source, kept: Kept::default() }
    }

    /// Signs a request. Waits where there are no keys yet.
    pub(super) async fn sign(
        &self,
        exchange: &Exchange,
        now: Timestamp,
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), CredentialError> {
        let keys = match &self.source {
            KeySource::Given(keys) => {
                return self.signing_for(request.region, keys, now).sign(request, headers);
            }
            KeySource::WebIdentity { .. }
            | KeySource::Assumed { .. }
            | KeySource::Container { .. }
            | KeySource::Machine => self.kept.get(|| self.fetch(exchange, now)).await?,
        };
        self.signing_for(request.region, &keys, now).sign(request, headers)
    }

    fn signing<'a>(&'a self, keys: &'a Keys, service: &'a str, now: Timestamp) -> Signing<'a> {
        Signing { keys, region: &self.region, service, now }
    }

    fn signing_for<'a>(&'a self, region: Option<&'a str>, keys: &'a Keys, now: Timestamp) -> Signing<'a> {
        Signing { keys, region: region.unwrap_or(&self.region), service: SERVICE, now }
    }

    async fn fetch(
        &self,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Result<(Arc<Keys>, Duration), CredentialError> {
        let (keys, good_for) = match &self.source {
            KeySource::Assumed { role, base } => {
                let (keys, _) = self.fetch_plain(base, exchange, now).await?;
                let signing = self.signing(&keys, "sts", now);
                sts::assume(exchange, &self.sts, role, &signing).await?
            }
            source @ (KeySource::Given(_)
            | KeySource::WebIdentity { .. }
            | KeySource::Container { .. }
            | KeySource::Machine) => self.fetch_plain(source, exchange, now).await?,
        };
        Ok((Arc::new(keys), good_for))
    }

    /// Keys that need no others.
    async fn fetch_plain(
        &self,
        source: &KeySource,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Result<(Keys, Duration), CredentialError> {
        match source {
            KeySource::Given(keys) => Ok((keys.clone(), Duration::MAX)),
            KeySource::WebIdentity { role, token } => {
                let token = read(token, "the web identity token")?;
                sts::assume_with_token(exchange, &self.sts, role, &token, now).await
            }
            KeySource::Container { address, token } => {
                let token = token.as_ref().map(|token| read(token, "the container's token")).transpose()?;
                machine::of_container(exchange, address, token, now).await
            }
            KeySource::Machine => machine::of_machine(exchange, now).await,
            // The settings know one role; a chain of them is made where the keys come from.
            KeySource::Assumed { .. } => {
                Err(CredentialError("a role is not taken on with another one's keys".to_owned()))
            }
        }
    }
}

fn read(reader: &Reader, what: &str) -> Result<String, CredentialError> {
    let text = reader().map_err(|error| CredentialError(format!("{what} cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

/// Where AWS's hosts of a region end (<https://docs.aws.amazon.com/general/latest/gr/sts.html>, not read again for this).
fn domain_of(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Keys as the services of containers and machines write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: String,
}

impl Written {
    fn into_keys(self, now: Timestamp) -> Result<(Keys, Duration), CredentialError> {
        let ends = self.expiration.parse::<jiff::Timestamp>();
        let ends = ends.map_err(|_| CredentialError("AWS gave keys without an end".to_owned()))?;
        let seconds = ends.as_second().saturating_sub(now.unix_seconds());
        let keys = Keys {
            access_key_id: self.access_key_id,
            secret_access_key: Secret::new(self.secret_access_key),
            session_token: self.token.map(Secret::new),
        };
        Ok((keys, Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }
}
