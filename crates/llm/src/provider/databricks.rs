//! Databricks: foundation models of a workspace, chat and embeddings.
//!
//! API: <https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference>, as of 2026-11-22.
//! The host is that of the customer's workspace; `DATABRICKS_HOST` and `DATABRICKS_TOKEN` are what its own tools read.
//!
//! Claude models answer with a list of parts in `content`, their thoughts among them.

use super::{OPENAI_COMPATIBLE, Place, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "databricks",
    name: "Databricks",
    base_url: Some("https://{host}/serving-endpoints"),
    places: &[Place { name: "host", variables: &["DATABRICKS_HOST"], default: None }],
    key_variables: &["DATABRICKS_TOKEN"],
    ..OPENAI_COMPATIBLE
};
