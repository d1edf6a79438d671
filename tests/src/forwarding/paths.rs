//! The front of a path, exchanged on its way to the origin.

use headwall_testkit::{Echo, Gateway, Origin};

#[tokio::test]
async fn prefixes_are_taken_off_and_put_in_front() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = Gateway::config(
        r#"
        sites:
          - routes:
              - match: { path_prefix: /strip }
                api: { upstream: app, strip_prefix: /strip }
              - match: { path_prefix: /replace }
                api: { upstream: app, strip_prefix: /replace, add_prefix: /v1 }
              - match: { path_prefix: /other }
                api: { upstream: app, strip_prefix: /strip }
              - api: { upstream: app, add_prefix: /app/ }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let rows = [
        ("/strip/a/b?c=d", "/a/b?c=d", "taken off, the query stays"),
        ("/strip", "/", "all of it"),
        ("/strip/", "/", "all but a slash"),
        ("/strip?x", "/?x", "all of it, with a query"),
        ("/replace/a", "/v1/a", "replaced"),
        ("/replace", "/v1", "replaced as a whole"),
        ("/other/strip/a", "/other/strip/a", "not in front"),
        ("/a/b", "/app/a/b", "put in front"),
        ("/", "/app/", "put in front of the root"),
        ("/strips/a", "/app/strips/a", "a prefix ends at an element"),
        ("/x/../strip//%61", "/a", "after the path was normalised"),
    ];
    for (sent, expected, row) in rows {
        gateway.client().get(sent).send().await.assert_status(200);
        assert_eq!(origin.requests().pop().unwrap().uri.to_string(), expected, "{row}: {sent}");
    }
    let log = gateway.stop().await;
    assert_eq!(log[0]["uri"], "/strip/a/b?c=d", "the log tells what the client asked for");
}
