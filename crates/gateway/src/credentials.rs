//! What proves to a provider that we may, where that is no key: tokens of an identity, fetched ahead of their end.

mod entra;
mod exchange;
mod google;
mod kept;

pub use entra::{AUTHORITY, Entra, Proof, Reader};
pub use exchange::Exchange;
pub use google::Google;

use domain::Timestamp;
use http::HeaderValue;

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
}

impl Credential {
    /// The value of `authorization` for a call now. Waits where there is no token yet.
    pub async fn bearer(&self, exchange: &Exchange, now: Timestamp) -> Result<HeaderValue, CredentialError> {
        match self {
            Credential::Google(google) => google.bearer(now).await,
            Credential::Entra(entra) => entra.bearer(exchange).await,
        }
    }
}

/// `Bearer …`, not to be logged.
fn bearer(token: &str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| CredentialError("the token cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
