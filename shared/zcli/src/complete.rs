//! Shell completion: the scripts of the shells ask the tool itself (`TOOL --complete SHELL WORD…`), which knows its flags and
//! values, and reads the names of variables and dimensions from the store on the command line.

use std::path::Path;
use std::time::Duration;

use clap::{Arg, Command, FromArgMatches};
use zarray::{Hierarchy, Node, Pool, VarFilter};
use zstore::{Store, StoreOptions};

use crate::flags::{Generate, StoreFlags};
use crate::signals::Stop;

/// Time for reading names from a store: longer than that, nobody waits for a completion.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reads in flight.
const READERS: usize = 8;

/// The script of a shell. `NAME` stands for the tool.
pub fn script(shell: Generate, name: &str) -> String {
    let script = match shell {
        Generate::Bash => include_str!("complete/completion.bash"),
        Generate::Zsh => include_str!("complete/completion.zsh"),
        _ => include_str!("complete/completion.fish"),
    };
    script.replace("NAME", name)
}

/// What the script of `shell` reads: a line for each candidate for the last of `words`. None: the shell completes files.
pub fn complete(command: &mut Command, shell: &str, words: &[String]) -> String {
    command.build();
    let words = if shell == "bash" { joined(words) } else { words.to_vec() };
    let words: Vec<String> = words.iter().map(|word| unquoted(word)).collect();
    let typed = words.last().map_or("", String::as_str);
    // Bash replaces only what follows the last of these.
    let kept = typed.rfind(['=', ':']).map_or(0, |at| at + 1);
    let line = |Candidate { text, help }: Candidate| match shell {
        "bash" => text[kept..].to_owned() + "\n",
        "zsh" => format!("{}:{help}\n", text.replace(':', "\\:")),
        _ => format!("{text}\t{help}\n"),
    };
    let found = candidates(command, &words).into_iter();
    found.filter(|candidate| candidate.text.starts_with(typed)).map(line).collect()
}

struct Candidate {
    text: String,
    help: String,
}

fn candidates(command: &Command, words: &[String]) -> Vec<Candidate> {
    if let [first, rest @ ..] = words
        && !rest.is_empty()
        && let Some(subcommand) = command.find_subcommand(first)
    {
        return candidates_of_subcommand(subcommand, rest);
    }
    let Some((typed, before)) = words.split_last() else { return Vec::new() };
    if before.iter().any(|word| word == "--") {
        return Vec::new();
    }
    if let Some((flag, value)) = typed.split_once('=').filter(|(flag, _)| flag.starts_with("--")) {
        let values = with_value(command, flag).map_or_else(Vec::new, |arg| values(command, arg, value, before));
        let with_flag = |value: Candidate| Candidate { text: format!("{flag}={}", value.text), ..value };
        return values.into_iter().map(with_flag).collect();
    }
    match before.last().and_then(|word| with_value(command, word)) {
        Some(arg) => values(command, arg, typed, before),
        None if typed.starts_with('-') => flags(command),
        None => Vec::new(),
    }
}

/// Those of a subcommand, whose first argument is what it does.
fn candidates_of_subcommand(command: &Command, words: &[String]) -> Vec<Candidate> {
    match (words, command.get_positionals().next()) {
        ([typed], Some(action)) if !typed.starts_with('-') => values(command, action, typed, &[]),
        _ => candidates(command, words),
    }
}

/// The flag spelled `word`, if it takes a value.
fn with_value<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let short = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')).and_then(|rest| rest.chars().last());
    let is_it = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => short.is_some() && arg.get_short() == short,
    };
    command.get_arguments().filter(|arg| arg.get_action().takes_values()).find(is_it)
}

fn flags(command: &Command) -> Vec<Candidate> {
    let mut found = Vec::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default().to_owned();
        let long = arg.get_long().map(|long| Candidate { text: format!("--{long}"), help: help.clone() });
        let short = arg.get_short().map(|short| Candidate { text: format!("-{short}"), help });
        found.extend(long.into_iter().chain(short));
    }
    found
}

fn values(command: &Command, arg: &Arg, typed: &str, before: &[String]) -> Vec<Candidate> {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let help = |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        return shown.map(|value| Candidate { text: value.get_name().to_owned(), help: help(value) }).collect();
    }
    let value = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let names = || names(command, before).unwrap_or_default();
    let text = |text: String, help: &str| Candidate { text, help: help.to_owned() };
    match value {
        "GLOB" | "VAR" => {
            let shown = |path: String| match typed.contains('/') {
                true => path,
                false => path.rsplit('/').next().unwrap_or(&path).to_owned(),
            };
            names().arrays.into_iter().map(|path| text(shown(path), "variable")).collect()
        }
        _ if value.starts_with("DIM") || value == "SHAPE" => {
            let start = typed.rfind(',').map_or("", |comma| &typed[..=comma]);
            let end = if value.contains('=') || value == "SHAPE" { "=" } else { "" };
            names().dimensions.into_iter().map(|name| text(format!("{start}{name}{end}"), "dimension")).collect()
        }
        _ => Vec::new(),
    }
}

/// The names in a store.
#[derive(Default)]
struct Names {
    /// Paths of arrays.
    arrays: Vec<String>,
    dimensions: Vec<String>,
}

/// The names in the first store on the command line.
fn names(command: &Command, words: &[String]) -> Option<Names> {
    let arguments = std::iter::once(command.get_name().to_owned()).chain(words.iter().cloned());
    let matches = command.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    let mut positionals = command.get_positionals().filter_map(|arg| matches.get_raw(arg.get_id().as_str())?.next());
    let name = positionals.next()?.to_string_lossy().into_owned();
    // Access fails without an answer where a tool does not have these flags.
    let has_flags = command.get_arguments().any(|arg| arg.get_id() == "anonymous");
    let flags = if has_flags { StoreFlags::from_arg_matches(&matches).ok() } else { None };
    let options = flags.map(|flags| flags.options(&Stop::never())).unwrap_or_default();
    let options = StoreOptions { timeout: PATIENCE, retries: Some(0), ..options };
    let store = Store::open(first_match(&name).unwrap_or(name).as_str(), &options).ok()?;
    let pool = Pool::new(READERS);
    let hierarchy = Hierarchy::open(&store, &pool, true).ok()?;
    let mut names = Names::default();
    hierarchy.walk(
        &pool,
        |visit| visit.ok(),
        |node| {
            if let Some(Node::Array(array)) = node {
                let dimensions = array.dimension_names.into_iter().flatten().flatten();
                names.dimensions.extend(dimensions);
                names.arrays.push(array.path);
            }
            true
        },
    );
    names.dimensions.sort_unstable();
    names.dimensions.dedup();
    Some(names)
}

/// The first path that a pattern matches: the shell has not expanded it yet.
fn first_match(pattern: &str) -> Option<String> {
    let path = Path::new(pattern);
    let name = path.file_name()?.to_str().filter(|name| name.contains(['*', '?', '[']))?;
    let filter = VarFilter::new(&[name.to_owned()]).ok()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(parent).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let first = names.filter(|name| filter.matches(name)).min()?;
    Some(parent.join(first).display().to_string())
}

/// The words of bash, which also splits at `=` and `:`.
fn joined(words: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut joins = false;
    for word in words {
        let breaks = matches!(word.as_str(), "=" | ":" | "::");
        match whole.last_mut().filter(|_| joins || breaks) {
            Some(last) => last.push_str(word),
            None => whole.push(word.clone()),
        }
        joins = breaks;
    }
    whole
}

/// A word as the shell will read it, without quotes and backslashes.
fn unquoted(word: &str) -> String {
    let home = || std::env::var("HOME").ok();
    let word = match word.strip_prefix("~/").and_then(|rest| Some(format!("{}/{rest}", home()?))) {
        Some(path) => path,
        None => word.to_owned(),
    };
    word.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect()
}

#[cfg(test)]
mod tests {
    use clap::{Args, ValueEnum};

    use super::*;
    use crate::flags::{Common, Format};

    fn lines(shell: &str, words: &[&str]) -> Vec<String> {
        let store = Arg::new("stores").value_name("STORE").num_args(0..);
        let var = Arg::new("var").long("var").value_name("GLOB").action(clap::ArgAction::Append);
        let sel = Arg::new("sel").long("sel").value_name("DIM=LABEL").action(clap::ArgAction::Append);
        let chunks = Arg::new("chunks").long("chunks").value_name("SHAPE");
        let mut command = Common::augment_args(Command::new("t")).args([store, var, sel, chunks]);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        complete(&mut command, shell, &words).lines().map(str::to_owned).collect()
    }

    fn store() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["t2m", "tp", "u10"] {
            let path = directory.path().join("a.zarr").join(name);
            std::fs::create_dir_all(&path).expect("is made");
            let array = r#"{"zarr_format": 2, "shape": [2, 2], "chunks": [1, 2], "dtype": "<f4", "fill_value": 0, "order": "C",
                "filters": null, "compressor": null}"#;
            std::fs::write(path.join(".zarray"), array).expect("is written");
            std::fs::write(path.join(".zattrs"), r#"{"_ARRAY_DIMENSIONS": ["time", "x"]}"#).expect("is written");
        }
        std::fs::write(directory.path().join("a.zarr/.zgroup"), r#"{"zarr_format": 2}"#).expect("is written");
        directory
    }

    #[test]
    fn flags_and_choices_are_completed() {
        assert_eq!(lines("bash", &["--ti"]), ["--timing"]);
        assert_eq!(lines("bash", &["--format", ""]), Format::value_variants().iter().map(name).collect::<Vec<_>>());
        assert_eq!(lines("bash", &["--format", "=", "t"]), ["table"]);
        assert_eq!(lines("zsh", &["--format=t"]), ["--format=table:A table"]);
        assert_eq!(lines("fish", &["-q", "--format", "j"]), ["jsonl\tOne JSON object per line"]);
        assert!(lines("bash", &["x", ""]).is_empty(), "the shell completes files");
        assert!(lines("bash", &["-o", ""]).is_empty());
    }

    fn name(format: &Format) -> String {
        format.to_possible_value().expect("not hidden").get_name().to_owned()
    }

    #[test]
    fn the_actions_of_a_subcommand_are_completed() {
        let action = Arg::new("action").value_parser(["list", "verify"]);
        let cache = Command::new("cache").arg(action).arg(Arg::new("size").long("max-size"));
        let mut command = Common::augment_args(Command::new("t")).subcommand(cache);
        let mut lines = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            complete(&mut command, "bash", &words)
        };
        assert_eq!(lines(&["cache", "v"]), "verify\n");
        assert_eq!(lines(&["cache", "list", "--m"]), "--max-size\n");
    }

    #[test]
    fn variables_and_dimensions_come_from_the_store() {
        let directory = store();
        let path = directory.path().join("a.zarr");
        let path = path.to_str().expect("UTF-8");
        assert_eq!(lines("bash", &[path, "--var", "t"]), ["t2m", "tp"]);
        assert_eq!(lines("bash", &[path, "--var", "=", "u"]), ["u10"]);
        assert_eq!(lines("zsh", &[path, "--var", "/t"]), ["/t2m:variable", "/tp:variable"]);
        assert_eq!(lines("fish", &[path, "--sel", ""]), ["time=\tdimension", "x=\tdimension"]);
        assert_eq!(lines("bash", &[path, "--chunks", "time", "=", "7,"]), ["7,time=", "7,x="]);
        let pattern = directory.path().join("*.zarr");
        assert_eq!(lines("bash", &[pattern.to_str().expect("UTF-8"), "--var", "u"]), ["u10"]);
        assert!(lines("bash", &["/nowhere", "--var", ""]).is_empty());
    }

    #[test]
    fn words_of_bash_are_joined_and_quotes_are_removed() {
        let words = ["s3", ":", "//b/x.zarr", "--var", "=", ""].map(str::to_owned);
        assert_eq!(joined(&words), ["s3://b/x.zarr", "--var="]);
        assert_eq!(unquoted(r"'a b'\ c"), "a b c");
    }
}
