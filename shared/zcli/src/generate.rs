//! Manual pages and shell completions, generated from the flag definitions.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use zwire::EXIT_STATUS;

use crate::complete::script;
use crate::flags::Generate;
use crate::help::title;

/// The manual page, or the completions for a shell.
pub fn generate(kind: Generate, command: Command, sections: &[(&str, &str)], examples: &[(&str, &str)]) -> Vec<u8> {
    match kind {
        Generate::Man => manual(command, sections, examples),
        shell => script(shell, command.get_name()).into_bytes(),
    }
}

fn manual(mut command: Command, sections: &[(&str, &str)], examples: &[(&str, &str)]) -> Vec<u8> {
    let version = command.get_version().unwrap_or_default().to_owned();
    let usage = command.render_usage().to_string();
    command.build();
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command).manual("ztools manual").source(format!("ztools {version}"));
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render_title(&mut text);
    let _ = man.render_name_section(&mut text);
    let _ = synopsis(&usage).to_writer(&mut text);
    let _ = man.render_description_section(&mut text);
    let _ = man.render_options_section(&mut text);

    let mut roff = Roff::new();
    subcommands.iter().for_each(|subcommand| section(&mut roff, subcommand));
    for (title, lines) in sections {
        roff.control("SH", [*title]);
        verbatim(&mut roff, &lines.lines().collect::<Vec<_>>());
    }
    roff.control("SH", ["EXAMPLES"]);
    for (number, (what, how)) in examples.iter().enumerate() {
        roff.control("PP", []);
        roff.text([roman(format!("{}. {}", number + 1, title(what)))]);
        verbatim(&mut roff, &how.lines().collect::<Vec<_>>());
    }
    roff.control("SH", ["EXIT STATUS"]);
    verbatim(&mut roff, &EXIT_STATUS.lines().map(str::trim_start).collect::<Vec<_>>());
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("ztools(7)")]);
    let _ = roff.to_writer(&mut text);
    text
}

/// A subcommand: what it does, its actions, and its own flags.
fn section(roff: &mut Roff, command: &Command) {
    roff.control("SH", [command.get_name().to_uppercase().as_str()]);
    roff.text([roman(format!("{}.", command.get_about().map(ToString::to_string).unwrap_or_default()))]);
    for arg in command.get_arguments().filter(|arg| arg.get_help_heading().is_none() && arg.get_id() != "help") {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        for value in arg.get_possible_values().iter().filter(|_| arg.is_positional()) {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            entry(roff, value.get_name(), &help);
        }
        if arg.get_possible_values().is_empty() || !arg.is_positional() {
            entry(roff, crate::help::spelling(arg).trim_start(), &help);
        }
    }
}

fn entry(roff: &mut Roff, name: &str, help: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(help)]);
}

/// The ways to call the tool, one a line: the usage of `-h`.
fn synopsis(usage: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.control("nf", []);
    for line in usage.lines() {
        let line = line.trim_start_matches("Usage:").trim();
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        roff.text([bold(name), roman(format!(" {rest}"))]);
    }
    roff.control("fi", []);
    roff
}

/// Lines that are printed verbatim.
fn verbatim(roff: &mut Roff, lines: &[&str]) {
    roff.control("PP", []);
    roff.control("RS", ["4"]);
    roff.control("nf", []);
    for line in lines {
        roff.text([Inline::Roman((*line).to_owned())]);
    }
    roff.control("fi", []);
    roff.control("RE", []);
}
