//! What an organization pays for models otherwise than the catalogue says.

use crate::support::*;
use domain::pricing::TokenPrices;
use domain::{Enforcement, Limit, Price, Scope, Window};
use serde_json::json;

fn price(input: &str, output: &str) -> TokenPrices {
    let dollars = |text: &str| Price::per_million(text.parse().unwrap());
    TokenPrices { input: dollars(input), output: dollars(output), ..TokenPrices::default() }
}

#[tokio::test]
async fn an_organizations_own_price_counts_in_costs_limits_and_lists() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 3).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_eq!(app.chat(CHAT).await.json()["usage"]["cost"], json!(0.0000164));
    // Ten times as much in, half as much out; what is read from the cache keeps its tenth.
    app.db.set_model_price(app.org, "openai/m", price("10", "1")).await.unwrap();
    app.read_configuration().await;
    let reply = app.chat(CHAT).await;
    assert_eq!(reply.json()["usage"]["cost"], json!(0.000069));
    let mine = app.get("/v1/models/openai/m").await.json();
    assert_eq!((&mine["input_price"], &mine["output_price"]), (&json!(0.00001), &json!(0.000001)));
    // What has no price otherwise has one now, and can be bounded.
    let limit = Limit {
        scope: Scope::Organization(app.org),
        window: Window::Month,
        amount: "0.01".parse().unwrap(),
        enforcement: Enforcement::Hard,
    };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
    let free =
        CHAT.replace("openai/m", "openai/free").replace("\"messages\"", "\"max_tokens\":5,\"messages\"");
    assert_openai_error(&app.chat(&free).await, 412, "cost_unbounded");
    app.db.set_model_price(app.org, "openai/free", price("1", "2")).await.unwrap();
    app.read_configuration().await;
    // Ten tokens in, of which four have no price of their own as cached ones, five out.
    assert_eq!(app.chat(&free).await.json()["usage"]["cost"], json!(0.00002));
    app.finish().await;
}

#[test]
fn prices_are_set_listed_and_removed_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[providers]]\nkind = \"openai\"\napi_key = \"made-up\"\n";
    std::fs::write(folder.path().join("signalbox.toml"), config).unwrap();
    let run = |arguments: &[&str]| {
        let output = run(folder.path(), arguments, &[]);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (done, text) = run(&["models", "price", "set", "openai/gpt-5", "--input", "1", "--output", "8.5"]);
    assert!(done, "{text}");
    let (_, text) = run(&["models", "price", "list", "--json"]);
    let expected =
        json!({"id": "openai/gpt-5", "input": "1", "cache_read": null, "cache_write": null, "output": "8.5"});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    let (done, text) = run(&["models", "price", "set", "openai/nothing", "--input", "1", "--output", "1"]);
    assert!(!done && text.contains("nobody knows the model openai/nothing"), "{text}");
    let (done, text) = run(&["models", "price", "set", "openai/gpt-5", "--input=-1", "--output", "1"]);
    assert!(!done && text.contains("negative"), "{text}");
    assert!(run(&["models", "price", "remove", "openai/gpt-5"]).0);
    assert!(!run(&["models", "price", "remove", "openai/gpt-5"]).0);
}
