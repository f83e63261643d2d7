//! The layers of the design, held with `cargo metadata` and the sources: nothing below knows what is above, no modules use
//! each other in a circle, and what is to exist once does.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "layers/modules.rs"]
mod modules;
#[path = "layers/tokens.rs"]
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{repository, tools};
use modules::{Modules, Source, paths};
use serde_json::Value;
use tokens::Token;

/// Shared crates, lowest first; a crate may use those before it.
const LAYERS: [&str; 8] = ["zwire", "zcodec", "zstore", "zarray", "zcoord", "zvalue", "zstage", "zcli"];

/// Packages that belong to one crate.
const OWNERS: [(&str, &str); 11] = [
    ("blosc-src", "zcodec"),
    ("object_store", "zstore"),
    ("reqwest", "zstore"),
    ("rustls", "zstore"),
    ("tokio", "zstore"),
    ("zarrs", "zarray"),
    ("rayon", "zarray"),
    ("clap", "zcli"),
    ("arrow-array", "zpoint"),
    ("arrow-schema", "zpoint"),
    ("parquet", "zpoint"),
];

/// What is still against the rules below. It only ever gets shorter.
const PENDING: &[&str] = &[];

/// Names in `std::fs` that write; a name that starts like one of them writes, too.
const WRITES: [&str; 7] = ["write", "rename", "create_dir", "remove_", "hard_link", "copy", "set_permissions"];

/// Every package of the workspace with what it depends on, except in its own tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let uses = |package: &Value| -> Vec<String> {
        package["dependencies"].as_array().unwrap().iter().filter(|used| used["kind"] != "dev").map(name).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), uses(package))).collect()
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
fn unsafe_code_lives_in_zcodec_and_one_kernel() {
    let mut seen = 0;
    for place in ["shared", "tools", "tests"] {
        for path in sources(&repository().join(place)) {
            let text = fs::read_to_string(&path).unwrap();
            let word = ["unsafe", " {"].concat();
            let blocks = text.matches(&word).count();
            seen += blocks;
            // Besides the binding of C: functions that are compiled for instructions which not every processor has.
            let dispatch = path == repository().join("tools/lorenz-ens/src/kernel/dispatch.rs");
            let allowed = dispatch || path.starts_with(repository().join("shared/zcodec"));
            assert!(blocks == 0 || allowed, "{} holds unsafe code", path.display());
            let reasons = text.matches("// SAFETY:").count();
            assert!(!dispatch || reasons == blocks, "{}: a reason each", path.display());
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

/// The crates of a folder with their modules.
fn crates(folder: &str) -> Vec<(String, Modules)> {
    let path = repository().join(folder);
    let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| path.join(name).join("src").is_dir()).collect();
    names.sort();
    names.into_iter().map(|name| (format!("{folder}/{name}"), Modules::read(&path.join(name).join("src")))).collect()
}

/// Whether `file` is the module `name` of a tool, or below it.
fn is_module(file: &str, name: &str) -> bool {
    file.strip_prefix(name).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Where a tool's flags are known outside of what turns them into meaning.
fn flags_in_kernels(modules: &Modules) -> Vec<String> {
    let is_above = |file: &str| file == "main.rs" || ["cli", "options", "run"].iter().any(|name| is_module(file, name));
    let uses = modules.uses().into_keys();
    let cli = uses.filter(|(from, to)| is_module(to, "cli") && !is_above(from)).map(|(from, _)| from);
    let cli: BTreeSet<String> = cli.collect();
    let clap = modules.sources().filter(|source| {
        !is_module(&source.file, "cli") && source.tokens.iter().any(|token| token.word() == Some("clap"))
    });
    let clap = clap.map(|source| format!("{} knows clap", source.file));
    cli.iter().map(|file| format!("{file} knows the flags")).chain(clap).collect()
}

/// What a tool's file does to the file system behind zstore's back.
fn writes(source: &Source) -> BTreeSet<String> {
    let called = paths(&source.tokens).into_iter().map(|path| path.join("::"));
    let writes = |path: &String| {
        let names: Vec<&str> = path.split("::").collect();
        names.contains(&"OpenOptions")
            || names.windows(2).any(|pair| match pair[0] {
                "fs" => WRITES.iter().any(|write| pair[1].starts_with(write)),
                "File" => pair[1].starts_with("create") || pair[1] == "options",
                _ => false,
            })
    };
    called.chain(source.imported()).filter(writes).collect()
}

/// Whether a text of the source has part of a temporary name in it.
fn names_temporaries(source: &Source) -> bool {
    source.tokens.iter().any(|token| matches!(token, Token::Text(text) if text.contains(".tmp-")))
}

fn calls(source: &Source, call: &str) -> bool {
    paths(&source.tokens).iter().any(|path| path.join("::").ends_with(call))
}

/// Whether the source has the parser of shard indices.
fn parses_shard_indices(source: &Source) -> bool {
    let words: Vec<&str> = source.tokens.iter().filter_map(Token::word).collect();
    words.windows(2).any(|pair| pair == ["impl", "ShardIndex"]) && words.windows(2).any(|pair| pair == ["fn", "parse"])
}

#[test]
fn modules_keep_the_rules() {
    let mut found = BTreeMap::new();
    let (mut namers, mut parsers) = (0, 0);
    for (name, modules) in crates("shared").into_iter().chain(crates("tools")) {
        let is_tool = name.starts_with("tools/");
        for circle in modules.circles() {
            let rule = format!("{name}: a circle of {} files, {} among them", circle.files.len(), circle.files[0]);
            found.insert(rule, [circle.files, circle.ties].concat().join("\n    "));
        }
        let mut breaks = |what: String| drop(found.insert(format!("{name}: {what}"), String::new()));
        if is_tool {
            flags_in_kernels(&modules).into_iter().for_each(&mut breaks);
        }
        for source in modules.sources() {
            if is_tool {
                writes(source).iter().for_each(|call| breaks(format!("{} calls {call}", source.file)));
            }
            match (names_temporaries(source), name == "shared/zstore") {
                (true, true) => namers += 1,
                (true, false) => breaks(format!("{} spells a temporary name", source.file)),
                _ => {}
            }
            if calls(source, "ShardIndex::parse") && name != "shared/zarray" {
                breaks(format!("{} reads a shard index", source.file));
            }
            parsers += usize::from(parses_shard_indices(source));
        }
    }
    assert_eq!((namers, parsers), (1, 1), "one file names temporaries, one parses shard indices");
    let new: Vec<_> = found.iter().filter(|(rule, _)| !PENDING.contains(&rule.as_str())).collect();
    assert!(new.is_empty(), "against the rules:\n{}", lines(&new));
    let gone: Vec<_> = PENDING.iter().filter(|rule| !found.contains_key(**rule)).collect();
    assert!(gone.is_empty(), "take these out of PENDING, they are no more: {gone:?}");
}

fn lines(found: &[(&String, &String)]) -> String {
    found.iter().map(|(rule, ties)| format!("  {rule}\n    {ties}\n")).collect()
}

#[test]
fn the_rules_are_noticed_when_they_are_broken() {
    let source = |text: &str| Source::new("kernel.rs".into(), text);
    for (text, call) in [
        ("fn f() { std::fs::write(a, b) }", "std::fs::write"),
        ("fn f() { fs::remove_dir_all(a) }", "fs::remove_dir_all"),
        ("use std::fs::{self, rename};", "std::fs::rename"),
        ("fn f() { File::create_new(a) }", "File::create_new"),
        ("fn f() { OpenOptions::new().append(true) }", "OpenOptions::new"),
    ] {
        assert_eq!(writes(&source(text)), BTreeSet::from([call.to_owned()]), "{text}");
    }
    assert!(
        writes(&source(
            "fn f() { fs::read(a); AtomicFile::create(b) } #[cfg(test)] mod tests { fn g() { fs::write(a, b) } }"
        ))
        .is_empty()
    );
    assert!(names_temporaries(&source("fn f() { format!(\".{name}.tmp-{n}\") } // .tmp-")));
    assert!(!names_temporaries(&source("fn f() {} // .tmp-")));
    assert!(calls(&source("fn f() { zarray::ShardIndex::parse(a) }"), "ShardIndex::parse"));
    assert!(parses_shard_indices(&source("impl ShardIndex { pub fn parse() {} }")));
    let files = [
        ("main.rs", "mod cli; mod kernel; mod run; fn main() { cli::Args }"),
        ("cli.rs", "use zcli::clap::Parser; pub struct Args;"),
        ("run.rs", "use crate::cli::Args;"),
        ("kernel.rs", "use crate::cli; fn f(args: &cli::Args) { clap::x }"),
    ];
    assert_eq!(flags_in_kernels(&Modules::of(&files)), ["kernel.rs knows the flags", "kernel.rs knows clap"]);
}
