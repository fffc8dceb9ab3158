//! The JSON form of a fault rule: one flat object. [`Fault`] documents its members.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    effects::{Bandwidth, Drip, Effect, Latency, Side, When},
    rule::Fault,
};

/// The members of a rule as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RuleJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drive: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    skip: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasting: Option<u64>,
    when: When,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    reset: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrupt: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth: Option<Bandwidth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drip: Option<Drip>,
    #[serde(skip_serializing_if = "is_false")]
    expire: bool,
    #[serde(skip_serializing_if = "is_false")]
    lose_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    invisible: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    wrong_hash: bool,
}

/// Returns whether a number need not be serialized.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Returns whether a flag need not be serialized.
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Serialize for Fault {
    /// Serializes the rule as one flat object.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RuleJson::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fault {
    /// Deserializes a rule from one flat object. Its consistency is not checked.
    ///
    /// # Errors
    /// For an unknown member, or one of the wrong type.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RuleJson::deserialize(deserializer).map(<Self as From<RuleJson>>::from)
    }
}

impl From<RuleJson> for Fault {
    /// Converts the members that are present to effects, in the order of the variants.
    fn from(json: RuleJson) -> Self {
        let RuleJson { operation, path, drive, share, skip, every, count, .. } = json;
        let RuleJson { from, until, lasting, when, .. } = json;
        // `Fault::effects` is sorted by the order of the variants.
        let effects = [
            json.latency.map(Effect::Latency),
            json.status.map(Effect::Status),
            (!json.headers.is_empty()).then_some(Effect::Headers(json.headers)),
            json.body.map(Effect::Body),
            json.reset.then_some(Effect::Reset),
            json.at.map(Effect::ResetAt),
            json.truncate.map(Effect::Truncate),
            json.corrupt.map(Effect::Corrupt),
            json.bandwidth.map(Effect::Bandwidth),
            json.drip.map(Effect::Drip),
            json.expire.then_some(Effect::Expire),
            json.lose_session.then_some(Effect::LoseSession),
            json.invisible.map(Effect::Invisible),
            json.wrong_hash.then_some(Effect::WrongHash),
        ];
        let effects = effects.into_iter().flatten().collect();
        Self {
            operation,
            path,
            drive,
            share,
            skip,
            every,
            count,
            from,
            until,
            lasting,
            when,
            effects,
        }
    }
}

impl From<Fault> for RuleJson {
    /// Converts the effects to members of one object.
    fn from(rule: Fault) -> Self {
        let Fault { operation, path, drive, share, skip, every, count, .. } = rule;
        let Fault { from, until, lasting, when, effects, .. } = rule;
        let mut json = Self {
            operation,
            path,
            drive,
            share,
            skip,
            every,
            count,
            from,
            until,
            lasting,
            when,
            ..Self::default()
        };
        for effect in effects {
            match effect {
                Effect::Latency(latency) => json.latency = Some(latency),
                Effect::Status(status) => json.status = Some(status),
                Effect::Headers(headers) => json.headers = headers,
                Effect::Body(body) => json.body = Some(body),
                Effect::Reset => json.reset = true,
                Effect::ResetAt(bytes) => json.at = Some(bytes),
                Effect::Truncate(bytes) => json.truncate = Some(bytes),
                Effect::Corrupt(side) => json.corrupt = Some(side),
                Effect::Bandwidth(bandwidth) => json.bandwidth = Some(bandwidth),
                Effect::Drip(drip) => json.drip = Some(drip),
                Effect::Expire => json.expire = true,
                Effect::LoseSession => json.lose_session = true,
                Effect::Invisible(time) => json.invisible = Some(time),
                Effect::WrongHash => json.wrong_hash = true,
            }
        }
        json
    }
}
