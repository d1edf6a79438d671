//! The laws on the fuzzers' seeds, and on what is near them.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// How many variants of a seed are tried. Configs are long, and everything that is read of them is.
fn variants(law: &str) -> usize {
    if law == "config" { 20 } else { 400 }
}

/// The seeds of a law, each with its file.
fn seeds(law: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(law);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    seeds.sort();
    assert!(seeds.len() >= 5, "{law} has {} seeds", seeds.len());
    seeds
}

/// Some bytes are taken out, doubled, exchanged, or replaced by those of another seed.
fn changed(rng: &mut fastrand::Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(0..=bytes.len());
        let end = bytes.len().min(at + rng.usize(0..6));
        let from = rng.usize(0..=other.len());
        let to = other.len().min(from + rng.usize(0..12));
        match rng.u8(0..4) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            2 => drop(bytes.splice(at..end, [rng.u8(..)])),
            _ => drop(bytes.splice(at..end, other[from..to].iter().copied())),
        }
    }
    bytes
}

fn holds(law: &str) {
    let (name, check) = LAWS.into_iter().find(|(name, _)| *name == law).unwrap();
    let seeds = seeds(name);
    let mut rng = fastrand::Rng::with_seed(4);
    for (path, seed) in &seeds {
        let tried = |bytes: &[u8]| {
            let kept = std::panic::catch_unwind(|| check(bytes));
            assert!(kept.is_ok(), "{} with {:?}", path.display(), bytes.escape_ascii().to_string());
        };
        tried(seed);
        for _ in 0..variants(name) {
            let other = &seeds[rng.usize(0..seeds.len())].1;
            tried(&changed(&mut rng, seed, other));
        }
    }
}

#[test]
fn chunked_bodies_have_one_reading() {
    holds("chunks");
}

#[test]
fn configs_are_answered_and_mean_what_is_printed() {
    holds("config");
}

#[test]
fn clients_cannot_choose_their_address() {
    holds("forwarded");
}

#[test]
fn heads_have_one_reading() {
    holds("head");
}

#[test]
fn paths_have_one_spelling_below_the_root() {
    holds("path");
}

#[test]
fn proxy_headers_have_one_reading() {
    holds("proxy");
}

#[test]
fn values_read_back() {
    holds("rate");
}

#[test]
fn wishes_are_for_what_is_there() {
    holds("wishes");
}

#[test]
fn every_law_has_a_target() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).unwrap();
    for (name, _) in LAWS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), LAWS.len());
}
