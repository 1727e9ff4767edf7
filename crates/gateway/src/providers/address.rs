//! Where a provider's routes are: its address, with what differs from customer to customer filled in.

use super::ProviderError;
use crate::upstream::PlainRoute;
use domain::ProviderName;
use http::Uri;
use llm::provider::{Auth, ProviderSpec, Route};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Stands in a path for what the provider calls the model.
const MODEL: &str = "{model}";

/// A route of a provider at its full address.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What it is.
    pub route: &'static Route,
    /// Where it is.
    pub uri: Uri,
    /// The same for a connection without encryption, where it is one.
    pub plain: Option<PlainRoute>,
}

/// A route, and its address for whole and for streamed answers.
#[derive(Debug)]
pub(super) struct Addressed {
    pub route: &'static Route,
    whole: Address,
    streamed: Option<Address>,
}

#[derive(Debug)]
enum Address {
    Fixed(Arc<Endpoint>),
    /// The model is part of it.
    OfModel(String),
}

impl Addressed {
    /// The routes of a provider below an address.
    pub fn routes(spec: &'static ProviderSpec, base: &str) -> Option<Vec<Self>> {
        let addressed = |route: &'static Route| {
            let address = |path: &str| {
                // Whoever moves a provider moves all of its hosts.
                let path = if is_moved(spec, base) { without_host(path) } else { path };
                Address::of(route, base_for(spec, base, path), path)
            };
            let streamed = match route.stream_path {
                Some(path) => Some(address(path)?),
                None => None,
            };
            Some(Self { route, whole: address(route.path)?, streamed })
        };
        spec.routes.iter().map(addressed).collect()
    }

    /// The route for a model.
    pub fn endpoint(&self, model: &str, is_stream: bool) -> Option<Arc<Endpoint>> {
        match self.streamed.as_ref().filter(|_| is_stream).unwrap_or(&self.whole) {
            Address::Fixed(endpoint) => Some(endpoint.clone()),
            Address::OfModel(template) => {
                Endpoint::at(self.route, &template.replace(MODEL, &escaped(model))).map(Arc::new)
            }
        }
    }
}

impl Address {
    fn of(route: &'static Route, base: &str, path: &str) -> Option<Self> {
        let address = if path.starts_with("https://") { path.to_owned() } else { format!("{base}{path}") };
        let endpoint = Endpoint::at(route, &address.replace(MODEL, "m"))?;
        Some(if address.contains(MODEL) {
            Address::OfModel(address)
        } else {
            Address::Fixed(Arc::new(endpoint))
        })
    }
}

impl Endpoint {
    fn at(route: &'static Route, address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        is_web.then(|| Self { route, plain: PlainRoute::of(&uri), uri })
    }

    /// The same route at another address of the provider. `None`: that is none.
    pub fn elsewhere(&self, address: &str) -> Option<Self> {
        Self::at(self.route, address)
    }

    /// The same with these segments in place of the last one of its path. `None`: that is no address.
    pub fn beside(&self, segments: &[String]) -> Option<Self> {
        let address = self.uri.to_string();
        let address = address.split('?').next()?;
        let (parent, _) = address.rsplit_once('/')?;
        let segments: Vec<String> = segments.iter().map(|segment| escaped(segment)).collect();
        // These would lead up again.
        let is_path = segments.iter().all(|segment| !matches!(segment.as_str(), "" | "." | ".."));
        is_path.then(|| Self::at(self.route, &format!("{parent}/{}", segments.join("/"))))?
    }

    /// The endpoint at an address that an answer told. `None`: that is none, or not the provider's own: it is neither at the very
    /// host that was asked nor, where that is within the provider's `domain`, encrypted at another host of it.
    pub fn told(&self, domain: Option<&str>, address: &str) -> Option<Self> {
        let told = Self::at(self.route, address)?;
        let authority = told.uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let is_same = told.uri.scheme() == self.uri.scheme() && Some(authority) == self.uri.authority();
        let is_within = |uri: &Uri| {
            let host = uri.host()?.to_ascii_lowercase();
            let before = host.strip_suffix(domain?)?;
            Some(before.is_empty() || before.ends_with('.'))
        };
        let is_own = || is_within(&self.uri) == Some(true) && is_within(&told.uri) == Some(true);
        let is_usual = matches!(authority.port_u16(), None | Some(443));
        let is_encrypted = told.uri.scheme_str() == Some("https") && is_usual;
        (is_same || is_encrypted && is_own()).then_some(told)
    }

    /// The same with a segment more in its path, and a query. `None`: that is no address.
    pub fn below(&self, segment: Option<&str>, query: &[(&'static str, String)]) -> Option<Self> {
        let mut address = self.uri.to_string();
        if let Some(segment) = segment {
            address.push('/');
            address.push_str(&escaped(segment));
        }
        for (at, (name, value)) in query.iter().enumerate() {
            // Writing into a text cannot fail.
            let _ = write!(address, "{}{name}={}", if at == 0 { '?' } else { '&' }, escaped(value));
        }
        Self::at(self.route, &address)
    }
}

/// Whether an address is not the provider's own.
fn is_moved(spec: &ProviderSpec, base: &str) -> bool {
    spec.base_url.is_some_and(|own| !own.contains('{') && own != base)
}

/// The path of a route that has a host of its own.
fn without_host(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("https://") else { return path };
    rest.find('/').map_or("", |at| &rest[at..])
}

fn base_for<'a>(spec: &ProviderSpec, base: &'a str, path: &str) -> &'a str {
    if spec.auth == Auth::None {
        return "http://demo";
    }
    // Google's had one, and more, when only OpenAI's protocol was spoken there.
    if path.starts_with("/v1beta/") {
        let base = base.strip_suffix("/openai").unwrap_or(base);
        return base.strip_suffix("/v1beta").unwrap_or(base);
    }
    // Cohere's had the end of its compatibility API, when that was asked.
    if path.starts_with("/v2/") {
        let base = base.strip_suffix("/compatibility/v1").unwrap_or(base);
        return base.strip_suffix("/v2").unwrap_or(base);
    }
    // Anthropic's base address has no version; people who know OpenAI's write one.
    if path.starts_with("/v1/") { base.strip_suffix("/v1").unwrap_or(base) } else { base }
}

/// A provider's address with its places filled in.
pub(super) fn base(
    name: &ProviderName,
    spec: &ProviderSpec,
    base_url: Option<&str>,
    places: &BTreeMap<String, String>,
) -> Result<String, ProviderError> {
    let base = base_url.or(spec.base_url).ok_or_else(|| ProviderError::NoBaseUrl(name.clone()))?;
    let mut base = base.trim_end_matches('/').to_owned();
    if let Some(unknown) = places.keys().find(|key| spec.places.iter().all(|place| place.name != **key)) {
        return Err(ProviderError::UnknownPlace(name.clone(), unknown.clone()));
    }
    for place in spec.places {
        let (mark, prefix) = (format!("{{{}}}", place.name), format!("{{{}-}}", place.name));
        if !base.contains(&mark) && !base.contains(&prefix) {
            continue;
        }
        let value = places.get(place.name).map(String::as_str).or(place.default);
        let value = value.ok_or_else(|| ProviderError::NoPlace(name.clone(), place.name, place.variables))?;
        // Vendors' own tools want some hosts with their scheme, and some without.
        let value = value.strip_prefix("https://").unwrap_or(value).trim_end_matches('/');
        // Google's hosts begin with the location, but for the one of the whole world.
        let before = if value == "global" { String::new() } else { format!("{value}-") };
        base = base.replace(&mark, value).replace(&prefix, &before);
    }
    if base.contains(['@', '?', '#']) {
        return Err(ProviderError::TooMuchBaseUrl(name.clone()));
    }
    Ok(base)
}

/// A text as one segment of a path.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm::Protocol;
    use llm::provider::{OPENAI_COMPATIBLE, Place, RouteKind};

    static SPEC: ProviderSpec = ProviderSpec {
        kind: "x",
        base_url: Some("https://{region}.example.com/{account}"),
        places: &[
            Place { name: "region", variables: &[], default: Some("eu") },
            Place { name: "account", variables: &["X_ACCOUNT"], default: None },
        ],
        routes: &[
            Route::chat(Protocol::OpenAiChat, "/models/{model}:make").streamed_at("/models/{model}:stream")
        ],
        ..OPENAI_COMPATIBLE
    };

    fn of(places: &[(&str, &str)], base_url: Option<&str>) -> Result<String, ProviderError> {
        let places = places.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        base(&"x".parse().unwrap(), &SPEC, base_url, &places)
    }

    #[test]
    fn places_are_filled_in_and_the_model_is_a_segment_of_the_path() {
        let base = of(&[("account", "7")], None).unwrap();
        assert_eq!(base, "https://eu.example.com/7");
        let routes = Addressed::routes(&SPEC, &base).unwrap();
        let at = |is_stream| routes[0].endpoint("a/b:1 ü", is_stream).unwrap().uri.to_string();
        assert_eq!(at(false), "https://eu.example.com/7/models/a%2Fb%3A1%20%C3%BC:make");
        assert_eq!(at(true), "https://eu.example.com/7/models/a%2Fb%3A1%20%C3%BC:stream");
        assert_eq!(
            of(&[("account", "7"), ("region", "https://us")], None).unwrap(),
            "https://us.example.com/7"
        );
        assert_eq!(of(&[], Some("http://127.0.0.1:1/v1/")).unwrap(), "http://127.0.0.1:1/v1");
    }

    #[test]
    fn what_a_request_adds_to_an_address_is_escaped() {
        let spec = llm::provider::find("deepgram").unwrap();
        let routes = Addressed::routes(spec, "http://127.0.0.1:1/v1").unwrap();
        let endpoint = routes[0].endpoint("m", false).unwrap();
        let query = [("model", "a&b=c".to_owned()), ("language", "de CH".to_owned())];
        let below = endpoint.below(Some("x/../y"), &query).unwrap();
        assert_eq!(below.uri, "http://127.0.0.1:1/v1/listen/x%2F..%2Fy?model=a%26b%3Dc&language=de%20CH");
        assert!(below.plain.is_some());
        assert_eq!(endpoint.below(None, &[]).unwrap().uri, endpoint.uri);
    }

    #[test]
    fn an_address_that_an_answer_tells_must_be_the_providers_own() {
        let spec = llm::provider::find("black-forest-labs").unwrap();
        let asked =
            |base: &str| Addressed::routes(spec, base).unwrap()[0].endpoint("flux-dev", false).unwrap();
        let hosts = |base: &str, address: &str| asked(base).told(spec.domain, address).is_some();
        let own = "https://api.bfl.ai";
        for address in [
            "https://api.bfl.ai/v1/get_result?id=7",
            "https://api.us2.bfl.ai/v1/get_result?id=7",
            "https://delivery.eu.BFL.ai:443/results/7/sample.png?sig=x",
            "https://bfl.ai/x",
        ] {
            assert!(hosts(own, address) && hosts("https://api.eu.bfl.ai", address), "{address}");
            assert!(!hosts("https://proxy.example", address) && !hosts("http://127.0.0.1:1", address));
        }
        for address in [
            "http://api.us2.bfl.ai/x",
            "https://api.us2.bfl.ai:8443/x",
            "https://evil-bfl.ai/x",
            "https://bfl.ai.evil.example/x",
            "https://bfl.ai@evil.example/x",
            "https://user@api.bfl.ai/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "/v1/get_result",
            "",
        ] {
            assert!(!hosts(own, address), "{address}");
        }
        // Who configures an address means that one, whatever it is.
        assert!(hosts("http://127.0.0.1:1", "http://127.0.0.1:1/x"));
        for address in ["http://127.0.0.1:2/x", "https://127.0.0.1:1/x", "http://localhost:1/x"] {
            assert!(!hosts("http://127.0.0.1:1", address), "{address}");
        }
        // A provider without a domain has no other hosts.
        assert!(asked(own).told(None, "https://api.us2.bfl.ai/x").is_none());
    }

    #[test]
    fn what_stands_beside_a_route_stays_below_its_address() {
        let spec = llm::provider::find("assemblyai").unwrap();
        let routes = Addressed::routes(spec, "http://127.0.0.1:1/proxy").unwrap();
        let endpoint = routes[0].endpoint("m", false).unwrap();
        let beside = |segments: &[&str]| {
            let segments: Vec<String> = segments.iter().map(|segment| (*segment).to_owned()).collect();
            endpoint.beside(&segments).map(|endpoint| endpoint.uri.to_string())
        };
        let at = |path: &str| Some(format!("http://127.0.0.1:1/proxy/v2/{path}"));
        assert_eq!(beside(&["transcript"]), at("transcript"));
        assert_eq!(beside(&["transcript", "a/../b?c"]), at("transcript/a%2F..%2Fb%3Fc"));
        assert_eq!((beside(&["transcript", ".."]), beside(&[""])), (None, None));
    }

    #[test]
    fn googles_address_may_have_its_old_ends() {
        let spec = llm::provider::find("google").unwrap();
        for end in ["", "/v1beta", "/v1beta/openai", "/v1beta/openai/"] {
            let base = base(
                &"google".parse().unwrap(),
                spec,
                Some(&format!("https://x.example{end}")),
                &BTreeMap::new(),
            );
            let routes = Addressed::routes(spec, &base.unwrap()).unwrap();
            let at: Vec<String> =
                routes.iter().map(|route| route.endpoint("m", true).unwrap().uri.to_string()).collect();
            assert_eq!(at[0], "https://x.example/v1beta/models/m:streamGenerateContent?alt=sse");
            assert_eq!(at[2], "https://x.example/v1beta/models/m:batchEmbedContents");
        }
    }

    #[test]
    fn a_host_begins_with_its_location_unless_that_is_the_whole_world() {
        let spec = llm::provider::find("vertex").unwrap();
        let at = |location: &str| {
            let places = [("project", "p"), ("location", location)];
            let places = places.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            base(&"vertex".parse().unwrap(), spec, None, &places).unwrap()
        };
        assert_eq!(at("global"), "https://aiplatform.googleapis.com/v1/projects/p/locations/global");
        let regional = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1";
        assert_eq!(at("europe-west1"), regional);
    }

    #[test]
    fn a_route_may_have_a_host_of_its_own() {
        const RANKING: ProviderSpec = ProviderSpec {
            base_url: Some("https://api.example.com/v1"),
            routes: &[Route::of(RouteKind::Rerank, "https://rank.example.com/v2/rerank")],
            ..OPENAI_COMPATIBLE
        };
        let rerank = |base: &str| {
            let routes = Addressed::routes(&RANKING, base).unwrap();
            routes[0].endpoint("m", false).unwrap().uri.to_string()
        };
        assert_eq!(rerank(RANKING.base_url.unwrap()), "https://rank.example.com/v2/rerank");
        assert_eq!(rerank("http://127.0.0.1:1"), "http://127.0.0.1:1/v2/rerank");
    }

    #[test]
    fn coheres_address_may_have_its_old_end() {
        let spec = llm::provider::find("cohere").unwrap();
        for end in ["", "/v2", "/compatibility/v1"] {
            let routes = Addressed::routes(spec, &format!("https://x.example{end}")).unwrap();
            let at = |at: usize| routes[at].endpoint("m", true).unwrap().uri.to_string();
            assert_eq!(
                (at(0), at(2)),
                ("https://x.example/v2/chat".into(), "https://x.example/v2/rerank".into())
            );
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let name: ProviderName = "x".parse().unwrap();
        assert_eq!(of(&[], None), Err(ProviderError::NoPlace(name.clone(), "account", &["X_ACCOUNT"])));
        let unknown = of(&[("acount", "7")], None);
        assert_eq!(unknown, Err(ProviderError::UnknownPlace(name.clone(), "acount".to_owned())));
        assert_eq!(of(&[("account", "7#")], None), Err(ProviderError::TooMuchBaseUrl(name)));
    }
}
