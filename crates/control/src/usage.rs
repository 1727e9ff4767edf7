//! `…/usage`: reports of a key or of the organization. Parameters may stand in the query string or in a JSON
//! body, since clients do both; where both have one, the query string wins.

use crate::amount::Amount;
use crate::auth::Reader;
use crate::keys::Readable;
use crate::{Control, Problem, body, time};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::{KeyId, OrgId, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::usage::{Counters, Dimension, Resolution, UsagePeriod, UsageQuery};

const DAY_MS: i64 = 86_400_000;
/// Longest stretch of time of a report.
const DAYS_MAX: i64 = 100;
/// Things that one report may tell apart.
const GROUP_BY_MAX: usize = 5;

/// `GET /v1/manage/apikey/{id}/usage`.
pub async fn of_key(
    State(control): State<Control>,
    readable: Readable,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let asked = Asked::read(query.as_deref(), body).await?;
    report(&control, readable.key.org, Some(readable.key.id), asked).await
}

/// `GET /v1/manage/org/usage`.
pub async fn of_org(
    State(control): State<Control>,
    Reader(actor): Reader,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let asked = Asked::read(query.as_deref(), body).await?;
    report(&control, actor.key().org, None, asked).await
}

async fn report(
    control: &Control,
    org: OrgId,
    key: Option<KeyId>,
    asked: Asked,
) -> Result<Response, Problem> {
    let names = asked.group_by();
    let query = asked.query(org, key, &names)?;
    let report = control.db.usage(&query).await?;
    let usage: BTreeMap<String, PeriodView> = report
        .into_iter()
        .map(|(start, period)| (time::write(start), PeriodView::of(&period, &names)))
        .collect();
    body::answer(StatusCode::OK, &BTreeMap::from([("usage", usage)]))
}

/// The parameters, as they were sent.
#[derive(Default, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    start: Option<String>,
    end: Option<String>,
    resolution: Option<String>,
    group_by: Option<Names>,
}

#[derive(PartialEq, Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Asked {
    async fn read(query: Option<&str>, body: Body) -> Result<Self, Problem> {
        let bytes = body::bytes(body).await?;
        let from_body = if bytes.trim_ascii().is_empty() { Self::default() } else { body::parse(&bytes)? };
        Self::of_query(query.unwrap_or_default()).map(|from_query| from_query.or(from_body))
    }

    fn of_query(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut names = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "start" => asked.start = Some(value),
                "end" => asked.end = Some(value),
                "resolution" => asked.resolution = Some(value),
                "group_by" | "group_by[]" => names.push(value),
                _ => {
                    let name: String = name.chars().take(64).collect();
                    return Err(Problem::invalid(format!(
                        "unknown parameter {name:?}: expected start, end, resolution or group_by"
                    )));
                }
            }
        }
        asked.group_by = (!names.is_empty()).then_some(Names::Many(names));
        Ok(asked)
    }

    fn or(self, other: Self) -> Self {
        Self {
            start: self.start.or(other.start),
            end: self.end.or(other.end),
            resolution: self.resolution.or(other.resolution),
            group_by: self.group_by.or(other.group_by),
        }
    }

    /// Names may be repeated, or joined by commas; each counts once.
    fn group_by(&self) -> Vec<String> {
        let texts = match &self.group_by {
            None => &[][..],
            Some(Names::One(text)) => std::slice::from_ref(text),
            Some(Names::Many(texts)) => texts,
        };
        let mut names: Vec<String> = Vec::new();
        for name in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    fn query(&self, org: OrgId, key: Option<KeyId>, names: &[String]) -> Result<UsageQuery, Problem> {
        let start = self.start.as_deref().ok_or_else(|| Problem::invalid("start: is missing"))?;
        let start = time::read("start", start)?;
        let usual = Timestamp::from_unix_ms(start.unix_ms().saturating_add(DAY_MS));
        let end = self.end.as_deref().map(|end| time::read("end", end)).transpose()?.unwrap_or(usual);
        if end <= start {
            return Err(Problem::invalid("end: must be after start"));
        }
        if end.unix_ms().saturating_sub(start.unix_ms()) > DAYS_MAX * DAY_MS {
            return Err(Problem::invalid(format!("end: at most {DAYS_MAX} days after start")));
        }
        let resolution = match self.resolution.as_deref() {
            None | Some("day") => Resolution::Day,
            Some("hour") => Resolution::Hour,
            Some("month") => Resolution::Month,
            Some(_) => return Err(Problem::invalid("resolution: expected hour, day or month")),
        };
        if names.len() > GROUP_BY_MAX {
            return Err(Problem::invalid(format!("group_by: expected at most {GROUP_BY_MAX} fields")));
        }
        let group_by = names.iter().map(|name| dimension(name)).collect::<Result<_, _>>()?;
        Ok(UsageQuery { org, key, start, end, resolution, group_by })
    }
}

fn dimension(name: &str) -> Result<Dimension, Problem> {
    if let Some(field) = name.strip_prefix("extra.").filter(|field| !field.is_empty()) {
        return Ok(Dimension::Extra(field.to_owned()));
    }
    Ok(match name {
        "api_key_id" => Dimension::Key,
        "model_requested" => Dimension::ModelRequested,
        "model_used" => Dimension::ModelUsed,
        "provider_used" => Dimension::Provider,
        "is_byok" => Dimension::IsByok,
        "group_id" => Dimension::Group,
        "user_id" => Dimension::UserId,
        "origin_title" => Dimension::OriginTitle,
        _ => {
            let name: String = name.chars().take(64).collect();
            return Err(Problem::invalid(format!(
                "group_by: {name:?} is none of api_key_id, group_id, is_byok, model_requested, model_used, \
                 origin_title, provider_used, user_id, extra.<field>"
            )));
        }
    })
}

#[derive(Serialize)]
struct PeriodView {
    #[serde(flatten)]
    counters: CountersView,
    #[serde(skip_serializing_if = "Option::is_none")]
    grouped_data: Option<Vec<GroupView>>,
}

#[derive(Serialize)]
struct GroupView {
    group_by_values: BTreeMap<String, String>,
    #[serde(flatten)]
    counters: CountersView,
}

#[derive(Serialize)]
struct CountersView {
    completions_requests: u64,
    embedding_requests: u64,
    image_requests: u64,
    speech_requests: u64,
    transcription_requests: u64,
    total_requests: u64,
    spend: Amount,
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl PeriodView {
    fn of(period: &UsagePeriod, names: &[String]) -> Self {
        let group = |(values, counters): (&Vec<String>, &Counters)| GroupView {
            group_by_values: names.iter().cloned().zip(values.iter().cloned()).collect(),
            counters: CountersView::of(counters),
        };
        Self {
            counters: CountersView::of(&period.total),
            grouped_data: (!names.is_empty()).then(|| period.groups.iter().map(group).collect()),
        }
    }
}

impl CountersView {
    fn of(counters: &Counters) -> Self {
        Self {
            completions_requests: counters.completions,
            embedding_requests: counters.embeddings,
            image_requests: counters.images,
            speech_requests: counters.speech,
            transcription_requests: counters.transcriptions,
            total_requests: counters.requests,
            spend: Amount(counters.spend),
            input_tokens: counters.input_tokens,
            output_tokens: counters.output_tokens,
            total_tokens: counters.input_tokens.saturating_add(counters.output_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<UsageQuery, Problem> {
        let org = OrgId::from_parts(Timestamp::from_unix_ms(1), [1; 10]);
        let asked = Asked::of_query(text)?;
        asked.query(org, None, &asked.group_by())
    }

    #[test]
    fn a_day_by_days_is_the_usual() {
        let query = query("start=1970-01-02T00:00:00Z").unwrap();
        assert_eq!((query.start.unix_ms(), query.end.unix_ms()), (DAY_MS, 2 * DAY_MS));
        assert_eq!((query.resolution, query.group_by.len()), (Resolution::Day, 0));
    }

    #[test]
    fn names_may_be_repeated_or_joined() {
        let by = query("start=1970-01-02&group_by=user_id,extra.team&group_by=model_used&group_by=user_id");
        let expected = [Dimension::UserId, Dimension::Extra("team".to_owned()), Dimension::ModelUsed];
        assert_eq!(by.unwrap().group_by, expected);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_name() {
        for (text, named) in [
            ("", "start"),
            ("start=yesterday", "start"),
            ("start=1970-01-02&end=1970-01-02", "end"),
            ("start=1970-01-02&end=1970-04-13T00:00:00.001Z", "end"),
            ("start=1970-01-02&resolution=week", "resolution"),
            ("start=1970-01-02&group_by=shoe_size", "shoe_size"),
            ("start=1970-01-02&group_by=extra.", "extra."),
            ("start=1970-01-02&group_by=extra.a,extra.b,extra.c,extra.d,extra.e,extra.f", "group_by"),
            ("start=1970-01-02&strat=1", "strat"),
        ] {
            let problem = query(text).unwrap_err();
            assert!(problem.status() == StatusCode::BAD_REQUEST, "{text}");
            assert!(problem.to_string().contains(named), "{text}: {problem}");
        }
        assert!(query("start=1970-01-02&end=1970-04-12").is_ok());
    }

    #[test]
    fn the_query_string_wins_over_the_body() {
        let body: Asked = body::parse(br#"{"start":"a","end":"b","group_by":"x,y"}"#).unwrap();
        let asked = Asked::of_query("start=c").unwrap().or(body);
        assert_eq!((asked.start.as_deref(), asked.end.as_deref()), (Some("c"), Some("b")));
        assert_eq!(asked.group_by(), ["x", "y"]);
        let list: Asked = body::parse(br#"{"group_by":["x","y,z"]}"#).unwrap();
        assert_eq!(list.group_by(), ["x", "y", "z"]);
        assert!(body::parse::<Asked>(br#"{"strat":"a"}"#).unwrap_err().to_string().contains("strat"));
    }
}
