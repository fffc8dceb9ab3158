//! Comparison of two files by their listed properties.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;

use crate::{
    endpoint::Endpoint,
    entry::TreeEntry,
    features::StoredTimes,
    hash::{ContentDigest, HashAlgorithm},
};

/// The properties that decide whether two files are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompareBy {
    /// Size and modification time. Times are compared with the coarser precision of both sides. If
    /// a service lists the time of the upload, the copy must not be older than the source. If a
    /// service lists no times, only sizes are compared. Files of equal size and different times are
    /// equal if both sides know a common hash and it is equal.
    ///
    /// A move deletes the source's file, so it needs more: if the target does not store the
    /// source's times, files are equal only by a common hash, and otherwise sent.
    #[default]
    SizeAndTime,
    /// Only the size.
    Size,
    /// Size and a hash that both sides know. A local file is read to compute it. Without a common
    /// hash, files are different.
    Checksum,
    /// Size and content: both files are read. Only for a check.
    Content,
    /// Nothing: all files are different.
    Nothing,
}

/// Options of the comparison.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CompareOptions {
    /// The properties that are compared.
    pub by: CompareBy,
    /// Keep files of the target that are newer than those of the source.
    pub update: bool,
    /// Keep all files that the target has.
    pub ignore_existing: bool,
    /// Treat times that differ by less than this as equal, if it is longer than the precision of
    /// both sides.
    pub modify_window: Duration,
}

/// The result of a comparison by listed properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Equal,
    /// The files differ. The text names the property.
    Different(&'static str),
    /// The hashes decide. `if_equal` is the result for equal hashes; the text is the reason for a
    /// difference.
    Digest {
        algorithm: HashAlgorithm,
        if_equal: EqualDigest,
        reason: &'static str,
    },
    /// The contents decide.
    Content,
    /// The target's file is kept, whether it is equal or not.
    Keep,
}

/// The meaning of equal hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EqualDigest {
    Equal,
    /// The contents are equal, and the time of the target's file must be set.
    TimeDiffers,
}

/// Compares files of two endpoints.
#[derive(Debug)]
pub(crate) struct Comparer {
    options: CompareOptions,
    times: TimeRule,
    /// The hash functions that can be computed, or that both listings may contain.
    algorithms: Vec<HashAlgorithm>,
    source_is_local: bool,
    target_is_local: bool,
    /// Times that the writer did not set do not show that files are equal.
    needs_proof: bool,
}

/// The rule for comparing times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeRule {
    /// One side has no times.
    Unknown,
    /// The target must not be older than the source.
    NotOlder,
    /// The difference must be less than this.
    Within(Duration),
}

impl Comparer {
    /// Returns the comparer for two endpoints. `is_move` is whether the source's file is deleted if
    /// both are equal.
    pub(crate) fn new(
        source: &Endpoint,
        target: &Endpoint,
        options: CompareOptions,
        is_move: bool,
    ) -> Self {
        let times = match (source.features().times(), target.features().times()) {
            (StoredTimes::None, _) | (_, StoredTimes::None) => TimeRule::Unknown,
            (_, StoredTimes::UploadTime) => TimeRule::NotOlder,
            (from, StoredTimes::Set { precision }) => {
                let other = match from {
                    StoredTimes::Set { precision } => precision,
                    _ => Duration::ZERO,
                };
                TimeRule::Within(precision.max(other).max(options.modify_window))
            }
        };
        let mut algorithms = source.features().algorithms();
        algorithms.extend(target.features().algorithms());
        algorithms.extend(HashAlgorithm::STANDARD);
        Self {
            options,
            times,
            algorithms,
            source_is_local: source.is_local(),
            target_is_local: target.is_local(),
            needs_proof: is_move,
        }
    }

    /// Compares two files.
    pub(crate) fn compare(&self, source: &TreeEntry, target: &TreeEntry) -> Match {
        let options = &self.options;
        if options.ignore_existing {
            return Match::Keep;
        }
        let order = self.time_order(source, target);
        if options.update && order == TimeOrder::TargetNewer {
            return Match::Keep;
        }
        if source.is_rewritten || target.is_rewritten {
            return self.by_time(order);
        }
        if let (Some(from), Some(to)) = (source.size, target.size)
            && from != to
        {
            return Match::Different("size");
        }
        let sizes_known = source.size.is_some() && target.size.is_some();
        match options.by {
            CompareBy::Nothing => Match::Different("comparison is off"),
            CompareBy::Content => Match::Content,
            CompareBy::Checksum => self.by_digest(source, target, EqualDigest::Equal, "hash"),
            CompareBy::Size if sizes_known => Match::Equal,
            CompareBy::Size => Match::Different("size is unknown"),
            CompareBy::SizeAndTime => match order {
                TimeOrder::Equal | TimeOrder::Unknown
                    if self.needs_proof && !self.is_proof(order) =>
                {
                    self.by_digest(source, target, EqualDigest::Equal, "hash")
                }
                TimeOrder::Equal | TimeOrder::Unknown if sizes_known => Match::Equal,
                TimeOrder::Equal | TimeOrder::Unknown => Match::Different("size is unknown"),
                TimeOrder::SourceNewer | TimeOrder::TargetNewer => {
                    self.by_digest(source, target, EqualDigest::TimeDiffers, "time")
                }
            },
        }
    }

    /// Returns whether the order of the times of two files of equal size shows that they are equal:
    /// both times are those that the writer set.
    fn is_proof(&self, order: TimeOrder) -> bool {
        order == TimeOrder::Equal && matches!(self.times, TimeRule::Within(_))
    }

    /// Returns the comparison of files of which one was changed by its service: neither size nor hash
    /// says whether they are equal.
    fn by_time(&self, order: TimeOrder) -> Match {
        match (self.options.by, order) {
            (CompareBy::Nothing, _) => Match::Different("comparison is off"),
            (CompareBy::Content, _) => Match::Content,
            // A move deletes the source, so an equal time is not enough.
            (_, TimeOrder::Equal) if !self.needs_proof => Match::Equal,
            (_, TimeOrder::Equal | TimeOrder::Unknown) => {
                Match::Different("the service rewrites such files")
            }
            (_, TimeOrder::SourceNewer | TimeOrder::TargetNewer) => Match::Different("time"),
        }
    }

    /// Returns the comparison by a hash that both sides know. `reason` is the reason for a
    /// difference without a common hash.
    fn by_digest(
        &self,
        source: &TreeEntry,
        target: &TreeEntry,
        if_equal: EqualDigest,
        reason: &'static str,
    ) -> Match {
        let lists = |entry: &TreeEntry, algorithm: HashAlgorithm| {
            entry.digests.iter().any(|digest| digest.algorithm() == algorithm.name())
        };
        let is_common = |algorithm: &&HashAlgorithm| {
            let (from, to) = (lists(source, **algorithm), lists(target, **algorithm));
            let can_know = (from || self.source_is_local) && (to || self.target_is_local);
            // Two local files are compared by hash only if the caller chose it: reading both costs
            // as much as a copy.
            can_know && (from || to || if_equal == EqualDigest::Equal)
        };
        match self.algorithms.iter().find(is_common) {
            Some(algorithm) => Match::Digest { algorithm: *algorithm, if_equal, reason },
            None if if_equal == EqualDigest::Equal => Match::Different("no common hash"),
            None => Match::Different(reason),
        }
    }

    /// Returns the hash function for finding renamed files among these entries: the first one that a
    /// listing has. If no listing has one, it is computed for both sides, provided that both are
    /// local. `None` if no hash is known.
    pub(crate) fn rename_algorithm<'e>(
        &self,
        entries: impl Iterator<Item = &'e TreeEntry>,
    ) -> Option<HashAlgorithm> {
        let digests = entries.flat_map(|entry| &entry.digests);
        let listed: HashSet<_> = digests.map(ContentDigest::algorithm).collect();
        let mut known = self.algorithms.iter();
        let listed = known.find(|algorithm| listed.contains(algorithm.name()));
        let is_local = self.source_is_local && self.target_is_local;
        listed.or_else(|| self.algorithms.first().filter(|_| is_local)).copied()
    }

    /// Compares the times of two files.
    fn time_order(&self, source: &TreeEntry, target: &TreeEntry) -> TimeOrder {
        let (Some(from), Some(to)) = (source.modified, target.modified) else {
            return TimeOrder::Unknown;
        };
        match self.times {
            TimeRule::Unknown => TimeOrder::Unknown,
            TimeRule::NotOlder if from > to => TimeOrder::SourceNewer,
            // A newer copy is the rule: its time is that of the upload.
            TimeRule::NotOlder => TimeOrder::Equal,
            TimeRule::Within(precision) if is_within(from, to, precision) => TimeOrder::Equal,
            TimeRule::Within(_) if from > to => TimeOrder::SourceNewer,
            TimeRule::Within(_) => TimeOrder::TargetNewer,
        }
    }
}

/// The order of two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeOrder {
    Equal,
    SourceNewer,
    TargetNewer,
    /// A side has no time.
    Unknown,
}

/// Returns whether two times are equal, or differ by less than the precision.
fn is_within(a: Timestamp, b: Timestamp, precision: Duration) -> bool {
    let difference = a.duration_since(b).unsigned_abs();
    difference.is_zero() || difference < precision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryType;

    fn file(size: u64, second: f64) -> TreeEntry {
        let modified = Timestamp::from_nanosecond((second * 1e9) as i128).expect("a time");
        let kind = EntryType::File;
        TreeEntry { size: Some(size), modified: Some(modified), ..TreeEntry::new("a", kind) }
    }

    fn comparer(times: TimeRule, options: CompareOptions) -> Comparer {
        let algorithms = HashAlgorithm::STANDARD.to_vec();
        Comparer {
            options,
            times,
            algorithms,
            source_is_local: true,
            target_is_local: false,
            needs_proof: false,
        }
    }

    #[test]
    fn times_are_compared_with_the_precision_of_the_service() {
        let seconds = comparer(TimeRule::Within(Duration::from_secs(1)), CompareOptions::default());
        let exact = comparer(TimeRule::Within(Duration::ZERO), CompareOptions::default());
        let upload = comparer(TimeRule::NotOlder, CompareOptions::default());
        let unknown = comparer(TimeRule::Unknown, CompareOptions::default());
        let differ = Match::Different("time");
        for (comparer, from, to, expected) in [
            (&seconds, 10.9, 10.0, Match::Equal),
            (&seconds, 11.0, 10.0, differ),
            (&exact, 10.0, 10.0, Match::Equal),
            (&exact, 10.5, 10.0, differ),
            (&upload, 10.0, 99.0, Match::Equal),
            (&upload, 10.5, 10.0, differ),
            (&unknown, 10.0, 99.0, Match::Equal),
        ] {
            assert_eq!(comparer.compare(&file(1, from), &file(1, to)), expected, "{from} {to}");
            let size = comparer.compare(&file(1, from), &file(2, to));
            assert_eq!(size, Match::Different("size"));
        }
    }

    #[test]
    fn a_common_hash_decides_about_files_of_different_times() {
        let listed = TreeEntry { digests: vec![HashAlgorithm::SHA1.digest(b"x")], ..file(1, 5.0) };
        let comparer = |by| {
            comparer(TimeRule::Within(Duration::ZERO), CompareOptions { by, ..Default::default() })
        };
        let by_time = comparer(CompareBy::SizeAndTime);
        let algorithm = HashAlgorithm::SHA1;
        let decided = |if_equal, reason| Match::Digest { algorithm, if_equal, reason };
        assert_eq!(
            by_time.compare(&file(1, 9.0), &listed),
            decided(EqualDigest::TimeDiffers, "time")
        );
        assert_eq!(by_time.compare(&file(1, 9.0), &file(1, 5.0)), Match::Different("time"));
        let by_hash = comparer(CompareBy::Checksum);
        assert_eq!(by_hash.compare(&file(1, 5.0), &listed), decided(EqualDigest::Equal, "hash"));
        assert_eq!(
            by_hash.compare(&file(1, 5.0), &file(1, 5.0)),
            Match::Different("no common hash")
        );
    }

    #[test]
    fn a_move_needs_a_hash_if_the_writer_did_not_set_the_times() {
        let listed = TreeEntry { digests: vec![HashAlgorithm::SHA1.digest(b"x")], ..file(1, 99.0) };
        let sent = Match::Different("no common hash");
        for (times, from, to, expected) in [
            (TimeRule::NotOlder, 10.0, 99.0, sent),
            (TimeRule::Unknown, 10.0, 10.0, sent),
            (TimeRule::Within(Duration::ZERO), 10.0, 10.0, Match::Equal),
        ] {
            let mut comparer = comparer(times, CompareOptions::default());
            comparer.needs_proof = true;
            assert_eq!(comparer.compare(&file(1, from), &file(1, to)), expected, "{times:?}");
            let by_hash = comparer.compare(&file(1, from), &listed);
            assert!(matches!(by_hash, Match::Digest { .. }), "{times:?} {by_hash:?}");
            comparer.options.by = CompareBy::Size;
            assert_eq!(comparer.compare(&file(1, from), &file(1, to)), Match::Equal, "{times:?}");
        }
    }

    #[test]
    fn newer_and_existing_files_can_be_kept() {
        let rule = TimeRule::Within(Duration::ZERO);
        let update = comparer(rule, CompareOptions { update: true, ..Default::default() });
        assert_eq!(update.compare(&file(1, 5.0), &file(2, 9.0)), Match::Keep);
        assert_eq!(update.compare(&file(1, 9.0), &file(2, 5.0)), Match::Different("size"));
        let existing =
            comparer(rule, CompareOptions { ignore_existing: true, ..Default::default() });
        assert_eq!(existing.compare(&file(1, 9.0), &file(2, 5.0)), Match::Keep);
    }
}
