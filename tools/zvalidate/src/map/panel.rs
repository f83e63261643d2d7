//! One array of a picture: its cells, and the labels along its columns.

use super::cells::{Cell, Cells, Seen};

/// Columns of a panel.
const MOST_COLUMNS: usize = 1920;

/// Rows of a panel.
const MOST_ROWS: usize = 48;

/// Labels along the columns, apart from the last.
const TICKS: usize = 4;

/// The coordinate values of two indices along a dimension, if it has any.
pub type LabelOf<'a> = &'a dyn Fn(usize, [u64; 2]) -> Option<[String; 2]>;

/// What a panel is about.
pub struct Subject<'a> {
    /// The store.
    pub store: &'a str,
    /// Path of the array.
    pub path: &'a str,
    /// Names of its dimensions.
    pub dimensions: &'a [String],
    /// Coordinate values along a dimension.
    pub labels: LabelOf<'a>,
}

/// The labels along the columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Axis {
    /// Name of the dimension.
    pub name: String,
    /// Columns.
    pub columns: usize,
    /// The column at whose start a label stands, and the label.
    pub ticks: Vec<(usize, String)>,
    /// The label of the last element.
    pub last: String,
}

/// An array of a picture.
pub struct Panel {
    /// The store.
    pub store: String,
    /// Path of the array.
    pub path: String,
    /// Its cells.
    pub cells: Cells,
    /// All of them together.
    pub total: Cell,
    /// The labels along the columns.
    pub axis: Axis,
    /// The dimensions across the rows.
    pub others: String,
}

impl Panel {
    /// The panel of an array, of at most `most` cells or one row.
    pub fn new(subject: &Subject, seen: &Seen, most: usize) -> Panel {
        let cells = Cells::new(seen, MOST_COLUMNS.min(most.max(64)), MOST_ROWS, most);
        let name = |dimension: usize| subject.dimensions.get(dimension).cloned().unwrap_or_default();
        let counts = seen.grid.counts();
        let others = (cells.dimension + 1..counts.len()).filter(|dimension| counts[*dimension] > 1);
        Panel {
            store: subject.store.to_owned(),
            path: subject.path.to_owned(),
            total: cells.total(),
            axis: axis(subject, seen, &cells),
            others: others.map(name).collect::<Vec<_>>().join(", "),
            cells,
        }
    }

    /// Share of its chunks with problems; a damaged chunk counts more than any that is missing.
    pub fn problems(&self) -> f64 {
        let share = |count: u32| f64::from(count) / f64::from(self.total.expected.max(1));
        let damaged = if self.total.damaged > 0 { 2.0 } else { 0.0 };
        damaged + share(self.total.damaged) + share(self.total.missing()) + 0.5 * share(self.total.empty)
    }

    /// The chunks along the first dimension that columns cover.
    pub fn column_text(&self, first: usize, last: usize) -> String {
        let (first, last) = (self.cells.columns.range(first).start, self.cells.columns.range(last).end - 1);
        let name = &self.axis.name;
        if first == last { format!("{name}: chunk {first}") } else { format!("{name}: chunks {first} to {last}") }
    }
}

fn axis(subject: &Subject, seen: &Seen, cells: &Cells) -> Axis {
    let (columns, dimension) = (cells.columns.count(), cells.dimension);
    let Some(length) = seen.grid.shape().get(dimension).filter(|length| **length > 0) else { return Axis::default() };
    let mut ticks: Vec<usize> = (0..TICKS).map(|tick| tick * columns / TICKS).collect();
    ticks.dedup();
    let index = |column: usize| seen.grid.extent(dimension, cells.columns.range(column).start).0;
    let label = |index: u64| (subject.labels)(dimension, [index; 2]).map(|[label, _]| label);
    let mut texts: Vec<String> = Vec::new();
    for element in ticks.iter().map(|column| index(*column)).chain([length - 1]) {
        texts.push(label(element).unwrap_or_else(|| element.to_string()));
    }
    shorten(&mut texts);
    let last = texts.pop().unwrap_or_default();
    let name = subject.dimensions.get(dimension).cloned().unwrap_or_default();
    Axis { name, columns, ticks: ticks.into_iter().zip(texts).collect(), last }
}

/// Times without what is the same in all of them: a time of day that is midnight, or seconds that are zero.
fn shorten(texts: &mut [String]) {
    for end in ["T00:00:00Z", "T00:00:00", ":00Z", ":00"] {
        let is_time = texts.iter().all(|text| text.len() >= 19 && text.ends_with(end));
        if is_time {
            texts.iter_mut().for_each(|text| text.truncate(text.len() - end.len()));
            return;
        }
    }
}

#[cfg(test)]
pub mod tests {
    use roaring::RoaringTreemap;
    use zarray::Grid;

    use super::*;

    /// A panel over `days` chunks of 24 hours, of which the numbers in `missing` and `damaged` are.
    pub fn panel(path: &str, days: u64, rows: u64, missing: &[u64], damaged: &[u64]) -> Panel {
        let grid = Grid::new(vec![24 * days, 10 * rows], vec![24, 10]).expect("a grid");
        let present: RoaringTreemap = (0..grid.len()).filter(|number| !missing.contains(number)).collect();
        let damaged: RoaringTreemap = damaged.iter().copied().collect();
        let none = RoaringTreemap::new();
        let seen = Seen { grid: &grid, present: &present, damaged: &damaged, empty: &none, fetched: None };
        let dimensions = ["time".to_owned(), "latitude".to_owned()];
        let label = |index: u64| format!("2019-03-{:02}T{:02}:00:00Z", 1 + index / 24, index % 24);
        let labels = |dimension: usize, indices: [u64; 2]| (dimension == 0).then(|| indices.map(label));
        let subject = Subject { store: "era5.zarr", path, dimensions: &dimensions, labels: &labels };
        Panel::new(&subject, &seen, 1000)
    }

    #[test]
    fn columns_are_labelled_by_coordinate_values() {
        let panel = panel("/t2m", 10, 1, &[], &[]);
        assert_eq!((panel.axis.name.as_str(), panel.axis.columns), ("time", 10));
        let starts: Vec<usize> = panel.axis.ticks.iter().map(|(column, _)| *column).collect();
        assert_eq!(starts, [0, 2, 5, 7]);
        assert_eq!(
            (panel.axis.ticks[1].1.as_str(), panel.axis.last.as_str()),
            ("2019-03-03T00:00", "2019-03-10T23:00")
        );
        let mut days = ["2019-03-01T00:00:00Z".to_owned(), "2019-03-02T00:00:00Z".to_owned()];
        shorten(&mut days);
        assert_eq!(days, ["2019-03-01", "2019-03-02"]);
    }

    #[test]
    fn damage_ranks_before_holes_and_holes_before_nothing() {
        let ranks = [&[][..], &[1], &[1, 2]].map(|missing| panel("/t", 9, 1, missing, &[]).problems());
        assert!(ranks[0] < ranks[1] && ranks[1] < ranks[2]);
        assert!(panel("/t", 9, 1, &[], &[3]).problems() > ranks[2]);
    }

    #[test]
    fn rows_are_the_other_chunks() {
        let panel = panel("/t2m", 4, 3, &[5], &[]);
        assert_eq!((panel.cells.rows.count(), panel.others.as_str()), (3, "latitude"));
        assert_eq!(panel.cells.row(2)[1].missing(), 1);
    }
}
