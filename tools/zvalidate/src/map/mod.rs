//! Maps of the chunks of a store, in which a hole is seen at once: pictures (`--map FILE.svg|png`), and strips of characters in the
//! table. What was found of an array becomes cells (`cells.rs`) in a panel (`panel.rs`); panels are laid out (`picture.rs`) with a
//! pen that writes SVG or paints pixels.

mod cells;
mod colors;
mod file;
mod panel;
mod pen;
mod picture;
mod png;
mod strip;
mod svg;

pub use cells::Seen;
pub use file::MapFile;
pub use panel::Subject;
pub use strip::{LEGEND, strip};

use panel::Panel;
use zwire::Failure;

/// Panels of a picture; of more arrays, those with the most problems are drawn.
const MOST_PANELS: usize = 400;

/// Cells of a picture, over all panels.
const MOST_CELLS: usize = 400_000;

/// The maps of a run.
#[derive(Default)]
pub struct Maps {
    files: Vec<MapFile>,
    /// Whether each array has a strip in the table.
    pub strips: bool,
    /// Cells that a panel may have.
    most_cells: usize,
    panels: Vec<Panel>,
    /// Arrays that are not drawn.
    left_out: u64,
}

impl Maps {
    /// Maps for these files, of `stores` stores.
    pub fn new(files: Vec<MapFile>, strips: bool) -> Maps {
        Maps { files, strips, most_cells: MOST_CELLS, panels: Vec::new(), left_out: 0 }
    }

    /// Whether pictures are drawn.
    pub fn has_pictures(&self) -> bool {
        !self.files.is_empty()
    }

    /// So many arrays follow, all of one store.
    pub fn begin(&mut self, arrays: usize) {
        let all = (self.panels.len() + arrays).clamp(1, MOST_PANELS);
        self.most_cells = MOST_CELLS / all;
    }

    /// Draws an array into the pictures.
    pub fn add(&mut self, subject: &Subject, seen: &Seen) {
        self.panels.push(Panel::new(subject, seen, self.most_cells));
        if self.panels.len() >= 2 * MOST_PANELS {
            self.cut();
        }
    }

    /// Keeps the panels with the most problems, in their order.
    fn cut(&mut self) {
        let mut ranks: Vec<usize> = (0..self.panels.len()).collect();
        ranks.sort_by(|a, b| self.panels[*b].problems().total_cmp(&self.panels[*a].problems()));
        ranks.truncate(MOST_PANELS);
        self.left_out += (self.panels.len() - ranks.len()) as u64;
        ranks.sort_unstable();
        let mut kept = ranks.into_iter().peekable();
        let mut at = 0;
        self.panels.retain(|_| {
            at += 1;
            kept.next_if_eq(&(at - 1)).is_some()
        });
    }

    /// Writes the pictures.
    ///
    /// # Errors
    /// A file cannot be written, or something else has got its name.
    pub fn finish(&mut self, level: &str) -> Result<(), Failure> {
        self.cut();
        let picture = picture::Picture::new(&self.panels, level, self.left_out);
        self.files.drain(..).try_for_each(|file| file.write(&picture))
    }
}
