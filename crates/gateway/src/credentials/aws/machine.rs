//! Keys that AWS's own surroundings give: beside a container, and on a machine.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>,
//! as `aws_config` 1.4 documents them (read 2026-11-26). Of the machine's service only its second version is asked, which
//! wants a token of its own.

use super::super::exchange::BYTES_MAX;
use super::super::{CredentialError, Exchange, parsed};
use super::{Keys, Written};
use bytes::Bytes;
use domain::Timestamp;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body_util::Full;
use std::time::Duration;

const MACHINE: &str = "http://169.254.169.254/latest";
const ROLES: &str = "meta-data/iam/security-credentials/";
/// How long the machine's token is good; it is used at once.
const TOKEN_SECONDS: &str = "60";

/// Keys of the task or pod that we are.
pub(super) async fn of_container(
    exchange: &Exchange,
    address: &str,
    token: Option<String>,
    now: Timestamp,
) -> Result<(Keys, Duration), CredentialError> {
    let header = token.as_deref().map(|token| (AUTHORIZATION.as_str(), token));
    let answer = exchange.send(request(Method::GET, address, header)?, BYTES_MAX).await?;
    keys(&answer, now)
}

/// Keys of the role that the machine has.
pub(super) async fn of_machine(
    exchange: &Exchange,
    now: Timestamp,
) -> Result<(Keys, Duration), CredentialError> {
    let fault = || CredentialError("the machine's service answered with something unexpected".to_owned());
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let token =
        exchange.send(request(Method::PUT, &format!("{MACHINE}/api/token"), Some(ttl))?, BYTES_MAX).await?;
    let token = std::str::from_utf8(&token).map_err(|_| fault())?;
    let header = Some(("x-aws-ec2-metadata-token", token));
    let roles =
        exchange.send(request(Method::GET, &format!("{MACHINE}/{ROLES}"), header)?, BYTES_MAX).await?;
    let role = std::str::from_utf8(&roles).ok().and_then(|text| text.lines().next()).ok_or_else(fault)?;
    let answer =
        exchange.send(request(Method::GET, &format!("{MACHINE}/{ROLES}{role}"), header)?, BYTES_MAX).await?;
    keys(&answer, now)
}

fn request(
    method: Method,
    address: &str,
    header: Option<(&str, &str)>,
) -> Result<Request<Full<Bytes>>, CredentialError> {
    let mut builder = Request::builder().method(method).uri(parsed(address)?);
    if let Some((name, value)) = header {
        builder = builder.header(name, value);
    }
    builder.body(Full::default()).map_err(|_| CredentialError("not a request".to_owned()))
}

fn keys(answer: &[u8], now: Timestamp) -> Result<(Keys, Duration), CredentialError> {
    let written: Written = serde_json::from_slice(answer)
        .map_err(|_| CredentialError("AWS answered with something that holds no keys".to_owned()))?;
    written.into_keys(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_container_s_keys_are_asked_for_with_its_token() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v2/credentials/x", listener.local_addr().unwrap());
        // The shape of an answer, with made-up keys.
        let body = r#"{"RoleArn":"r","AccessKeyId":"ASIAMADEUP","SecretAccessKey":"s","Token":"t","Expiration":"1970-01-01T01:00:00Z"}"#;
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4_096];
            let length = stream.read(&mut asked).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        };
        let exchange = Exchange::default();
        let now = Timestamp::from_unix_ms(60_000);
        let fetched = of_container(&exchange, &address, Some("made-up".to_owned()), now);
        let (fetched, asked) = tokio::join!(fetched, answer);
        let (keys, good_for) = fetched.unwrap();
        assert_eq!((keys.access_key_id.as_str(), good_for.as_secs()), ("ASIAMADEUP", 3_540));
        assert!(
            asked.starts_with("GET /v2/credentials/x ") && asked.contains("authorization: made-up"),
            "{asked}"
        );
    }
}
