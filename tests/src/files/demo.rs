//! The page of the quickstart: served by Headwall, with the sample app behind it, in a real browser.

mod assets;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::chromium::png::Picture;
use crate::command_line::process::Process;

/// The size of the picture.
const SIZE: (u32, u32) = (1280, 850);

/// Where the page is.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("conf").join("demo")
}

/// The sample app.
pub(crate) async fn demo() -> Process {
    let mut demo = Process::start(&["demo", "127.0.0.1:0"], tempfile::tempdir().unwrap());
    demo.hears("the demo app is at").await;
    demo
}

/// Headwall with the config of the quickstart, at ports of its own.
async fn quickstart(demo: &Process) -> Process {
    let config = std::fs::read_to_string(directory().with_file_name("quickstart.yaml")).unwrap();
    let app = demo.said("the demo app is at http://").to_string();
    let config = ["127.0.0.1:8080", "127.0.0.1:9180"].iter().fold(config, |config, fixed| {
        assert!(config.contains(fixed), "the quickstart listens on {fixed}");
        config.replace(fixed, "127.0.0.1:0")
    });
    let config =
        config.replace("127.0.0.1:3000", &app).replace("conf/demo", &directory().display().to_string());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("headwall.yaml"), config).unwrap();
    let mut headwall = Process::start(&["run", "--config", "headwall.yaml"], dir);
    headwall.hears(" is serving").await;
    headwall
}

/// Whether the state of a card says this.
pub(crate) fn says(card: &str, text: &str) -> String {
    format!(
        "document.querySelector({}).textContent.includes({})",
        json!(format!("#{card} h2 .pill")),
        json!(text)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_runs_the_demo_and_keeps_its_page_when_nobody_answers() {
    let Some(mut browser) = Chromium::start("files::demo", tempfile::tempdir().unwrap()).await else {
        return;
    };
    let demo = demo().await;
    let headwall = quickstart(&demo).await;
    browser.looks(SIZE, "light").await;
    browser.goes_to(&format!("http://{}/", headwall.address())).await;

    // Everything that the page is for.
    browser.until(&says("hello", "200 from the app")).await;
    browser
        .until("document.querySelector('.talk li:not(.mine)')?.textContent.startsWith('Is anybody there?')")
        .await;
    browser.until("Number(document.querySelector('.tick b').textContent) >= 3").await;
    browser.until("document.querySelector('#worker').textContent === 'worker ready'").await;
    let active = "navigator.serviceWorker.ready.then(({ active }) => active.scriptURL.split('/').pop())";
    assert_eq!(browser.evaluate(active).await, "sw.js");
    assert_eq!(browser.errors(), Vec::<String>::new(), "the console has no errors");
    assets_are_kept_as_they_should(&browser);

    // A login that is guessed: the limit lets three through.
    browser.evaluate("document.querySelector('#login button.quiet').click()").await;
    browser.until("document.querySelectorAll('.tries li').length === 6").await;
    let tries = browser
        .evaluate("[...document.querySelectorAll('.tries b')].map(({ textContent }) => Number(textContent))")
        .await;
    assert_eq!(tries, json!([401, 401, 401, 429, 429, 429]));
    browser.until(&says("login", "429 from Headwall, try again in")).await;

    is_pictured(&mut browser, "demo.png").await;
    browser.looks(SIZE, "dark").await;
    is_pictured(&mut browser, "demo-dark.png").await;

    // Without the app, Headwall answers; without Headwall, the service worker.
    drop(demo);
    browser.call("Page.reload", json!({})).await;
    browser.until(&says("hello", "from Headwall")).await;
    browser.until(&says("page", "shell from Headwall")).await;
    drop(headwall);
    browser.call("Page.reload", json!({})).await;
    browser.until(&says("page", "shell from service worker")).await;
    browser.until(&says("hello", "nobody answers")).await;
    is_pictured(&mut browser, "demo-offline.png").await;
}

/// Takes a picture for people to look at, and looks whether there is something on it.
async fn is_pictured(browser: &mut Chromium, name: &str) {
    let picture = Picture::read(&browser.picture(name).await);
    assert_eq!((picture.width, picture.height), (SIZE.0 as usize, SIZE.1 as usize), "{name}");
    assert!(picture.colours > 50, "{name} is not one single colour: {picture:?}");
}

/// Every file came with 200 and says how long it may be kept.
fn assets_are_kept_as_they_should(browser: &Chromium) {
    let answer = |name: &str| -> Option<&Value> {
        let is_it = |response: &&&Value| response["url"].as_str().is_some_and(|url| url.contains(name));
        browser.responses().iter().find(is_it).copied()
    };
    let rows = [
        ("/assets/app-", "public, max-age=31536000, immutable"),
        ("/assets/style-", "public, max-age=31536000, immutable"),
        ("/icon.svg", "no-cache"),
    ];
    for (name, expected) in rows {
        let response = answer(name).unwrap_or_else(|| panic!("{name} was loaded"));
        assert_eq!(response["status"], 200, "{name}");
        let headers = response["headers"].as_object().unwrap();
        let header = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
        };
        assert_eq!(header("cache-control"), expected, "{name}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{name}");
        assert_eq!(header("content-security-policy"), "default-src 'self'", "{name}");
    }
}
