//! Limits on the command line.

use crate::support::*;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// Runs a command that must succeed: what it prints.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments, &[]);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail: what it says.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments, &[]);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} went through");
    String::from_utf8(output.stderr).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A folder with one key, and its id.
fn with_key(arguments: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let printed = done(folder.path(), &[&["keys", "create", "--name", "x"], arguments].concat());
    assert!(printed.starts_with("sbx_") && printed.lines().count() == 1, "{printed}");
    let id = key(folder.path())["id"].as_str().unwrap().to_owned();
    (folder, id)
}

fn key(folder: &Path) -> Value {
    lines(&done(folder, &["keys", "list", "--json"])).remove(0)
}

#[test]
fn a_key_is_made_with_a_limit_which_can_be_changed_and_removed() {
    let (folder, id) = with_key(&["--limit", "2.5", "--window", "day", "--soft", "--manage", "read"]);
    let folder = folder.path();
    assert_eq!(key(folder)["manage"], "read");
    assert_eq!(key(folder)["limits"], json!([{"amount": "2.5", "window": "day", "enforcement": "soft"}]));
    done(folder, &["keys", "limit", &id, "50"]);
    done(folder, &["keys", "limit", &id, "none", "--window", "day"]);
    assert_eq!(key(folder)["limits"], json!([{"amount": "50", "window": "month", "enforcement": "hard"}]));
    let table = done(folder, &["keys", "list"]);
    assert!(table.contains("LIMITS") && table.contains("$50 a month"), "{table}");
    for wrong in [&["keys", "limit", &id, "much"][..], &["keys", "limit", &id, "none", "--window", "day"]] {
        refused(folder, wrong);
    }
    let missing = "key_00000000000000000000000000000000";
    assert!(refused(folder, &["keys", "limit", missing, "1"]).contains(missing));
}

#[test]
fn rate_limits_are_set_one_by_one_and_removed() {
    let (folder, id) = with_key(&[]);
    let folder = folder.path();
    let none = json!({"requests_per_minute": null, "tokens_per_minute": null, "concurrent": null});
    assert_eq!(key(folder)["rate"], none);
    done(folder, &["keys", "rate", &id, "--requests-per-minute", "60", "--concurrent", "4"]);
    let printed = done(folder, &["keys", "rate", &id, "--tokens-per-minute", "100000"]);
    assert!(
        printed.contains("60 requests a minute, 100000 tokens a minute, 4 at the same time"),
        "{printed}"
    );
    let all = json!({"requests_per_minute": 60, "tokens_per_minute": 100_000, "concurrent": 4});
    assert_eq!(key(folder)["rate"], all);
    let off = ["--requests-per-minute", "none", "--tokens-per-minute", "none", "--concurrent", "none"];
    let printed = done(folder, &[&["keys", "rate", &id][..], &off].concat());
    assert!(printed.contains("no rate limit"), "{printed}");
    assert_eq!(key(folder)["rate"], none);
    for wrong in ["0", "-1", "many", "4294967296"] {
        refused(folder, &["keys", "rate", &id, &format!("--concurrent={wrong}")]);
    }
    let missing = "key_00000000000000000000000000000000";
    assert!(refused(folder, &["keys", "rate", missing, "--concurrent", "1"]).contains(missing));
}

#[test]
fn limits_of_any_scope_are_listed_with_what_is_spent() {
    let (folder, id) = with_key(&["--limit", "1"]);
    let folder = folder.path();
    done(folder, &["limits", "set", "org", "100", "--window", "total"]);
    done(folder, &["limits", "set", "grp_00000000000000000000000000000001", "7", "--soft"]);
    let listed = lines(&done(folder, &["limits", "list", "--json"]));
    assert_eq!(listed.len(), 3);
    let of_key = listed.iter().find(|limit| limit["scope"] == id.as_str()).unwrap();
    let expected =
        json!({"scope": id, "window": "month", "amount": "1", "spent": "0", "enforcement": "hard"});
    assert_eq!(of_key, &expected);
    done(folder, &["limits", "remove", "org", "--window", "total"]);
    assert_eq!(lines(&done(folder, &["limits", "list", "--json"])).len(), 2);
    refused(folder, &["limits", "remove", "org", "--window", "total"]);
    refused(folder, &["limits", "set", "nobody", "1"]);
    refused(folder, &["limits", "set", "org", "1", "--window", "year"]);
}
