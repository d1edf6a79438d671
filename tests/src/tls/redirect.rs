//! Plain HTTP where a site speaks TLS.

use headwall_testkit::{Echo, Gateway, Origin, Wire};

use super::{Issuer, LISTENERS, config, in_front, site};

#[tokio::test]
async fn plain_http_is_sent_to_https_whatever_it_asks_for() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let (plain, tls) = (gateway.address_at(1).port(), gateway.address().port());
    let rows = [
        (
            "GET",
            "app.test".to_owned(),
            "/a/b?c=d&e=%20f",
            "https://app.test/a/b?c=d&e=%20f".to_owned(),
            "the usual ports",
        ),
        ("GET", "app.test:80".to_owned(), "/", format!("https://app.test:{tls}/"), "a port, said aloud"),
        (
            "POST",
            format!("app.test:{plain}"),
            "/form?x=1",
            format!("https://app.test:{tls}/form?x=1"),
            "ports of our own",
        ),
        (
            "DELETE",
            "APP.test".to_owned(),
            "/nowhere",
            "https://APP.test/nowhere".to_owned(),
            "no route is asked",
        ),
    ];
    for (method, host, target, location, row) in rows {
        let call = gateway.client_at(1).request(method.parse().unwrap(), target).host(&host);
        let reply = call.body(if method == "POST" { "a=b" } else { "" }).send().await;
        reply.assert_status(308).assert_header("location", &location);
        assert!(reply.header("strict-transport-security").is_none(), "{row}");
    }
    let log = gateway.stop().await;
    assert!(log.iter().all(|line| line["route"] == "_https" && line["site"] == "app.test"), "{log:#?}");
}

#[tokio::test]
async fn the_status_can_be_chosen_and_the_redirect_left_out() {
    let issuer = Issuer::new();
    let rows = [
        ("old.test", "redirect: 301", 301),
        ("new.test", "redirect: 308", 308),
        ("both.test", "redirect: false", 200),
    ];
    let sites = rows.map(|(host, redirect, _)| site(host, &format!("{}, {redirect}", issuer.files(&[host]))));
    let plain = "  - { hosts: [plain.test], routes: [{ respond: { body: plain } }] }\n".to_owned();
    let gateway = Gateway::start(&config(sites.into_iter().chain([plain]))).await;
    for (host, redirect, status) in rows {
        let reply = gateway.client_at(1).host(host).get("/").send().await;
        assert_eq!(reply.status.as_u16(), status, "{redirect}");
        issuer.client(&gateway, host).get("/").send().await.assert_status(200);
    }
    gateway.client_at(1).host("plain.test").get("/").send().await.assert_status(200).assert_text("plain");
}

#[tokio::test]
async fn a_proxy_in_front_that_speaks_tls_is_not_sent_in_circles() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let yaml =
        in_front("app.test", &issuer.files(&["app.test"]), "client: { trusted_proxies: [127.0.0.1] }\n");
    let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
    let client = gateway.client_at(1).host("app.test");
    client.get("/").header("x-forwarded-proto", "https").send().await.assert_status(200);
    client.get("/").header("x-forwarded-proto", "http").send().await.assert_status(308);
    client.get("/").send().await.assert_status(308);
    assert_eq!(origin.requests()[0].header("x-forwarded-proto"), Some("https"));

    let yaml = in_front("app.test", &issuer.files(&["app.test"]), "");
    let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
    let claimed = gateway.client_at(1).host("app.test").get("/").header("x-forwarded-proto", "https");
    claimed.send().await.assert_status(308);
    assert_eq!(origin.hits(), 1, "a client's own word counts for nothing");
}

#[tokio::test]
async fn the_filters_of_the_site_do_not_run_before_the_redirect() {
    let issuer = Issuer::new();
    let yaml = format!(
        "{LISTENERS}sites:\n  - {{ hosts: [app.test], tls: {{ {} }}, filters: [{{ security_headers: {{}} }}, {{ rate_limit: {{ \
         rate: 4r/h }} }}], routes: [{{ respond: {{ body: hello }} }}] }}\n",
        issuer.files(&["app.test"])
    );
    let gateway = Gateway::start(&yaml).await;
    for _ in 0..3 {
        let reply = gateway.client_at(1).host("app.test").get("/").send().await;
        reply
            .assert_status(308)
            .assert_no_header("strict-transport-security")
            .assert_no_header("x-frame-options");
    }
    let client = issuer.client(&gateway, "app.test");
    let hsts = "max-age=31536000; includeSubDomains";
    client.get("/").send().await.assert_status(200).assert_header("strict-transport-security", hsts);
    let limited = client.http2().get("/").send().await;
    limited.assert_status(429).assert_header("strict-transport-security", hsts);
}

#[tokio::test]
async fn who_names_no_host_cannot_be_sent_anywhere() {
    let issuer = Issuer::new();
    let yaml = format!(
        "{LISTENERS}sites: [{{ tls: {{ {} }}, routes: [{{ respond: {{ body: hello }} }}] }}]\n",
        issuer.files(&["app.test"])
    );
    let gateway = Gateway::start(&yaml).await;
    for head in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"] {
        let mut wire = Wire::connect(gateway.address_at(1)).await;
        wire.write(head).await;
        wire.finish().await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
        assert!(!answer.to_lowercase().contains("location"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn the_port_is_the_first_listeners_after_a_reload_too() {
    let issuer = Issuer::new();
    let site = site("app.test", &issuer.files(&["app.test"]));
    let listeners = |list: &str| format!("listeners: [{list}]\nsites:\n{site}");
    let (plain, tls) = ("{ address: \"127.0.0.1:0\" }", "{ address: \"127.0.0.1:0\", tls: true }");
    let mut gateway = Gateway::start(&listeners(&format!("{tls}, {plain}"))).await;
    let port = gateway.address().port();
    for more in [
        format!("{tls}, {plain}, {tls}"),
        format!("{tls}, {plain}, {tls}, {plain}"),
        format!("{tls}, {plain}"),
    ] {
        gateway.reload(&listeners(&more)).await.unwrap();
        let reply = gateway.client_at(1).host("app.test:8080").get("/").send().await;
        reply.assert_status(308).assert_header("location", &format!("https://app.test:{port}/"));
    }
}
