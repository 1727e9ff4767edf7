//! Rate limits, end to end.

use crate::support::*;
use domain::{RateLimit, Scope};

#[tokio::test]
async fn more_requests_than_a_minute_allows_are_told_when_to_come_back() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let limit = RateLimit { requests_per_minute: Some(2), ..RateLimit::default() };
    app.db.set_rate_limit(app.org, Scope::Organization(app.org), limit).await.unwrap();
    app.read_configuration().await;
    for remaining in ["1", "0"] {
        let reply = app.chat(CHAT).await;
        assert_eq!((reply.status, reply.header("x-ratelimit-remaining-requests")), (200, remaining));
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "2");
    }
    let reply = app.chat(CHAT).await;
    assert_openai_error(&reply, 429, "rate_limit_exceeded");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_runs_takes_its_place_until_it_ends() {
    let upstream = Upstream::start([Answer::silence(), Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&aborting("cancel", &provider("openai", &upstream))).await;
    let limit = RateLimit { concurrent: Some(1), ..RateLimit::default() };
    app.db.set_rate_limit(app.org, Scope::Organization(app.org), limit).await.unwrap();
    app.read_configuration().await;
    tokio::select! {
        reply = app.chat(CHAT) => panic!("answered: {reply:?}"),
        () = async {
            upstream.called(1).await;
            assert_openai_error(&app.chat(CHAT).await, 429, "rate_limit_exceeded");
        } => {}
    }
    // The first caller has left: its place is free.
    app.settled().await;
    assert_eq!(app.chat(CHAT).await.status, 200);
    app.finish().await;
}
