//! The story of the manual page: its commands print what stands there.

use std::fs;
use std::process::Command;

#[test]
fn the_story_of_the_manual_page_is_true() {
    let source = fs::read_to_string(harness::repository().join("tools/lorenz-ens/src/sections.rs")).unwrap();
    let story = source.split_once("const LECTURE").unwrap().1.split_once("\";\n").unwrap().0.replace("\\\\", "\\");
    let directory = tempfile::tempdir().unwrap();
    let tools = harness::binary("lorenz-ens").parent().unwrap().to_owned();
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
        let output = bash.args(["-c", &command]).current_dir(directory.path()).env("PATH", &path).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "$ {command}");
        run += 1;
    }
    assert!(run >= 2, "{run} commands");
}
