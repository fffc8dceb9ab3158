//! Conditions on the modification time of a file. The adapter evaluates them on the item, because the
//! clouds do not.

use opendal::raw::{OpRead, OpStat, Timestamp};

use crate::drive::{Error, ErrorKind, Item, Result};

/// Conditions on the modification time of a file. `None`: no condition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimeConditions {
    modified_since: Option<Timestamp>,
    unmodified_since: Option<Timestamp>,
}

impl TimeConditions {
    /// Returns the conditions of a `stat`.
    pub(super) fn from_stat(args: &OpStat) -> Self {
        Self {
            modified_since: args.if_modified_since(),
            unmodified_since: args.if_unmodified_since(),
        }
    }

    /// Returns the conditions of a read.
    pub(super) fn from_read(args: &OpRead) -> Self {
        Self {
            modified_since: args.if_modified_since(),
            unmodified_since: args.if_unmodified_since(),
        }
    }

    /// Returns whether there are no conditions.
    pub(super) fn is_empty(&self) -> bool {
        self.modified_since.is_none() && self.unmodified_since.is_none()
    }

    /// Checks the conditions on an item.
    ///
    /// # Errors
    /// `ConditionNotMatch` if one does not hold; `Unsupported` if the cloud reports no modification
    /// time of the item.
    pub(super) fn check(&self, item: &Item) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let Some(modified) = item.modified.map(Timestamp::from) else {
            return Err(Error::unsupported("a condition on the time of an item without one"));
        };
        let problem = if self.modified_since.is_some_and(|since| modified <= since) {
            "was not modified since"
        } else if self.unmodified_since.is_some_and(|since| modified > since) {
            "was modified since"
        } else {
            return Ok(());
        };
        let text = format!("cannot use {:?}: it {problem} the given time", item.name);
        Err(Error::new(ErrorKind::ConditionNotMatch, text))
    }
}

#[cfg(test)]
mod tests {
    use opendal::options::StatOptions;

    use super::*;
    use crate::drive::ItemKind;

    #[test]
    fn a_time_itself_is_not_after_it() {
        let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let item = |modified| Item { modified, ..Item::new("1", "f", ItemKind::File) };
        let modified = item(Some(time("2014-03-02T01:00:00Z")));
        for (since, is_later) in [("2014-03-02T00:59:59Z", true), ("2014-03-02T01:00:00Z", false)] {
            let since = Some(Timestamp::from(time(since)));
            let options = StatOptions { if_modified_since: since, ..StatOptions::default() };
            let conditions = TimeConditions::from_stat(&OpStat::from(options));
            assert_eq!(conditions.check(&modified).is_ok(), is_later);
            let options = StatOptions { if_unmodified_since: since, ..StatOptions::default() };
            let conditions = TimeConditions::from_stat(&OpStat::from(options));
            assert_eq!(conditions.check(&modified).is_ok(), !is_later);
            let error = conditions.check(&item(None)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}
