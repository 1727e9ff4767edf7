//! Reading the model catalogue: `catalog/<kind>.toml`, from the binary or from a folder of overrides.
//!
//! The format stands in `catalog/README.md`, its shape in [`format`]. A file in the folder of overrides
//! replaces the built-in one of its kind as a whole: that is how prices change without a new binary.

mod format;
mod layers;

pub use format::Capability;
pub use layers::{add_listed, load, take_over};

use domain::catalog::{Lifecycle, Model};
use domain::pricing::{ModelPrice, PriceTier, Schedule, SpecialPrices, TokenPrices};
use domain::{Factor, Mode, Price};
use format::{Amount, Day, Entry, File, FileMode, Prices, Status};
use std::collections::HashSet;
use std::path::PathBuf;

macro_rules! catalogue_files {
    ($($kind:literal)*) => {
        &[$(($kind, include_str!(concat!("../../../catalog/", $kind, ".toml")))),*]
    };
}

/// Kind and text of each file in `catalog/`, by kind. A list and not the whole folder: files are found by
/// binary search, and nothing but catalogues gets into the binary. A test compares it with the folder.
#[rustfmt::skip]
static EMBEDDED: &[(&str, &str)] = catalogue_files![
    "ai21" "alibaba" "anthropic" "arcee" "assemblyai" "azure" "baseten" "bedrock" "berget" "black-forest-labs"
    "cerebras" "cloudflare" "cohere" "databricks" "deepgram" "deepinfra" "deepseek" "demo" "elevenlabs" "fireworks"
    "friendli" "google" "groq" "hyperbolic" "inception" "infomaniak" "jina" "meta" "minimax" "mistral"
    "moonshot" "morph" "nebius" "novita" "nvidia" "openai" "ovhcloud" "perplexity" "regolo" "sambanova"
    "scaleway" "siliconflow" "stability" "stackit" "stepfun" "tencent" "thinkingmachines" "together" "upstage"
    "vertex" "volcengine" "voyage" "wandb" "xai" "xiaomi" "zai" "zhipu"
];

const THRESHOLD: Option<&str> = Some("above_input_tokens");

/// Why a catalogue file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file is there, but cannot be read, or cannot be written.
    #[error("catalogue file {path} cannot be read or written")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown field, or a value of the wrong form.
    #[error("catalogue line {line}{}: {reason}", place(.model.as_deref(), .field.as_deref()))]
    Malformed { line: usize, model: Option<String>, field: Option<String>, reason: String },
    /// A price that the gateway must know is left out while others are given.
    #[error("catalogue{}: missing", place(Some(.model), Some(.field)))]
    Missing { model: String, field: &'static str },
    /// Tiers that do not rise, or a threshold outside a tier.
    #[error("catalogue{}: not in every tier, not rising, or outside a tier", place(Some(.model), THRESHOLD))]
    Tiers { model: String },
    /// Two models with one id.
    #[error("catalogue{}: is there twice", place(Some(.model), Some("id")))]
    Duplicate { model: String },
    /// One of the above, in this file.
    #[error("in {file}")]
    InFile {
        file: String,
        #[source]
        source: Box<CatalogError>,
    },
}

/// `, model "x", field "y"`, as far as known.
fn place(model: Option<&str>, field: Option<&str>) -> String {
    let model = model.map(|id| format!(", model {id:?}")).unwrap_or_default();
    let field = field.map(|name| format!(", field {name:?}")).unwrap_or_default();
    format!("{model}{field}")
}

/// The catalogue file of a provider kind that is part of the binary.
pub fn embedded(kind: &str) -> Option<&'static str> {
    let at = EMBEDDED.binary_search_by_key(&kind, |(known, _)| known).ok()?;
    EMBEDDED.get(at).map(|(_, text)| *text)
}

/// Reads the text of a catalogue file.
pub fn parse(text: &str) -> Result<Vec<Model>, CatalogError> {
    let file: File = crate::toml_text::parse(text).map_err(|error| malformed(text, &error))?;
    let mut models = Vec::with_capacity(file.models.len());
    for entry in file.models {
        entry.add_to(&mut models)?;
    }
    let mut seen = HashSet::with_capacity(models.len());
    if let Some(twin) = models.iter().find(|model| !seen.insert(model.id.as_str())) {
        return Err(CatalogError::Duplicate { model: twin.id.clone() });
    }
    Ok(models)
}

/// Says where an error is, in words of the catalogue.
fn malformed(text: &str, error: &toml::de::Error) -> CatalogError {
    let span = error.span().unwrap_or_default();
    let before = text.get(..span.start).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let entry = before.rfind("[[models]]").and_then(|at| text.get(at..)).unwrap_or("");
    let entry = entry.find("\n[[").and_then(|end| entry.get(..end)).unwrap_or(entry);
    let model =
        entry.lines().find_map(|line| line.strip_prefix("id = ")).map(|id| id.trim_matches('"').to_owned());
    // The error points at a key or at a value; before a value stand its key and the sign.
    let is_key =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let pointed_at = text.get(span.clone()).unwrap_or("");
    let key_before = || before.trim_end().strip_suffix('=')?.trim_end().rsplit([' ', '{', '\n']).next();
    let field = Some(pointed_at).filter(|word| is_key(word) && !before.ends_with("= ")).or_else(key_before);
    CatalogError::Malformed {
        line: text.get(..line_start).unwrap_or("").matches('\n').count() + 1,
        model,
        field: field.filter(|word| is_key(word)).map(str::to_owned),
        reason: error.message().to_owned(),
    }
}

impl Entry {
    /// Adds the model, and its variants that have ids of their own: those are called, and priced, like any other.
    fn add_to(mut self, models: &mut Vec<Model>) -> Result<(), CatalogError> {
        let variants = std::mem::take(&mut self.variants);
        let listed = variants.into_iter().filter_map(|variant| {
            let id = variant.id?;
            let prices = variant.price.map(|prices| self.token_prices(&prices)).transpose();
            Some(prices.map(|prices| (id, variant.scope, prices)))
        });
        let listed: Vec<_> = listed.collect::<Result<_, _>>()?;
        let is_callable = !self.profile_only;
        let model = self.into_model()?;
        for (id, scope, prices) in listed {
            let price = match (&model.price, prices) {
                (Some(price), Some(prices)) => Some(price.relisted(prices)),
                (price, None) => price.clone(),
                (None, Some(base)) => Some(ModelPrice { base, ..ModelPrice::default() }),
            };
            let name = format!("{} ({scope})", model.name);
            models.push(Model { id, name, aliases: Vec::new(), price, ..model.clone() });
        }
        if is_callable {
            models.push(model);
        }
        Ok(())
    }

    fn into_model(self) -> Result<Model, CatalogError> {
        let price = self.model_price()?;
        Ok(Model {
            mode: match self.mode {
                FileMode::Chat => Mode::Chat,
                FileMode::Responses => Mode::Responses,
                FileMode::Embedding => Mode::Embedding,
                FileMode::Completion => Mode::Completion,
                FileMode::Image => Mode::Image,
                FileMode::Moderation => Mode::Moderation,
                FileMode::Rerank => Mode::Rerank,
                FileMode::Speech => Mode::Speech,
                FileMode::Transcription => Mode::Transcription,
                // What is sold by the length of a session is not told of by its events.
                FileMode::Realtime if self.price.is_some() => Mode::Realtime,
                FileMode::Ocr | FileMode::Realtime => Mode::Other,
            },
            capabilities: Capability::known(&self.capabilities),
            context_window: self.context_window,
            max_output_tokens: self.max_output_tokens,
            released_at: self.released.map_or(0, |date| date.0),
            lifecycle: Lifecycle {
                is_deprecated: matches!(self.status, Some(Status::Deprecated | Status::Retiring)),
                retires: self.retires.map(|Day(text, begins)| (text, begins)),
            },
            id: self.id,
            aliases: self.aliases,
            weights: self.weights,
            name: self.name,
            price,
        })
    }

    /// The price, or `None` where only units are listed that the gateway cannot count: unknown, not free.
    fn model_price(&self) -> Result<Option<ModelPrice>, CatalogError> {
        let units = &self.units;
        let counted = [
            units.per_image,
            units.per_request,
            units.per_1k_queries,
            units.per_1m_chars_input,
            units.per_second_input,
        ];
        if self.price.is_none() && counted.iter().all(Option::is_none) {
            return Ok(None);
        }
        let base = match &self.price {
            Some(prices) => self.token_prices(prices)?,
            None => TokenPrices::default(),
        };
        let refuse = || CatalogError::Tiers { model: self.id.clone() };
        if self.price.as_ref().is_some_and(|prices| prices.above_input_tokens.is_some()) {
            return Err(refuse());
        }
        let mut tiers = Vec::with_capacity(self.price_tiers.len());
        let mut below = 0;
        for tier in &self.price_tiers {
            below = tier.above_input_tokens.filter(|&above| above > below).ok_or_else(refuse)?;
            tiers.push(PriceTier { above_input_tokens: below, prices: self.token_prices(tier)? });
        }
        let mut price = ModelPrice {
            base,
            tiers,
            per_image: per_unit(units.per_image),
            per_web_search: per_unit(units.per_web_search),
            per_request: per_unit(units.per_request),
            per_query: per_thousand(units.per_1k_queries),
            per_character: units
                .per_1m_chars_input
                .map_or(Price::ZERO, |amount| Price::per_million(amount.0)),
            // Dollars a second are as many a thousand milliseconds.
            per_audio_ms: per_thousand(units.per_second_input),
            per_kept_token_hour: units
                .per_1m_kept_token_hours
                .map_or(Price::ZERO, |amount| Price::per_million(amount.0)),
            special: None,
        };
        let special = self.special_prices(&price)?;
        price.special = Some(special).filter(|special| *special != SpecialPrices::default()).map(Box::new);
        Ok(Some(price))
    }

    fn special_prices(&self, price: &ModelPrice) -> Result<SpecialPrices, CatalogError> {
        let schedule = |listed: Option<&Prices>| {
            listed.map(|listed| Ok(Schedule::like(price, self.token_prices(listed)?))).transpose()
        };
        let factor = |amount: Amount| Factor::from_amount(amount.0);
        Ok(SpecialPrices {
            flex: schedule(self.service_tiers.flex.as_ref())?,
            priority: schedule(self.service_tiers.priority.as_ref())?,
            // Which region it is does not matter as long as all are at one price; else the dearest counts.
            regional: self.region_uplift.values().copied().map(factor).max(),
            fast: self.fast_multiplier.map(factor),
        })
    }

    fn token_prices(&self, prices: &Prices) -> Result<TokenPrices, CatalogError> {
        let missing = |field| CatalogError::Missing { model: self.id.clone(), field };
        // A chat model without one of the two would be served for nothing.
        let is_chat = matches!(self.mode, FileMode::Chat | FileMode::Responses);
        if is_chat && prices.input.is_none() {
            return Err(missing("price.input"));
        }
        if is_chat && prices.output.is_none() {
            return Err(missing("price.output"));
        }
        let per_million = |amount: Amount| Price::per_million(amount.0);
        Ok(TokenPrices {
            input: prices.input.map_or(Price::ZERO, per_million),
            output: prices.output.map_or(Price::ZERO, per_million),
            cache_read: prices.cache_read.map(per_million),
            cache_write: prices.cache_write.map(per_million),
            cache_write_1h: prices.cache_write_1h.map(per_million),
            reasoning: prices.reasoning.map(per_million),
            audio_input: prices.audio_input.map(per_million),
            audio_output: prices.audio_output.map(per_million),
            image_input: prices.image_input.map(per_million),
            image_output: prices.image_output.map(per_million),
            audio_cache_read: prices.audio_cache_read.map(per_million),
            image_cache_read: prices.image_cache_read.map(per_million),
        })
    }
}

fn per_thousand(amount: Option<Amount>) -> Price {
    amount.map_or(Price::ZERO, |amount| Price::per_thousand(amount.0))
}

fn per_unit(amount: Option<Amount>) -> Price {
    amount.map_or(Price::ZERO, |amount| Price::per_unit(amount.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Terms, Tier, Usage, cost};

    fn model(kind: &str, id: &str) -> Model {
        let catalog = load(kind, None, None).unwrap();
        Model::clone(catalog.find(id).unwrap())
    }

    fn price(kind: &str, id: &str) -> ModelPrice {
        model(kind, id).price.unwrap()
    }

    #[test]
    fn the_list_of_files_is_sorted_and_is_what_the_folder_holds() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalog");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
            .collect();
        found.sort();
        assert_eq!(found, EMBEDDED.iter().map(|(kind, _)| *kind).collect::<Vec<_>>());
        assert!(EMBEDDED.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn every_embedded_file_is_well_formed_and_says_what_its_chat_models_cost() {
        let mut priced = 0;
        for (kind, text) in EMBEDDED {
            let models = parse(text).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert!(!models.is_empty(), "{kind}");
            for model in models {
                priced += usize::from(model.price.is_some());
                let Some(price) = model.price.filter(|_| model.mode != Mode::Other) else { continue };
                // Some prices are a fraction of a nano-dollar for each.
                let all = Usage::from_array([1_000; 17]);
                assert!(cost(&all, &price) > domain::Money::ZERO, "{kind}/{}", model.id);
            }
        }
        assert!(priced > 1_300, "{priced}");
    }

    #[test]
    fn every_provider_kind_loads_its_catalogue() {
        for spec in llm::provider::ALL {
            let catalog = load(spec.kind, None, None).unwrap();
            assert_eq!(catalog.models().is_empty(), embedded(spec.kind).is_none(), "{}", spec.kind);
        }
    }

    #[test]
    fn profiles_of_places_are_models_at_prices_of_their_own() {
        let [base, eu, global] = ["", "eu.", "global."]
            .map(|place| price("bedrock", &format!("{place}anthropic.claude-sonnet-4-5-20250929-v1:0")));
        let dollars =
            |price: &ModelPrice, input: u64| cost(&Usage { input, ..Usage::ZERO }, price).to_string();
        assert_eq!(global, base);
        assert_eq!((dollars(&base, 100_000), dollars(&eu, 100_000)), ("0.3".to_owned(), "0.33".to_owned()));
        // What is listed for short prompts only keeps its proportion for long ones.
        assert_eq!((dollars(&base, 1_000_000), dollars(&eu, 1_000_000)), ("6".to_owned(), "6.6".to_owned()));
        let catalog = load("bedrock", None, None).unwrap();
        assert!(catalog.find("anthropic.claude-mythos-5").is_none(), "only its profiles can be called");
        assert_eq!(model("bedrock", "eu.amazon.nova-2-lite-v1:0").name, "Nova 2 Lite (eu)");
    }

    #[test]
    fn what_is_known_of_a_model_is_read() {
        let sonnet = model("anthropic", "claude-sonnet-4-5-20250929");
        assert_eq!((sonnet.id.as_str(), sonnet.mode), ("claude-sonnet-4-5", Mode::Chat));
        assert_eq!((sonnet.context_window, sonnet.max_output_tokens), (1_000_000, 64_000));
        assert_eq!(sonnet.released_at, 1_759_104_000); // 2025-09-29
        assert!(sonnet.capabilities.tools && sonnet.capabilities.caching && !sonnet.capabilities.web_search);
        assert_eq!(model("openai", "gpt-5-pro").mode, Mode::Responses);
    }

    #[test]
    fn a_call_to_claude_sonnet_costs_what_anthropic_lists() {
        let short = Usage {
            input: 1_000,
            cache_read: 10_000,
            cache_write: 2_000,
            cache_write_1h: 1_000,
            output: 500,
            web_searches: 2,
            ..Usage::ZERO
        };
        // 0.003 + 0.003 + 0.0075 + 0.006 + 0.0075 + 0.02
        assert_eq!(cost(&short, &price("anthropic", "claude-sonnet-4-5")).to_string(), "0.047");
        let long = Usage { input: 200_000, cache_write_1h: 1_000, output: 1_000, ..Usage::ZERO };
        // 1.2 + 0.012 + 0.0225
        assert_eq!(cost(&long, &price("anthropic", "claude-sonnet-4-5")).to_string(), "1.2345");
    }

    #[test]
    fn a_call_to_gpt_5_bills_reasoning_as_output() {
        let usage = Usage { input: 1_000, cache_read: 500, output: 200, reasoning: 300, ..Usage::ZERO };
        // 0.00125 + 0.0000625 + 0.002 + 0.003
        assert_eq!(cost(&usage, &price("openai", "gpt-5")).to_string(), "0.0063125");
    }

    #[test]
    fn the_tier_of_the_prompt_bills_the_whole_request() {
        let gemini = price("google", "gemini-2.5-pro");
        let at = Usage { input: 150_000, cache_read: 50_000, output: 1_000, ..Usage::ZERO };
        let above = Usage { input: 150_001, ..at };
        assert_eq!(cost(&at, &gemini).to_string(), "0.20375"); // 0.1875 + 0.00625 + 0.01
        assert_eq!(cost(&above, &gemini).to_string(), "0.4025025"); // 0.3750025 + 0.0125 + 0.015
        // The second of three tiers; its cache write keeps the 1.25 of the base price. 0.08 + 0.05 + 0.004
        let coder = Usage { input: 100_000, cache_write: 50_000, output: 1_000, ..Usage::ZERO };
        assert_eq!(cost(&coder, &price("alibaba", "qwen3-coder-flash")).to_string(), "0.134");
    }

    #[test]
    fn prices_on_other_terms_are_read() {
        let usage = Usage { input: 1_000, cache_read: 500, output: 200, ..Usage::ZERO };
        let on = |kind, id, terms| price(kind, id).cost(&usage, terms).map(|cost| cost.to_string());
        let priority = Terms { tier: Tier::Priority, ..Terms::default() };
        // 0.0025 + 0.000125 + 0.004
        assert_eq!(on("openai", "gpt-5", priority).as_deref(), Some("0.006625"));
        assert_eq!(on("openai", "text-embedding-3-small", priority), None);
        let dearest = Terms { is_fast: true, is_regional: true, ..Terms::default() };
        // 2.2 times 0.004 + 0.0001 + 0.004
        assert_eq!(on("anthropic", "claude-opus-5-5", dearest).as_deref(), Some("0.01782"));
        assert_eq!(on("anthropic", "claude-haiku-4-5", dearest), None);
        assert_eq!(price("mistral", "mistral-large-latest").special, None);
    }

    #[test]
    fn what_is_heard_costs_what_sound_does() {
        let heard = Usage { audio_input: 1_000, output: 100, ..Usage::ZERO };
        let costs = |id| cost(&heard, &price("openai", id)).to_string();
        assert_eq!(["gpt-4o-transcribe", "gpt-4o-mini-transcribe"].map(costs), ["0.007", "0.0035"]);
        let length = Usage { audio_ms: 3_600_000, ..Usage::ZERO };
        assert_eq!(cost(&length, &price("openai", "gpt-4o-transcribe")), domain::Money::ZERO);
        assert_eq!(cost(&length, &price("assemblyai", "best")).to_string(), "0.37008");
    }

    #[test]
    fn a_spoken_turn_costs_what_its_kinds_of_tokens_do() {
        // The first two kinds come from the cache; 28 + 20 + 12 of the prompt, 40 + 8 of the answer.
        let turn = Usage {
            cache_read: 100,
            audio_cache_read: 50,
            image_cache_read: 10,
            input: 28,
            audio_input: 20,
            image_input: 12,
            audio_output: 40,
            output: 8,
            ..Usage::ZERO
        };
        let costs = |id| cost(&turn, &price("openai", id)).to_string();
        // 40 + 20 + 5 + 112 + 640 + 60 + 2560 + 128 millionths
        assert_eq!(costs("gpt-realtime"), "0.003565");
        // 6 + 15 + 0.8 + 16.8 + 200 + 9.6 + 800 + 19.2 millionths
        assert_eq!(costs("gpt-realtime-mini"), "0.0010674");
        assert_eq!(model("openai", "gpt-realtime").mode, Mode::Realtime);
        // By the minute.
        assert_eq!(model("openai", "gpt-live-1").mode, Mode::Other);
    }

    #[test]
    fn free_offers_and_units_nobody_counts_have_no_price() {
        assert_eq!(model("zai", "glm-4.7-flash").price, None);
        assert_eq!(model("mistral", "mistral-ocr-latest").price, None);
        let sold = |kind, id, usage| cost(&usage, &price(kind, id)).to_string();
        // Two dollars a thousand searches.
        assert_eq!(sold("cohere", "rerank-v3.5", Usage { queries: 3, ..Usage::ZERO }), "0.006");
        // Six thousandths a minute.
        assert_eq!(sold("openai", "whisper-1", Usage { audio_ms: 90_000, ..Usage::ZERO }), "0.009");
        // Fifteen dollars a million letters.
        assert_eq!(sold("openai", "tts-1", Usage { characters: 1_000, ..Usage::ZERO }), "0.015");
        assert_eq!(
            price("perplexity", "sonar").per_request.times(1_000),
            Price::per_unit("5".parse().unwrap()).times(1)
        );
    }

    const HEAD: &str = "source = \"test\"\nread = \"2026-11-22\"\n";

    fn refusal(entry: &str) -> String {
        parse(&format!("{HEAD}[[models]]\nid = \"m\"\nname = \"M\"\nmode = \"chat\"\n{entry}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn mistakes_are_named_with_model_and_field() {
        let place = |field: &str| format!("catalogue line 7, model \"m\", field \"{field}\": ");
        let negative = refusal("price = { input = \"-1\", output = \"2\" }");
        assert_eq!(negative, place("input") + "a price is not negative");
        assert!(refusal("price = { output = \"1e3\" }").starts_with(&place("output")));
        assert!(refusal("price = { inptu = \"1\" }").starts_with(&place("inptu")));
        assert!(refusal("contxt_window = 1").starts_with(&place("contxt_window")));
        assert!(refusal("released = \"2025-13-01\"").starts_with(&place("released")));
        assert!(
            refusal("price = { input = \"1\" }").ends_with("model \"m\", field \"price.output\": missing")
        );
        let tier =
            "price = { input = \"1\", output = \"1\" }\nprice_tiers = [{ input = \"1\", output = \"1\" }]";
        assert!(refusal(tier).contains("\"above_input_tokens\""));
        let twin = "[[models]]\nid = \"m\"\nname = \"M\"\nmode = \"chat\"";
        assert!(refusal(twin).contains("is there twice"));
    }

    #[test]
    fn a_file_in_the_folder_replaces_the_one_in_the_binary() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load("openai", Some(folder.path()), None).unwrap().find("gpt-5").is_some());
        let entry = "[[models]]\nid = \"mine\"\nname = \"Mine\"\nmode = \"chat\"";
        std::fs::write(folder.path().join("openai.toml"), format!("{HEAD}{entry}")).unwrap();
        let catalog = load("openai", Some(folder.path()), None).unwrap();
        assert!(catalog.find("gpt-5").is_none() && catalog.find("mine").is_some());
        std::fs::write(folder.path().join("openai.toml"), "nonsense").unwrap();
        assert!(load("openai", Some(folder.path()), None).unwrap_err().to_string().contains("openai.toml"));
    }
}
