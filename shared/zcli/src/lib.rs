//! The command-line framework of the tools: it parses the flags, opens the output, handles signals, runs the tool, ends the
//! stream with the summary, and returns the exit code. A tool adds its flags, its table columns and its job.

mod bar;
mod choice;
mod complete;
mod encode_flags;
mod flags;
mod generate;
mod help;
mod output;
mod printer;
mod screen;
mod select;
mod shorten;
mod signals;
mod status;
mod stores;
mod table;
mod timing;
mod totals;
mod writer;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use serde::Serialize;
use serde_json::{Map, Value};
use zwire::{Exit, Failure, Record, Summary, V1, redact, redact_url};

pub use bar::{Bar, Step, Unit};
pub use choice::{Choice, one_of};
pub use clap;
pub use encode_flags::{ChunkFlags, CodecFlag, CodecFlags};
pub use flags::{Color, Common, Format, Generate, JobFlags, MemoryFlags, StoreFlags, VarFlags, parse_duration};
pub use output::{Encoder, Line, Output};
pub use select::SelectFlags;
pub use signals::Stop;
pub use status::Status;
pub use stores::{Selection, open_lines, selections, stores};
pub use table::{Align, Column, Drops, Row, Table};
pub use timing::Phases;
pub use totals::Totals;
pub use writer::{Listener, VerifyFlag, VerifyFlags, WriterFlags, part_of, parts_line};
pub use zarray::{VarFilter, glob_escape};

/// One tool: its parsed flags and its job.
pub trait Tool: CommandFactory + FromArgMatches {
    /// Ids of the flags that people need most, for `-h`; with the rest of it, they fit one screen.
    const MAIN_FLAGS: &'static [&'static str];

    /// Numbered examples for the help and the manual page: description and command. The lines of a long command end with a
    /// backslash.
    const EXAMPLES: &'static [(&'static str, &'static str)];

    /// Further sections of the manual page: title, and lines that are printed as they are.
    const SECTIONS: &'static [(&'static str, &'static str)] = &[];

    /// Whether this run writes data besides records. If so, it continues when its records are no longer read, and cleans up
    /// at the first signal.
    fn writes(&self) -> bool;

    /// Whether this run ends at a signal or its deadline with an error record and a summary, which takes a moment: it looks for
    /// them while it works. Otherwise it ends at once.
    fn heeds_stop(&self) -> bool {
        self.writes()
    }

    /// Whether a run that was stopped can be continued with `--resume`.
    fn resumes(&self) -> bool {
        self.writes()
    }

    /// The output file of the records; `None` for stdout.
    fn records_file(&self) -> Option<&Path> {
        self.common().output.as_deref().filter(|path| path.as_os_str() != "-")
    }

    /// Whether an existing file of records is replaced.
    fn replaces(&self) -> bool {
        false
    }

    /// Whether the file of records is kept if the run fails, with the error as its last record.
    fn keeps_failed(&self) -> bool {
        true
    }

    /// The flags common to all tools.
    fn common(&self) -> &Common;

    /// How records are shown in a table.
    fn table(&self) -> Table;

    /// The job.
    ///
    /// # Errors
    /// A failure of the whole run; items that fail are error records.
    fn run(&self, session: &mut Session) -> Result<Ending, Failure>;
}

/// How a run ended.
pub struct Ending {
    /// The exit code, unless a signal or a closed output determines it.
    pub exit: Exit,
    /// The totals of the tool for the summary.
    pub totals: Map<String, Value>,
}

impl Ending {
    /// An ending with the totals of the tool: a flat struct whose fields become fields of the summary, in order.
    pub fn new(exit: Exit, totals: &impl Serialize) -> Ending {
        let totals = match serde_json::to_value(totals) {
            Ok(Value::Object(totals)) => totals,
            // Only structs have fields.
            _ => Map::new(),
        };
        Ending { exit, totals }
    }

    /// An ending without totals.
    pub fn without_totals(exit: Exit) -> Ending {
        Ending { exit, totals: Map::new() }
    }
}

/// What a running tool uses: output, messages, signals, timing.
pub struct Session {
    /// Results.
    pub out: Output,
    /// Messages.
    pub status: Status,
    /// Whether a signal requested a stop.
    pub stop: Stop,
    /// Time by phase, for `--timing`.
    pub phases: Phases,
}

impl Session {
    /// Reports a failed item, as a record and as a message; the run continues.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub fn item_failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.status.item_failure(failure);
        self.out.emit(&Record::Error(failure.record()))
    }
}

/// The `main` of a tool.
pub fn main<T: Tool>() -> ExitCode {
    let started = Instant::now();
    let mut command = help::with_sections(T::command(), T::EXAMPLES);
    let name = command.get_name().to_owned();
    report_bugs(&name);
    let exit = match parse::<T>(&mut command, std::env::args_os().collect()) {
        Ok(Parsed::Run(tool)) => run(&name, tool.as_ref(), started),
        Ok(Parsed::Print(text)) => print(&name, &text),
        Err(exit) => exit,
    };
    ExitCode::from(exit.code())
}

enum Parsed<T> {
    Run(Box<T>),
    Print(Vec<u8>),
}

fn parse<T: Tool>(command: &mut clap::Command, arguments: Vec<OsString>) -> Result<Parsed<T>, Exit> {
    if let [_, flag, shell, words @ ..] = arguments.as_slice()
        && flag == "--complete"
    {
        let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        return Ok(Parsed::Print(complete::complete(command, &shell.to_string_lossy(), &words).into_bytes()));
    }
    // The help of a subcommand is short, and is shown in full.
    let in_full = arguments.iter().any(|argument| argument == "--help")
        || arguments.get(1).is_some_and(|word| command.find_subcommand(word).is_some());
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|mut matches| {
        if let Some(kind) = matches.get_one::<Generate>("generate") {
            return Ok(Parsed::Print(generate::generate(*kind, command.clone(), T::SECTIONS, T::EXAMPLES)));
        }
        T::from_arg_matches_mut(&mut matches).map(|tool| Parsed::Run(Box::new(tool)))
    });
    parsed.or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp if !in_full => {
            Ok(Parsed::Print(help::screen(command, T::MAIN_FLAGS, T::EXAMPLES).into_bytes()))
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let text = if io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
            Ok(Parsed::Print(text.into_bytes()))
        }
        _ => {
            let error = help::with_closest_flag(error, command);
            let text = help::usage_error(command.get_name(), &error.render().to_string());
            // The message quotes the command line. If stderr is closed, it is lost.
            let _ = write!(io::stderr(), "{}", without_secrets(text));
            Err(Exit::Usage)
        }
    })
}

/// The text of a message about the command line without the passwords and signatures of its URLs.
fn without_secrets(text: String) -> String {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let urls = arguments.filter(|argument| argument.contains("://"));
    let text = urls.fold(text, |text, url| {
        let value = url.split_once('=').map_or(url.as_str(), |(_, value)| value);
        text.replace(&url, &redact_url(&url)).replace(value, &redact_url(value))
    });
    redact(&text).into_owned()
}

fn run<T: Tool>(name: &str, tool: &T, started: Instant) -> Exit {
    let common = tool.common();
    let status = Status::new(name, common, started);
    let stop = Stop::listen(tool.heeds_stop());
    if tool.heeds_stop() {
        let (name, screen, quiet) = (name.to_owned(), status.screen(), common.quiet);
        stop.when_stopped(move |exit| {
            let again = if exit == Exit::Interrupted { "press again to stop now" } else { "a second signal stops now" };
            if !quiet {
                // If stderr is closed, the message is lost.
                let line = || writeln!(io::stderr(), "{name}: stopping after the chunks in progress; {again}");
                screen.print(|| drop(line()));
            }
        });
    }
    let out = match Output::open(
        common,
        tool.records_file(),
        tool.replaces(),
        tool.table(),
        tool.writes(),
        status.screen(),
    ) {
        Ok(out) => out,
        Err(failure) => return status.failure(&failure),
    };
    warn_caches(&status);
    let mut session = Session { out, status, stop, phases: Phases::default() };
    let result = tool.run(&mut session);
    zstore::take_notices().iter().for_each(|text| session.status.warn(text));
    session.status.warn_kept();
    session.status.count_hidden();
    // After a signal, any failure is a consequence of the signal.
    let result = session.stop.requested().map_or(result, |exit| Err(stopped(exit, tool.resumes())));
    let (exit, totals) = match result {
        Ok(ending) => (ending.exit, ending.totals),
        Err(failure) if failure.is_closed_pipe() => return Exit::Done,
        Err(failure) => {
            session.status.failure(&failure);
            if !tool.keeps_failed() {
                session.out.discard();
            }
            // The failure is also a record; of an output that failed itself, nothing is written any more.
            let _ = session.out.emit(&Record::Error(failure.record()));
            (failure.exit, Map::new())
        }
    };
    let timing = (common.timing || common.verbose).then(|| timing::measure(started, &session.phases));
    if let Some(timing) = timing.as_ref().filter(|_| !common.timing) {
        session.status.detail(&timing::line(timing));
    }
    let timing = timing.filter(|_| common.timing);
    let errors = session.out.errors();
    let summary = Summary { v: V1, tool: name.to_owned(), exit, errors, totals, timing };
    match session.out.finish(summary, &session.status.elapsed()) {
        Ok(()) => exit,
        Err(failure) if failure.is_closed_pipe() => Exit::Done,
        // An answer that nobody can read is no answer.
        Err(failure) if [Exit::Done, Exit::No, Exit::Output].contains(&exit) => session.status.failure(&failure),
        Err(_) => exit,
    }
}

/// The failure of a run that was stopped.
fn stopped(exit: Exit, resumes: bool) -> Failure {
    let failure = Failure::stopped(exit);
    if exit == Exit::Refused && !resumes { failure.hint("raise --deadline") } else { failure }
}

/// URLs for fsspec may name a cache, which is left out.
fn warn_caches(status: &Status) {
    for argument in std::env::args_os().filter_map(|argument| argument.into_string().ok()) {
        let url = zstore::without_caches(&argument);
        if url != argument {
            let cache = argument[..argument.len() - url.len()].to_owned();
            status.warn(&format!("{cache} is ignored: nothing is cached; write {url}"));
        }
    }
}

fn print(name: &str, text: &[u8]) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{name}: stdout: {error}");
            Exit::Output
        }
    }
}

/// Reports a panic as an internal error, in one line. The process then exits with 101.
fn report_bugs(name: &str) {
    let name = name.to_owned();
    std::panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(|location| format!(" at {}:{}", location.file(), location.line()));
        let what = panic.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
        let what = what.or_else(|| panic.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        let _ = writeln!(io::stderr(), "{name}: internal error{}: {}", at.unwrap_or_default(), redact(&what));
    }));
}
