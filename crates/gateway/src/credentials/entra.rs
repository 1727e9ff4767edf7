//! Microsoft Entra: applications with a secret or a federated token, and managed identities of machines.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow> and
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>, as of 2026-11-26.

use super::exchange::BYTES_MAX;
use super::kept::Kept;
use super::{CredentialError, Exchange, Reader, bearer, form, parsed};
use bytes::Bytes;
use domain::Secret;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use std::time::Duration;

/// Where tokens are given, unless the settings say otherwise: the public cloud.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";
/// Where a machine in Azure is told who it is.
const MACHINE: &str = "http://169.254.169.254";
/// What a token is for.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const RESOURCE: &str = "https://cognitiveservices.azure.com";

/// How an application shows that it is itself.
pub enum Proof {
    /// By a secret.
    Secret(Secret<String>),
    /// By a token of somebody whom Entra trusts, such as a cluster.
    Federated(Reader),
}

/// An identity in a tenant.
pub struct Entra {
    who: Who,
    kept: Kept<HeaderValue>,
}

enum Who {
    Application { address: Uri, client_id: String, proof: Proof },
    Machine { address: Uri },
}

impl std::fmt::Debug for Entra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entra").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Seconds,
}

/// Entra writes a number, the machine's service the same as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Entra {
    /// An application of a tenant. `authority` is where its tokens are given.
    pub fn application(
        authority: &str,
        tenant_id: &str,
        client_id: String,
        proof: Proof,
    ) -> Result<Self, CredentialError> {
        let address = format!("{}/{tenant_id}/oauth2/v2.0/token", authority.trim_end_matches('/'));
        let address = parsed(&address)?;
        Ok(Self { who: Who::Application { address, client_id, proof }, kept: Kept::default() })
    }

    /// The identity of the machine; where it has several, the one of this client id.
    pub fn of_machine(client_id: Option<&str>) -> Result<Self, CredentialError> {
        let query = form(&[("api-version", "2018-02-01"), ("resource", RESOURCE)]);
        let which = client_id.map(|id| format!("&{}", form(&[("client_id", id)]))).unwrap_or_default();
        let address = parsed(&format!("{MACHINE}/metadata/identity/oauth2/token?{query}{which}"))?;
        Ok(Self { who: Who::Machine { address }, kept: Kept::default() })
    }

    pub(super) async fn bearer(&self, exchange: &Exchange) -> Result<HeaderValue, CredentialError> {
        self.kept.get(|| self.fetch(exchange)).await
    }

    async fn fetch(&self, exchange: &Exchange) -> Result<(HeaderValue, Duration), CredentialError> {
        let answer = exchange.send(self.who.request()?, BYTES_MAX).await?;
        let token: Token = serde_json::from_slice(&answer)
            .map_err(|_| CredentialError("Entra answered with something that is no token".to_owned()))?;
        let seconds = match token.expires_in {
            Seconds::Number(seconds) => seconds,
            Seconds::Text(text) => text.parse().unwrap_or(0),
        };
        Ok((bearer(&token.access_token)?, Duration::from_secs(seconds)))
    }
}

impl Who {
    fn request(&self) -> Result<Request<Full<Bytes>>, CredentialError> {
        let (builder, body) = match self {
            Who::Machine { address } => {
                (Request::get(address.clone()).header("metadata", "true"), String::new())
            }
            Who::Application { address, client_id, proof } => {
                let common =
                    form(&[("client_id", client_id), ("grant_type", "client_credentials"), ("scope", SCOPE)]);
                let own = match proof {
                    Proof::Secret(secret) => form(&[("client_secret", secret.expose())]),
                    Proof::Federated(read) => {
                        let token = read().map_err(|error| {
                            CredentialError(format!("the federated token cannot be read: {error}"))
                        })?;
                        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                        form(&[("client_assertion_type", kind), ("client_assertion", token.trim())])
                    }
                };
                let builder =
                    Request::post(address.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                (builder, format!("{common}&{own}"))
            }
        };
        builder.body(Full::new(body.into())).map_err(|_| CredentialError("not a request".to_owned()))
    }
}
