//! The layout of a picture: a title, a legend, and below them the arrays of each store, one strip of cells each, with their names
//! at the left, what is wrong at the right, and the coordinate values below those that share them.

use std::io;

use zwire::human_count;

use super::cells::State;
use super::colors::{GREY, INK, LEGEND, LINES, PAPER, class, color, mixed};
use super::panel::{Axis, Panel};
use super::pen::{Anchor, CHARACTER, Color, LINE, Pen, Rectangle};

const MARGIN: u32 = 20;
const GAP: u32 = 6;
/// Width of the cells, unless there are more than that.
const PLOT: u32 = 960;
/// Characters of a name at the left, and of a remark at the right.
const NAME: usize = 26;
const REMARK: usize = 34;

/// Panels that stand above one axis.
struct Group<'p> {
    store: &'p str,
    axis: &'p Axis,
    panels: Vec<&'p Panel>,
}

/// A picture of panels.
pub struct Picture<'p> {
    groups: Vec<Group<'p>>,
    level: &'p str,
    left_out: u64,
    name_width: u32,
    plot_width: u32,
    /// Height of the rows of a panel together, at most.
    most_height: u32,
    several_stores: bool,
}

impl<'p> Picture<'p> {
    /// A picture of these panels, of the check at `level`, without `left_out` arrays.
    pub fn new(panels: &'p [Panel], level: &'p str, left_out: u64) -> Picture<'p> {
        let mut groups: Vec<Group> = Vec::new();
        for panel in panels {
            match groups.iter_mut().find(|group| group.store == panel.store && *group.axis == panel.axis) {
                Some(group) => group.panels.push(panel),
                None => groups.push(Group { store: &panel.store, axis: &panel.axis, panels: vec![panel] }),
            }
        }
        // The groups of a store side by side, in the order of the stores.
        let mut stores: Vec<&str> = panels.iter().map(|panel| panel.store.as_str()).collect();
        stores.dedup();
        groups.sort_by_key(|group| stores.iter().position(|store| *store == group.store));
        let columns = panels.iter().map(|panel| panel.cells.columns.count() as u32).max().unwrap_or(0);
        let longest = panels.iter().map(longest_text).max().unwrap_or(0);
        Picture {
            groups,
            level,
            left_out,
            name_width: longest.max(8) as u32 * CHARACTER + GAP,
            plot_width: columns.max(PLOT),
            most_height: match panels.len() {
                0..=40 => 96,
                41..=120 => 48,
                _ => 16,
            },
            several_stores: stores.len() > 1,
        }
    }

    /// Its width and height.
    pub fn size(&self) -> (u32, u32) {
        let remark = REMARK as u32 * CHARACTER + GAP;
        let body: u32 = self.groups.iter().map(|group| self.group_height(group)).sum();
        let store_lines = if self.several_stores { self.stores() * (LINE + GAP) } else { 0 };
        let last = if self.left_out > 0 || self.groups.is_empty() { LINE + GAP } else { 0 };
        let width = 2 * MARGIN + self.name_width + self.plot_width + remark;
        (width, 2 * MARGIN + 2 * (LINE + GAP) + GAP + store_lines + body + last)
    }

    fn stores(&self) -> u32 {
        (0..self.groups.len()).filter(|at| self.is_first(*at)).count() as u32
    }

    fn is_first(&self, group: usize) -> bool {
        group == 0 || self.groups[group - 1].store != self.groups[group].store
    }

    fn row_height(&self, panel: &Panel) -> u32 {
        let rows = panel.cells.rows.count().max(1) as u32;
        (self.most_height / rows).clamp(1, LINE)
    }

    fn panel_height(&self, panel: &Panel) -> u32 {
        (self.row_height(panel) * panel.cells.rows.count().max(1) as u32).max(LINE)
    }

    fn group_height(&self, group: &Group) -> u32 {
        let panels: u32 = group.panels.iter().map(|panel| self.panel_height(panel) + GAP).sum();
        panels + LINE + 3 * GAP
    }

    /// Draws all of it.
    ///
    /// # Errors
    /// Those of the pen.
    pub fn draw(&self, pen: &mut dyn Pen) -> io::Result<()> {
        let (width, height) = self.size();
        let page = Rectangle { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) };
        let most = ((width - 2 * MARGIN) / CHARACTER) as usize;
        pen.rectangle(page, PAPER, "page", None)?;
        let mut y = MARGIN;
        pen.text(f64::from(MARGIN), f64::from(y), Anchor::Start, INK, &cut(&self.title(), most))?;
        y += LINE + GAP;
        self.legend(y, pen)?;
        y += LINE + 2 * GAP;
        for (at, group) in self.groups.iter().enumerate() {
            if self.several_stores && self.is_first(at) {
                pen.text(f64::from(MARGIN), f64::from(y), Anchor::Start, INK, &cut(group.store, most))?;
                y += LINE + GAP;
            }
            for panel in &group.panels {
                self.panel(panel, y, pen)?;
                y += self.panel_height(panel) + GAP;
            }
            self.axis(group.axis, y, pen)?;
            y += LINE + 3 * GAP;
        }
        let last = match (self.groups.is_empty(), self.left_out) {
            (true, _) => "no arrays of several chunks".to_owned(),
            (_, 0) => return Ok(()),
            (_, count) => format!("{} more arrays, which have fewer problems, are not drawn", human_count(count)),
        };
        pen.text(f64::from(MARGIN), f64::from(y), Anchor::Start, GREY, &last)
    }

    fn title(&self) -> String {
        match self.groups.first() {
            Some(group) if !self.several_stores => format!("Chunks of {} (level {})", group.store, self.level),
            _ => format!("Chunks of {} stores (level {})", self.stores(), self.level),
        }
    }

    fn legend(&self, y: u32, pen: &mut dyn Pen) -> io::Result<()> {
        let mut x = f64::from(MARGIN);
        for (state, text) in LEGEND {
            let swatch = Rectangle { x, y: f64::from(y) + 2.0, width: 12.0, height: 12.0 };
            pen.rectangle(swatch, color(state), "legend", None)?;
            pen.text(x + 18.0, f64::from(y), Anchor::Start, INK, text)?;
            x += 18.0 + f64::from(CHARACTER) * (text.len() + 3) as f64;
        }
        let text = "a cell of several chunks shows the worst, the paler the fewer";
        pen.text(x, f64::from(y), Anchor::Start, GREY, text)
    }

    fn left(&self) -> u32 {
        MARGIN + self.name_width
    }

    fn panel(&self, panel: &Panel, y: u32, pen: &mut dyn Pen) -> io::Result<()> {
        let height = self.panel_height(panel);
        let middle = f64::from(y) + f64::from(height - LINE) / 2.0;
        let name_end = f64::from(self.left() - GAP);
        let two_lines = height >= 2 * LINE && !panel.others.is_empty();
        let name_y = if two_lines { middle - f64::from(LINE) / 2.0 } else { middle };
        pen.text(name_end, name_y, Anchor::End, INK, &name(&panel.path))?;
        if two_lines {
            pen.text(name_end, name_y + f64::from(LINE), Anchor::End, GREY, &rows(panel))?;
        }
        for row in 0..panel.cells.rows.count() {
            self.row(panel, row, y, pen)?;
        }
        let (text, color) = remark(panel);
        let x = f64::from(self.left() + self.plot_width + GAP);
        pen.text(x, middle, Anchor::Start, color, &text)
    }

    /// A row of cells; equal neighbours are one rectangle where cells are narrow.
    fn row(&self, panel: &Panel, row: usize, y: u32, pen: &mut dyn Pen) -> io::Result<()> {
        let cells = panel.cells.row(row);
        let each = f64::from(self.plot_width) / cells.len().max(1) as f64;
        let height = f64::from(self.row_height(panel));
        let top = f64::from(y) + f64::from(row as u32) * height;
        let gap = if each >= 5.0 { 1.0 } else { 0.0 };
        let mut first = 0;
        while first < cells.len() {
            let (state, share) = cells[first].worst();
            let drawn = mixed(state, share);
            let mut end = first + 1;
            while gap == 0.0
                && end < cells.len()
                && cells[end].worst().0 == state
                && mixed(state, cells[end].worst().1) == drawn
            {
                end += 1;
            }
            let x = f64::from(self.left()) + first as f64 * each;
            let width = (end - first) as f64 * each - gap;
            let at = Rectangle { x, y: top, width, height: if height >= 5.0 { height - 1.0 } else { height } };
            let note = (state != State::Stored).then(|| {
                let counts: u64 = cells[first..end].iter().map(|cell| u64::from(cell.expected)).sum();
                format!("{}, {} chunks, {}", panel.column_text(first, end - 1), human_count(counts), class(state))
            });
            if state != State::Outside {
                pen.rectangle(at, drawn, class(state), note.as_deref())?;
            }
            first = end;
        }
        Ok(())
    }

    fn axis(&self, axis: &Axis, y: u32, pen: &mut dyn Pen) -> io::Result<()> {
        let (left, width) = (f64::from(self.left()), f64::from(self.plot_width));
        let y = f64::from(y) - 3.0;
        pen.rectangle(Rectangle { x: left, y, width, height: 1.0 }, LINES, "axis", None)?;
        pen.text(left - f64::from(GAP), y + 6.0, Anchor::End, GREY, &cut(&axis.name, NAME))?;
        let last_start = left + width - f64::from(CHARACTER) * (axis.last.chars().count() + 1) as f64;
        let mut free = left;
        for (column, label) in &axis.ticks {
            let x = left + *column as f64 * width / axis.columns.max(1) as f64;
            let end = x + f64::from(CHARACTER) * (label.chars().count() + 1) as f64;
            pen.rectangle(Rectangle { x, y, width: 1.0, height: 5.0 }, LINES, "axis", None)?;
            if x >= free && end <= last_start {
                pen.text(x, y + 6.0, Anchor::Start, GREY, label)?;
                free = end;
            }
        }
        let end = left + width;
        pen.rectangle(Rectangle { x: end - 1.0, y, width: 1.0, height: 5.0 }, LINES, "axis", None)?;
        pen.text(end, y + 6.0, Anchor::End, GREY, &axis.last)
    }
}

/// The name of an array without the slash at its start.
fn name(path: &str) -> String {
    cut(path.trim_start_matches('/'), NAME)
}

/// The dimensions across the rows.
fn rows(panel: &Panel) -> String {
    cut(&format!("by {}", panel.others), NAME)
}

/// Characters of the longest text at the left of a panel.
fn longest_text(panel: &Panel) -> usize {
    let texts = [name(&panel.path), rows(panel), cut(&panel.axis.name, NAME)];
    texts.iter().map(|text| text.chars().count()).max().unwrap_or(0)
}

/// A text of at most `most` characters; the end of a longer one.
fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    ["..".to_owned(), text.chars().skip(count + 2 - most).collect()].concat()
}

/// What is wrong with an array.
fn remark(panel: &Panel) -> (String, Color) {
    let total = &panel.total;
    let mut words = Vec::new();
    for (count, word) in [(total.missing(), "missing"), (total.damaged, "damaged"), (total.empty, "all NaN")] {
        if count > 0 {
            words.push(format!("{} {word}", human_count(u64::from(count))));
        }
    }
    match words.is_empty() {
        true => (format!("{} chunks", human_count(u64::from(total.expected))), GREY),
        false => (format!("{} of {}", words.join(", "), human_count(u64::from(total.expected))), INK),
    }
}

#[cfg(test)]
mod tests {
    use super::super::panel::tests::panel;
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(Rectangle, String)>, Vec<(f64, f64, String)>);

    impl Pen for Seen {
        fn rectangle(&mut self, at: Rectangle, _: Color, class: &str, _: Option<&str>) -> io::Result<()> {
            self.0.push((at, class.to_owned()));
            Ok(())
        }

        fn text(&mut self, x: f64, y: f64, anchor: Anchor, _: Color, text: &str) -> io::Result<()> {
            let width = f64::from(CHARACTER) * text.chars().count() as f64;
            let shift = [0.0, width][anchor as usize];
            self.1.push((x - shift, y, text.to_owned()));
            Ok(())
        }
    }

    fn drawn(panels: &[Panel], left_out: u64) -> (Seen, (u32, u32)) {
        let picture = Picture::new(panels, "full", left_out);
        let mut seen = Seen::default();
        picture.draw(&mut seen).expect("draws");
        (seen, picture.size())
    }

    #[test]
    fn everything_lies_on_the_page_and_no_text_on_another() {
        let panels = [panel("/t2m", 30, 1, &[3], &[]), panel("/a/very/long/path/of/an/array/u10", 30, 4, &[], &[7])];
        for (panels, left_out) in [(&panels[..], 0), (&panels[..1], 7), (&[], 0)] {
            let (seen, (width, height)) = drawn(panels, left_out);
            for (at, class) in &seen.0 {
                assert!(at.x >= 0.0 && at.x + at.width <= f64::from(width), "{class} {at:?}");
                assert!(at.y >= 0.0 && at.y + at.height <= f64::from(height), "{class} {at:?}");
            }
            for (number, (x, y, text)) in seen.1.iter().enumerate() {
                let end = x + f64::from(CHARACTER) * text.chars().count() as f64;
                assert!(*x >= 0.0 && end <= f64::from(width) && y + f64::from(LINE) <= f64::from(height), "{text}");
                for (other, above, more) in &seen.1[..number] {
                    let apart = (y - above).abs() >= f64::from(LINE) - 1.0;
                    let other_end = other + f64::from(CHARACTER) * more.chars().count() as f64;
                    assert!(apart || *x >= other_end || end <= *other, "{text:?} lies on {more:?}");
                }
            }
        }
    }

    #[test]
    fn a_wide_cell_is_a_rectangle_and_narrow_equal_ones_are_one() {
        let (seen, _) = drawn(&[panel("/t2m", 30, 1, &[3], &[])], 0);
        let count = |seen: &Seen, wanted: &str| seen.0.iter().filter(|(_, class)| class == wanted).count();
        assert_eq!((count(&seen, "stored"), count(&seen, "missing")), (29, 1));
        let (seen, _) = drawn(&[panel("/t2m", 900, 1, &[3], &[])], 0);
        assert_eq!((count(&seen, "stored"), count(&seen, "missing")), (2, 1));
    }
}
