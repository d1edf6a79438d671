//! `api_key`: keys of programs.

use super::{decisions, guarded};
use crate::metrics::metric_is;

const MOBILE: &str = "a key for the mobile app";
const PARTNER: &str = "a key for the partner";

#[tokio::test]
async fn a_key_comes_in_and_the_application_hears_whose_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(&path, format!("# partners\npartner:{PARTNER}\n")).unwrap();
    let (app, gateway) = guarded(&format!(
        "[{{ api_key: {{ keys: {{ mobile: \"${{MOBILE}}\" }}, file: {}, id_header: X-Client,
           from: [{{ header: X-Api-Key }}, {{ query: api_key }}] }} }}]",
        path.display()
    ))
    .await;
    let gateway = gateway.variable("MOBILE", MOBILE).start().await;
    let client = gateway.client();
    client
        .get("/")
        .header("x-api-key", MOBILE)
        .header("x-client", "root")
        .header("connection", "x-client")
        .send()
        .await
        .assert_status(200);
    client.get("/?a=b&api_key=a+key").send().await.assert_status(401);
    let query = PARTNER.replace(' ', "%20");
    client.get(&format!("/?a=b&api_key={query}")).send().await.assert_status(200);
    client
        .get("/")
        .send()
        .await
        .assert_status(401)
        .assert_header("www-authenticate", "ApiKey realm=\"headwall\"");
    client.get("/").header("x-api-key", "a key for the mobile apq").send().await.assert_status(401);

    let seen = app.requests();
    assert_eq!(seen.len(), 2, "the application hears of nobody else");
    assert_eq!(seen[0].header_values("x-client"), ["mobile"]);
    assert_eq!(seen[1].header_values("x-client"), ["partner"]);
    assert_eq!(seen[0].header("x-api-key"), None, "the key ends here");
    assert_eq!(seen[1].uri, "/?a=b", "in the query too");
    metric_is(&gateway, &decisions("api_key", "passed"), 2.0).await;
    metric_is(&gateway, &decisions("api_key", "wrong"), 2.0).await;
    metric_is(&gateway, &decisions("api_key", "missing"), 1.0).await;
    let log = gateway.stop().await;
    assert_eq!((&log[0]["user"], &log[3]["reason"]), (&"mobile".into(), &"api_key_missing".into()));
    let text = format!("{log:?}");
    assert!(!text.contains("a key") && !text.contains("%20key"), "no key is in the log: {text}");
}

#[tokio::test]
async fn a_key_is_not_read_from_where_it_would_be_logged() {
    let (_app, gateway) =
        guarded("[{ api_key: { keys: { a: \"${KEY}\" }, from: [{ query: ticket }] } }]").await;
    let report = gateway.variable("KEY", MOBILE).try_start().await.unwrap_err();
    assert!(report.contains("`ticket` would be written to the access log"), "{report}");
    assert!(!report.contains(MOBILE), "{report}");
}
