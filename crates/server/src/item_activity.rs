//! Counts the actions on items, for the analytics of Graph. The counts are in memory and begin with the
//! server's start.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::tree::{DriveKey, ItemKey};

/// Maximum number of counters. If they are exceeded, those of the oldest hours are removed.
const MAX_COUNTERS: usize = 100_000;

/// An action that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ItemActivity {
    Access,
    Create,
    Delete,
    Edit,
    Move,
}

impl ItemActivity {
    /// All actions.
    pub(crate) const ALL: [Self; 5] =
        [Self::Access, Self::Create, Self::Delete, Self::Edit, Self::Move];

    /// Returns the action of a write that created an item, or changed an existing one.
    pub(crate) fn of_write(is_new: bool) -> Self {
        if is_new { Self::Create } else { Self::Edit }
    }
}

/// A counter. Its fields are in the order in which the oldest counters are removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CounterKey {
    /// Hours since 1970.
    hour: i64,
    drive: DriveKey,
    item: ItemKey,
    activity: ItemActivity,
    actor: String,
}

/// The numbers of actions and of those who performed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActivityCount {
    pub(crate) actions: u64,
    pub(crate) actors: u64,
}

/// The counters of all items.
#[derive(Debug)]
pub(crate) struct ItemActivities {
    counters: Mutex<BTreeMap<CounterKey, u64>>,
    /// The time when counting began.
    pub(crate) since: Timestamp,
}

impl ItemActivities {
    /// Creates counters that begin now.
    pub(crate) fn new() -> Self {
        Self { counters: Mutex::default(), since: Timestamp::now() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CounterKey, u64>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an action on an item. `actor` is the name of the account, or of the application.
    pub(crate) fn add(
        &self,
        drive: DriveKey,
        item: ItemKey,
        activity: ItemActivity,
        actor: String,
        at: Timestamp,
    ) {
        let mut counters = self.lock();
        let key = CounterKey { hour: hour(at), drive, item, activity, actor };
        *counters.entry(key).or_default() += 1;
        while counters.len() > MAX_COUNTERS {
            counters.pop_first();
        }
    }

    /// Returns the counts of the actions on an item from `start` to before `end`; on all items of the
    /// drive if `item` is `None`. Times are rounded down to hours.
    pub(crate) fn count(
        &self,
        drive: DriveKey,
        item: Option<ItemKey>,
        start: Timestamp,
        end: Timestamp,
    ) -> BTreeMap<ItemActivity, ActivityCount> {
        let counters = self.lock();
        let mut actors: BTreeMap<ItemActivity, (u64, BTreeSet<&str>)> = BTreeMap::new();
        let hours = hour(start)..hour(end);
        let is_wanted = |key: &&CounterKey| {
            hours.contains(&key.hour) && key.drive == drive && item.is_none_or(|it| it == key.item)
        };
        for (key, count) in counters.iter().filter(|(key, _)| is_wanted(key)) {
            let (actions, names) = actors.entry(key.activity).or_default();
            *actions += count;
            names.insert(&key.actor);
        }
        let count = |(activity, (actions, names)): (ItemActivity, (u64, BTreeSet<&str>))| {
            (activity, ActivityCount { actions, actors: names.len() as u64 })
        };
        actors.into_iter().map(count).collect()
    }

    /// Removes the counters of a drive.
    pub(crate) fn clear(&self, drive: DriveKey) {
        self.lock().retain(|key, _| key.drive != drive);
    }

    /// Removes all counters.
    pub(crate) fn clear_all(&self) {
        self.lock().clear();
    }
}

/// Returns the hours since 1970.
fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_counted_by_hour_and_actor() {
        let all = ItemActivities::new();
        let time = |hour: i64| Timestamp::from_second(hour * 3600 + 5).expect("a time");
        let drive = DriveKey(1);
        for (item, hour, actor) in [(1, 1, "a"), (1, 1, "a"), (1, 2, "b"), (2, 1, "a")] {
            let actor = actor.to_owned();
            all.add(drive, ItemKey(item), ItemActivity::Access, actor, time(hour));
        }
        let count = |item: Option<i64>, from, to| {
            let counts = all.count(drive, item.map(ItemKey), time(from), time(to));
            counts.get(&ItemActivity::Access).copied().unwrap_or_default()
        };
        assert_eq!(count(Some(1), 0, 9), ActivityCount { actions: 3, actors: 2 });
        assert_eq!(count(Some(1), 1, 2), ActivityCount { actions: 2, actors: 1 });
        assert_eq!(count(None, 0, 9), ActivityCount { actions: 4, actors: 2 });
        assert_eq!(count(Some(3), 0, 9), ActivityCount::default());
        all.clear(drive);
        assert_eq!(count(None, 0, 9), ActivityCount::default());
    }

    #[test]
    fn the_oldest_counters_are_removed() {
        let all = ItemActivities::new();
        let add = |hour: i64, item: i64| {
            let at = Timestamp::from_second(hour * 3600).expect("a time");
            all.add(DriveKey(1), ItemKey(item), ItemActivity::Edit, String::new(), at);
        };
        add(1, 1);
        for item in 0..MAX_COUNTERS as i64 {
            add(2, item);
        }
        assert_eq!(all.lock().len(), MAX_COUNTERS);
        let hour = |hour: i64| Timestamp::from_second(hour * 3600).expect("a time");
        assert!(all.count(DriveKey(1), None, hour(1), hour(2)).is_empty());
    }
}
