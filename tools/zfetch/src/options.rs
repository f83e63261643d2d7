//! What the flags of `zfetch` mean.

use std::ffi::OsString;
use std::path::PathBuf;

use md5::{Digest, Md5};
use zcli::{Stop, VarFilter};
use zcoord::{BadLines, BoundingBox, By, Point, Points, Selection};
use zstage::{ArrivalCheck, OnChange, Shards, Verify, WriteOptions};
use zstore::StoreOptions;
use zwire::Failure;

use crate::cli::{Args, CellFlags, LayoutFlag, OnChangeFlag, ShardsFlag, VerifyFlag};

/// What a run is asked to do.
pub struct Options {
    /// Which part of the source.
    pub select: SelectOptions,
    /// What every writer is asked.
    pub write: WriteOptions,
    /// Whether each array has a record.
    pub verbose: bool,
    /// Whether it is one part of many, or a repair.
    pub is_part: bool,
    /// Directory of the cache, if it is named.
    pub cache: Option<PathBuf>,
    /// Whether no server is asked.
    pub offline: bool,
    /// Bytes that the cache may take.
    pub max_size: Option<u64>,
    /// What is selected, as text that is the same for the same selection.
    pub request: String,
    /// The options that select it, as they were given.
    pub arguments: Vec<String>,
    /// The same in short, for the name of a directory.
    pub readable: String,
}

/// Characters of the points of a request; of more, the MD5 stands for them.
const MOST_CHARACTERS: usize = 1000;

/// Points that are spelled out in names.
const MOST_NAMED: usize = 3;

/// Which part of the source is fetched.
pub struct SelectOptions {
    /// Variables.
    pub var: VarFilter,
    /// The same as they were given.
    pub names: Vec<String>,
    /// Ranges of dimensions.
    pub selections: Vec<Selection>,
    /// A box of cells.
    pub bbox: Option<BoundingBox>,
    /// Points whose cells are wanted.
    pub points: Vec<Point>,
    /// How it is laid out.
    pub layout: Layout,
    /// How shards are fetched.
    pub shards: Shards,
}

/// How a part of a store is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As a smaller store.
    Crop,
    /// As the source, without the other chunks.
    Mirror,
}

/// Options that say what is fetched and how it is reached, each with a value, and those without. No secret is among them.
const SELECTING: [&str; 14] = [
    "--var",
    "--sel",
    "--isel",
    "--sel-method",
    "--sel-tolerance",
    "--bbox",
    "--lat",
    "--lon",
    "--layout",
    "--shards",
    "--points",
    "--endpoint",
    "--region",
    "--missing-status",
];
const FLAGS: [&str; 3] = ["--skip-bad-points", "--anonymous", "--requester-pays"];

/// The arguments that select, of those of a command line; the path of a file is made absolute.
pub fn selecting(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut found = Vec::new();
    // Bytes that are no UTF-8 are in no option that selects.
    let mut arguments =
        arguments.map(|argument| argument.to_string_lossy().into_owned()).take_while(|text| text != "--");
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if FLAGS.contains(&name) {
            found.push(argument);
        } else if SELECTING.contains(&name)
            && let Some(value) = value.or_else(|| arguments.next())
        {
            let absolute = || std::path::absolute(&value).ok().map(|path| path.display().to_string());
            let is_file = name == "--points" && value != "-";
            let value = if is_file { absolute().unwrap_or(value) } else { value };
            found.push(format!("{name}={value}"));
        }
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl SelectOptions {
    /// Whether nothing is selected, so that everything is fetched.
    pub fn is_everything(&self) -> bool {
        self.var.is_everything() && self.selections.is_empty() && self.bbox.is_none() && self.points.is_empty()
    }
}

impl Args {
    /// What the command line means.
    ///
    /// # Errors
    /// [`Exit::Usage`](zwire::Exit::Usage) for selections and points that make no sense.
    pub fn options(&self, stop: &Stop, warn: impl FnOnce(&str)) -> Result<Options, Failure> {
        let select = SelectOptions {
            var: self.var.filter()?,
            names: self.var.var.clone(),
            selections: self.select.selections()?,
            bbox: self.cells.bbox,
            points: self.points(&self.source.options(stop), warn)?,
            layout: if self.cells.layout == LayoutFlag::Mirror { Layout::Mirror } else { Layout::Crop },
            shards: match self.shards {
                ShardsFlag::Auto => Shards::Auto,
                ShardsFlag::Whole => Shards::Whole,
                ShardsFlag::Inner => Shards::Inner,
            },
        };
        let on_change = match self.on_change {
            OnChangeFlag::Refetch => OnChange::Refetch,
            OnChangeFlag::Stop => OnChange::Stop,
        };
        let write = self.writer.options(false, &self.work, &self.memory, &self.source, stop);
        let (verify, arrival) = match self.verify {
            VerifyFlag::None => (Verify::None, ArrivalCheck::None),
            VerifyFlag::Size => (Verify::None, ArrivalCheck::Size),
            VerifyFlag::Auto => (Verify::Full, ArrivalCheck::Auto),
            VerifyFlag::Decode => (Verify::Full, ArrivalCheck::Decode),
        };
        let write = WriteOptions { on_change, verify, arrival, ..write };
        let SelectOptions { selections, bbox, points, shards, .. } = &select;
        let points = format!("{points:?}");
        let points = if points.len() <= MOST_CHARACTERS { points } else { hex(&Md5::digest(points)) };
        let mut request = format!("var {:?} select {selections:?} box {bbox:?} points {points}", self.var.var);
        if select.layout == Layout::Mirror {
            request.push_str(" mirror");
        }
        if *shards != Shards::Auto {
            request.push_str(&format!(" shards {shards:?}"));
        }
        if let Some(endpoint) = &self.source.endpoint {
            request.push_str(&format!(" endpoint {endpoint}"));
        }
        let readable = self.readable(&select);
        Ok(Options {
            select,
            write,
            verbose: self.common.verbose,
            is_part: self.writer.is_part() || self.repair.is_some(),
            cache: self.cache.clone(),
            offline: self.offline,
            max_size: self.max_size,
            request,
            arguments: selecting(std::env::args_os().skip(1)),
            readable,
        })
    }

    /// The selection in short: `_t2m_2019-03_51.5_-0.1`.
    fn readable(&self, select: &SelectOptions) -> String {
        let label = |selection: &Selection| match &selection.by {
            By::Label(label) | By::Near(label, _) => label.clone(),
            By::One(index) => index.to_string(),
            By::Index { start, end, .. } => {
                let bound = |bound: &Option<i64>| bound.map_or_else(String::new, |bound| bound.to_string());
                format!("{}:{}", bound(start), bound(end))
            }
            By::Indices(_) => String::new(),
        };
        let points = match select.points.as_slice() {
            points if points.len() > MOST_NAMED => vec![format!("{}_points", points.len())],
            points => points.iter().map(|point| format!("{}_{}", point.lat, point.lon)).collect(),
        };
        let parts = self.var.var.iter().cloned().chain(select.selections.iter().map(label)).chain(points);
        let parts = parts.chain((select.layout == Layout::Mirror).then(|| "mirror".to_owned()));
        parts.chain(select.bbox.map(|_| "box".to_owned())).map(|part| format!("_{part}")).collect()
    }

    /// The points of the command line; `warn` gets a message if lines are left out.
    fn points(&self, store: &StoreOptions, warn: impl FnOnce(&str)) -> Result<Vec<Point>, Failure> {
        let CellFlags { lat, lon, points: file, .. } = &self.cells;
        if lat.is_empty() && lon.is_empty() && file.is_none() {
            return Ok(Vec::new());
        }
        let mut bad = BadLines::new(self.cells.skip_bad_points);
        let points = Points::gather(lat, lon, file.as_deref(), &mut bad, store)?;
        if bad.count > 0 {
            warn(&format!("{} left out: {}", zwire::human_counted(bad.count as u64, "point"), bad.message()));
        }
        Ok((0..points.len()).map(|number| points.point(number)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_select_are_kept() {
        let kept = |arguments: &[&str]| selecting(arguments.iter().map(OsString::from));
        let all = [
            "s3://b/x",
            "--var",
            "t2m",
            "--isel=time=0:2",
            "--cache",
            "c",
            "--anonymous",
            "--requester-pays",
            "--store-option",
        ];
        let selects = ["--var=t2m", "--isel=time=0:2", "--anonymous", "--requester-pays"];
        assert_eq!(kept(&[&all[..], &["token=secret"]].concat()), selects);
        assert_eq!(kept(&["--points", "-", "--", "--var", "x"]), ["--points=-"]);
        assert!(kept(&["--points", "p.csv"])[0].starts_with("--points=/"));
        assert!(kept(&["--var"]).is_empty());
    }
}
