//! Identities that providers take in place of keys: from the file, and from the variables of the vendors' own tools.

use super::providers::KeyText;
use super::{ConfigError, Environment, aws};
use domain::Secret;
use gateway::credentials::{AUTHORITY, Credential, CredentialError, Entra, Google, Proof};
use llm::provider::{Identity, ProviderSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The place that requests to AWS are signed for.
pub(super) const REGION: &str = "region";

/// `[providers.identity]`: who we are for a provider that knows identities.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// Google: the JSON key of a service account. Not given: `GOOGLE_APPLICATION_CREDENTIALS`, or what the machine is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// Entra: the tenant of an application. Not given: `AZURE_TENANT_ID`, or the identity of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Entra: the application, or which of the machine's identities. Not given: `AZURE_CLIENT_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Entra: the variable that holds the application's secret. Not given: `AZURE_CLIENT_SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// Entra: the secret, where it must stand in the file.
    #[serde(default, skip_serializing)]
    pub client_secret: Option<KeyText>,
    /// Entra: the file of a federated token. Not given: `AZURE_FEDERATED_TOKEN_FILE`. AWS: that of a web identity. Not
    /// given: `AWS_WEB_IDENTITY_TOKEN_FILE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated_token_file: Option<PathBuf>,
    /// Entra: where tokens are given. Not given: `AZURE_AUTHORITY_HOST`, or the public cloud. AWS: where roles are taken
    /// on. Not given: `AWS_ENDPOINT_URL_STS`, or the region's STS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// AWS: an access key. Not given: what AWS's own tools would use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// AWS: the variable that holds the access key's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key_env: Option<String>,
    /// AWS: the secret, where it must stand in the file.
    #[serde(default, skip_serializing)]
    pub secret_access_key: Option<KeyText>,
    /// AWS: a profile of its shared files. Not given: `AWS_PROFILE`, after the variables of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// AWS: a role that is taken on with those keys. Not given: none, or `AWS_ROLE_ARN` with the token of a web identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// AWS: what the role's owner wants to hear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// The identity of a provider without a key. `None`: it has none, or needs none.
pub fn of(
    spec: &ProviderSpec,
    name: &str,
    settings: Option<&IdentitySettings>,
    places: &BTreeMap<String, String>,
    environment: &Environment,
) -> Result<Option<Credential>, ConfigError> {
    let fault = |reason: String| ConfigError::Provider { name: name.to_owned(), reason };
    let made = match (spec.identity, settings) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(fault("this kind knows no identities, only keys".to_owned())),
        (Some(Identity::Google), settings) => {
            google(settings.and_then(|settings| settings.credentials_file.clone()), environment)
                .map(|google| Some(Credential::Google(google)))
        }
        (Some(Identity::Aws), settings) => {
            let default =
                spec.places.iter().find(|place| place.name == REGION).and_then(|place| place.default);
            let region = places.get(REGION).map(String::as_str).or(default).unwrap_or_default();
            aws::of(settings, region, environment).map(|aws| Some(Credential::Aws(aws)))
        }
        (Some(Identity::Entra), settings) => entra(settings, environment).map(|e| e.map(Credential::Entra)),
    };
    made.map_err(|error| fault(error.0))
}

fn google(file: Option<PathBuf>, environment: &Environment) -> Result<Google, CredentialError> {
    let usual = || environment.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let Some(path) = file.or_else(usual) else { return Ok(Google::of_machine()) };
    let json = std::fs::read_to_string(&path).map_err(|error| {
        CredentialError(format!("the credentials file {} cannot be read: {error}", path.display()))
    })?;
    Google::service_account(&Secret::new(json))
}

/// `None`: nobody says that there is an identity.
fn entra(
    settings: Option<&IdentitySettings>,
    environment: &Environment,
) -> Result<Option<Entra>, CredentialError> {
    let is_asked = settings.is_some();
    let settings = settings.cloned().unwrap_or_default();
    let of = |given: Option<String>, variable| given.or_else(|| environment.get(variable).map(str::to_owned));
    let client_id = of(settings.client_id, "AZURE_CLIENT_ID");
    let Some(tenant_id) = of(settings.tenant_id, "AZURE_TENANT_ID") else {
        return if is_asked { Entra::of_machine(client_id.as_deref()).map(Some) } else { Ok(None) };
    };
    let missing = |what: &str| CredentialError(format!("the identity needs {what}"));
    let client_id = client_id.ok_or_else(|| missing("`client_id`, or AZURE_CLIENT_ID"))?;
    let secret =
        match (settings.client_secret, settings.client_secret_env) {
            (Some(KeyText(secret)), _) => Some(secret),
            (None, Some(variable)) => {
                let secret = environment.get(&variable).map(|text| Secret::new(text.to_owned()));
                Some(secret.ok_or_else(|| {
                    missing("its `client_secret_env`, which names a variable that is not set")
                })?)
            }
            (None, None) => environment.get("AZURE_CLIENT_SECRET").map(|text| Secret::new(text.to_owned())),
        };
    let usual = || environment.get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
    let proof = match (secret, settings.federated_token_file.or_else(usual)) {
        (Some(secret), _) => Proof::Secret(secret),
        (None, Some(path)) => Proof::Federated(Arc::new(move || std::fs::read_to_string(&path))),
        (None, None) => return Err(missing("a secret or a federated token")),
    };
    let authority = of(settings.authority, "AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
    Entra::application(&authority, &tenant_id, client_id, proof).map(Some)
}
