//! Commands that print something and are done.

use serde_json::Value;

use super::process::{headwall, headwall_told};

#[tokio::test]
async fn the_schema_is_json_and_names_every_module_and_section() {
    let dir = tempfile::tempdir().unwrap();
    let printed = headwall(dir.path(), &["schema"]).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    let schema: Value = serde_json::from_str(&printed.out).unwrap();
    for section in ["listeners", "sites", "upstreams", "limits", "access_log", "admin", "shutdown"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    for module in
        ["security_headers", "headers", "rate_limit", "api", "websocket", "redirect", "respond", "cluster"]
    {
        assert!(printed.out.contains(&format!("\"{module}\"")), "{module}");
    }
}

#[tokio::test]
async fn the_version_is_told_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    for args in [["version"], ["--version"]] {
        let printed = headwall(dir.path(), &args).await;
        let expected = format!("headwall {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((printed.code, printed.out), (Some(0), expected), "{args:?}");
    }
}

#[tokio::test]
async fn completion_and_help_know_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["completion", "bash"][..], &["--help"]] {
        let printed = headwall(dir.path(), args).await;
        assert_eq!(printed.code, Some(0), "{args:?}");
        for command in ["run", "check", "explain", "hash-password", "schema", "version", "completion", "demo"]
        {
            assert!(printed.out.contains(command), "{args:?}: {command} is missing in:\n{}", printed.out);
        }
    }
    let script = headwall(dir.path(), &["completion", "bash"]).await.out;
    assert!(script.contains("complete -F _headwall"), "{script}");
}

#[tokio::test]
async fn a_wrong_command_line_is_refused_as_a_start_that_cannot_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(&[&str], &str); 5] = [
        (&["serve"], "unrecognized subcommand 'serve'"),
        (&["run", "--confg", "x"], "unexpected argument '--confg'"),
        (&["check"], "<FILE>"),
        (&["completion", "tcsh"], "tcsh"),
        (&[], "Usage: headwall"),
    ];
    for (args, part) in rows {
        let printed = headwall(dir.path(), args).await;
        assert!(printed.err.contains(part), "{args:?}: {}", printed.err);
        // 2 would say that a second signal ended it, and 3 that it is worth starting again.
        assert_eq!(printed.code, Some(1), "{args:?}");
    }
}

#[tokio::test]
async fn a_password_is_hashed_from_standard_input_alone() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(&[&str], &str, &str); 4] = [
        (&["hash-password"], "correct horse\n", "$argon2id$v=19$m=19456,t=2,p=1$"),
        (&["hash-password"], "correct horse", "$argon2id$"),
        (&["hash-password", "--bcrypt"], "correct horse\r\n", "$2y$12$"),
        (&["hash-password", "--bcrypt"], "correct horse\n", "$2y$12$"),
    ];
    for (args, typed, begins) in rows {
        let printed = headwall_told(dir.path(), args, typed).await;
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(printed.out.starts_with(begins) && printed.out.lines().count() == 1, "{}", printed.out);
        assert!(!printed.out.contains("horse"));
    }
    let rows = [("", "found nothing"), ("\n", "found nothing"), ("two\nlines\n", "found several")];
    for (typed, expected) in rows {
        let refused = headwall_told(dir.path(), &["hash-password"], typed).await;
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{typed:?}");
        assert!(refused.err.contains(expected), "{typed:?}: {}", refused.err);
    }
    let refused = headwall_told(dir.path(), &["hash-password", "--bcrypt"], &"a".repeat(73)).await;
    assert!(refused.err.contains("at most 72 bytes"), "bcrypt would ignore the rest: {}", refused.err);
    let refused = headwall_told(dir.path(), &["hash-password", "secret"], "").await;
    assert_eq!(refused.code, Some(1), "no password on the command line");
}
