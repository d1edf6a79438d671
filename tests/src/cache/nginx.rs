//! The same requests to nginx's `proxy_cache`: where it decides otherwise, the table of rules says why.

use headwall_testkit::Client;

use super::rules::RULES;
use super::{obedient, told};
use crate::nginx::Nginx;

#[tokio::test]
async fn nginx_decides_alike_but_where_the_table_says_why_not() {
    let origin = obedient().await;
    let location = format!(
        "proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Host $host;
         proxy_cache answers; proxy_cache_revalidate on; proxy_cache_methods GET HEAD;",
        origin.address()
    );
    let keeping = "proxy_cache_path {dir}/cache keys_zone=answers:1m;";
    let Some(nginx) = Nginx::proxying(keeping, &location).await else { return };
    let client = Client::to(nginx.address()).host("app.example.com");
    let mut unexplained = Vec::new();
    for (index, rule) in RULES.iter().enumerate() {
        let path = format!("/{index}");
        let first = told(client.get(&path), rule.answer).send().await;
        let second =
            rule.request.iter().fold(client.get(&path), |call, (name, value)| call.header(name, value));
        let second = if rule.becomes.contains("304") || rule.becomes.contains("500") {
            told(second, rule.answer)
        } else {
            second
        };
        let second = second.send().await;
        let is_alike = (second.text() == first.text()) == rule.is_first;
        if is_alike != rule.nginx.is_none() {
            unexplained.push(format!(
                "{}: {:?} then {:?}, nginx: {:?}",
                rule.why, rule.answer, rule.request, rule.nginx
            ));
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}
