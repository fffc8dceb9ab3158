//! The effects of fault rules, and their parameters.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng, rngs::StdRng};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Maximum latency, whatever its distribution draws.
pub(super) const MAX_LATENCY: Duration = Duration::from_secs(600);

/// An effect of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Delays the request.
    Latency(Latency),
    /// Responds with this status, 200 to 599.
    Status(u16),
    /// Sets headers of that response; without a status, of the normal response.
    Headers(BTreeMap<String, String>),
    /// Sets the body of that response. Without it: the protocol's error body from status 400 on, else
    /// none.
    Body(String),
    /// Resets the connection in place of a response.
    Reset,
    /// Number of bytes before a reset during the effect; at most the length of the body. Without it
    /// the position is random.
    ResetAt(u64),
    /// Maximum number of bytes before the response's body breaks off.
    Truncate(u64),
    /// Changes one byte at a random position of this side's body.
    Corrupt(Side),
    /// Limits the bandwidth.
    Bandwidth(Bandwidth),
    /// Sends the response's body in pieces with pauses.
    Drip(Drip),
    /// Handles the access token or the download URL of the request as expired.
    Expire,
    /// Cancels the upload session that the request belongs to.
    LoseSession,
    /// Hides items that the request creates, for this number of milliseconds.
    Invisible(u64),
    /// Replaces hashes in the response by wrong ones.
    WrongHash,
}

impl Effect {
    /// Returns the position among the kinds of effects.
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

/// The time of a fault, relative to the request's effect on the drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the effect: the drive is unchanged.
    #[default]
    Before,
    /// While bytes are transferred: those of the request's body, or those of the response's body if the
    /// request has none. Only for a reset of the connection. See [`Fault::at`](super::Fault::at).
    During,
    /// After the effect: only the response is lost.
    After,
}

/// The direction of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The request's body, which the client sends.
    Request,
    /// The response's body, which the server sends.
    Answer,
}

/// The delay of a request, in milliseconds: fixed, or drawn for each request from a distribution. A
/// drawn delay is limited to between 0 and ten minutes.
///
/// As JSON, a number is a fixed delay; the others are `{"uniform": {"least": 10, "most": 50}}`,
/// `{"normal": {"mean": 50, "deviation": 10}}`, `{"lognormal": {"median": 50, "sigma": 0.5}}`,
/// `{"exponential": {"mean": 50}}`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Latency {
    /// Always this number of milliseconds.
    Fixed(u64),
    /// Uniformly distributed.
    Uniform {
        /// The minimum, in milliseconds.
        least: f64,
        /// The maximum, in milliseconds.
        most: f64,
    },
    /// Normally distributed.
    Normal {
        /// The mean, in milliseconds.
        mean: f64,
        /// The standard deviation, in milliseconds.
        deviation: f64,
    },
    /// Log-normally distributed: mostly near the median, with a long tail, as network delays are.
    Lognormal {
        /// The median, in milliseconds.
        median: f64,
        /// The standard deviation of the logarithm, without unit; 0.5 resembles a usual network, 1 a
        /// bad one.
        sigma: f64,
    },
    /// Exponentially distributed: mostly short, occasionally long.
    Exponential {
        /// The mean, in milliseconds.
        mean: f64,
    },
}

impl Latency {
    /// Creates a uniformly distributed delay.
    pub fn uniform(least: Duration, most: Duration) -> Self {
        Self::Uniform { least: milliseconds(least), most: milliseconds(most) }
    }

    /// Creates a normally distributed delay. Negative values become zero.
    pub fn normal(mean: Duration, deviation: Duration) -> Self {
        Self::Normal { mean: milliseconds(mean), deviation: milliseconds(deviation) }
    }

    /// Creates a log-normally distributed delay; see [`Latency::Lognormal`] for `sigma`.
    pub fn lognormal(median: Duration, sigma: f64) -> Self {
        Self::Lognormal { median: milliseconds(median), sigma }
    }

    /// Creates an exponentially distributed delay.
    pub fn exponential(mean: Duration) -> Self {
        Self::Exponential { mean: milliseconds(mean) }
    }

    /// Returns whether a fixed delay is at most [`MAX_LATENCY`], and the parameters of a
    /// distribution are finite, not negative, and a minimum is at most the maximum.
    pub(super) fn is_valid(self) -> bool {
        let valid = |numbers: [f64; 2]| numbers.iter().all(|n| n.is_finite() && *n >= 0.0);
        match self {
            Self::Fixed(time) => Duration::from_millis(time) <= MAX_LATENCY,
            Self::Uniform { least, most } => valid([least, most]) && least <= most,
            Self::Normal { mean: a, deviation: b } | Self::Lognormal { median: a, sigma: b } => {
                valid([a, b])
            }
            Self::Exponential { mean } => valid([mean, 0.0]),
        }
    }

    /// Draws the delay of one request, at most [`MAX_LATENCY`].
    pub(super) fn draw(self, rng: &mut StdRng) -> Duration {
        let time = match self {
            Self::Fixed(time) => return Duration::from_millis(time),
            Self::Uniform { least, most } => least + (most - least) * rng.random::<f64>(),
            Self::Normal { mean, deviation } => mean + deviation * standard_normal(rng),
            Self::Lognormal { median, sigma } => median * (sigma * standard_normal(rng)).exp(),
            Self::Exponential { mean } => -mean * (1.0 - rng.random::<f64>()).ln(),
        };
        Duration::try_from_secs_f64(time.max(0.0) / 1000.0).unwrap_or(MAX_LATENCY).min(MAX_LATENCY)
    }
}

impl From<Duration> for Latency {
    /// Creates a fixed delay, in whole milliseconds.
    fn from(time: Duration) -> Self {
        Self::Fixed(whole_milliseconds(time))
    }
}

/// Returns a time in milliseconds, with their fraction.
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Returns whole milliseconds; the largest number for a longer time.
pub(super) fn whole_milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Draws from the standard normal distribution (Box and Muller's method).
fn standard_normal(rng: &mut StdRng) -> f64 {
    let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A distribution of latencies as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Distribution {
    Uniform { least: f64, most: f64 },
    Normal { mean: f64, deviation: f64 },
    Lognormal { median: f64, sigma: f64 },
    Exponential { mean: f64 },
}

impl Serialize for Latency {
    /// Serializes a fixed delay as a number of milliseconds, and any other as an object with its
    /// distribution.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(time) => serializer.serialize_u64(time),
            Self::Uniform { least, most } => {
                Distribution::Uniform { least, most }.serialize(serializer)
            }
            Self::Normal { mean, deviation } => {
                Distribution::Normal { mean, deviation }.serialize(serializer)
            }
            Self::Lognormal { median, sigma } => {
                Distribution::Lognormal { median, sigma }.serialize(serializer)
            }
            Self::Exponential { mean } => Distribution::Exponential { mean }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    /// Deserializes a number of milliseconds, or an object with a distribution.
    ///
    /// # Errors
    /// For any other value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrObject::<Self, Distribution>(
            "milliseconds, or a distribution of them",
            Self::Fixed,
            |distribution| match distribution {
                Distribution::Uniform { least, most } => Self::Uniform { least, most },
                Distribution::Normal { mean, deviation } => Self::Normal { mean, deviation },
                Distribution::Lognormal { median, sigma } => Self::Lognormal { median, sigma },
                Distribution::Exponential { mean } => Self::Exponential { mean },
            },
        ))
    }
}

/// The bandwidth of a request's connection, in bytes per second. Requests of one connection (HTTP/2)
/// share it.
///
/// As JSON, a number is the same in both directions: `100000`, or `{"up": 50000, "down": 100000}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    /// The bandwidth of bytes that the client sends. `None`: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<u64>,
    /// The bandwidth of bytes that the server sends. `None`: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<u64>,
}

impl Bandwidth {
    /// Limits both directions to the same bandwidth, in bytes per second; zero is rejected when the
    /// rule is added.
    pub fn both(bytes: u64) -> Self {
        Self { up: Some(bytes), down: Some(bytes) }
    }

    /// Limits only the bytes that the client sends, in bytes per second.
    pub fn up(bytes: u64) -> Self {
        Self { up: Some(bytes), down: None }
    }

    /// Limits only the bytes that the server sends, in bytes per second.
    pub fn down(bytes: u64) -> Self {
        Self { up: None, down: Some(bytes) }
    }

    /// Returns whether at least one direction is limited, and none to zero.
    pub(super) fn is_valid(self) -> bool {
        (self.up.is_some() || self.down.is_some()) && self.up != Some(0) && self.down != Some(0)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Directions {
    up: Option<u64>,
    down: Option<u64>,
}

impl<'de> Deserialize<'de> for Bandwidth {
    /// Deserializes a number of bytes per second for both directions, or an object with `up` and
    /// `down`.
    ///
    /// # Errors
    /// For any other value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrObject::<Self, Directions>(
            "bytes a second, or {\"up\", \"down\"}",
            Self::both,
            |Directions { up, down }| Self { up, down },
        ))
    }
}

/// Sends a response's body in pieces with pauses between them.
///
/// As JSON: `{"bytes": 1, "every": 50}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drip {
    /// Bytes of a piece.
    pub bytes: u64,
    /// Milliseconds between the starts of two pieces.
    pub every: u64,
}

/// Deserializes a value that is either a number or an object: the expected form for error messages,
/// and the two conversions.
struct NumberOrObject<T, O>(&'static str, fn(u64) -> T, fn(O) -> T);

impl<'de, T, O: Deserialize<'de>> Visitor<'de> for NumberOrObject<T, O> {
    type Value = T;

    /// Writes the expected form, for error messages.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    /// Converts a number.
    ///
    /// # Errors
    /// Never.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Ok(self.1(number))
    }

    /// Deserializes an object, and converts it.
    ///
    /// # Errors
    /// The parser's error if the object does not have the expected members.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(self.2)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Returns mean and median of many draws, in milliseconds.
    fn drawn(latency: Latency) -> (f64, f64) {
        let mut rng = StdRng::seed_from_u64(1);
        let mut times: Vec<f64> =
            (0..20_000).map(|_| milliseconds(latency.draw(&mut rng))).collect();
        times.sort_by(f64::total_cmp);
        (times.iter().sum::<f64>() / times.len() as f64, times[times.len() / 2])
    }

    #[test]
    fn drawn_latencies_have_the_given_distribution() {
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
    fn drawn_latencies_are_bounded() {
        let mut rng = StdRng::seed_from_u64(1);
        for latency in [
            Latency::Lognormal { median: 1e300, sigma: 1e300 },
            Latency::Exponential { mean: f64::MAX },
            Latency::Normal { mean: 0.0, deviation: 1e9 },
        ] {
            assert!((0..100).all(|_| latency.draw(&mut rng) <= MAX_LATENCY));
        }
    }

    #[test]
    fn numbers_and_objects_are_parsed_and_errors_name_the_member() {
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
