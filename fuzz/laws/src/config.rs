//! Configs: every text is answered, and what is printed means the same.

use headwall::Server;
use headwall::config::{Config, Report};

/// What `${TOKEN}` stands for.
const SECRET: &str = "hunter2-hunter2";

/// Any text is a config or a report that points into it, and a config that is printed is the same config.
///
/// # Panics
///
/// When it is not.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read(text) {
        Ok(config) => {
            let once = config.expanded();
            // Secrets are not printed, and a config without them is refused.
            if once.contains("[redacted]") {
                return;
            }
            let again = read(&once).unwrap_or_else(|report| panic!("{once}\n{report}"));
            assert_eq!(again.expanded(), once);
        }
        Err(report) => {
            assert!(report.has_errors() && !report.to_string().is_empty());
            for diagnostic in report.diagnostics() {
                let (start, end) = (diagnostic.place.start, diagnostic.place.end);
                assert!(text.get(start..end).is_some(), "{start}..{end} is no place in it: {report}");
                // Unless it stands in the text itself, which a fuzzer finds out.
                let told = diagnostic.message.contains(SECRET) && !text.contains(SECRET);
                assert!(!told, "a secret was told: {report}");
            }
        }
    }
}

/// Reads a config that may name every module that there is.
fn read(text: &str) -> Result<Config, Report> {
    let environment = |name: &str| (name == "TOKEN").then(|| SECRET.to_owned());
    Server::new().read("headwall.yaml", text, &environment)
}
