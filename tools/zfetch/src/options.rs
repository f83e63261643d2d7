//! What the flags of `zfetch` mean.

use std::path::PathBuf;

use zcli::{Stop, VarFilter};
use zcoord::{BoundingBox, By, Point, Selection};
use zstage::WriteOptions;
use zwire::Failure;

use crate::cli::Args;

/// What a run is asked to do.
pub struct Options {
    /// Which part of the source.
    pub select: SelectOptions,
    /// What every writer is asked.
    pub write: WriteOptions,
    /// Whether each array has a record.
    pub verbose: bool,
    /// Whether it is one part of many.
    pub is_part: bool,
    /// Directory of the cache, if it is named.
    pub cache: Option<PathBuf>,
    /// Whether no server is asked.
    pub offline: bool,
    /// What is selected, as text that is the same for the same selection.
    pub request: String,
    /// The same in short, for the name of a directory.
    pub readable: String,
}

/// Which part of the source is fetched.
pub struct SelectOptions {
    /// Variables.
    pub var: VarFilter,
    /// Ranges of dimensions.
    pub selections: Vec<Selection>,
    /// A box of cells.
    pub bbox: Option<BoundingBox>,
    /// Points whose cells are wanted.
    pub points: Vec<Point>,
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
    pub fn options(&self, stop: &Stop) -> Result<Options, Failure> {
        let select = SelectOptions {
            var: self.var.filter()?,
            selections: self.select.selections()?,
            bbox: self.cells.bbox,
            points: self.points()?,
        };
        let write = self.writer.options(false, &self.work, &self.memory, &self.source, stop);
        let SelectOptions { selections, bbox, points, .. } = &select;
        let request = format!("var {:?} select {selections:?} box {bbox:?} points {points:?}", self.var.var);
        let readable = self.readable(&select);
        Ok(Options {
            select,
            write,
            verbose: self.common.verbose,
            is_part: self.writer.part.is_some(),
            cache: self.cache.clone(),
            offline: self.offline,
            request,
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
        let points = select.points.iter().map(|point| format!("{}_{}", point.lat, point.lon));
        let parts = self.var.var.iter().cloned().chain(select.selections.iter().map(label)).chain(points);
        parts.chain(select.bbox.map(|_| "box".to_owned())).map(|part| format!("_{part}")).collect()
    }

    fn points(&self) -> Result<Vec<Point>, Failure> {
        let (lat, lon) = (&self.cells.lat, &self.cells.lon);
        if lat.len() != lon.len() {
            return Err(Failure::usage(format!(
                "{} and {} do not match: each point needs both",
                zwire::human_counted(lat.len() as u64, "--lat"),
                zwire::human_counted(lon.len() as u64, "--lon")
            )));
        }
        let points: Vec<Point> = lat.iter().zip(lon).map(|(lat, lon)| Point { lat: *lat, lon: *lon }).collect();
        match points.iter().find_map(Point::problem) {
            Some(problem) => Err(Failure::usage(problem).at("--lat, --lon")),
            None => Ok(points),
        }
    }
}
