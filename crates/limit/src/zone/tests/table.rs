//! The table: how it is split, what leaves it and when.

use super::*;

#[test]
fn shards_follow_the_size_and_never_exceed_it() {
    let rows = [
        (1, 1, 1),
        (100, 1, 100),
        (255, 1, 255),
        (256, 2, 256),
        (1_000, 4, 1_000),
        (8_192, 64, 8_192),
        (100_000, 64, 99_968),
    ];
    for (entries, shards, capacity) in rows {
        let (zone, _) = zone(quota("1r/s", 0), entries);
        assert_eq!((zone.shards.len(), zone.capacity()), (shards, capacity), "{entries} entries");
    }
}

#[test]
fn keys_spread_over_all_shards() {
    let (zone, _) = zone(quota("1r/s", 0), 64 * ENTRIES_PER_SHARD);
    (0..64 * 32).for_each(|n| {
        zone.check(key(n));
    });
    // With 32 expected in each shard, one with fewer than 3 or more than 100 is out of the question.
    for (index, lane) in zone.shards.iter().enumerate() {
        let len = lane.0.lock().len();
        assert!((3..=100).contains(&len), "shard {index} has {len}");
    }
}

#[test]
fn a_flood_stays_within_bounds_and_is_counted() {
    let (zone, _) = zone(quota("1r/s", 0), 512);
    for n in 0..100_000 {
        assert!(!zone.check(key(n)).is_reject());
    }
    assert_eq!(zone.len(), 512);
    assert_eq!(zone.evictions(), 100_000 - 512);
}

#[test]
fn a_flood_pushes_out_the_least_recently_used() {
    let (zone, _) = zone(quota("1r/s", 0), 4);
    zone.check(key(0));
    for n in 1..=100 {
        zone.check(key(n));
        if n % 3 == 0 {
            assert!(zone.check(key(0)).is_reject(), "a client that keeps trying is not forgotten, {n}");
        }
    }
    (101..=104).for_each(|n| {
        zone.check(key(n));
    });
    assert!(!zone.check(key(0)).is_reject(), "one that rests while the table fills is");
}

#[test]
fn a_new_key_clears_two_idle_ones() {
    let (zone, clock) = zone(quota("1r/s", 0), 8);
    (0..5).for_each(|n| {
        zone.check(key(n));
    });
    clock.advance(millis(59_999));
    zone.check(key(10));
    assert_eq!(zone.len(), 6, "nobody has been idle for a minute");
    clock.advance(millis(1));
    zone.check(key(11));
    assert_eq!(zone.len(), 5, "two left and one came");
    zone.check(key(12));
    assert_eq!(zone.len(), 4);
    zone.check(key(13));
    assert_eq!(zone.len(), 4, "only one idle key was left to clear");
    zone.check(key(10));
    assert_eq!(
        (zone.len(), zone.evictions()),
        (4, 0),
        "known keys clear nothing, and clearing is no eviction"
    );
}

#[test]
fn idle_keys_make_room_before_any_is_evicted() {
    let (zone, clock) = zone(quota("1r/s", 0), 2);
    zone.check(key(0));
    clock.advance(millis(60_000));
    zone.check(key(1));
    zone.check(key(2));
    assert_eq!((zone.len(), zone.evictions()), (2, 0));
    zone.check(key(3));
    assert_eq!((zone.len(), zone.evictions()), (2, 1));
}

#[test]
fn a_slow_rate_is_not_forgotten_after_a_minute() {
    let (zone, clock) = zone(quota("4r/h", 0), 8);
    zone.check(key(0));
    clock.advance(millis(999_999));
    zone.check(key(1));
    assert!(zone.check(key(0)).is_reject());
    clock.advance(millis(1));
    assert!(!zone.check(key(0)).is_reject());
}

#[test]
fn a_full_table_forgets_the_dead_before_the_living() {
    let (zone, clock) = zone(quota("1r/s", 9), 3);
    (0..5).for_each(|_| {
        zone.check(key(0));
    });
    zone.check(key(1));
    clock.advance(millis(1_000));
    zone.check(key(2));
    zone.check(key(3));
    assert_eq!((zone.len(), zone.evictions()), (3, 0), "key 1 was drained, though key 0 was used before it");
    assert_eq!(zone.check(key(0)).excess(), 4_000, "key 0 is remembered");
    zone.check(key(4));
    assert_eq!((zone.len(), zone.evictions()), (3, 1), "nobody is drained now, and one is given up");
}

#[test]
fn limits_with_a_burst_of_their_own_share_a_zone() {
    let (zone, _) = zone(quota("1r/s", 0), 8);
    let wide = quota("1r/s", 2);
    assert!(!zone.check(key(0)).is_reject());
    assert!(zone.check(key(0)).is_reject(), "the zone's own burst is used up");
    assert_eq!(zone.visit(key(0), &wide, Charge::IfAllowed).excess(), 1_000, "another's is not");
    assert_eq!(zone.visit(key(0), &wide, Charge::IfAllowed).excess(), 2_000);
    assert!(zone.visit(key(0), &wide, Charge::IfAllowed).is_reject(), "both count the same requests");
}
