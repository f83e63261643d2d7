//! The cells of a grid whose coordinates lie in a box of latitude and longitude.

use std::ops::Range;
use std::str::FromStr;

use crate::degrees::TURN;
use crate::grid::CoordinateGrid;

/// Degrees by which a coordinate may lie outside of a box: 32-bit floats are not what a user types.
const ROUNDING: f64 = 1e-6;

/// A box of latitude and longitude, in degrees. Longitudes are modulo 360: it may cross the meridian at which a grid starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

/// A box of rows and columns of a grid; of a scattered grid, the rows are cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellRanges {
    /// Rows.
    pub rows: Vec<Range<u64>>,
    /// Columns, from west to east: two ranges where the box crosses the meridian at which the grid starts.
    pub columns: Vec<Range<u64>>,
}

impl FromStr for BoundingBox {
    type Err = String;

    /// `W,S,E,N`, as in GeoJSON.
    fn from_str(text: &str) -> Result<BoundingBox, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let numbers: Option<Vec<f64>> = text.split(',').map(number).collect();
        let Some([west, south, east, north]) =
            numbers.as_deref().and_then(|numbers| numbers.first_chunk::<4>()).copied()
        else {
            return Err("expected four numbers: WEST,SOUTH,EAST,NORTH".into());
        };
        if text.split(',').count() != 4 {
            return Err("expected four numbers: WEST,SOUTH,EAST,NORTH".into());
        }
        if let Some(wrong) = [south, north].into_iter().find(|lat| lat.abs() > 90.0) {
            return Err(format!("latitude {wrong} is outside -90…90: the order is WEST,SOUTH,EAST,NORTH"));
        }
        if let Some(wrong) = [west, east].into_iter().find(|lon| lon.abs() > TURN) {
            return Err(format!("longitude {wrong} is outside -360…360"));
        }
        if south > north {
            return Err(format!("south {south} is north of {north}: the order is WEST,SOUTH,EAST,NORTH"));
        }
        Ok(BoundingBox { west, south, east, north })
    }
}

impl BoundingBox {
    fn has_latitude(&self, lat: f64) -> bool {
        (self.south - ROUNDING..=self.north + ROUNDING).contains(&lat)
    }

    fn has_longitude(&self, lon: f64) -> bool {
        let width = if self.east - self.west >= TURN { TURN } else { (self.east - self.west).rem_euclid(TURN) };
        lon.is_finite() && (lon - self.west + ROUNDING).rem_euclid(TURN) <= width + 2.0 * ROUNDING
    }
}

impl CoordinateGrid {
    /// The smallest range of rows and columns with all cells whose coordinates lie in a box; `None` if there are none.
    pub fn within_box(&self, bounds: &BoundingBox) -> Option<CellRanges> {
        let (lat, lon) = self.coordinates();
        let (_, columns) = self.shape();
        match self {
            CoordinateGrid::Rectilinear(_) => {
                let rows = span((0..lat.len()).filter(|row| bounds.has_latitude(lat[*row])))?;
                let inside = (0..lon.len()).filter(|column| bounds.has_longitude(lon[*column]));
                Some(CellRanges { rows: vec![rows], columns: around(inside, lon.len() as u64)? })
            }
            CoordinateGrid::Curvilinear(_) | CoordinateGrid::Scattered(_) => {
                let inside =
                    (0..lat.len()).filter(|cell| bounds.has_latitude(lat[*cell]) && bounds.has_longitude(lon[*cell]));
                let cells: Vec<usize> = inside.collect();
                let rows = span(cells.iter().map(|cell| cell / columns))?;
                Some(CellRanges { rows: vec![rows], columns: vec![span(cells.iter().map(|cell| cell % columns))?] })
            }
        }
    }
}

/// From the first to the last of some indices.
fn span(indices: impl Iterator<Item = usize>) -> Option<Range<u64>> {
    let ends = indices.fold(None, |ends: Option<(usize, usize)>, at| match ends {
        None => Some((at, at)),
        Some((first, last)) => Some((first.min(at), last.max(at))),
    });
    ends.map(|(first, last)| first as u64..last as u64 + 1)
}

/// Ascending indices of a circle of `length` as ranges: one, or two where they reach both ends and not the middle.
fn around(indices: impl Iterator<Item = usize>, length: u64) -> Option<Vec<Range<u64>>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for index in indices.map(|index| index as u64) {
        match runs.last_mut().filter(|run| run.end == index) {
            Some(run) => run.end += 1,
            None => runs.push(index..index + 1),
        }
    }
    let (first, last) = (runs.first()?.clone(), runs.last()?.clone());
    match runs.len() {
        2 if first.start == 0 && last.end == length => Some(vec![last, first]),
        _ => Some(vec![first.start..last.end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str) -> BoundingBox {
        text.parse().expect("a box")
    }

    fn global() -> CoordinateGrid {
        let lat = (0..19).map(|row| 90.0 - 10.0 * f64::from(row)).collect();
        let lon = (0..36).map(|column| 10.0 * f64::from(column)).collect();
        CoordinateGrid::rectilinear(lat, lon, None, None).expect("a grid")
    }

    #[test]
    fn both_conventions_of_longitude_are_understood() {
        let found = |text: &str| global().within_box(&bounds(text)).map(|found| (found.rows, found.columns));
        assert_eq!(found("20,-30,50,40"), Some((vec![5..13], vec![2..6])));
        assert_eq!(found("-160,0,-140,0"), Some((vec![9..10], vec![20..23])));
        assert_eq!(found("-15,0,15,9"), Some((vec![9..10], vec![35..36, 0..2])));
        assert_eq!(found("170,0,-170,0"), Some((vec![9..10], vec![17..20])));
        assert_eq!(found("-180,-90,180,90"), Some((vec![0..19], vec![0..36])));
        assert_eq!(found("0,0,360,0"), Some((vec![9..10], vec![0..36])));
        assert_eq!(found("1,1,2,2"), None);
    }

    #[test]
    fn coordinates_of_32_bits_are_what_was_typed() {
        let lat: Vec<f64> = [0.1f32, 0.2, 0.3].map(f64::from).into();
        let grid = CoordinateGrid::rectilinear(lat.clone(), lat, None, None).expect("a grid");
        let found = grid.within_box(&bounds("0.1,0.2,0.2,0.3")).expect("cells");
        assert_eq!((found.rows, found.columns), (vec![1..3], vec![0..2]));
    }

    #[test]
    fn grids_without_axes_have_a_box_around_the_cells() {
        let (lat, lon) = (vec![0.0, 0.0, 5.0, 5.0, f64::NAN, 9.0], vec![0.0, 5.0, 1.0, 6.0, f64::NAN, 7.0]);
        let plane = CoordinateGrid::curvilinear(3, 2, lat.clone(), lon.clone()).expect("a grid");
        let found = plane.within_box(&bounds("4,-1,6,6")).expect("cells");
        assert_eq!((found.rows, found.columns), (vec![0..2], vec![1..2]));
        let scattered = CoordinateGrid::scattered(lat, lon).expect("a grid");
        let found = scattered.within_box(&bounds("4,-1,6,6")).expect("cells");
        assert_eq!((found.rows, found.columns), (vec![1..4], vec![0..1]));
    }

    #[test]
    fn what_is_no_box_is_refused() {
        for (text, word) in [
            ("1,2,3", "four"),
            ("1,2,3,4,5", "four"),
            ("a,2,3,4", "four"),
            ("0,50,10,40", "order"),
            ("50,0,60,170", "latitude"),
            ("0,0,400,1", "longitude"),
        ] {
            assert!(BoundingBox::from_str(text).expect_err(text).contains(word), "{text}");
        }
    }
}
