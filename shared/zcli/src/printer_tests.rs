//! Tables as they are printed.

use std::borrow::Cow;

use zwire::{Exit, KeyRecord, V1};

use super::*;
use crate::table::Column;

fn table() -> Table {
    Table {
        columns: vec![
            Column { title: "KEY".into(), align: Align::Left, shrinks: true, drops: Drops::Never },
            Column { title: "SIZE".into(), align: Align::Right, shrinks: false, drops: Drops::Late },
        ],
        rows: Box::new(|record| match record {
            Record::Key(key) => vec![Row::Cells(vec![key.key.clone(), key.stored_bytes.to_string()])],
            Record::Error(error) => vec![Row::Note(error.error.clone())],
            _ => Vec::new(),
        }),
        tree: false,
        footer: |summary| vec![format!("{} errors", summary.errors)],
    }
}

fn print(width: Option<usize>, keys: &[&str]) -> String {
    let mut printer = Printer::new(table(), width, false, false);
    let mut text = String::new();
    for key in keys {
        let record = KeyRecord { key: (*key).to_owned(), stored_bytes: 5, ..KeyRecord::default() };
        text.push_str(&printer.record(&Record::Key(record)));
    }
    let summary =
        Summary { v: V1, tool: "t".into(), exit: Exit::Done, errors: 0, totals: serde_json::Map::new(), timing: None };
    text + &printer.finish(&summary, "1 s")
}

#[test]
fn columns_line_up() {
    assert_eq!(print(None, &["a", "long/key"]), "KEY       SIZE\na            5\nlong/key     5\n0 errors\n");
}

#[test]
fn a_narrow_terminal_shortens_then_hides() {
    let text = print(Some(22), &["a/very/long/key/indeed"]);
    assert_eq!(text, "KEY               SIZE\na/very/l…/indeed     5\n0 errors\n");
    let text = print(Some(10), &["a/very/long/key/indeed"]);
    assert_eq!(text, "KEY\na/ver…deed\n1 column\nhidden\n(SIZE);\nuse --wide\nto show\nall\n0 errors\n");
}

#[test]
fn a_cell_to_be_copied_is_never_shortened() {
    let whole = |record: &Record| match record {
        Record::Key(key) => vec![Row::Whole(vec![key.key.clone(), key.stored_bytes.to_string()])],
        _ => Vec::new(),
    };
    let printed = |width| {
        let mut printer = Printer::new(Table { rows: Box::new(whole), ..table() }, Some(width), false, false);
        let record = |key: &str| Record::Key(KeyRecord { key: key.into(), ..KeyRecord::default() });
        let rows = printer.record(&record("/short")) + &printer.record(&record("/a/path/that/is/to/be/copied"));
        rows + &printer.flush()
    };
    let path = "/a/path/that/is/to/be/copied";
    assert_eq!(printed(40), format!("KEY{:27}SIZE\n/short{:27}0\n{path}{:5}0\n", "", "", ""));
    assert_eq!(printed(22), format!("KEY{:15}SIZE\n/short{:15}0\n{path}\n{:21}0\n", "", "", ""));
}

/// Five columns of six letters each, of which the second is the same in all rows.
fn wide_rows(width: usize) -> String {
    let drops = [Drops::Never, Drops::Late, Drops::Early, Drops::Late, Drops::Late];
    let column =
        |(number, drops)| Column { title: format!("title{number}").into(), align: Align::Left, shrinks: false, drops };
    let cells = |record: &Record| match record {
        Record::Key(key) => {
            let cell = |number| format!("{}{number}", if number == 1 { "same_" } else { key.key.as_str() });
            vec![Row::Cells((0..5).map(cell).collect())]
        }
        _ => Vec::new(),
    };
    let columns = drops.into_iter().enumerate().map(column).collect();
    let table = Table { columns, rows: Box::new(cells), tree: false, footer: |_| Vec::new() };
    let mut printer = Printer::new(table, Some(width), false, false);
    let record = |key: &str| Record::Key(KeyRecord { key: key.into(), ..KeyRecord::default() });
    let mut text = printer.record(&record("cell_")) + &printer.record(&record("last_"));
    let summary =
        Summary { v: V1, tool: "t".into(), exit: Exit::Done, errors: 0, totals: Default::default(), timing: None };
    text.push_str(&printer.finish(&summary, "1 s"));
    text
}

#[test]
fn columns_that_say_nothing_are_hidden_first_and_counted() {
    let first_line = |width| wide_rows(width).lines().next().unwrap_or_default().to_owned();
    assert_eq!(first_line(38), "title0  title1  title2  title3  title4");
    assert_eq!(first_line(37), "title0  title1  title3  title4");
    assert_eq!(first_line(29), "title0  title3  title4");
    assert_eq!(first_line(21), "title0  title3");
    assert_eq!(first_line(13), "title0");
    let text = wide_rows(21);
    let text = text.replace('\n', " ");
    assert!(text.contains("3 columns hidden (title1, title2, title4); use --wide to show all"), "{text}");
}

#[test]
fn the_room_of_a_hidden_column_is_for_the_others() {
    let column = |title, drops| Column { title: Cow::Borrowed(title), align: Align::Left, shrinks: true, drops };
    let columns = vec![column("FROM", Drops::Late), column("TO", Drops::Never)];
    let printer = Printer::new(Table { columns, ..table() }, Some(30), false, false);
    let rows = [Row::Cells(vec!["x".repeat(40), "y".repeat(28)])];
    assert_eq!(printer.measure(&rows), [0, 28]);
}

#[test]
fn numbers_are_never_shortened() {
    let column =
        |title| Column { title: Cow::Borrowed(title), align: Align::Right, shrinks: false, drops: Drops::Never };
    let printer = Printer::new(Table { columns: vec![column("A"), column("B")], ..table() }, Some(40), false, false);
    assert_eq!(printer.line(&["0.123456".into(), "1".into()], &[3, 1]), "0.123456  1");
}

#[test]
fn long_names_keep_both_ends() {
    assert_eq!(shorten("/geopotential_500", 11), "/geop…l_500");
    assert_eq!(shorten("short", 5), "short");
    assert_eq!(shorten("ab", 1), "…");
}

#[test]
fn cells_that_differ_stay_different() {
    let rows = |cells: &[&str]| cells.iter().map(|cell| Row::Cells(vec![(*cell).to_owned()])).collect::<Vec<_>>();
    let codecs = ["blosc(lz4,5,shuffle)", "blosc(lz4,9,shuffle)", "none"];
    assert_eq!(distinct_width(&rows(&codecs), 0, 20), 20);
    assert_eq!(distinct_width(&rows(&codecs[1..]), 0, 20), READABLE);
    assert_eq!(distinct_width(&rows(&["short"]), 0, 5), 5);
    let lengths: Vec<String> = (0..9).map(|number| format!("/surface/geopotential_{number}00/mean")).collect();
    let paths: Vec<&str> = lengths.iter().map(String::as_str).collect();
    let width = distinct_width(&rows(&paths), 0, 30);
    assert_eq!(shorten(paths[0], width), "/surface…000/mean");
}

#[test]
fn notes_are_broken_between_words() {
    let printer = Printer::new(table(), Some(12), false, false);
    assert_eq!(printer.note("  one two three four"), "  one two\n  three four\n");
    assert_eq!(printer.note("  incomprehensibilities"), "  incompreh…\n");
    assert_eq!(printer.note("written to /a/long/path.zarr"), "written to\n/a/long/path.zarr\n");
    assert_eq!(Printer::new(table(), None, false, false).note("  one two three four"), "  one two three four\n");
}

#[test]
fn trees_know_the_last_of_their_branches() {
    let paths = ["/", "/a/", "/a/b/", "/a/b/x", "/a/c", "/d"];
    let mut rows: Vec<Row> = paths.iter().map(|path| Row::Cells(vec![(*path).to_owned()])).collect();
    rows.insert(3, Row::Note("a remark".into()));
    draw_tree(&mut rows);
    let drawn: Vec<&str> = rows
        .iter()
        .map(|row| match row {
            Row::Cells(cells) | Row::Whole(cells) => cells[0].as_str(),
            Row::Note(note) | Row::Verbatim(note) => note,
        })
        .collect();
    assert_eq!(drawn, ["/", "├ a/", "│ ├ b/", "a remark", "│ │ └ x", "│ └ c", "└ d"]);
}

#[test]
fn only_a_terminal_shows_the_elapsed_time() {
    let summary =
        Summary { v: V1, tool: "t".into(), exit: Exit::Done, errors: 0, totals: Default::default(), timing: None };
    for (terminal, text) in [(true, "0 errors\n1.50 s, 2 GiB/s\n"), (false, "0 errors\n")] {
        let mut printer = Printer::new(table(), Some(80), terminal, false);
        assert_eq!(printer.finish(&summary, "1.50 s, 2 GiB/s"), text);
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    assert!(!print(Some(80), &["evil\x1b[2Jkey"]).contains('\x1b'));
}

#[test]
fn many_rows_are_printed_as_they_come() {
    let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(print(None, &keys).lines().count(), 1002);
}
