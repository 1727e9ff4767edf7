//! The signer against AWS's own vectors, as `aws-sigv4` 1.6.4 carries them in `aws-signing-test-suite/v4` (read
//! 2026-11-26). The names are those of their folders.

use super::*;
use domain::Secret;
use http::Method;

const TOKEN_TEXT: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

fn signature(method: Method, path: &str, token: Option<&str>) -> String {
    let keys = Keys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
    };
    let now = Timestamp::from_unix_ms(1_440_938_160_000); // 2015-08-30T12:36:00Z
    let signing = Signing { keys: &keys, region: "us-east-1", service: "service", now };
    let uri = format!("https://example.amazonaws.com{path}").parse::<Uri>().unwrap();
    let mut headers = HeaderMap::new();
    signing.sign(&Unsigned { method, uri: &uri, body: &[], region: None }, &mut headers).unwrap();
    headers[AUTHORIZATION].to_str().unwrap().to_owned()
}

#[test]
fn requests_are_signed_as_aws_signs_them() {
    let table = [
        (
            "get-vanilla",
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-sts-header-before",
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
        (
            "get-vanilla-query-order-key-case",
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ];
    for (name, names, expected) in table {
        let signed = match name {
            "get-vanilla" => signature(Method::GET, "/", None),
            "post-vanilla" => signature(Method::POST, "/", None),
            "post-sts-header-before" => signature(Method::POST, "/", Some(TOKEN_TEXT)),
            _ => signature(Method::GET, "/?Param2=value2&Param1=value1", None),
        };
        let scope = "20150830/us-east-1/service/aws4_request";
        let whole = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={expected}"
        );
        assert_eq!(signed, whole, "{name}");
    }
}

#[test]
fn paths_are_escaped_twice_and_ports_named_where_they_are_unusual() {
    // As in `double-encode-path`.
    let path = "/test/@connections/JBDvjfGEIAMCERw%3D";
    assert_eq!(canonical_path(path), "/test/%40connections/JBDvjfGEIAMCERw%253D");
    let host = |address: &str| super::host(&address.parse().unwrap());
    let hosts = ["https://a.b/c", "https://a.b:443/", "http://a.b:80/", "http://127.0.0.1:81/x"].map(host);
    assert_eq!(hosts, ["a.b", "a.b", "a.b", "127.0.0.1:81"]);
}

#[test]
fn the_digest_of_pieces_is_that_of_the_whole() {
    let pieces = ["Param1", "", "=value1"].map(|text| Bytes::from_static(text.as_bytes()));
    // As in `post-x-www-form-urlencoded`.
    let expected = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
    assert_eq!(digest_of(&pieces), expected);
}
