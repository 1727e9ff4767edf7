//! The command line, as a person or a script uses it.

use crate::support::*;
use std::path::Path;
use std::process::Output;

type Variables = &'static [(&'static str, &'static str)];

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn check(settings: &str, variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("signalbox.toml"), settings).unwrap();
    run(folder.path(), &["check-config"], variables)
}

fn create_key(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, &[&["keys", "create", "--name", "a name"], arguments].concat(), &[])
}

#[test]
fn the_version_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["version"], &[]);
    assert_eq!(out(&output), format!("signalbox {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn good_settings_are_printed_without_keys() {
    let output = check(
        "[[providers]]\nkind = \"openai\"\napi_key = \"sk-canary\"\n",
        &[("SIGNALBOX_LISTEN", "127.0.0.1:7")],
    );
    assert!(output.status.success(), "{}", err(&output));
    let printed = out(&output);
    assert!(
        printed.contains("listen = \"127.0.0.1:7\"") && printed.contains("# providers: openai"),
        "{printed}"
    );
    assert!(!printed.contains("sk-canary"), "{printed}");
}

#[test]
fn wrong_settings_are_told_by_their_path() {
    let table: [(&str, Variables, &str); 8] = [
        ("[limits]\nbody_bytes_max = \"x\"", &[], "limits.body_bytes_max"),
        ("[limits]\nbody = 1", &[], "limits"),
        ("lisen = \"x\"", &[], "lisen"),
        ("listen = ", &[], "signalbox.toml"),
        ("[[providers]]\nkind = \"openai\"\nbase = \"x\"", &[], "providers[0]"),
        ("[[providers]]\nkind = \"nobody\"", &[], "nobody"),
        ("[[providers]]\nkind = \"openai\"\napi_key_env = \"NOT_SET\"", &[], "NOT_SET"),
        ("", &[("SIGNALBOX_TIMEOUTS_IDLE_SECONDS", "soon")], "SIGNALBOX_TIMEOUTS_IDLE_SECONDS"),
    ];
    for (settings, variables, named) in table {
        let output = check(settings, variables);
        assert_eq!(output.status.code(), Some(1), "{settings}");
        let message = err(&output);
        assert!(message.starts_with("signalbox: ") && message.contains(named), "{settings}: {message}");
        assert_eq!(out(&output), "");
    }
}

#[test]
fn a_settings_file_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["check-config", "--config", "/nowhere/at/all.toml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("/nowhere/at/all.toml"), "{}", err(&output));
}

#[test]
fn a_log_filter_that_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        run(folder.path(), &["--listen", "127.0.0.1:0", "serve"], &[("SIGNALBOX_LOG_FILTER", "a=b=c")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("log.filter"), "{}", err(&output));
}

#[test]
fn a_new_key_is_the_only_line_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let output = create_key(folder.path(), &[]);
    assert!(output.status.success(), "{}", err(&output));
    let printed = out(&output);
    assert!(printed.starts_with("sbx_") && printed.ends_with('\n') && printed.trim().len() > 60, "{printed}");
    assert_eq!(printed.lines().count(), 1);
    assert!(err(&output).contains("a name") && !err(&output).contains(printed.trim()));
}

#[test]
fn keys_are_listed_without_their_secret_and_deleted_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let secret = out(&create_key(folder.path(), &["--expires-at", "2999-01-31T00:00:00Z"]));
    let list = || {
        let output = run(folder.path(), &["keys", "list", "--json"], &[]);
        assert!(!out(&output).contains(secret.trim()));
        serde_json::from_str::<serde_json::Value>(out(&output).lines().next().unwrap()).unwrap()
    };
    let key = list();
    assert_eq!(
        (key["name"].as_str(), key["state"].as_str()),
        (Some("a name"), Some("active until 2999-01-31T00:00:00Z"))
    );
    assert!(secret.starts_with(key["display"].as_str().unwrap()));
    let id = key["id"].as_str().unwrap().to_owned();
    assert!(run(folder.path(), &["keys", "delete", &id], &[]).status.success());
    assert!(list()["state"].as_str().unwrap().starts_with("deleted "));
    let again = run(folder.path(), &["keys", "delete", &id], &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains(&id), "{}", err(&again));
}

#[test]
fn a_time_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = create_key(folder.path(), &["--expires-at", "tomorrow"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
    assert!(err(&output).contains("tomorrow"), "{}", err(&output));
}

#[test]
fn requests_of_a_gateway_that_never_ran_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["requests", "tail", "--json"], &[]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
}

#[tokio::test]
async fn recorded_requests_are_printed_as_json_lines() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::json(200, CHAT_ANSWER)]).await;
    let process = Process::start(&provider("openai", &upstream), &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    for _ in 0..2 {
        assert_eq!(process.post("/v1/chat/completions", KEY, CHAT).await.0, 200);
    }
    let records = process.recorded(2).await;
    assert_eq!(records.len(), 2);
    assert!(records[0]["id"].as_str() < records[1]["id"].as_str(), "oldest first");
    let id = records[0]["id"].as_str().unwrap();
    let shown = process.run(&["requests", "show", id, "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out(&shown)).unwrap(), records[0]);
    let unknown = process.run(&["requests", "show", "req_unknown"]);
    assert_eq!(unknown.status.code(), Some(1));
    let newest = process.run(&["requests", "tail", "-n", "1", "--json"]);
    assert!(out(&newest).contains(records[1]["id"].as_str().unwrap()) && out(&newest).lines().count() == 1);
}

#[tokio::test]
async fn a_first_start_shows_a_key_that_works_and_later_ones_show_none() {
    let process = Process::start("", &[]);
    let shown = || {
        let log = process.log();
        log.lines().map(str::trim).find(|line| line.starts_with("sbx_")).map(str::to_owned)
    };
    wait_until("a key is shown", || shown().is_some()).await;
    let key = shown().unwrap();
    let body = r#"{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(process.post("/v1/chat/completions", &key, body).await.0, 200);
    process.signal("TERM");
    let (_, _, folder) = process.exit().await;
    let again = Process::start_in(folder, &[]);
    assert!(!again.log().contains("sbx_"));
    assert_eq!(again.post("/v1/chat/completions", &key, body).await.0, 200);
}

#[tokio::test]
async fn a_bootstrap_key_works_and_may_be_given_again() {
    let body = r#"{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}"#;
    let process = Process::start("", &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    assert_eq!(process.post("/v1/chat/completions", KEY, body).await.0, 200);
    assert!(!process.log().contains(KEY), "a key that is known already is not printed");
    process.signal("TERM");
    let (_, _, folder) = process.exit().await;
    let again = Process::start_in(folder, &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    assert_eq!(again.post("/v1/chat/completions", KEY, body).await.0, 200);
    assert_eq!(out(&again.run(&["keys", "list", "--json"])).lines().count(), 1);
}

#[test]
fn a_request_is_shown_beside_what_its_provider_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[[providers]]\nkind = \"anthropic\"\napi_key = \"sk-canary\"\n";
    std::fs::write(folder.path().join("signalbox.toml"), settings).unwrap();
    let body = r#"{"model":"openai/gpt-5","seed":7,"messages":[{"role":"user","content":"Hi"}]}"#;
    let file = folder.path().join("request.json");
    std::fs::write(&file, body).unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["explain", "translate", file, "--model", "anthropic/claude-sonnet-5"];
    let shown = run(folder.path(), &arguments, &[]);
    assert!(shown.status.success(), "{}", err(&shown));
    let text = out(&shown);
    assert!(text.contains("openai_chat ") && text.contains("| POST https://api.anthropic.com/v1/messages"));
    assert!(text.contains("! seed (anthropic_messages)"), "{text}");
    assert!(!text.contains("sk-canary"), "{text}");
    let printed = out(&run(folder.path(), &[&arguments[..], &["--json"]].concat(), &[]));
    let object: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(object["outbound"]["body"]["messages"][0]["content"][0]["text"], "Hi");
    assert_eq!(object["inbound"]["body"]["seed"], 7);
    let refused = run(folder.path(), &["explain", "translate", file], &[]);
    assert!(!refused.status.success() && err(&refused).contains("openai/gpt-5"), "{}", err(&refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_lists_is_compared_and_taken_over() {
    let list =
        serde_json::json!({"object": "list", "data": [{"id": "gpt-5"}, {"id": "brand-new"}]}).to_string();
    let file = "source = \"x\"\nread = \"y\"\n[[models]]\nid = \"only\"\nname = \"Only\"\nmode = \"chat\"\n";
    let answers = [Answer::json(200, &list), Answer::json(200, &list), Answer::json(200, file)];
    let upstream = Upstream::start(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[[providers]]\nkind = \"openai\"\napi_key = \"sk-canary\"\nbase_url = \"http://{}/v1\"\n",
        upstream.address
    );
    std::fs::write(folder.path().join("signalbox.toml"), settings).unwrap();
    let address = format!("http://{}/openai.toml", upstream.address);
    let ran = tokio::task::spawn_blocking(move || {
        let ask = |words: &[&str]| {
            let output = run(folder.path(), &[&["models"], words].concat(), &[]);
            assert!(output.status.success(), "{}", err(&output));
            out(&output)
        };
        let diff = ask(&["diff", "openai"]);
        assert!(diff.starts_with("+ openai/brand-new\n- openai/"), "{diff}");
        assert!(!diff.contains("openai/gpt-5\n"), "{diff}");
        assert_eq!(ask(&["sync"]), "openai: 2 listed, 1 added without a price\n");
        assert!(ask(&["show", "openai/brand-new"]).contains("not known"));
        let shown: serde_json::Value =
            serde_json::from_str(&ask(&["show", "openai/gpt-5", "--json"])).unwrap();
        assert_eq!((&shown["per_million_input"], &shown["deprecated"]), (&"1.25".into(), &false.into()));
        assert!(ask(&["list", "brand"]).contains("openai/brand-new"));
        assert_eq!(ask(&["sync", "--from", &address]), "openai: 1 models\n");
        assert!(ask(&["openai/only"]).contains("openai/only"));
    });
    ran.await.unwrap();
    let listed = &upstream.calls()[0];
    assert_eq!(
        (listed.line.as_str(), listed.header("authorization")),
        ("GET /v1/models HTTP/1.1", Some("Bearer sk-canary"))
    );
}
