//! Google Cloud: service accounts, and what the machine or its user is there (`gcp_auth`).

use super::kept::Kept;
use super::{CredentialError, bearer};
use domain::{Secret, Timestamp};
use gcp_auth::{CustomServiceAccount, TokenProvider};
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// What tokens are for (<https://cloud.google.com/vertex-ai/docs/authentication>, read 2026-11-26).
const SCOPES: [&str; 1] = ["https://www.googleapis.com/auth/cloud-platform"];

/// Where tokens come from.
#[derive(Default)]
pub struct Google {
    source: OnceCell<Arc<dyn TokenProvider>>,
    kept: Kept<HeaderValue>,
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Google").finish_non_exhaustive()
    }
}

impl Google {
    /// A service account, by the JSON of its key.
    pub fn service_account(json: &Secret<String>) -> Result<Self, CredentialError> {
        // The library's own words might quote the key.
        let account = CustomServiceAccount::from_json(json.expose())
            .map_err(|_| CredentialError("this is not the JSON key of a service account".to_owned()))?;
        Ok(Self { source: OnceCell::new_with(Some(Arc::new(account))), ..Self::default() })
    }

    /// Whatever the machine offers: the user's own login, or the account of the instance.
    pub fn of_machine() -> Self {
        Self::default()
    }

    pub(super) async fn bearer(&self, now: Timestamp) -> Result<HeaderValue, CredentialError> {
        self.kept.get(|| self.fetch(now)).await
    }

    async fn fetch(&self, now: Timestamp) -> Result<(HeaderValue, Duration), CredentialError> {
        let fault = |error: gcp_auth::Error| CredentialError(format!("Google: {error}"));
        let source = self.source.get_or_try_init(gcp_auth::provider).await.map_err(fault)?;
        let token = source.token(&SCOPES).await.map_err(fault)?;
        let seconds = token.expires_at().timestamp().saturating_sub(now.unix_seconds());
        Ok((bearer(token.as_str())?, Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }
}
