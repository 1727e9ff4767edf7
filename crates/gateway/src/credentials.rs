//! What proves to a provider that we may, where that is no key: tokens of an identity, fetched ahead of their end, and
//! signatures.

mod aws;
mod entra;
mod exchange;
mod google;
mod kept;

pub use aws::{Aws, KeySource, Keys, Role, Unsigned};
pub use entra::{AUTHORITY, Entra, Proof};
pub use exchange::Exchange;
pub use google::Google;

use domain::Timestamp;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use std::sync::Arc;

/// Reads a file anew: whoever issues tokens in files replaces them.
pub type Reader = Arc<dyn Fn() -> std::io::Result<String> + Send + Sync>;

/// Why there is no token. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// An identity that providers know, beside keys.
#[derive(Debug)]
pub enum Credential {
    /// A service account of Google Cloud, or what the machine is there.
    Google(Google),
    /// An application or a managed identity of Microsoft Entra.
    Entra(Entra),
    /// Access keys of Amazon Web Services, which sign.
    Aws(Aws),
}

impl Credential {
    /// Writes into the headers of a request what it needs to be sent now. Waits where there is no token yet.
    pub async fn authorize(
        &self,
        exchange: &Exchange,
        now: Timestamp,
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), CredentialError> {
        let bearer = match self {
            Credential::Google(google) => google.bearer(now).await?,
            Credential::Entra(entra) => entra.bearer(exchange).await?,
            Credential::Aws(aws) => return aws.sign(exchange, now, request, headers).await,
        };
        headers.insert(AUTHORIZATION, bearer);
        Ok(())
    }
}

/// `Bearer …`, not to be logged.
fn bearer(token: &str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| CredentialError("the token cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn parsed(address: &str) -> Result<Uri, CredentialError> {
    let uri = address.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    uri.ok_or_else(|| CredentialError(format!("not an address: {address}")))
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
