//! What fault rules do: how long, how fast, when, where.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng, rngs::StdRng};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// No latency that is drawn is longer, whatever its distribution says.
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// An effect of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Delays the request.
    Latency(Latency),
    /// Responds with this status, 200 to 599.
    Status(u16),
    /// Sets headers of that response; without a status, of the response that there is.
    Headers(BTreeMap<String, String>),
    /// The body of that response. Without it: the protocol's own, or nothing below 400.
    Body(String),
    /// Resets the connection in place of a response.
    Reset,
    /// Number of bytes before a reset during the effect; if there are fewer, after all of them.
    /// Without it: drawn, anywhere within.
    ResetAt(u64),
    /// Maximum number of bytes before the response's body breaks off.
    Truncate(u64),
    /// Changes one byte, drawn, of this side's body.
    Corrupt(Side),
    /// Limits the bandwidth.
    Bandwidth(Bandwidth),
    /// Sends the response's body in drops.
    Drip(Drip),
    /// Takes the access token or the download URL of the request for expired.
    Expire,
    /// Cancels the upload session that the request is about.
    LoseSession,
    /// Hides items that the request creates, for this many milliseconds.
    Invisible(u64),
    /// Makes the hashes in the response wrong.
    WrongHash,
}

impl Effect {
    /// Position among the sorts of effects.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Latency(_) => 0,
            Self::Status(_) => 1,
            Self::Headers(_) => 2,
            Self::Body(_) => 3,
            Self::Reset => 4,
            Self::ResetAt(_) => 5,
            Self::Truncate(_) => 6,
            Self::Corrupt(_) => 7,
            Self::Bandwidth(_) => 8,
            Self::Drip(_) => 9,
            Self::Expire => 10,
            Self::LoseSession => 11,
            Self::Invisible(_) => 12,
            Self::WrongHash => 13,
        }
    }
}

/// When a fault strikes, as seen from the request's effect on the drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Not yet: nothing has happened on the drive.
    #[default]
    Before,
    /// While bytes move: those of the request, or those of the answer where the request has none.
    /// Only a connection can be reset then. See [`Fault::at`](super::Fault::at).
    During,
    /// It has happened; only the answer is lost.
    After,
}

/// Whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The request's: what the client sends.
    Request,
    /// The answer's: what the server sends.
    Answer,
}

/// How long a request waits, in milliseconds: always the same, or drawn for each from a
/// distribution. What is drawn is at least 0 and at most ten minutes.
///
/// As JSON a number is a fixed one; the others are `{"uniform": {"least": 10, "most": 50}}`,
/// `{"normal": {"mean": 50, "deviation": 10}}`, `{"lognormal": {"median": 50, "sigma": 0.5}}`,
/// `{"exponential": {"mean": 50}}`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Latency {
    /// This long.
    Fixed(u64),
    /// Anything between, all equally likely.
    Uniform {
        /// The shortest.
        least: f64,
        /// The longest.
        most: f64,
    },
    /// A bell around its mean.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
    /// Mostly near the median, with a long tail: what networks do.
    Lognormal {
        /// Half of all are shorter.
        median: f64,
        /// The standard deviation of the logarithm, which has no unit; 0.5 is a usual line, 1 a
        /// bad one.
        sigma: f64,
    },
    /// Mostly short, now and then long.
    Exponential {
        /// The mean.
        mean: f64,
    },
}

impl Latency {
    /// Anything between, all equally likely.
    pub fn uniform(least: Duration, most: Duration) -> Self {
        Self::Uniform { least: milliseconds(least), most: milliseconds(most) }
    }

    /// A bell around its mean; what would be below zero is zero.
    pub fn normal(mean: Duration, deviation: Duration) -> Self {
        Self::Normal { mean: milliseconds(mean), deviation: milliseconds(deviation) }
    }

    /// Mostly near the median, with a long tail; see [`Latency::Lognormal`] for `sigma`.
    pub fn lognormal(median: Duration, sigma: f64) -> Self {
        Self::Lognormal { median: milliseconds(median), sigma }
    }

    /// Mostly short, now and then long.
    pub fn exponential(mean: Duration) -> Self {
        Self::Exponential { mean: milliseconds(mean) }
    }

    /// Whether its figures make sense.
    pub(super) fn is_sound(self) -> bool {
        let sound = |figures: [f64; 2]| figures.iter().all(|f| f.is_finite() && *f >= 0.0);
        match self {
            Self::Fixed(time) => Duration::from_millis(time) <= LONGEST,
            Self::Uniform { least, most } => sound([least, most]) && least <= most,
            Self::Normal { mean: a, deviation: b } | Self::Lognormal { median: a, sigma: b } => {
                sound([a, b])
            }
            Self::Exponential { mean } => sound([mean, 0.0]),
        }
    }

    /// One of them.
    pub(super) fn draw(self, dice: &mut StdRng) -> Duration {
        let time = match self {
            Self::Fixed(time) => return Duration::from_millis(time),
            Self::Uniform { least, most } => least + (most - least) * dice.random::<f64>(),
            Self::Normal { mean, deviation } => mean + deviation * bell(dice),
            Self::Lognormal { median, sigma } => median * (sigma * bell(dice)).exp(),
            Self::Exponential { mean } => -mean * (1.0 - dice.random::<f64>()).ln(),
        };
        Duration::try_from_secs_f64(time.max(0.0) / 1000.0).unwrap_or(LONGEST).min(LONGEST)
    }
}

impl From<Duration> for Latency {
    /// A fixed one, of whole milliseconds.
    fn from(time: Duration) -> Self {
        Self::Fixed(whole_milliseconds(time))
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(super) fn whole_milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// A number of the standard normal distribution (Box and Muller's).
fn bell(dice: &mut StdRng) -> f64 {
    let (radius, angle) = (1.0 - dice.random::<f64>(), dice.random::<f64>());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A latency that is not fixed, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Drawn {
    Uniform { least: f64, most: f64 },
    Normal { mean: f64, deviation: f64 },
    Lognormal { median: f64, sigma: f64 },
    Exponential { mean: f64 },
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(time) => serializer.serialize_u64(time),
            Self::Uniform { least, most } => Drawn::Uniform { least, most }.serialize(serializer),
            Self::Normal { mean, deviation } => {
                Drawn::Normal { mean, deviation }.serialize(serializer)
            }
            Self::Lognormal { median, sigma } => {
                Drawn::Lognormal { median, sigma }.serialize(serializer)
            }
            Self::Exponential { mean } => Drawn::Exponential { mean }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either::<Self, Drawn>(
            "milliseconds, or a distribution of them",
            Self::Fixed,
            |drawn| match drawn {
                Drawn::Uniform { least, most } => Self::Uniform { least, most },
                Drawn::Normal { mean, deviation } => Self::Normal { mean, deviation },
                Drawn::Lognormal { median, sigma } => Self::Lognormal { median, sigma },
                Drawn::Exponential { mean } => Self::Exponential { mean },
            },
        ))
    }
}

/// How fast bytes move over the connection that a request came by, in bytes a second. Requests that
/// share a connection (HTTP/2) share it.
///
/// As JSON a number is the same both ways: `100000`, or `{"up": 50000, "down": 100000}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    /// What the client sends. `None`: as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<u64>,
    /// What the server sends. `None`: as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<u64>,
}

impl Bandwidth {
    /// The same both ways.
    pub fn both(bytes: u64) -> Self {
        Self { up: Some(bytes), down: Some(bytes) }
    }

    /// Only of what the client sends.
    pub fn up(bytes: u64) -> Self {
        Self { up: Some(bytes), down: None }
    }

    /// Only of what the server sends.
    pub fn down(bytes: u64) -> Self {
        Self { up: None, down: Some(bytes) }
    }

    /// Whether bytes move at all.
    pub(super) fn is_sound(self) -> bool {
        (self.up.is_some() || self.down.is_some()) && self.up != Some(0) && self.down != Some(0)
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Ways {
    up: Option<u64>,
    down: Option<u64>,
}

impl<'de> Deserialize<'de> for Bandwidth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either::<Self, Ways>(
            "bytes a second, or {\"up\", \"down\"}",
            Self::both,
            |Ways { up, down }| Self { up, down },
        ))
    }
}

/// An answer's body in drops: so many bytes, a pause, so many bytes, …
///
/// As JSON: `{"bytes": 1, "every": 50}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drip {
    /// Bytes of a drop.
    pub bytes: u64,
    /// Milliseconds from one to the next.
    pub every: u64,
}

/// Reads a number as one thing and an object as another, and says what is wrong with either.
struct Either<T, O>(&'static str, fn(u64) -> T, fn(O) -> T);

impl<'de, T, O: Deserialize<'de>> Visitor<'de> for Either<T, O> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Ok(self.1(number))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(self.2)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Mean and median of many draws, in milliseconds.
    fn drawn(latency: Latency) -> (f64, f64) {
        let mut dice = StdRng::seed_from_u64(1);
        let mut times: Vec<f64> =
            (0..20_000).map(|_| milliseconds(latency.draw(&mut dice))).collect();
        times.sort_by(f64::total_cmp);
        (times.iter().sum::<f64>() / times.len() as f64, times[times.len() / 2])
    }

    #[test]
    fn what_is_drawn_is_distributed_as_told() {
        let ms = Duration::from_millis;
        let near = |found: f64, wanted: f64| (found - wanted).abs() < wanted * 0.03;
        let (mean, _) = drawn(Latency::uniform(ms(10), ms(50)));
        assert!(near(mean, 30.0), "{mean}");
        let (mean, median) = drawn(Latency::normal(ms(100), ms(20)));
        assert!(near(mean, 100.0) && near(median, 100.0), "{mean} {median}");
        let (mean, median) = drawn(Latency::lognormal(ms(50), 0.5));
        assert!(near(mean, 50.0 * 0.125_f64.exp()) && near(median, 50.0), "{mean} {median}");
        let (mean, median) = drawn(Latency::exponential(ms(40)));
        assert!(near(mean, 40.0) && near(median, 40.0 * 2_f64.ln()), "{mean} {median}");
        assert_eq!(drawn(Latency::from(ms(7))), (7.0, 7.0));
    }

    #[test]
    fn nothing_that_is_drawn_is_endless_or_negative() {
        let mut dice = StdRng::seed_from_u64(1);
        for latency in [
            Latency::Lognormal { median: 1e300, sigma: 1e300 },
            Latency::Exponential { mean: f64::MAX },
            Latency::Normal { mean: 0.0, deviation: 1e9 },
        ] {
            assert!((0..100).all(|_| latency.draw(&mut dice) <= LONGEST));
        }
    }

    #[test]
    fn a_number_and_an_object_are_both_read_and_mistakes_are_named() {
        let latency = |text| serde_json::from_str::<Latency>(text).map_err(|e| e.to_string());
        assert_eq!(latency("20"), Ok(Latency::Fixed(20)));
        let uniform = Latency::Uniform { least: 1.0, most: 2.5 };
        assert_eq!(latency(r#"{"uniform": {"least": 1, "most": 2.5}}"#), Ok(uniform));
        assert!(latency(r#"{"unifrom": {}}"#).unwrap_err().contains("unifrom"));
        assert!(latency(r#"{"uniform": {"least": 1}}"#).unwrap_err().contains("most"));
        assert!(latency(r#""fast""#).unwrap_err().contains("milliseconds"));
        let bandwidth = |text| serde_json::from_str::<Bandwidth>(text).map_err(|e| e.to_string());
        assert_eq!(bandwidth("9"), Ok(Bandwidth::both(9)));
        assert_eq!(bandwidth(r#"{"up": 9}"#), Ok(Bandwidth::up(9)));
        assert!(bandwidth(r#"{"upp": 9}"#).unwrap_err().contains("upp"));
    }
}
