//! Manual pages and shell completions, generated from the flag definitions.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use zwire::EXIT_STATUS;

use crate::complete::script;
use crate::flags::Generate;

/// The manual page, or the completions for a shell.
pub fn generate(kind: Generate, command: Command, examples: &[(&str, &str)]) -> Vec<u8> {
    match kind {
        Generate::Man => manual(command, examples),
        shell => script(shell, command.get_name()).into_bytes(),
    }
}

fn manual(mut command: Command, examples: &[(&str, &str)]) -> Vec<u8> {
    let version = command.get_version().unwrap_or_default().to_owned();
    let usage = command.render_usage().to_string();
    let man = Man::new(command).manual("ztools manual").source(format!("ztools {version}"));
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render_title(&mut text);
    let _ = man.render_name_section(&mut text);
    let _ = synopsis(&usage).to_writer(&mut text);
    let _ = man.render_description_section(&mut text);
    let _ = man.render_options_section(&mut text);

    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for (number, (what, how)) in examples.iter().enumerate() {
        roff.control("PP", []);
        roff.text([roman(format!("{}. {what}:", number + 1))]);
        verbatim(&mut roff, &how.lines().collect::<Vec<_>>());
    }
    roff.control("SH", ["EXIT STATUS"]);
    verbatim(&mut roff, &EXIT_STATUS.lines().map(str::trim_start).collect::<Vec<_>>());
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("ztools(7)")]);
    let _ = roff.to_writer(&mut text);
    text
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
