use opendal::MetadataBuilder;
use proptest::prelude::*;

use super::*;

fn file(etag: &str) -> Metadata {
    let mut metadata = MetadataBuilder::file(1);
    metadata.etag(etag);
    metadata.build()
}

fn new_cache() -> Arc<MetadataCache> {
    Arc::new(MetadataCache::new(100))
}

fn store(cache: &Arc<MetadataCache>, path: &str) {
    cache.begin_request(path).store_stat(path, Some(CachedItem::new(file("1"))));
}

#[test]
fn a_change_invalidates_everything_below_and_above() {
    let cache = new_cache();
    for path in ["", "a/", "a/b/", "a/b/c", "a/bb", "x"] {
        store(&cache, path);
    }
    cache.invalidate("a/b/", InvalidationScope::Tree);
    for (path, kept) in
        [("", false), ("a/", false), ("a/b/", false), ("a/b/c", false), ("a/bb", true), ("x", true)]
    {
        assert_eq!(cache.stat(path).is_some(), kept, "{path}");
    }
}

#[test]
fn a_change_by_prefix_invalidates_paths_with_that_prefix() {
    let cache = new_cache();
    store(&cache, "ab");
    store(&cache, "b");
    cache.invalidate("a", InvalidationScope::Prefix);
    assert!(cache.stat("ab").is_none() && cache.stat("b").is_some());
}

#[test]
fn a_change_invalidates_every_spelling_of_a_name() {
    let cache = new_cache();
    for path in ["Größe", "GRÖSSE", "ΣΊΣΥΦΟΣ", "σίσυφος", "a", "a/"] {
        store(&cache, path);
    }
    cache.invalidate("grösse", InvalidationScope::Tree);
    cache.invalidate("Σίσυφος", InvalidationScope::Tree);
    cache.invalidate("A", InvalidationScope::Tree);
    assert_eq!(cache.lock().entry_count, 0);
}

#[test]
fn a_result_is_not_stored_if_its_path_changed_since_the_request() {
    for (about, changed) in [("a/b", "a/b"), ("a/b", "a"), ("a/b", "A/B/c"), ("a/b", "/")] {
        let cache = new_cache();
        let pending = cache.begin_request(about);
        cache.invalidate(changed, InvalidationScope::Tree);
        pending.store_stat(about, None);
        assert!(cache.stat(about).is_none(), "{changed} changed");
    }
    let cache = new_cache();
    let pending = cache.begin_request("a/b");
    cache.invalidate("a/c", InvalidationScope::Tree);
    pending.store_stat("a/b", None);
    assert!(cache.stat("a/b").is_some());
}

#[test]
fn a_listing_stores_the_metadata_of_its_entries() {
    let cache = new_cache();
    let bare = Entry::new("d/bare", MetadataBuilder::file(3).build());
    let entries = vec![Entry::new("d/f", file("7")), bare];
    cache.begin_request("d/").store_listing("d/", false, entries, true);
    assert_eq!(cache.listing("d/", false).unwrap().0.len(), 2);
    assert!(cache.listing("d/", true).is_none() && cache.stat("d/bare").is_none());
    let (stat, _) = cache.stat("d/f").unwrap();
    assert_eq!(stat.unwrap().metadata.etag(), Some("7"));
}

#[test]
fn the_capacity_is_not_exceeded() {
    let cache = Arc::new(MetadataCache::new(10));
    for n in 0..1000 {
        store(&cache, &format!("f{}", n % 50));
    }
    let inner = cache.lock();
    assert!(inner.entry_count <= 10 && inner.nodes.len() <= 10 && inner.eviction_queue.len() < 100);
    assert!(inner.pending.is_empty());
}

proptest! {
    #[test]
    fn the_entry_count_is_exact(steps in prop::collection::vec((0..4u8, "[aB]{1,2}(/[ab]){0,2}"), 0..60)) {
        let cache = Arc::new(MetadataCache::new(20));
        for (step, path) in steps {
            match step {
                0 => store(&cache, &path),
                1 => cache.begin_request(&path).store_listing(&path, false, vec![Entry::new("e", file("1"))], true),
                2 => cache.invalidate(&path, InvalidationScope::Tree),
                _ => cache.invalidate(&path, InvalidationScope::Prefix),
            }
            let inner = cache.lock();
            prop_assert_eq!(inner.entry_count, inner.nodes.values().map(CachedNode::weight).sum::<usize>());
            prop_assert!(inner.entry_count <= 20);
        }
    }
}
