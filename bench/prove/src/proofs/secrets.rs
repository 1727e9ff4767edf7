//! No secret reaches a log, a file, a counter, an answer or a command's output, in any form.
//!
//! A canary stands in every field that holds a secret, failures are provoked on every path with the log at its most
//! talkative, and everything the gateway has written is searched.

use crate::{
    canary::{Canary, FORMS},
    client::{self, Ask, Outcome},
    failure::{Context, Failure},
    money::Price,
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use std::{fs, path::Path, process::Stdio, time::Duration};

const PRICE: Price = Price { input: 100, output: 400 };
const SETTINGS: &str =
    "[log]\nfilter = \"trace\"\n[timeouts]\nidle_seconds = 1\nfirst_event_seconds = 1\ntotal_seconds = 2\n";
/// The variable that holds the second provider's key.
const VARIABLE: &str = "PROVE_PROVIDER_KEY";

/// What providers do, each with their errors quoting the key.
const FAULTS: [&str; 16] = [
    "",
    "fault=400",
    "fault=401",
    "fault=402",
    "fault=403",
    "fault=404",
    "fault=413",
    "fault=422",
    "fault=429",
    "fault=500",
    "fault=503",
    "fault=529",
    "fault=errevent,after=0",
    "fault=errevent",
    "fault=cut",
    "fault=badjson",
];
/// Waits for a time limit, so only once each.
const SLOW_FAULTS: [&str; 3] = ["fault=hang", "fault=stall", "fault=reset"];

/// Commands whose output is searched.
const COMMANDS: [&[&str]; 13] = [
    &["check-config"],
    &["providers"],
    &["models"],
    &["keys", "list"],
    &["keys", "list", "--json"],
    &["limits", "list"],
    &["requests", "tail", "-n", "1000"],
    &["requests", "tail", "-n", "1000", "--json"],
    &["ledger", "show", "-n", "1000"],
    &["ledger", "export", "--format", "jsonl"],
    &["ledger", "export", "--format", "csv"],
    &["ledger", "verify"],
    &["keys", "create", "--name", "x", "--expires-at", "never"],
];

/// The secrets, and what has been searched for them.
struct Search {
    canaries: Vec<Canary>,
    sinks: usize,
    bytes: usize,
    hits: Vec<String>,
}

impl Search {
    fn look(&mut self, sink: &str, bytes: &[u8]) {
        self.look_but_for(sink, bytes, "");
    }

    /// Leaves out the one secret that this sink is for.
    fn look_but_for(&mut self, sink: &str, bytes: &[u8], shown: &str) {
        self.sinks += 1;
        self.bytes += bytes.len();
        for canary in self.canaries.iter().filter(|canary| canary.name != shown) {
            for form in canary.found_in(bytes) {
                self.hits.push(format!("{} in {sink} ({form})", canary.name));
            }
        }
    }

    fn add(&mut self, name: &'static str, text: &str) {
        let secret = text.strip_prefix("sbx_").unwrap_or(text);
        self.canaries.push(Canary::of(name, "sbx_", secret));
    }
}

pub async fn run(options: &Options) -> Result<String, Failure> {
    let times = if options.is_long { 20 } else { 1 };
    let mut rng = Rng::new(options.seed);
    let upstream = Canary::new("the provider's key", "", &mut rng);
    let by_variable = Canary::new("the provider's key in a variable", "", &mut rng);
    let bootstrap = Canary::new("the first key", "", &mut rng);
    let mut rig = Rig::with_key("secrets", options, PRICE, [SETTINGS, ""], &upstream.text)?;
    let second = format!(
        "\n[[providers]]\nname = \"second\"\nkind = \"openai-compatible\"\nbase_url = \"{}\"\napi_key_env = \"{VARIABLE}\"\n",
        rig.upstream_url()
    );
    rig.add_settings(&second)?;
    rig.set_variable(VARIABLE, &by_variable.text);
    rig.set_variable("SIGNALBOX_BOOTSTRAP_KEY", &bootstrap.text);
    let wrong = Canary::new("a wrong key", "sbx_", &mut rng);
    let bystander = Canary::new("a header of the caller's", "", &mut rng);
    let query = Canary::new("a key in the address", "", &mut rng);
    let [first_key, wrong_key, header, query_key] =
        [&bootstrap, &wrong, &bystander, &query].map(|canary| canary.text.clone());
    let canaries = vec![upstream, by_variable, bootstrap, wrong, bystander, query];
    let mut search = Search { canaries, sinks: 0, bytes: 0, hits: Vec::new() };
    let made = rig.create_key(None)?;
    search.add("a made key", &made);
    rig.start(None).await?;
    manage(&rig, &first_key, &mut search).await?;
    for _ in 0..times {
        provoke(&rig, &made, &mut search).await?;
        knock(&rig, &made, [&wrong_key, &header, &query_key], &mut search).await;
    }
    settings(&rig, &mut search)?;
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    search.look("/metrics", client::get(rig.port, "/metrics").await.unwrap_or_default().as_bytes());
    let running = rig.gateway.as_ref().map(crate::child::Program::id).unwrap_or_default();
    search.look("the command line", &fs::read(format!("/proc/{running}/cmdline")).context("/proc")?);
    search_files(&mut search, &rig.folder().join("data"), "while running")?;
    for words in COMMANDS {
        let output = rig.command(words).stdin(Stdio::null()).output().context("a command")?;
        search.look(&format!("`{}`", words.join(" ")), &[output.stdout, output.stderr].concat());
    }
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    search_files(&mut search, &rig.folder().join("data"), "after the end")?;
    let log = fs::read(rig.folder().join("gateway.log")).context("the log")?;
    if !log.windows(5).any(|word| word == b"TRACE") {
        return Err(Failure::new("the log was not at its most talkative"));
    }
    search.look("the log", &log);
    let line = format!(
        "canaries={} forms={FORMS} sinks={} searched_kib={} hits={}",
        search.canaries.len(),
        search.sinks,
        search.bytes >> 10,
        search.hits.len()
    );
    search.hits.sort();
    search.hits.dedup();
    search.hits.truncate(40);
    if search.hits.is_empty() {
        Ok(line)
    } else {
        Err(Failure::new(format!("{line}\n{}", search.hits.join("\n"))))
    }
}

/// Every fault, streamed and not, in both protocols, towards both providers.
async fn provoke(rig: &Rig, key: &str, search: &mut Search) -> Result<(), Failure> {
    let mut answered = 0;
    for fault in FAULTS.into_iter().chain(SLOW_FAULTS) {
        for is_stream in [false, true] {
            let knobs = format!("quote=1,chunks=4,{fault}");
            let ask = Ask { knobs: knobs.clone(), is_stream, tokens_max: Some(50), leave_after: None };
            let chat = ask.request(rig.port, key, "");
            let message = chat.replace("POST /v1/chat/completions", "POST /v1/messages");
            let second = chat.replace("prove/mock", "second/mk-a");
            for (name, request) in [("chat", chat), ("messages", message), ("second", second)] {
                let outcome = client::exchange(rig.port, request).await;
                answered += usize::from(outcome.status() != 0);
                search_answer(search, &format!("an answer ({name}, {knobs})"), &outcome);
            }
        }
    }
    if answered == 0 { Err(Failure::new("nothing was answered")) } else { Ok(()) }
}

fn search_answer(search: &mut Search, name: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Answered { status, text } => search.look(&format!("{name} {status}"), text.as_bytes()),
        Outcome::Failed | Outcome::Left => {}
    }
}

/// Strangers, wrong addresses and broken requests, with secrets wherever callers put them.
async fn knock(rig: &Rig, key: &str, secrets: [&str; 3], search: &mut Search) {
    let [wrong, header, query] = secrets;
    let heads = [
        format!("authorization: Bearer {wrong}\r\n"),
        format!("authorization: Basic {wrong}\r\n"),
        format!("authorization: {wrong}\r\n"),
        format!("x-api-key: {wrong}\r\n"),
        format!("authorization: Bearer {key}\r\nx-api-key: {wrong}\r\ncookie: session={header}\r\n"),
        format!(
            "authorization: Bearer {key}\r\nproxy-authorization: Basic {header}\r\nx-goog-api-key: {header}\r\n"
        ),
        format!("authorization: Bearer {key}\r\nanthropic-beta: x\r\nopenai-organization: {header}\r\n"),
    ];
    let targets = [
        "POST /v1/chat/completions",
        "POST /v1/messages",
        "POST /v1/embeddings",
        "GET /v1/chat/completions",
        "GET /v1/models",
        "GET /v1/models/none",
        "GET /v1/manage/apikey",
        "DELETE /v1/manage/apikey/none",
        "GET /nowhere",
        "PATCH /metrics",
    ];
    let bodies = ["", "{", "[]", "{\"model\":\"prove/mock\"}", "{\"model\":\"none/none\",\"messages\":[]}"];
    for target in targets {
        for head in &heads {
            for body in bodies {
                let line = format!("{target}?key={query}&api_key={query}");
                let request = client::request(rig.port, &line, head, body);
                let outcome = client::exchange(rig.port, request).await;
                search_answer(search, &format!("an answer ({target}, {body})"), &outcome);
            }
        }
    }
}

/// A key made over the management API is in the answer that makes it, and nowhere else.
async fn manage(rig: &Rig, first_key: &str, search: &mut Search) -> Result<(), Failure> {
    let head = format!("authorization: Bearer {first_key}\r\ncontent-type: application/json\r\n");
    let request = client::request(rig.port, "POST /v1/manage/apikey", &head, "{\"name\":\"prove\"}");
    let outcome = client::exchange(rig.port, request).await;
    let Outcome::Answered { text, .. } = &outcome else {
        return Err(Failure::new("the management API did not answer"));
    };
    let begin = text.find("sbx_").ok_or_else(|| Failure::new(format!("no key was made: {text}")))?;
    let made: String =
        text[begin..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    if made.len() < 40 {
        return Err(Failure::new("the answer has only a part of the key"));
    }
    search.add("a key of the management API", &made);
    search.look_but_for("the answer that makes a key", text.as_bytes(), "a key of the management API");
    for target in ["GET /v1/manage/apikey", "GET /v1/manage/org", "GET /v1/manage/org/usage?period=day"] {
        let outcome = client::exchange(rig.port, client::request(rig.port, target, &head, "")).await;
        search_answer(search, &format!("an answer ({target})"), &outcome);
    }
    Ok(())
}

/// Settings that are wrong: what is said about them does not repeat what stands in them.
fn settings(rig: &Rig, search: &mut Search) -> Result<(), Failure> {
    let secret = search.canaries.first().map(|canary| canary.text.clone()).unwrap_or_default();
    let provider = "[[providers]]\nkind = \"openai\"\n";
    let url = "base_url = \"http://";
    let texts = [
        format!("{provider}api_key = \"{secret}\n"),
        format!("{provider}api_key = \"{secret}\" x\n"),
        format!("{provider}api_key = {secret}\n"),
        format!("{provider}api_key = [\"{secret}\"]\n"),
        format!("{provider}api_key = {{ value = \"{secret}\" }}\n"),
        format!("{provider}api_key = \"{secret}\\u0007\"\n"),
        format!("{provider}apikey = \"{secret}\"\n"),
        format!("{provider}api_key = \"a\"\napi_key = \"{secret}\"\n"),
        format!("{provider}api_key_env = \"sk-{secret}\"\n"),
        format!("{provider}{url}user:{secret}@127.0.0.1:1/v1\"\n"),
        format!("{provider}{url}127.0.0.1:1/v1?key={secret}\"\n"),
        format!("{provider}{url}127.0.0.1:1/v1#{secret}\"\n"),
        format!("{provider}base_url = \"ftp://user:{secret}@127.0.0.1/\"\n"),
        format!("[tls]\ncert = \"tls.pem\"\nkey = \"tls.pem\"\n{provider}"),
    ];
    let folder = rig.folder().join("wrong");
    fs::create_dir_all(&folder).context("a folder")?;
    fs::write(folder.join("tls.pem"), format!("-----BEGIN {secret}\n{secret}\n")).context("a file")?;
    for (number, text) in texts.iter().enumerate() {
        fs::write(folder.join("wrong.toml"), text).context("settings")?;
        for command in ["check-config", "serve"] {
            let mut process = rig.bare_command();
            process.current_dir(&folder).args(["--config", "wrong.toml", "--listen", "127.0.0.1:0", command]);
            // A gateway that starts with these settings is as good as one that refuses them, as long as it is silent.
            let output = run_briefly(process.stdin(Stdio::null()))?;
            search.look(&format!("`{command}` of wrong settings {number}"), &output);
        }
    }
    for (name, text) in [
        ("SIGNALBOX_PROVIDERS", format!("[{{kind=\"openai\",api_key=\"{secret}\"")),
        ("SIGNALBOX_PROVIDERS", format!("[{{kind=\"openai\",apikey=\"{secret}\"}}]")),
        ("SIGNALBOX_PROVIDERS", secret.clone()),
        ("OPENAI_API_KEY", format!("{secret}\u{7}")),
    ] {
        let mut process = rig.bare_command();
        process.current_dir(&folder).env(name, text).arg("check-config");
        let output = run_briefly(process.stdin(Stdio::null()))?;
        search.look(&format!("`check-config` with a wrong {name}"), &output);
    }
    Ok(())
}

/// Lets a program run for half a second at the most; gives what it printed.
fn run_briefly(command: &mut std::process::Command) -> Result<Vec<u8>, Failure> {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start the gateway")?;
    for _ in 0..50 {
        if child.try_wait().context("waiting")?.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // Fails only when it has ended.
    let _ = child.kill();
    let output = child.wait_with_output().context("waiting")?;
    Ok([output.stdout, output.stderr].concat())
}

fn search_files(search: &mut Search, folder: &Path, when: &str) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).context(folder.display())? {
        let path = entry.context(folder.display())?.path();
        if path.is_dir() {
            search_files(search, &path, when)?;
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            search.look(&format!("{name} {when}"), &fs::read(&path).context(path.display())?);
        }
    }
    Ok(())
}
