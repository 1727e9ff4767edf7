//! What must be read, and what must be refused.

use super::*;
use gateway::providers::Ask;
use llm::Protocol;
use llm::provider::RouteKind;

const EXAMPLE: &str = include_str!("../../../../config.example.toml");

fn from(text: &str, pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signalbox.toml");
    std::fs::write(&path, text).unwrap();
    load(&Flags { config: Some(path), ..Flags::default() }, &Environment::of(pairs))
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let file = "listen = \"127.0.0.1:1\"\n[limits]\nbody_bytes_max = 5";
    let pairs = [("SIGNALBOX_LISTEN", "127.0.0.1:2"), ("SIGNALBOX_TIMEOUTS_IDLE_SECONDS", "7")];
    let settings = from(file, &pairs).unwrap();
    assert_eq!(settings.listen.port(), 2);
    assert_eq!((settings.limits.body_bytes_max, settings.timeouts.idle_seconds), (5, 7));
    assert_eq!(settings.timeouts.connect_seconds, 10);
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), ..Flags::default() };
    assert_eq!(load(&flags, &Environment::of(&pairs)).unwrap().listen.port(), 3);
}

#[test]
fn an_unknown_key_is_refused_with_its_path() {
    for (text, path) in [
        ("lisen = 1", "lisen"),
        ("[limits]\nbody_max = 1", "limits"),
        ("[[providers]]\nkind = \"openai\"\nurl = \"x\"", "providers[0]"),
        (
            "[[providers]]\nkind = \"openai\"\n[[providers.models]]\nid = \"m\"\nprice = \"1\"",
            "providers[0].models[0]",
        ),
    ] {
        let message = from(text, &[]).unwrap_err().to_string();
        assert!(message.contains(path), "{message}");
    }
}

#[test]
fn what_is_said_of_wrong_settings_repeats_no_secret() {
    let provider = "[[providers]]\nkind = \"openai\"\n";
    for wrong in [
        "api_key = \"made-up-1",
        "api_key = \"made-up-1\" x",
        "api_key = made-up-1",
        "api_key = [\"made-up-1\"]",
        "apikey = \"made-up-1\"",
        "api_key_env = \"made-up-1\"",
        "base_url = \"https://user:made-up-1@127.0.0.1/v1\"",
        "base_url = \"https://127.0.0.1/v1?key=made-up-1\"",
        "base_url = \"https://127.0.0.1/v1#made-up-1\"",
    ] {
        let read = from(&format!("{provider}{wrong}\n"), &[]);
        let refused = read.and_then(|settings| resolve(&settings, &Environment::of(&[])).map(|_| ()));
        let message = refused.unwrap_err().to_string();
        assert!(!message.contains("made-up"), "{message}");
    }
    let message = from("[limits]\n\nbody_bytes_max = \"", &[]).unwrap_err().to_string();
    assert!(message.contains("line 3"), "{message}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    assert!(from("listen = \"here\"", &[]).is_err());
    assert!(from("[timeouts]\nidle_seconds = 0", &[]).is_err());
    assert!(from("[idempotency]\nmemory_bytes_max = 5", &[]).is_err());
    assert!(from("[tls]\ncert = \"a.pem\"", &[]).is_err());
    let message = from("", &[("SIGNALBOX_LIMITS_BODY_BYTES_MAX", "many")]).unwrap_err().to_string();
    assert!(message.contains("SIGNALBOX_LIMITS_BODY_BYTES_MAX"), "{message}");
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let example: toml::Table = EXAMPLE.parse().unwrap();
    for (path, default) in environment::paths() {
        let found =
            path.iter().try_fold(&toml::Value::Table(example.clone()), |at, key| at.get(key)).cloned();
        assert_eq!(found, Some(default), "{}", path.join("."));
        let variable = environment::variable(&path);
        assert!(EXAMPLE.contains(&variable), "{variable} is not named in the example");
    }
    let settings: Settings = EXAMPLE.parse::<toml::Table>().unwrap().try_into().unwrap();
    assert!(settings.providers.is_empty());
    // The commented lines are settings too: uncommented, they must be understood.
    let lines = EXAMPLE.lines().map(|line| line.strip_prefix("#:").unwrap_or(line));
    let whole: Settings =
        lines.collect::<Vec<_>>().join("\n").parse::<toml::Table>().unwrap().try_into().unwrap();
    assert!(whole.providers.len() >= 2);
    resolve(&whole, &Environment::of(&[("OPENAI_API_KEY", "made-up")])).unwrap();
}

#[test]
fn a_vendors_variable_switches_its_provider_on() {
    let settings = Settings::default();
    let names = |pairs: &[(&str, &str)]| -> Vec<String> {
        let providers = resolve(&settings, &Environment::of(pairs)).unwrap();
        providers.iter().map(|provider| provider.name.to_string()).collect()
    };
    assert_eq!(names(&[]), ["demo"]);
    let both = [("ANTHROPIC_API_KEY", "a"), ("OPENAI_API_KEY", "b")];
    assert_eq!(names(&both), ["anthropic", "openai", "openai-responses"]);
    assert_eq!(names(&[("OPENAI_API_KEY", "")]), ["demo"]);
}

#[test]
fn another_way_to_the_same_models_has_their_prices_and_not_their_embeddings() {
    let environment = Environment::of(&[("OPENAI_API_KEY", "made-up")]);
    let providers = resolve(&Settings::default(), &environment).unwrap();
    let find = |name: &str| providers.find(name).map(|(_, model)| model.clone());
    assert_eq!(find("openai-responses/gpt-5").unwrap().price, find("openai/gpt-5").unwrap().price);
    assert!(find("openai-responses/gpt-5-pro").is_some());
    assert!(find("openai/text-embedding-3-small").is_some());
    assert!(find("openai-responses/text-embedding-3-small").is_none());
}

#[test]
fn several_providers_of_one_kind_stand_under_their_names() {
    let text = "[[providers]]\nkind = \"openai\"\nname = \"a\"\napi_key = \"x\"\n[[providers]]\nkind = \"openai\"\nname = \"b\"\napi_key = \"y\"";
    let settings = from(text, &[]).unwrap();
    let providers = resolve(&settings, &Environment::of(&[("OPENAI_API_KEY", "z")])).unwrap();
    assert_eq!(providers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(!format!("{settings:?}").contains("\"x\""));
}

#[test]
fn a_provider_that_cannot_work_is_refused_by_name() {
    for entry in [
        "kind = \"nobody\"",
        "kind = \"openai-compatible\"",
        "kind = \"openai\"\nname = \"Not Good\"",
        "kind = \"openai\"\nbase_url = \"ftp://x\"",
        "kind = \"openai\"\napi_key_env = \"NOT_SET\"",
        "kind = \"openai\"\n[[providers.models]]\nid = \"m\"\ninput = \"cheap\"\noutput = \"1\"",
    ] {
        let settings = from(&format!("[[providers]]\n{entry}"), &[]).unwrap();
        assert!(
            matches!(resolve(&settings, &Environment::default()), Err(ConfigError::Provider { .. })),
            "{entry}"
        );
    }
}

#[test]
fn the_environment_prints_no_values() {
    let printed = format!("{:?}", Environment::of(&[("OPENAI_API_KEY", "made-up")]));
    assert!(printed.contains("OPENAI_API_KEY") && !printed.contains("made-up"), "{printed}");
}

#[test]
fn a_provider_with_an_address_of_its_own_comes_up_when_all_of_it_is_known() {
    let settings = Settings::default();
    let on = |variables: &[(&str, &str)]| {
        let ready = resolve(&settings, &Environment::of(variables)).unwrap();
        ready.iter().map(|provider| provider.name.to_string()).collect::<Vec<_>>()
    };
    let (key, host) =
        (("AZURE_OPENAI_API_KEY", "k"), ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com/"));
    assert_eq!(on(&[key]), ["demo"]);
    assert_eq!(on(&[key, host]), ["azure"]);
}

#[test]
fn a_deployment_is_asked_for_by_its_own_name() {
    let text = "[[providers]]\nkind = \"azure\"\nplaces = { host = \"x.openai.azure.com\" }\n\
                deployments = { \"gpt-5\" = \"ours\" }\n";
    let settings = from(text, &[]).unwrap();
    let providers = resolve(&settings, &Environment::default()).unwrap();
    let ask = Ask { kind: RouteKind::Chat, preferred: Protocol::OpenAiChat, shape: None, is_stream: false };
    let target = providers.target("azure/gpt-5", ask).unwrap();
    assert_eq!((&*target.model_id, target.model.unwrap().id.as_str()), ("ours", "gpt-5"));
    assert_eq!(target.endpoint.uri, "https://x.openai.azure.com/openai/v1/chat/completions");
    let refused = resolve(&from("[[providers]]\nkind = \"azure\"\n", &[]).unwrap(), &Environment::default());
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("needs `host` in its `places`, or the variable AZURE_OPENAI_ENDPOINT"), "{text}");
}

#[test]
fn bedrock_comes_up_by_a_key_of_its_own_and_not_by_access_keys() {
    let on = |variables: &[(&str, &str)]| {
        let ready = resolve(&Settings::default(), &Environment::of(variables)).unwrap();
        ready.iter().map(|provider| provider.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(on(&[("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")]), ["demo"]);
    assert_eq!(on(&[("AWS_BEARER_TOKEN_BEDROCK", "k")]), ["bedrock"]);
    let settings = from("[[providers]]\nkind = \"bedrock\"\n", &[]).unwrap();
    let at = |variables: &[(&str, &str)]| {
        let providers = resolve(&settings, &Environment::of(variables)).unwrap();
        let ask =
            Ask { kind: RouteKind::Chat, preferred: Protocol::OpenAiChat, shape: None, is_stream: true };
        let target = providers.target("bedrock/amazon.nova-pro-v1:0", ask).unwrap();
        assert!(target.provider.credential.is_some());
        target.endpoint.uri.to_string()
    };
    let path = "/model/amazon.nova-pro-v1%3A0/converse-stream";
    assert_eq!(at(&[]), format!("https://bedrock-runtime.us-east-1.amazonaws.com{path}"));
    let region = [("AWS_DEFAULT_REGION", "eu-west-1"), ("HOME", "/nowhere")];
    assert_eq!(at(&region), format!("https://bedrock-runtime.eu-west-1.amazonaws.com{path}"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, "[default]\nregion = ap-south-1\n").unwrap();
    let files = [("AWS_CONFIG_FILE", file.to_str().unwrap())];
    assert_eq!(at(&files), format!("https://bedrock-runtime.ap-south-1.amazonaws.com{path}"));
    // A variable counts before the file.
    assert_eq!(
        at(&[&files[..], &region].concat()),
        format!("https://bedrock-runtime.eu-west-1.amazonaws.com{path}")
    );
}
