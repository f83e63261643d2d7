//! README and manual page agree with the tools.
#![allow(clippy::unwrap_used, missing_docs)]

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
    assert!(prefix.join("share/man/man7/ztools.7").exists());
    assert!(!install(&[Path::new("--form")]).status.success());
}

fn generated(tool: &str, shell: &str) -> String {
    Tool::new(tool).args(["--generate", shell]).run().stdout
}
