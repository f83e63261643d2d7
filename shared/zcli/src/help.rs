//! Help: `-h` on one screen, the sections at the end of `--help`, and messages about a command line that is wrong.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use unicode_width::UnicodeWidthStr;
use zwire::{EXIT_STATUS, closest};

use crate::flags::Generate;

/// Columns of the smallest terminal.
const WIDTH: usize = 80;

/// Examples in `-h`.
const EXAMPLES: usize = 2;

/// Numbered examples: description and command.
type Examples = [(&'static str, &'static str)];

/// `-h`: usage, the flags with the ids `main_flags`, and where the rest is.
pub fn screen(command: &mut Command, main_flags: &[&str], examples: &Examples) -> String {
    let name = command.get_name().to_owned();
    let about = clause(&command.get_about().map(ToString::to_string).unwrap_or_default());
    let mut text = format!("{about}\n\n{}\n\n", command.render_usage());
    let flags = main_flags.iter().filter_map(|id| command.get_arguments().find(|arg| arg.get_id() == id));
    let flags: Vec<(String, &Arg)> = flags.map(|arg| (spelling(arg), arg)).collect();
    let width = flags.iter().map(|(spelling, _)| spelling.width()).max().unwrap_or(0);
    for (spelling, arg) in &flags {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let line = format!("  {spelling:width$}  {}", clause(&help));
        text.push_str(&(with_default(fitted(line), arg) + "\n"));
    }
    text.push_str("\nExamples:\n");
    let short = examples.iter().filter(|(_, how)| how.width() + 2 < WIDTH && !how.contains('\n'));
    for (_, how) in short.take(EXAMPLES) {
        text.push_str(&format!("  {how}\n"));
    }
    text + &format!("\nAll options, examples and exit codes: {name} --help, or man {name}\n")
}

/// A flag as it is typed: `-j, --jobs N`; of an argument, the name of its value.
pub fn spelling(arg: &Arg) -> String {
    if arg.is_positional() {
        let name = arg.get_value_names().and_then(|names| names.first());
        return name.map(ToString::to_string).unwrap_or_default();
    }
    let short = arg.get_short().map_or_else(|| "    ".into(), |short| format!("-{short}, "));
    let long = arg.get_long().map_or_else(String::new, |long| format!("--{long}"));
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).unwrap_or_default();
    let value = value.first().map_or_else(String::new, |name| format!(" {name}"));
    format!("{short}{long}{value}")
}

/// A text up to its first full stop, colon, semicolon or bracket.
fn clause(text: &str) -> String {
    let end = [". ", ": ", "; ", " (", " [", "\n"].iter().filter_map(|end| text.find(end)).min();
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The line, without what follows its last comma if it is too long.
fn fitted(line: String) -> String {
    match line.rfind(", ").filter(|_| line.width() >= WIDTH) {
        Some(comma) => fitted(line[..comma].to_owned()),
        None => line,
    }
}

/// The line with the default value of the flag, if both fit.
fn with_default(line: String, arg: &Arg) -> String {
    let default = arg.get_default_values().first().filter(|_| arg.get_action().takes_values());
    let default = default.map(|value| format!("{line} [default: {}]", value.to_string_lossy()));
    default.filter(|line| line.width() < WIDTH).unwrap_or(line)
}

/// The line above an example.
pub fn title(what: &str) -> String {
    if what.ends_with('?') { what.to_owned() } else { format!("{what}:") }
}

/// The sections at the end of `--help`, and the flag that prints the manual page.
pub fn with_sections(command: Command, examples: &Examples) -> Command {
    let mut text = String::from("Examples:\n");
    for (number, (what, how)) in examples.iter().enumerate() {
        text.push_str(&format!("  {}. {}\n", number + 1, title(what)));
        how.lines().for_each(|line| text.push_str(&format!("       {line}\n")));
    }
    text.push_str("\nExit status:\n");
    text.push_str(EXIT_STATUS);
    let generate = Arg::new("generate")
        .long("generate")
        .value_name("WHAT")
        .value_parser(clap::value_parser!(Generate))
        .exclusive(true)
        .help("Print the manual page or shell completions, and exit")
        .help_heading("Other options");
    command.after_help(text).arg(generate).version(env!("CARGO_PKG_VERSION"))
}

/// The error with the closest flag to one that does not exist: letters that are swapped are close for a person.
pub fn with_closest_flag(mut error: clap::Error, command: &Command) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return error };
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let flags = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
    let meant = typed.strip_prefix("--").and_then(|typed| closest(typed, flags)).filter(|_| is_unknown);
    if let Some(meant) = meant.map(|meant| format!("--{meant}")) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(meant));
        // It is not meant as a value.
        error.insert(ContextKind::Suggested, ContextValue::None);
    }
    error
}

/// A message about the command line, in the form of all messages: `tool: what is wrong`, then hints.
pub fn usage_error(name: &str, text: &str) -> String {
    let lines =
        text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let mut message = String::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let hint = line.trim_start().strip_prefix("tip: ").map(|tip| format!("hint: {tip}"));
        let error = line.strip_prefix("error: ").map(|error| format!("{name}: {}", plain(error)));
        message.push_str(&hint.or(error).unwrap_or_else(|| line.to_owned()));
        message.push('\n');
    }
    message + &format!("hint: {name} -h shows the main options, {name} --help all of them\n")
}

/// The reason at the end of a message, in plain words instead of those of the implementation language.
fn plain(error: &str) -> String {
    let Some((what, reason)) = error.rsplit_once(": ") else { return error.to_owned() };
    let range = reason.split_once(" is not in ").and_then(|(_, range)| range.split_once(".."));
    let reason = match (reason, range) {
        (_, Some((least, ""))) => format!("use a number of at least {least}"),
        (_, Some((least, most))) => match (most.strip_prefix('='), most.parse::<u64>()) {
            (Some(most), _) => format!("use a number from {least} to {most}"),
            (None, Ok(end)) => format!("use a number from {least} to {}", end.saturating_sub(1)),
            (None, Err(_)) => reason.to_owned(),
        },
        ("invalid float literal" | "cannot parse float from empty string", _) => "expected a number".to_owned(),
        ("invalid digit found in string" | "cannot parse integer from empty string", _) => {
            "expected a whole number".to_owned()
        }
        ("number too large to fit in target type", _) => "the number is too large".to_owned(),
        ("number too small to fit in target type", _) => "the number is too small".to_owned(),
        _ => reason.to_owned(),
    };
    format!("{what}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_plain() {
        for (reason, expected) in [
            ("invalid float literal", "expected a number"),
            ("invalid digit found in string", "expected a whole number"),
            ("0 is not in 1..=1024", "use a number from 1 to 1024"),
            ("0 is not in 1..4294967296", "use a number from 1 to 4294967295"),
            ("0 is not in 1..", "use a number of at least 1"),
            ("expected a number with ms, s, m or h, such as 30s", "expected a number with ms, s, m or h, such as 30s"),
        ] {
            let text = format!("error: invalid value 'x' for '--jobs <N>': {reason}\n");
            let message = usage_error("t", &text);
            let first = message.lines().next().unwrap_or_default();
            assert_eq!(first, format!("t: invalid value 'x' for '--jobs <N>': {expected}"));
        }
    }

    #[test]
    fn clauses_end_at_punctuation() {
        assert_eq!(clause("Select arrays by name (\"t2m\"); repeatable"), "Select arrays by name");
        assert_eq!(clause("Memory limit, in bytes or 1.5 G. More"), "Memory limit, in bytes or 1.5 G");
    }

    #[test]
    fn the_closest_flag_is_offered() {
        let command = || Command::new("t").arg(Arg::new("var").long("var")).arg(Arg::new("jobs").long("jobs"));
        let message = |typed: &str| {
            let error = command().try_get_matches_from(["t", typed]).expect_err("no such flag");
            usage_error("t", &with_closest_flag(error, &command()).render().to_string())
        };
        for (typed, meant) in [("--vra", "--var"), ("--vra=t2m", "--var"), ("--josb", "--jobs"), ("--vars", "--var")] {
            let text = message(typed);
            assert!(text.contains(&format!("hint: a similar argument exists: '{meant}'")), "{text}");
            assert!(!text.contains("as a value"), "{text}");
        }
        assert!(!message("--xyz").contains("similar"));
    }

    #[test]
    fn usage_errors_look_like_others() {
        let text = "error: unexpected argument '--sise' found\n\n  tip: a similar argument exists: '--sizes'\n\n\
                    Usage: t [OPTIONS]\n\nFor more information, try '--help'.\n";
        let expected = "t: unexpected argument '--sise' found\nhint: a similar argument exists: '--sizes'\n\
                        hint: t -h shows the main options, t --help all of them\n";
        assert_eq!(usage_error("t", text), expected);
    }
}
