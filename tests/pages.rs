//! README and manual page agree with the tools.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;

use harness::{Tool, repository, tools};

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
    let commands = readme.lines().filter(|line| tools().iter().any(|tool| line.contains(&format!("{tool} "))));
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
