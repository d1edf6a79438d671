//! What holds for a cluster, whatever happens to its servers.

use std::collections::HashMap;

use headwall_core::Metrics;
use headwall_core::module::Shared;
use headwall_core::upstream::PeerTls;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::server::Server;
use crate::standing::Standing;

/// Where clusters are built, one after the other, as reloads do.
struct Site {
    metrics: Metrics,
    shared: Shared,
}

impl Site {
    fn new() -> Self {
        Self { metrics: Metrics::new().unwrap(), shared: Shared::default() }
    }

    fn cluster(&self, settings: Value) -> Cluster {
        let settings: ClusterSettings = serde_json::from_value(settings).unwrap();
        let (upstreams, mut warm_up) = (HashMap::new(), Vec::new());
        let cx = Build::new("app", "upstreams", &upstreams, &self.metrics, &self.shared, &mut warm_up);
        Cluster::new(&settings, Dialect::new(&settings, PeerTls::default()), &cx).unwrap()
    }
}

fn servers(cluster: &Cluster) -> Vec<Arc<Server>> {
    cluster.0.members.lock().servers()
}

fn choose(cluster: &Cluster) -> Result<Chosen, Nobody> {
    let req = http::Request::builder().uri("/a").body(()).unwrap().into_parts().0;
    cluster.0.choose_now(&req, &Context::from_client("192.0.2.1:4000".parse().unwrap()))
}

#[test]
fn a_reload_finds_its_servers_again_and_what_is_known_of_them() {
    let site = Site::new();
    let address = |n: u32| format!("10.0.0.{n}:80");
    let before = site.cluster(json!({ "servers": [address(1), address(2), address(3)] }));
    let old = servers(&before);
    old[1].set_up(false);
    old[2].set_draining(true);
    let _attempt = choose(&before).unwrap();
    let after = site.cluster(json!({
        "servers": [address(4), { "address": address(2), "weight": 7 }, { "address": address(1), "max_connections": 1 }, address(3)],
        "policy": "least_requests",
        "sticky": {},
    }));
    let new = servers(&after);
    assert!(Arc::ptr_eq(&new[1], &old[1]) && Arc::ptr_eq(&new[2], &old[0]) && Arc::ptr_eq(&new[3], &old[2]));
    let known: Vec<_> = new.iter().map(|server| (server.is_available(), server.in_flight())).collect();
    assert_eq!(known, [(true, 0), (false, 0), (true, 1), (false, 0)]);
    old[0].set_ejected(true);
    old[1].set_up(true);
    let named = |cluster: &Cluster| choose(cluster).map(|chosen| chosen.attempt.server().name().to_string());
    assert_eq!(named(&before), Ok(address(2)), "the old config's requests hear of it too");
    let seen: Vec<_> = (0..30).filter_map(|_| named(&after).ok()).collect();
    assert!(seen.iter().all(|name| [address(2), address(4)].contains(name)), "{seen:?}");
    drop((before, after, old, new));
    let anew = site.cluster(json!({ "servers": [address(3)] }));
    assert!(servers(&anew)[0].is_available(), "what no config has any more is forgotten");
}

#[test]
fn another_way_to_be_spoken_to_is_another_server() {
    let site = Site::new();
    let plain = site.cluster(json!({ "servers": ["10.0.0.1:80"] }));
    let other = site.cluster(json!({ "servers": ["10.0.0.1:80"], "protocol": "http2" }));
    assert!(!Arc::ptr_eq(&servers(&plain)[0], &servers(&other)[0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Health, ejection and draining come and go in any order, and so do reloads to other weights and policies.
    #[test]
    fn nobody_unavailable_is_chosen_while_somebody_is_available(
        priorities in proptest::collection::vec(0_u32..3, 1..8),
        events in proptest::collection::vec((0_usize..8, 0_u8..4, any::<bool>()), 1..60),
    ) {
        let site = Site::new();
        let settings = |policy: Value, weight: u32| {
            let server = |(index, priority): (usize, &u32)| {
                json!({ "address": format!("10.0.0.{index}:80"), "priority": priority, "weight": weight + index as u32 })
            };
            json!({ "servers": priorities.iter().enumerate().map(server).collect::<Vec<_>>(), "policy": policy, "sticky": {} })
        };
        let policies = [
            json!("round_robin"),
            json!("least_requests"),
            json!("peak_ewma"),
            json!({ "consistent_hash": { "by": "path", "max_load": 125 } }),
        ];
        let mut cluster = site.cluster(settings(policies[0].clone(), 1));
        for (step, (index, what, value)) in events.into_iter().enumerate() {
            let all = servers(&cluster);
            let server = &all[index % all.len()];
            match what {
                0 => server.set_up(value),
                1 => server.set_ejected(value),
                2 => server.set_draining(value),
                _ => cluster = site.cluster(settings(policies[step % 4].clone(), step as u32 % 5 + 1)),
            }
            // Who is passed over because of how it has served is asked when there is nobody else.
            let best_of = |standing| {
                let those = all.iter().zip(&priorities).filter(|(server, _)| server.standing() == standing);
                those.map(|(_, priority)| priority).min()
            };
            let wanted = if best_of(Standing::Ready).is_some() { Standing::Ready } else { Standing::Ejected };
            let best = best_of(wanted);
            match choose(&cluster) {
                Ok(chosen) => {
                    let chosen = chosen.attempt.server();
                    prop_assert_eq!(chosen.standing(), wanted);
                    let index = all.iter().position(|server| Arc::ptr_eq(server, chosen)).unwrap();
                    prop_assert_eq!(Some(&priorities[index]), best, "the most wanted of those who are there");
                }
                Err(nobody) => prop_assert_eq!((nobody, best), (Nobody::There, None)),
            }
        }
    }
}
