//! Names that lead to several servers, whose answers change while requests come in.

use std::net::{IpAddr, Ipv4Addr};

use headwall_testkit::{Fixed, Gateway, NameServer, Origin, Service, eventually};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The config of a gateway that asks `names` for `server`.
fn config(names: &NameServer, server: &str, settings: &str) -> String {
    format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams:
          app:
            {{ servers: [\"{server}\"], dns: {{ servers: [\"{}\"], min_ttl: 1s }} {settings} }}
        ",
        names.address()
    )
}

/// An origin that answers with its name.
async fn origin(name: &'static str) -> Origin {
    Origin::builder().otherwise(Fixed::status(200).body(name)).start().await
}

fn at(origin: &Origin, priority: u16, weight: u16) -> Service {
    Service { priority, weight, port: origin.address().port(), target: "host.test".into() }
}

/// So many answers, which have to be good.
async fn answers(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..count {
        let reply = gateway.client().get("/").send().await;
        reply.assert_status(200);
        answers.push(reply.text());
    }
    answers
}

fn count(answers: &[String], name: &str) -> usize {
    answers.iter().filter(|answer| *answer == name).count()
}

#[tokio::test]
async fn a_service_has_ports_weights_and_priorities() {
    let names = NameServer::start().await;
    let (heavy, light, backup) = (origin("heavy").await, origin("light").await, origin("backup").await);
    names.host("host.test", 60, [LOCALHOST]);
    names.service("_http._tcp.app.test", 60, [at(&heavy, 10, 3), at(&light, 10, 1), at(&backup, 20, 1)]);
    let gateway = Gateway::start(&config(&names, "srv:_http._tcp.app.test", "")).await;
    let answers = answers(&gateway, 40).await;
    let shares = ["heavy", "light", "backup"].map(|name| count(&answers, name));
    assert_eq!(shares, [30, 10, 0], "by weight, and the backup is not needed");
}

#[tokio::test]
async fn a_backup_of_a_service_is_asked_when_the_others_are_down() {
    let names = NameServer::start().await;
    let (first, backup) = (origin("first").await, origin("backup").await);
    names.host("host.test", 60, [LOCALHOST]);
    names.service("_http._tcp.app.test", 60, [at(&first, 0, 0), at(&backup, 1, 0)]);
    let check = ", health_check: { interval: 500ms, fall: 1 }";
    let gateway = Gateway::start(&config(&names, "srv:_http._tcp.app.test", check)).await;
    assert_eq!(answers(&gateway, 2).await, ["first", "first"]);
    drop(first);
    eventually(10, async || (gateway.client().get("/").send().await.text() == "backup").then_some(())).await;
}

#[tokio::test]
async fn all_addresses_of_a_name_are_servers() {
    let names = NameServer::start().await;
    let origin = Origin::fixed("hello").await;
    // Linux answers at all of 127.0.0.0/8; the origin listens at one address, so the other is refused and tried elsewhere.
    names.host("app.test", 60, [LOCALHOST, OTHER]);
    let server = format!("app.test:{}", origin.address().port());
    let check = ", health_check: { interval: 1h }";
    let gateway = Gateway::start(&config(&names, &server, check)).await;
    let up = format!(r#"headwall_upstream_server_up{{server="{server}",upstream="app"}}"#);
    assert_eq!(gateway.metric(&up), Some(1.0), "of the two, one");
    answers(&gateway, 4).await;
    assert_eq!(origin.hits(), 4);
}

#[tokio::test]
async fn answers_that_change_under_load_cost_no_request() {
    let names = NameServer::start().await;
    let origins = [origin("0").await, origin("1").await, origin("2").await];
    names.host("host.test", 1, [LOCALHOST]);
    names.service("_http._tcp.app.test", 1, [at(&origins[0], 0, 1)]);
    let gateway = Gateway::start(&config(&names, "srv:_http._tcp.app.test", "")).await;
    for (place, name) in ["1", "2", "0"].into_iter().enumerate() {
        let now = [&origins[1], &origins[2], &origins[0]][place];
        names.service("_http._tcp.app.test", 1, [at(now, 0, 1)]);
        // Every single answer on the way has to be good.
        eventually(15, async || (answers(&gateway, 20).await.iter().all(|text| text == name)).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn the_last_good_answer_stays_while_the_name_server_is_ill() {
    let names = NameServer::start().await;
    let origin = origin("here").await;
    names.host("app.test", 1, [LOCALHOST]);
    let server = format!("app.test:{}", origin.address().port());
    let gateway = Gateway::start(&config(&names, &server, "")).await;
    names.is_ill(true);
    let asked = names.questions();
    eventually(15, async || (names.questions() > asked + 1).then_some(())).await;
    assert_eq!(answers(&gateway, 4).await, ["here"; 4]);
}

#[tokio::test]
async fn a_name_that_is_unknown_at_the_start_is_asked_for_again() {
    let names = NameServer::start().await;
    let origin = origin("late").await;
    let server = format!("app.test:{}", origin.address().port());
    let gateway = Gateway::start(&config(&names, &server, ", health_check: { interval: 1h }")).await;
    gateway.client().get("/").send().await.assert_status(503);
    names.host("app.test", 60, [LOCALHOST]);
    eventually(15, async || (gateway.client().get("/").send().await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn a_short_ttl_is_not_shorter_than_the_floor() {
    let names = NameServer::start().await;
    let origin = origin("here").await;
    names.host("app.test", 0, [LOCALHOST]);
    let server = format!("app.test:{}", origin.address().port());
    let yaml = config(&names, &server, "").replace("min_ttl: 1s", "min_ttl: 1h, max_ttl: 1h");
    let gateway = Gateway::start(&yaml).await;
    let asked = names.questions();
    assert!(asked > 0);
    answers(&gateway, 20).await;
    assert_eq!(names.questions(), asked, "a request never waits for a name");
}
