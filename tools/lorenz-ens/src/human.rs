//! How the records of `lorenz-ens` are shown in a terminal.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{GeneratedRecord, MethodRecord, PlanRecord, Record, StateRecord, StatisticsRecord, Summary};
use zwire::{human_bytes, human_count, human_counted};

use crate::output::SOURCE;

/// What a run reports in the rows of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    States,
    Statistics,
    Methods,
    Arrays,
}

/// The table.
pub fn table(rows: Rows) -> Table {
    let columns = match rows {
        Rows::States => {
            columns(&[("MEMBER", false), ("STEP", true), ("TIME", false), ("X", false), ("Y", false), ("Z", false)])
        }
        Rows::Statistics => columns(&[
            ("TIME", false),
            ("VAR", false),
            ("MEAN", false),
            ("SPREAD", false),
            ("Q05", false),
            ("MEDIAN", false),
            ("Q95", false),
            ("ERROR", true),
        ]),
        Rows::Methods => columns(&[
            ("METHOD", false),
            ("WITH", false),
            ("JOBS", false),
            ("SECONDS", false),
            ("STEPS/S", false),
            ("SPEED-UP", false),
            ("EFFICIENCY", true),
            ("PREDICTED", true),
            ("START", true),
            ("IDENTICAL", false),
        ]),
        Rows::Arrays => columns(&[
            ("PATH", false),
            ("SHAPE", true),
            ("OBJECTS", false),
            ("DECODED", false),
            ("STORED", false),
            ("CODEC", true),
        ]),
    };
    Table { columns, rows: Box::new(rows_of), tree: false, footer }
}

fn columns(titles: &[(&'static str, bool)]) -> Vec<Column> {
    let texts = ["METHOD", "WITH", "IDENTICAL", "PATH", "SHAPE", "CODEC", "VAR"];
    let column = |(title, drops): &(&'static str, bool)| Column {
        title: Cow::Borrowed(*title),
        align: if texts.contains(title) { Align::Left } else { Align::Right },
        shrinks: *title == "CODEC",
        drops: Drops::late(*drops),
    };
    titles.iter().map(column).collect()
}

fn rows_of(record: &Record) -> Vec<Row> {
    match record {
        Record::State(state) => vec![Row::Cells(state_cells(state))],
        Record::Statistics(statistics) => vec![Row::Cells(statistics_cells(statistics))],
        Record::Method(method) => vec![Row::Cells(method_cells(method))],
        Record::Generated(array) => vec![Row::Whole(array_cells(array))],
        Record::Plan(plan) => vec![Row::Note(plan_text(plan))],
        Record::Diverged(member) => {
            let text = format!(
                "member {} is not finite from step {} on (time {})",
                member.member,
                member.step,
                short(member.time)
            );
            vec![Row::Note(text)]
        }
        _ => Vec::new(),
    }
}

fn state_cells(state: &StateRecord) -> Vec<String> {
    let mut cells = vec![human_count(state.member), human_count(state.step), short(state.time)];
    cells.extend([&state.x, &state.y, &state.z].map(value));
    cells
}

fn statistics_cells(statistics: &StatisticsRecord) -> Vec<String> {
    let mut cells = vec![short(statistics.time), statistics.variable.clone()];
    let values =
        [&statistics.mean, &statistics.spread, &statistics.q05, &statistics.q50, &statistics.q95, &statistics.error];
    cells.extend(values.map(value));
    cells
}

fn method_cells(method: &MethodRecord) -> Vec<String> {
    vec![
        method.method.clone(),
        method.instructions.clone(),
        human_count(method.jobs),
        method.seconds.map_or_else(String::new, |seconds| format!("{seconds:.6}")),
        method.member_steps_per_second.map_or_else(String::new, |rate| format!("{rate:.2e}")),
        method.speedup.map_or_else(String::new, |speedup| format!("{speedup:.1}")),
        method.efficiency.map_or_else(String::new, |efficiency| format!("{efficiency:.2}")),
        method.predicted_speedup.map_or_else(String::new, |speedup| format!("{speedup:.1}")),
        method.startup_seconds.map_or_else(String::new, |seconds| format!("{seconds:.6}")),
        if method.identical { "yes".into() } else { "NO".into() },
    ]
}

fn array_cells(array: &GeneratedRecord) -> Vec<String> {
    let shape: Vec<String> = array.shape.iter().map(u64::to_string).collect();
    // Of a whole store, its name tells more than the path of its root.
    let name = array.store.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let path = if array.path == "/" { name } else { &array.path };
    vec![
        path.to_owned(),
        shape.join("×"),
        human_count(array.objects),
        human_bytes(array.uncompressed_bytes),
        human_bytes(array.bytes),
        array.codec.clone(),
    ]
}

fn plan_text(plan: &PlanRecord) -> String {
    let objects = plan.objects_expected.map_or_else(|| "?".into(), |objects| human_counted(objects, "object"));
    let bytes = plan.uncompressed_bytes.map_or_else(|| "?".into(), human_bytes);
    // Of several batches, each is named.
    let store =
        if plan.store == SOURCE { "" } else { plan.store.trim_end_matches('/').rsplit('/').next().unwrap_or_default() };
    format!("{store}{}: {objects}, {bytes} decoded, {}", plan.path, plan.to)
}

/// A number of a table.
fn value(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => short(number),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

fn short(number: f64) -> String {
    let size = number.abs();
    match size {
        _ if size == 0.0 || (1e-3..1e6).contains(&size) => format!("{number:.4}"),
        _ => format!("{number:.4e}"),
    }
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let float = |key: &str| summary.totals.get(key).and_then(Value::as_f64);
    let mut lines: Vec<String> = zcli::parts_line(summary).into_iter().collect();
    if let (Some(members), Some(steps)) = (number("members"), number("steps")) {
        let with = summary.totals.get("instructions").and_then(Value::as_str);
        let with = with.map(|with| format!(" ({with})")).unwrap_or_default();
        lines.push(format!("{} × {}{with}", human_counted(members, "member"), human_counted(steps, "step")));
    }
    if let Some(diverged) = number("diverged").filter(|diverged| *diverged > 0) {
        lines.push(format!("{} diverged", human_counted(diverged, "member")));
    }
    if let (Some(exponent), Some(error)) = (float("lyapunov"), float("lyapunov_error")) {
        lines.push(format!("leading Lyapunov exponent {exponent:.4} ± {error:.4} per unit of time"));
    }
    if let Some(identical) = summary.totals.get("identical").and_then(Value::as_bool) {
        lines.push(if identical { "all methods agree bit for bit".into() } else { "the methods differ".into() });
    }
    if let Some(rows) = number("rows") {
        lines.push(human_counted(rows, "row"));
    }
    if let (Some(objects), Some(bytes), Some(stored)) =
        (number("objects"), number("uncompressed_bytes"), number("bytes"))
    {
        let verified = human_count(number("verified").unwrap_or(0));
        let objects = human_counted(objects, "object");
        lines.push(format!("{objects}, {} → {}, {verified} verified", human_bytes(bytes), human_bytes(stored)));
    }
    if number("objects_expected").is_some() {
        let bytes = human_bytes(number("uncompressed_bytes").unwrap_or(0));
        lines.push(format!("dry run: nothing is written. {bytes} decoded"));
    }
    lines
}
