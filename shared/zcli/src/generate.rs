//! Manual pages and shell completions, generated from the flag definitions.

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, roman};
use zwire::EXIT_STATUS;

use crate::flags::Generate;

/// The manual page, or the completions for a shell.
pub fn generate(kind: Generate, mut command: Command, examples: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    let shell = match kind {
        Generate::Man => return manual(command, examples),
        Generate::Bash => Shell::Bash,
        Generate::Zsh => Shell::Zsh,
        Generate::Fish => Shell::Fish,
    };
    clap_complete::generate(shell, &mut command, name, &mut text);
    text
}

fn manual(command: Command, examples: &[(&str, &str)]) -> Vec<u8> {
    let version = command.get_version().unwrap_or_default().to_owned();
    let man = Man::new(command).manual("ztools manual").source(format!("ztools {version}"));
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render_title(&mut text);
    let _ = man.render_name_section(&mut text);
    let _ = man.render_synopsis_section(&mut text);
    let _ = man.render_description_section(&mut text);
    let _ = man.render_options_section(&mut text);

    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for (number, (what, how)) in examples.iter().enumerate() {
        roff.control("PP", []);
        roff.text([roman(format!("{}. {what}:", number + 1))]);
        verbatim(&mut roff, &[how]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    verbatim(&mut roff, &EXIT_STATUS.lines().map(str::trim_start).collect::<Vec<_>>());
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("ztools(7)")]);
    let _ = roff.to_writer(&mut text);
    text
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
