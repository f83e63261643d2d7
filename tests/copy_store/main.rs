//! `copy_store`: a tool that only tests use. It copies a store as it is, and shows what a writer is without a job of its own:
//! parts, resume, status, finish, verification and the contract all come from the shared crates.

use serde::{Deserialize, Serialize};
use zarray::Array;
use zcli::clap::{self, Parser};
use zcli::{
    Align, Column, Common, Drops, Ending, JobFlags, MemoryFlags, Row, Session, StoreFlags, Table, Tool, VerifyFlags,
    WriterFlags,
};
use zstage::{Action, ArrayPlan, ArrayStats, Begin, Sources, WriteOptions, Writer};
use zstore::{Store, Target};
use zwire::{Failure, RecompressRecord, Record, Summary, human_bytes, human_count};

/// Copy a Zarr store
#[derive(Debug, Parser)]
#[command(name = "copy_store")]
struct Args {
    /// The store to read
    #[arg(value_name = "SRC")]
    source: Option<Target>,
    /// The store to write, which must not exist
    #[arg(value_name = "DST")]
    target: Option<Target>,
    #[command(flatten)]
    verify: VerifyFlags,
    #[command(flatten)]
    writer: WriterFlags,
    #[command(flatten)]
    work: JobFlags,
    #[command(flatten)]
    memory: MemoryFlags,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    common: Common,
}

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] = &["overwrite", "dry_run", "resume", "jobs", "quiet", "verbose"];

    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("Copy a store", "copy_store a.zarr b.zarr"),
        ("Continue an interrupted run", "copy_store --resume a.zarr b.zarr"),
        ("In parts", "copy_store --prepare --parts 2 a.zarr b.zarr"),
    ];

    fn writes(&self) -> bool {
        true
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        let column =
            |title: &'static str, align| Column { title: title.into(), align, shrinks: false, drops: Drops::Never };
        let columns = vec![column("PATH", Align::Left), column("OBJECTS", Align::Right), column("BYTES", Align::Right)];
        Table { columns, rows: Box::new(rows), tree: false, footer }
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = self.writer.options(false, &self.work, &self.memory, &self.store, &session.stop);
        let options = WriteOptions { verify: self.verify.verify(), ..options };
        let command = self.writer.command(self.source.as_ref(), self.target.as_ref(), false)?;
        let outcome = zstage::run(&Copy, &command, &options, &session.listener())?;
        self.writer.ending(&outcome, session)
    }
}

fn rows(record: &Record) -> Vec<Row> {
    match record {
        Record::Recompress(array) => {
            vec![Row::Cells(vec![array.path.clone(), human_count(array.objects), human_bytes(array.bytes_after)])]
        }
        _ => Vec::new(),
    }
}

fn footer(summary: &Summary) -> Vec<String> {
    vec![format!("{} objects", summary.totals.get("objects").and_then(|count| count.as_u64()).unwrap_or(0))]
}

/// Every array as it is.
struct Copy;

/// A plan of nothing but copies has nothing of its own.
#[derive(Clone, Serialize, Deserialize)]
struct Body {}

impl Writer for Copy {
    type Body = Body;

    const TOOL: &'static str = "copy_store";

    fn body(&self, _: Option<&Body>, _: &Sources) -> Result<Body, Failure> {
        Ok(Body {})
    }

    fn plan(&self, _: &Body, _: Begin, _: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        Ok(Some(ArrayPlan::new(array, Action::Copy("as it is"), false)))
    }

    fn record(&self, store: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        Some(Record::Recompress(RecompressRecord {
            store: store.to_owned(),
            path: plan.array.path.clone(),
            action: plan.action.name().to_owned(),
            objects: array.stats.objects,
            bytes_before: array.stats.bytes_before,
            bytes_after: array.stats.bytes_after,
            verified: array.stats.verified,
            failed: array.failed,
            ..RecompressRecord::default()
        }))
    }
}

fn main() -> std::process::ExitCode {
    zcli::main::<Args>()
}
