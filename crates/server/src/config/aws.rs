//! Access keys of AWS: from the settings, and from the variables and files of AWS's own tools.
//!
//! What the settings name comes first. Else the order is that of AWS's SDKs: variables, a token of a web identity, the
//! shared files, the service beside a container, that of the machine
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>, read 2026-11-26).

use super::Environment;
use super::identity::IdentitySettings;
use super::providers::KeyText;
use domain::Secret;
use gateway::credentials::{Aws, CredentialError, KeySource, Keys, Reader, Role};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const SESSION_NAME: &str = "signalbox";
/// Where a container's service is, for addresses without a host.
const CONTAINER: &str = "http://169.254.170.2";
/// Fields of a profile that say where its keys come from, whether that is followed here or not
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>, not read again for this).
const KEY_FIELDS: [&str; 6] = [
    "aws_access_key_id",
    "role_arn",
    "web_identity_token_file",
    "credential_process",
    "sso_session",
    "sso_start_url",
];
/// Profiles that take their keys from one another, at the most.
const PROFILES_MAX: usize = 4;

/// Who signs, for a region.
pub(super) fn of(
    settings: Option<&IdentitySettings>,
    region: &str,
    environment: &Environment,
) -> Result<Aws, CredentialError> {
    let settings = settings.cloned().unwrap_or_default();
    let chain = Chain { settings: &settings, environment };
    let mut source = chain.source()?;
    if let Some(role) = chain.role().filter(|_| settings.role_arn.is_some()) {
        let is_taken_on = matches!(source, KeySource::WebIdentity { .. });
        if matches!(source, KeySource::Assumed { .. }) {
            return Err(CredentialError(
                "`role_arn` and a profile with a role exclude each other".to_owned(),
            ));
        }
        if !is_taken_on {
            source = KeySource::Assumed { role, base: Box::new(source) };
        }
    }
    let sts = settings.authority.as_deref().or_else(|| environment.get("AWS_ENDPOINT_URL_STS"));
    Ok(Aws::new(region, sts, source))
}

/// The region that AWS's files tell of the profile that counts. None: they tell none.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html>, not read again for this.
pub(super) fn region(settings: Option<&IdentitySettings>, environment: &Environment) -> Option<String> {
    let settings = settings.cloned().unwrap_or_default();
    let chain = Chain { settings: &settings, environment };
    let named = settings.profile.as_deref().or_else(|| environment.get("AWS_PROFILE"));
    let profile = chain.files()?.0.remove(named.unwrap_or("default"))?;
    profile.get("region").filter(|region| !region.is_empty()).cloned()
}

struct Chain<'a> {
    settings: &'a IdentitySettings,
    environment: &'a Environment,
}

impl Chain<'_> {
    fn source(&self) -> Result<KeySource, CredentialError> {
        if let Some(keys) = self.given()? {
            return Ok(KeySource::Given(keys));
        }
        if let Some(profile) = &self.settings.profile {
            return self.profile(profile);
        }
        if self.settings.federated_token_file.is_none()
            && let Some(keys) = self.of_variables()
        {
            return Ok(KeySource::Given(keys));
        }
        if let Some(source) = self.web_identity()? {
            return Ok(source);
        }
        let named = self.environment.get("AWS_PROFILE");
        if named.is_some() || self.files().is_some_and(|files| files.has_keys("default")) {
            return self.profile(named.unwrap_or("default"));
        }
        Ok(self.container().unwrap_or(KeySource::Machine))
    }

    fn given(&self) -> Result<Option<Keys>, CredentialError> {
        let settings = self.settings;
        let Some(id) = &settings.access_key_id else { return Ok(None) };
        let secret = match (&settings.secret_access_key, &settings.secret_access_key_env) {
            (Some(KeyText(secret)), _) => Some(secret.clone()),
            (None, Some(variable)) => self.variable(variable),
            (None, None) => None,
        };
        let missing = || {
            CredentialError(
                "`access_key_id` needs `secret_access_key_env`, a variable that is set, or `secret_access_key`"
                    .to_owned(),
            )
        };
        Ok(Some(Keys {
            access_key_id: id.clone(),
            secret_access_key: secret.ok_or_else(missing)?,
            session_token: None,
        }))
    }

    fn of_variables(&self) -> Option<Keys> {
        Some(Keys {
            access_key_id: self.environment.get("AWS_ACCESS_KEY_ID")?.to_owned(),
            secret_access_key: self.variable("AWS_SECRET_ACCESS_KEY")?,
            session_token: self.variable("AWS_SESSION_TOKEN"),
        })
    }

    fn variable(&self, name: &str) -> Option<Secret<String>> {
        self.environment.get(name).map(|text| Secret::new(text.to_owned()))
    }

    /// The role of the settings, or the one that belongs to a token.
    fn role(&self) -> Option<Role> {
        let arn = self.settings.role_arn.as_deref().or_else(|| self.environment.get("AWS_ROLE_ARN"))?;
        Some(self.role_of(arn.to_owned(), self.settings.external_id.clone()))
    }

    fn role_of(&self, arn: String, external_id: Option<String>) -> Role {
        let session_name = self.environment.get("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION_NAME);
        Role { arn, session_name: session_name.to_owned(), external_id }
    }

    fn web_identity(&self) -> Result<Option<KeySource>, CredentialError> {
        let usual = || self.environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from);
        let Some(path) = self.settings.federated_token_file.clone().or_else(usual) else { return Ok(None) };
        let missing = || CredentialError("a web identity needs `role_arn`, or AWS_ROLE_ARN".to_owned());
        let role = self.role().ok_or_else(missing)?;
        Ok(Some(KeySource::WebIdentity { role, token: reader(path) }))
    }

    fn container(&self) -> Option<KeySource> {
        let get = |name| self.environment.get(name);
        let relative = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
        let address = relative.or_else(|| get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned))?;
        let file = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| reader(path.into()));
        let text = || {
            let token = self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")?;
            let read: Reader = Arc::new(move || Ok(token.expose().clone()));
            Some(read)
        };
        Some(KeySource::Container { address, token: file.or_else(text) })
    }

    /// The shared files, as far as they can be read.
    fn files(&self) -> Option<Profiles> {
        let home = self.environment.get("HOME").or_else(|| self.environment.get("USERPROFILE"));
        let path = |variable, name: &str| {
            let given = self.environment.get(variable).map(PathBuf::from);
            given.or_else(|| Some(PathBuf::from(home?).join(".aws").join(name)))
        };
        let text = |path: Option<PathBuf>| std::fs::read_to_string(path?).ok();
        let credentials = text(path("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
        let config = text(path("AWS_CONFIG_FILE", "config"));
        if credentials.is_none() && config.is_none() {
            return None;
        }
        Some(Profiles::read(&config.unwrap_or_default(), &credentials.unwrap_or_default()))
    }

    fn profile(&self, name: &str) -> Result<KeySource, CredentialError> {
        let missing = |name: &str| CredentialError(format!("AWS's files have no profile `{name}`"));
        let files = self.files().ok_or_else(|| missing(name))?;
        let mut at = name.to_owned();
        let mut role = None;
        for _ in 0..PROFILES_MAX {
            let profile = files.0.get(&at).ok_or_else(|| missing(&at))?;
            let get = |key: &str| profile.get(key).cloned();
            let keys = get("aws_access_key_id").zip(get("aws_secret_access_key"));
            // A role's own keys are those it is taken on with, where it names no other profile.
            if role.is_none()
                && let Some(arn) = get("role_arn")
            {
                role = Some(self.role_of(arn, get("external_id")));
                if let Some(path) = get("web_identity_token_file")
                    && let Some(role) = role
                {
                    return Ok(KeySource::WebIdentity { role, token: reader(path.into()) });
                }
                if let Some(other) = get("source_profile").filter(|other| *other != at) {
                    at = other;
                    continue;
                }
            }
            let Some((access_key_id, secret)) = keys else {
                return Err(CredentialError(format!(
                    "the profile `{at}` has no access key; other ways to get one are not followed"
                )));
            };
            let secret_access_key = Secret::new(secret);
            let session_token = get("aws_session_token").map(Secret::new);
            let given = KeySource::Given(Keys { access_key_id, secret_access_key, session_token });
            return Ok(match role {
                Some(role) => KeySource::Assumed { role, base: Box::new(given) },
                None => given,
            });
        }
        Err(CredentialError(format!("the profile `{name}` leads through too many others")))
    }
}

fn reader(path: PathBuf) -> Reader {
    Arc::new(move || std::fs::read_to_string(&path))
}

/// Profiles by name, from AWS's two files. In the one for settings they are called `profile x`.
struct Profiles(BTreeMap<String, BTreeMap<String, String>>);

impl Profiles {
    /// Reads both; where both say something the one for credentials counts.
    fn read(config: &str, credentials: &str) -> Self {
        let mut found = Self(BTreeMap::new());
        found.add(config);
        found.add(credentials);
        found
    }

    /// Whether a profile tells where keys come from. Many tell a region and nothing else.
    fn has_keys(&self, name: &str) -> bool {
        let told =
            |profile: &BTreeMap<String, String>| KEY_FIELDS.iter().any(|key| profile.contains_key(*key));
        self.0.get(name).is_some_and(told)
    }

    fn add(&mut self, text: &str) {
        let mut name = None;
        for line in text.lines() {
            // Indented lines belong to settings of services.
            if line.starts_with([' ', '\t', '#', ';']) {
                continue;
            }
            let line = line.trim();
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                let head = head.trim();
                name = Some(head.strip_prefix("profile ").unwrap_or(head).trim().to_owned());
            } else if let (Some(name), Some((key, value))) = (&name, line.split_once('=')) {
                let profile = self.0.entry(name.clone()).or_default();
                profile.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile deep]\nrole_arn = arn:aws:iam::1:role/a\n\
        source_profile = base\nexternal_id=x\ns3 =\n  max = 1\n[profile loop]\nrole_arn = r\nsource_profile = lost\n\
        [profile far]\nregion=ap-south-1\n";
    const CREDENTIALS: &str = "# made up\n[base]\naws_access_key_id = AKIAMADEUP\n aws_ignored = 1\n\
        aws_secret_access_key = made=up\n";

    fn source(pairs: &[(&str, &str)], settings: &IdentitySettings) -> Result<KeySource, CredentialError> {
        with_files(pairs, |environment| Chain { settings, environment }.source())
    }

    fn with_files<T>(pairs: &[(&str, &str)], read: impl FnOnce(&Environment) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let (config, credentials) = (folder.path().join("config"), folder.path().join("credentials"));
        std::fs::write(&config, CONFIG).unwrap();
        std::fs::write(&credentials, CREDENTIALS).unwrap();
        let files = [
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ];
        read(&Environment::of(&[&files, pairs].concat()))
    }

    #[test]
    fn a_region_is_that_of_the_profile_that_counts() {
        let of = |pairs: &[(&str, &str)], profile: Option<&str>| {
            let settings = IdentitySettings { profile: profile.map(str::to_owned), ..Default::default() };
            with_files(pairs, |environment| region(Some(&settings), environment))
        };
        assert_eq!(of(&[], None).as_deref(), Some("eu-west-1"));
        assert_eq!(of(&[("AWS_PROFILE", "far")], None).as_deref(), Some("ap-south-1"));
        assert_eq!(of(&[("AWS_PROFILE", "far")], Some("default")).as_deref(), Some("eu-west-1"));
        for none in ["deep", "nobody"] {
            assert_eq!(of(&[], Some(none)), None);
        }
    }

    #[test]
    fn a_profile_leads_to_the_keys_of_another() {
        let settings = IdentitySettings { profile: Some("deep".to_owned()), ..Default::default() };
        let Ok(KeySource::Assumed { role, base }) = source(&[], &settings) else { panic!() };
        assert_eq!((role.arn.as_str(), role.external_id.as_deref()), ("arn:aws:iam::1:role/a", Some("x")));
        let KeySource::Given(keys) = *base else { panic!() };
        assert_eq!(
            (keys.access_key_id.as_str(), keys.secret_access_key.expose().as_str()),
            ("AKIAMADEUP", "made=up")
        );
        for lost in ["loop", "nobody", "default"] {
            let settings = IdentitySettings { profile: Some(lost.to_owned()), ..Default::default() };
            assert!(source(&[], &settings).is_err(), "{lost}");
        }
    }

    #[test]
    fn variables_come_before_files_and_a_named_profile_before_variables() {
        let keys =
            [("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_PROFILE", "base")];
        let id = |source| match source {
            Ok(KeySource::Given(keys)) => keys.access_key_id,
            _ => panic!("no keys are given"),
        };
        assert_eq!(id(source(&keys, &IdentitySettings::default())), "AKIAOTHER");
        assert_eq!(id(source(&keys[2..], &IdentitySettings::default())), "AKIAMADEUP");
        let named = IdentitySettings { profile: Some("base".to_owned()), ..Default::default() };
        assert_eq!(id(source(&keys, &named)), "AKIAMADEUP");
    }

    #[test]
    fn a_token_needs_its_role_and_a_key_its_secret() {
        let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere");
        assert!(source(&[token], &IdentitySettings::default()).is_err());
        let both = source(&[token, ("AWS_ROLE_ARN", "r")], &IdentitySettings::default());
        assert!(matches!(both, Ok(KeySource::WebIdentity { role, .. }) if role.arn == "r"));
        let half = IdentitySettings { access_key_id: Some("AKIAMADEUP".to_owned()), ..Default::default() };
        assert!(source(&[], &half).is_err());
        // The default profile of the file tells a region alone.
        let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")];
        let found = source(&container, &IdentitySettings::default());
        assert!(
            matches!(found, Ok(KeySource::Container { address, .. }) if address == "http://169.254.170.2/v2/x")
        );
    }
}
