//! The layers of the design, held with `cargo metadata`: nothing below knows what is above.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{repository, tools};
use serde_json::Value;

/// Shared crates, lowest first; a crate may use those before it.
const LAYERS: [&str; 6] = ["zwire", "zcodec", "zstore", "zarray", "zcoord", "zcli"];

/// Packages that belong to one crate.
const OWNERS: [(&str, &str); 10] = [
    ("blosc-src", "zcodec"),
    ("object_store", "zstore"),
    ("tokio", "zstore"),
    ("zarrs", "zarray"),
    ("rayon", "zarray"),
    ("clap", "zcli"),
    ("arrow-array", "zpoint"),
    ("arrow-schema", "zpoint"),
    ("csv", "zpoint"),
    ("parquet", "zpoint"),
];

/// Every package of the workspace with what it depends on.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| (name(package), package["dependencies"].as_array().unwrap().iter().map(name).collect()))
        .collect()
}

#[test]
fn nothing_below_knows_what_is_above() {
    let dependencies = dependencies();
    let tools = tools();
    for (package, uses) in &dependencies {
        let layer = LAYERS.iter().position(|layer| layer == package);
        for used in uses {
            assert!(!tools.contains(used), "{package} depends on the tool {used}");
            if let (Some(layer), Some(below)) = (layer, LAYERS.iter().position(|layer| layer == used)) {
                assert!(below < layer, "{package} depends on {used}, which is not below it");
            }
        }
    }
    for folder in fs::read_dir(repository().join("shared")).unwrap() {
        let folder = folder.unwrap();
        if folder.path().is_dir() {
            let name = folder.file_name().into_string().unwrap();
            assert!(LAYERS.contains(&name.as_str()), "shared/{name} has no layer");
        }
    }
}

#[test]
fn packages_are_used_in_one_place() {
    for (package, uses) in dependencies() {
        for (owned, owner) in OWNERS {
            assert!(
                package == owner || !uses.iter().any(|used| used == owned),
                "{package} uses {owned}, which is {owner}'s"
            );
        }
    }
}

/// All Rust sources below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn unsafe_code_lives_in_zcodec() {
    let mut seen = 0;
    for place in ["shared", "tools", "tests"] {
        for path in sources(&repository().join(place)) {
            let text = fs::read_to_string(&path).unwrap();
            let word = ["unsafe", " {"].concat();
            let blocks = text.matches(&word).count();
            seen += blocks;
            let allowed = path.starts_with(repository().join("shared/zcodec"));
            assert!(blocks == 0 || allowed, "{} holds unsafe code", path.display());
            let reasons = text.matches("// SAFETY:").count();
            assert!(
                !allowed || reasons >= text.matches(&format!("= {word}")).count(),
                "{}: a reason each",
                path.display()
            );
        }
    }
    assert!(seen > 0, "the search finds what is there");
}

#[test]
fn every_source_says_what_it_is_and_every_folder_has_a_readme() {
    for place in ["shared", "tools", "tests"] {
        for path in sources(&repository().join(place)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        }
    }
    for folder in ["shared", "tools", "tests", "scripts", "man"] {
        assert!(repository().join(folder).join("README.md").exists(), "{folder} has no README.md");
    }
    for tool in tools() {
        let main = fs::read_to_string(repository().join("tools").join(&tool).join("src/main.rs")).unwrap();
        let code = main.lines().filter(|line| !line.starts_with("mod ") && !line.is_empty() && !line.starts_with("//"));
        assert!(code.count() <= 15, "{tool}: main.rs is a table of contents");
    }
}
