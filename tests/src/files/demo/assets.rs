//! The demo's files have the hash of their content in their names, as a build tool would have written it: they are kept for
//! a year, so another content has to have another name. There is no build tool; `UPDATE_EXPECT=1` names them anew.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::directory;

/// What refers to the files in `assets`.
const REFERRERS: [&str; 2] = ["index.html", "sw.js"];

/// `app-0123abcd.js` of any earlier name.
fn named(path: &Path) -> String {
    let content = std::fs::read(path).unwrap();
    let digest = digest(&SHA256, &content);
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    // Eight digits do; but where they are all of one kind, they might be a date or a word, and nobody takes them for a hash.
    let is_hash = |digits: &&str| {
        digits.contains(|digit: char| digit.is_ascii_digit())
            && digits.contains(|digit: char| digit.is_alphabetic())
    };
    let digits = (8..digits.len()).map(|length| &digits[..length]).find(is_hash).unwrap();
    let (stem, extension) =
        (path.file_stem().unwrap().to_str().unwrap(), path.extension().unwrap().to_str().unwrap());
    let stem = stem.split('-').next().unwrap_or(stem);
    format!("{stem}-{digits}.{extension}")
}

// One test, because the first half may write what the second reads.
#[test]
fn files_are_named_by_their_content_and_kept_by_the_service_worker() {
    assets_are_named_by_their_content();
    what_is_kept_is_there_and_is_all_of_the_page();
}

fn assets_are_named_by_their_content() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut seen = 0;
    for entry in std::fs::read_dir(directory().join("assets")).unwrap() {
        let path = entry.unwrap().path();
        let (found, expected) = (path.file_name().unwrap().to_str().unwrap().to_owned(), named(&path));
        seen += 1;
        if update && found != expected {
            std::fs::rename(&path, path.with_file_name(&expected)).unwrap();
        } else {
            assert_eq!(found, expected, "its content has changed: name it anew with UPDATE_EXPECT=1");
        }
        for referrer in REFERRERS {
            let referrer = directory().join(referrer);
            let text = std::fs::read_to_string(&referrer).unwrap();
            if update {
                std::fs::write(&referrer, text.replace(&found, &expected)).unwrap();
            } else {
                assert!(text.contains(&format!("/assets/{found}")), "{} names {found}", referrer.display());
            }
        }
    }
    assert_eq!(seen, 2, "a script and a style");
}

fn what_is_kept_is_there_and_is_all_of_the_page() {
    let text = std::fs::read_to_string(directory().join("sw.js")).unwrap();
    let (_, files) = text.split_once("const FILES = [PAGE, ").unwrap();
    let (files, _) = files.split_once("];").unwrap();
    let kept: Vec<&str> = files.split(',').map(|file| file.trim().trim_matches('"')).collect();
    for file in &kept {
        assert!(directory().join(file.trim_start_matches('/')).is_file(), "{file} is there");
    }
    let page = std::fs::read_to_string(directory().join("index.html")).unwrap();
    let needed = page.split(['"']).filter(|text| text.starts_with('/') && text.contains('.'));
    for file in needed {
        assert!(kept.contains(&file), "{file} is kept");
    }
    for name in ["http://", "https://"] {
        assert!(!page.contains(name), "the page needs nobody else, but has {name}");
    }
}
