//! README and manual page agree with the tools.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Tool, binary, directory, repository, tools};

fn page(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// The table of exit codes in `--help`.
fn exit_codes(tool: &str) -> Vec<String> {
    let help = Tool::new(tool).arg("--help").run().stdout;
    let table = help.split_once("Exit status:\n").unwrap().1;
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_readme_names_every_tool_and_the_two_commands() {
    let readme = page("README.md");
    for tool in tools() {
        assert!(readme.contains(&format!("`{tool}`")), "README.md does not mention {tool}");
    }
    for command in ["scripts/demo.sh", "scripts/test.sh"] {
        assert!(readme.contains(command) && repository().join(command).exists(), "{command}");
    }
}

#[test]
fn the_readme_answers_the_twelve_lessons() {
    let readme = page("README.md");
    let rows = |header: &str| -> Vec<String> {
        let table = readme.split_once(header).unwrap().1;
        table.lines().skip(2).take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    };
    for (header, number) in [("| lesson | command |", 12), ("| section | command |", 8)] {
        let rows = rows(header);
        assert_eq!(rows.len(), number, "{header}");
        for row in rows {
            let commands = row.rsplit_once(" | ").unwrap().1;
            let named = commands.split('`').skip(1).step_by(2);
            let is_there = |command: &str| {
                let word = command.split_whitespace().next().unwrap_or_default();
                tools().iter().any(|tool| tool == word)
                    || word.starts_with('-')
                    || (word.starts_with("scripts/") && repository().join(word).exists())
            };
            assert!(named.clone().count() > 0 && named.clone().all(is_there), "{row}");
        }
    }
}

#[test]
fn one_table_of_exit_codes_everywhere() {
    let squeeze = |text: &str| text.replace('|', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let (readme, manual) = (squeeze(&page("README.md")), squeeze(&page("man/ztools.7")));
    for tool in tools() {
        for line in exit_codes(&tool) {
            assert!(readme.contains(&line), "README.md lacks {line:?}");
            assert!(manual.contains(&line), "man/ztools.7 lacks {line:?}");
        }
    }
}

#[test]
fn every_flag_of_the_readme_exists() {
    let readme = page("README.md");
    let help: String = tools().iter().map(|tool| Tool::new(tool).arg("--help").run().stdout).collect();
    let own = readme.lines().filter(|line| !line.starts_with("cargo "));
    let commands = own.filter(|line| tools().iter().any(|tool| line.contains(&format!("{tool} "))));
    let mut seen = 0;
    for word in commands.flat_map(str::split_whitespace) {
        let flag = word.trim_matches(['`', ',', '.', ')', '(']);
        if flag.len() > 2 && flag.starts_with("--") && flag[2..].chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            seen += 1;
            assert!(help.contains(flag), "README.md mentions {flag}, which no tool has");
        }
    }
    assert!(seen > 5, "too few flags found in README.md");
}

/// What a shell sees of a manual page.
fn unescaped(page: &str) -> String {
    page.replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", "\"")
}

#[test]
fn every_flag_of_the_manual_exists() {
    let manual = unescaped(&page("man/ztools.7"));
    let help: String = tools().iter().map(|tool| Tool::new(tool).arg("--help").run().stdout).collect();
    let is_end = |c: char| !(c.is_ascii_lowercase() || c == '-');
    let flags: BTreeSet<&str> = manual
        .split("--")
        .skip(1)
        .map(|rest| rest.split(is_end).next().unwrap())
        .filter(|flag| !flag.is_empty())
        .collect();
    for flag in &flags {
        assert!(help.contains(&format!("--{flag}")), "man/ztools.7 mentions --{flag}, which no tool has");
    }
    assert!(flags.len() > 30, "{flags:?}");
}

/// All sources of the tools and the shared crates, but their tests.
fn sources(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(path).unwrap();
            found.push(text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn the_manual_names_the_variables_of_the_environment() {
    let manual = page("man/ztools.7");
    let environment = manual.split_once(".SH ENVIRONMENT").unwrap().1.split_once(".SH FILES").unwrap().0;
    let is_name = |word: &&str| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let known = ["NETRC", "NO_COLOR", "SERVICE_ACCOUNT", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"];
    let is_variable = |word: &&str| {
        let starts = ["ZTOOLS_", "AWS_", "AZURE_", "GOOGLE_", "XDG_"].iter().any(|start| word.starts_with(start));
        starts || known.contains(word) || word.ends_with("_PROXY")
    };
    let texts = [sources(&repository().join("shared")), sources(&repository().join("tools"))].concat();
    let used: BTreeSet<&str> =
        texts.iter().flat_map(|text| text.split('"')).filter(is_name).filter(is_variable).collect();
    let told: BTreeSet<&str> =
        environment.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).filter(is_name).collect();
    assert!(used.len() > 25, "{used:?}");
    let missing: Vec<&&str> = used.difference(&told).collect();
    assert!(missing.is_empty(), "man/ztools.7 lacks {missing:?}");
    let invented: Vec<&&str> =
        told.iter().filter(|name| name.starts_with("ZTOOLS_") && !used.contains(**name)).collect();
    assert!(invented.is_empty(), "man/ztools.7 has {invented:?}, which no tool reads");
}

#[test]
fn the_manual_names_the_schemes_of_urls() {
    let manual = page("man/ztools.7");
    let stores = manual.split_once(".SH STORES").unwrap().1.split_once(".SS Credentials").unwrap().0;
    let code = sources(&repository().join("shared/zstore/src")).concat();
    let list =
        code.split_once("const REMOTE_SCHEMES").unwrap().1.split_once("= [").unwrap().1.split_once(']').unwrap().0;
    let schemes: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(schemes.len() > 5, "{schemes:?}");
    for scheme in schemes.into_iter().chain(["file"]) {
        assert!(stores.contains(&format!("{scheme}:")), "man/ztools.7 lacks {scheme}:");
    }
}

#[test]
fn the_manual_and_the_schema_have_every_type_of_record() {
    let schema: serde_json::Value = serde_json::from_str(&page("man/schema/records.json")).unwrap();
    let types = schema["$defs"].as_object().unwrap().keys().filter(|name| !name.starts_with("summary_"));
    let types: BTreeSet<&str> = types.map(String::as_str).collect();
    let manual = page("man/ztools.7");
    let table = manual.split_once("\nTYPE ").unwrap().1.split_once("\n.fi").unwrap().0;
    let listed: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<&str>>(), types);
    assert_eq!(listed.len(), types.len(), "a type is listed twice");
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let made = |name: &str| Tool::new("record_schema").arg(name).run().expect(0).stdout;
    for name in ["records", "columns", "manifest"] {
        assert!(made(name) == page(&format!("man/schema/{name}.json")), "{name}: scripts/dev/man.sh writes it again");
    }
    assert!(made("page") == page("man/ztools-records.7"), "scripts/dev/man.sh writes it again");
}

#[test]
fn examples_of_help_and_manual_are_the_same() {
    for tool in tools() {
        let help = Tool::new(&tool).arg("--help").run().stdout;
        let manual = page(&format!("man/{tool}.1")).replace("\\-", "-").replace("\\*(Aq", "'").replace("\\\\", "\\");
        let examples = help.split_once("Examples:\n").unwrap().1.split_once("\nExit status:").unwrap().0;
        let commands: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("       ")).collect();
        assert!(!commands.is_empty());
        for command in commands {
            assert!(manual.contains(command), "man/{tool}.1 lacks {command:?}");
        }
    }
}

#[test]
fn the_installer_installs_every_tool_its_pages_and_completions() {
    let directory = directory();
    // A name that has to be quoted, and what an earlier installation left.
    let prefix = directory.path().join("my tools");
    fs::create_dir_all(prefix.join("bin")).unwrap();
    fs::write(prefix.join("bin/zinspect"), "an older version").unwrap();
    let from = binary("zinspect").parent().unwrap().to_owned();
    let script = repository().join("scripts/install.sh");
    let install = |arguments: &[&Path]| {
        let words = [Path::new("--prefix"), &prefix].into_iter().chain(arguments.iter().copied());
        Command::new(&script).args(words).output().unwrap()
    };
    let done = install(&[Path::new("--from"), &from]);
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("export PATH="), "the directory is in no PATH");
    for tool in tools() {
        let version = Command::new(prefix.join("bin").join(&tool)).arg("--version").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&version.stdout), Tool::new(&tool).arg("--version").run().stdout);
        let files = [
            (format!("man/man1/{tool}.1"), page(&format!("man/{tool}.1"))),
            (format!("bash-completion/completions/{tool}"), generated(&tool, "bash")),
            (format!("zsh/site-functions/_{tool}"), generated(&tool, "zsh")),
            (format!("fish/vendor_completions.d/{tool}.fish"), generated(&tool, "fish")),
        ];
        for (name, text) in files {
            assert!(fs::read_to_string(prefix.join("share").join(&name)).unwrap() == text, "{name}");
        }
    }
    for file in ["man/man7/ztools.7", "man/man7/ztools-records.7", "ztools/schema/records.json"] {
        assert!(prefix.join("share").join(file).exists(), "{file}");
    }
    assert!(!install(&[Path::new("--form")]).status.success());
}

fn generated(tool: &str, shell: &str) -> String {
    Tool::new(tool).args(["--generate", shell]).run().stdout
}
