//! Cases of embeddings: folders whose names begin with `embed`.
//!
//! Their files are named by shapes in place of protocols. Requests name the model, as `provider/model`, in the body too, so
//! that the route can be found. `embed_error_<status>` is an error body.

use super::{COST_NANO, Case, error_reply};
use domain::Money;
use llm::Protocol;
use llm::ir::VectorFormat;
use llm::protocol::Shape;
use llm::provider::{Route, RouteKind};
use serde_json::Value;

/// Whether a case is one.
pub fn is_one(name: &str) -> bool {
    name.starts_with("embed")
}

/// The model of a request, without its provider.
fn model(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    let named = body["model"].as_str().or(body["requests"][0]["model"].as_str()).unwrap();
    named.trim_start_matches("models/").split_once('/').unwrap().1.to_owned()
}

impl Case {
    /// The route that a request in a shape takes.
    fn route(&self, shape: Shape, model: &str) -> &'static Route {
        self.spec.route(RouteKind::Embeddings, (shape.protocol(), Some(shape)), model).unwrap()
    }

    pub(super) fn embeddings(&mut self) {
        let (mut inputs, mut outbound) = (0, None);
        for shape in Shape::OF_CALLERS {
            let Some(body) = self.read(&format!("request.{}.json", shape.as_str())) else { continue };
            let model = model(&body);
            let route = self.route(shape, &model);
            let named = format!("{}/{model}", self.spec.kind);
            let request = shape.decode_embeddings(&body, &named).unwrap();
            inputs = request.inputs.len();
            outbound.get_or_insert(route.shape);
            if route.shape == shape {
                continue;
            }
            let name = format!("from_{}", shape.as_str());
            let encoded = route.shape.encode_embeddings(&request, &model).unwrap();
            let lines = encoded.warnings.iter().map(|warning| format!("request {name}: {warning}"));
            self.warnings.extend(lines);
            self.json(format!("upstream.request.{name}.json"), &encoded.body);
        }
        let shape = outbound.expect("a case of embeddings has a request");
        let body = self.read("upstream.response.json").unwrap();
        match self.name().strip_prefix("embed_error_") {
            Some(status) => self.embeddings_error(shape.protocol(), status.parse().unwrap(), &body),
            None => self.vectors(shape, &body, inputs),
        }
    }

    fn vectors(&mut self, shape: Shape, body: &[u8], inputs: usize) {
        let response = shape.decode_vectors(body, inputs).unwrap();
        let cost = response.usage.map(|_| Money::from_nano(COST_NANO));
        for caller in Shape::OF_CALLERS {
            // One content has one vector.
            if caller == Shape::GeminiEmbed && inputs > 1 {
                continue;
            }
            let reply = caller.encode_vectors(&response, VectorFormat::Numbers, cost).unwrap();
            self.json(format!("reply.{}.json", caller.as_str()), &reply);
        }
        let coded = Shape::OpenAi.encode_vectors(&response, VectorFormat::Base64, cost).unwrap();
        self.json("reply.openai.base64.json".to_owned(), &coded);
        match response.usage {
            Some(usage) => self.usage(usage),
            None => drop(self.written.insert("usage.json".to_owned(), "null\n".to_owned())),
        }
    }

    fn embeddings_error(&mut self, protocol: Protocol, status: u16, body: &[u8]) {
        let error = protocol.decode_error(status, body);
        let reply = error_reply(status, body, &error);
        for shape in Shape::OF_CALLERS {
            self.json(format!("reply.{}.json", shape.as_str()), &shape.protocol().encode_error(&reply));
        }
    }
}
