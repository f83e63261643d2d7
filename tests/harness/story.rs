//! The stories of manual pages: commands with what they print.

use std::path::Path;
use std::process::Command;

use crate::{binary, repository};

/// Runs the commands that stand in a text, after `  $ `, in `directory`, and checks that each prints the lines below it. The text is
/// the constant `name` in a source file of the repository. Commands that need jq are passed over where it is not installed. Returns how
/// many ran.
#[track_caller]
pub fn run_story(source: &str, name: &str, directory: &Path) -> usize {
    let source = std::fs::read_to_string(repository().join(source)).unwrap();
    let story = source.split_once(&format!("const {name}")).unwrap().1.split_once("\";\n").unwrap().0;
    let story = story.replace("\\\\", "\\");
    let tools = binary("zinspect").parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let has_jq = Command::new("jq").arg("--version").output().is_ok();
    let mut lines = story.lines().map(|line| line.strip_prefix("  ").unwrap_or("")).peekable();
    let mut run = 0;
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let mut command = first.to_owned();
        while command.ends_with('\\') {
            command += "\n";
            command += lines.next().unwrap();
        }
        let mut expected = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && !line.starts_with("$ ")) {
            expected += line;
            expected += "\n";
        }
        if command.contains("jq ") && !has_jq {
            continue;
        }
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &command]).current_dir(directory).env("PATH", &path).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "$ {command}");
        run += 1;
    }
    run
}
