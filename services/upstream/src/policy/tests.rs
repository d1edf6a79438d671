//! How requests are distributed, and what holds for every policy.

use std::collections::HashSet;

use headwall_core::{Context, RequestHead};
use proptest::prelude::*;

use super::*;
use crate::server::InFlight;

/// Servers at 10.0.0.1 and on, with these weights.
fn servers(weights: &[u32]) -> Vec<Candidate> {
    let server = |(index, &weight): (usize, &u32)| {
        let address = format!("10.0.{}.{}:80", index / 250, index % 250 + 1);
        Candidate::new(Arc::new(Server::alone(address.parse().unwrap())), weight * 100)
    };
    weights.iter().enumerate().map(server).collect()
}

fn request(path: &str) -> RequestHead {
    http::Request::builder().uri(path).body(()).unwrap().into_parts().0
}

fn client() -> Context {
    Context::from_client("192.0.2.1:4000".parse().unwrap())
}

fn by_path(max_load: Option<u32>) -> StandardPolicies {
    StandardPolicies::ConsistentHash(ConsistentHash { by: HashKey::Path, max_load })
}

fn all_policies() -> [StandardPolicies; 6] {
    use StandardPolicies::{LeastRequests, PeakEwma, Random, RoundRobin};
    [RoundRobin, LeastRequests, PeakEwma, Random, by_path(None), by_path(Some(125))]
}

/// How many of `requests` different ones each server gets.
fn shares(policy: &StandardPolicies, candidates: &[Candidate], requests: u32) -> Vec<u32> {
    let (picker, cx) = (policy.build().unwrap().prepare(candidates), client());
    let mut shares = vec![0; candidates.len()];
    let mut req = request("/");
    for number in 0..requests {
        // Only a hash of the path wants it to change, and that is not for nothing.
        if matches!(policy, StandardPolicies::ConsistentHash(_)) {
            req = request(&format!("/{number}"));
        }
        shares[picker.pick(&Ask::new(candidates, &req, &cx)).unwrap()] += 1;
    }
    shares
}

/// Idle servers get what their weights say, within this part of it.
#[test]
fn idle_servers_share_requests_by_weight() {
    let rows = [
        (StandardPolicies::RoundRobin, 0.001, "exactly, but for the round that is not finished"),
        (StandardPolicies::Random, 0.09, "chance: four standard deviations of the smallest share"),
        (StandardPolicies::LeastRequests, 0.09, "chance, when nobody has anything"),
        (StandardPolicies::PeakEwma, 0.09, "chance, when nothing is known of anybody"),
        (by_path(None), 0.30, "the ring's parts are of chance too, and stay as they are"),
    ];
    for (policy, tolerance, row) in rows {
        for weights in [&[1, 1, 1][..], &[1, 2, 5], &[10, 10, 40, 40]] {
            let requests = 20_000;
            let total: u32 = weights.iter().sum();
            for (share, weight) in shares(&policy, &servers(weights), requests).iter().zip(weights) {
                let due = f64::from(requests * weight) / f64::from(total);
                let off = (f64::from(*share) - due).abs() / due;
                assert!(off <= tolerance, "{policy:?} {weights:?}: {share} for {due}; {row}");
            }
        }
    }
}

#[test]
fn a_busy_server_gets_less() {
    let candidates = servers(&[1, 1, 1, 1]);
    let _busy: Vec<InFlight> = (0..8).map(|_| candidates[2].server().begin(u32::MAX).unwrap()).collect();
    let shares = shares(&StandardPolicies::LeastRequests, &candidates, 4_000);
    assert_eq!(shares[2], 0, "of two it is never the one that has less");
    assert!(shares.iter().all(|&share| share < 2_000), "{shares:?}");
}

#[test]
fn requests_that_stay_are_spread_by_weight() {
    let candidates = servers(&[1, 1, 2]);
    let (picker, cx, req) =
        (StandardPolicies::LeastRequests.build().unwrap().prepare(&candidates), client(), request("/"));
    let mut open = Vec::new();
    for _ in 0..400 {
        let index = picker.pick(&Ask::new(&candidates, &req, &cx)).unwrap();
        open.push(candidates[index].server().begin(u32::MAX).unwrap());
    }
    for (candidate, due) in candidates.iter().zip([100, 100, 200_u32]) {
        let has = candidate.server().in_flight();
        assert!(has.abs_diff(due) <= 8, "{has} for {due}: two choices keep the difference small");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_gets_less_and_is_tried_again_later() {
    use std::time::Duration;
    let candidates = servers(&[1, 1]);
    let ended = |index: usize, took: u64| {
        let now = tokio::time::Instant::now();
        candidates[index].server().latency().take_in(Duration::from_millis(took), now);
    };
    ended(0, 10);
    ended(1, 200);
    assert_eq!(shares(&StandardPolicies::PeakEwma, &candidates, 1_000), [1_000, 0]);
    for _ in 0..40 {
        tokio::time::advance(Duration::from_secs(1)).await;
        ended(0, 10);
    }
    let later = shares(&StandardPolicies::PeakEwma, &candidates, 1_000);
    assert_eq!(later, [0, 1_000], "what was known of it has faded");
}

#[test]
fn few_keys_move_when_a_server_goes_or_comes() {
    let all = servers(&[1; 10]);
    let (policy, cx) = (by_path(None).build().unwrap(), client());
    let owners = |candidates: &[Candidate]| -> Vec<String> {
        let picker = policy.prepare(candidates);
        let owner = |number: u32| {
            let req = request(&format!("/users/{number}"));
            let index = picker.pick(&Ask::new(candidates, &req, &cx)).unwrap();
            candidates[index].server().name().to_string()
        };
        (0..5_000).map(owner).collect()
    };
    let (with, without) = (owners(&all), owners(&all[..9]));
    let lost = all[9].server().name();
    let moved = with.iter().zip(&without).filter(|(before, after)| before != after).count();
    let had = with.iter().filter(|owner| ***owner == **lost).count();
    assert_eq!(moved, had, "the keys of the server that is gone, and no others");
    assert!((350..650).contains(&had), "a tenth, give or take 30 %: {had}");
    let heirs: HashSet<_> =
        with.iter().zip(&without).filter(|(before, _)| ***before == **lost).map(|(_, after)| after).collect();
    assert_eq!(heirs.len(), 9, "they go to all others");
}

#[test]
fn keys_belong_to_servers_by_address_alone() {
    // These may never change: another version of Headwall may stand beside this one.
    let candidates = servers(&[1, 1, 1, 1, 1]);
    let (picker, cx) = (by_path(None).build().unwrap().prepare(&candidates), client());
    let owners: Vec<_> = (0..12)
        .map(|number| picker.pick(&Ask::new(&candidates, &request(&format!("/{number}")), &cx)).unwrap())
        .collect();
    let mut turned = candidates.clone();
    turned.reverse();
    let picker = by_path(None).build().unwrap().prepare(&turned);
    for (number, owner) in owners.iter().enumerate() {
        let index = picker.pick(&Ask::new(&turned, &request(&format!("/{number}")), &cx)).unwrap();
        assert_eq!(index, 4 - owner, "/{number}: the order of writing does not matter");
    }
}

#[test]
fn the_key_is_what_was_asked_for() {
    let candidates = servers(&[1; 8]);
    let mut req = request("/a?x=1");
    req.headers.insert("x-user", "ada".parse().unwrap());
    req.headers.insert("cookie", "id=ada".parse().unwrap());
    let mut other = request("/b?x=1");
    other.headers.insert("x-user", "ada".parse().unwrap());
    other.headers.insert("cookie", "a=b; id=ada".parse().unwrap());
    let rows = [
        (HashKey::ClientAddress, true, "the same client"),
        (HashKey::Header("X-User".parse().unwrap()), true, "the same user"),
        (HashKey::Cookie("id".parse().unwrap()), true, "the same cookie"),
        (HashKey::Path, false, "another path"),
    ];
    for (by, same, row) in rows {
        let policy = ConsistentHash { by, max_load: None };
        let (picker, cx) = (policy.prepare(&candidates), client());
        let pick = |req| picker.pick(&Ask::new(&candidates, req, &cx));
        assert_eq!(pick(&req), pick(&req), "{row}");
        assert_eq!(pick(&req) == pick(&other), same, "{row}");
    }
    let policy = ConsistentHash { by: HashKey::Header("x-nobody".parse().unwrap()), max_load: None };
    let (picker, cx) = (policy.prepare(&candidates), client());
    let seen: HashSet<_> = (0..200).map(|_| picker.pick(&Ask::new(&candidates, &req, &cx))).collect();
    assert!(seen.len() > 4, "without a key they go anywhere: {seen:?}");
}

#[test]
fn a_key_that_everybody_has_is_spread_as_far_as_its_load_wants() {
    let candidates = servers(&[1, 1, 1, 1]);
    let (picker, cx, req) =
        (by_path(Some(150)).build().unwrap().prepare(&candidates), client(), request("/hot"));
    let mut open = Vec::new();
    for _ in 0..400 {
        let index = picker.pick(&Ask::new(&candidates, &req, &cx)).unwrap();
        open.push(candidates[index].server().begin(u32::MAX).unwrap());
        let most = candidates.iter().map(|candidate| candidate.server().in_flight()).max().unwrap();
        assert!(f64::from(most) <= (open.len() as f64 / 4.0 * 1.5).ceil(), "{most} of {}", open.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever is open is picked before whoever is not, by every policy, whatever the weights.
    #[test]
    fn a_full_server_is_not_picked_while_another_has_room(
        servers_ in proptest::collection::vec((1_u32..5, 0_u32..3, 1_u32..3), 1..20),
        paths in proptest::collection::vec("/[a-z]{0,20}", 1..20),
    ) {
        let weights: Vec<_> = servers_.iter().map(|(weight, ..)| *weight).collect();
        let mut open = Vec::new();
        let candidates: Vec<_> = servers(&weights)
            .into_iter()
            .zip(&servers_)
            .map(|(candidate, &(_, has, limit))| {
                open.extend((0..has).filter_map(|_| candidate.server().begin(u32::MAX)));
                candidate.with_limit(limit)
            })
            .collect();
        let somebody_is_open = candidates.iter().any(|candidate| !candidate.is_full());
        for policy in all_policies() {
            let (picker, cx) = (policy.build().unwrap().prepare(&candidates), client());
            for path in &paths {
                let req = request(path);
                let picked = picker.pick(&Ask::new(&candidates, &req, &cx));
                prop_assert_eq!(picked.is_some(), somebody_is_open, "{:?}", policy);
                prop_assert!(picked.is_none_or(|index| !candidates[index].is_full()), "{:?}", policy);
            }
        }
    }
}
