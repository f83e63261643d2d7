//! The grid, and which `file_id`s are in which batch.

use serde::{Deserialize, Serialize};

/// Evenly spaced coordinates: `FIRST:LAST:COUNT`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    pub first: f64,
    pub last: f64,
    pub count: u64,
}

impl Axis {
    /// Reads `FIRST:LAST:COUNT`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Axis, String> {
        let wrong = || format!("{text:?} is not FIRST:LAST:COUNT, such as 90:-90:91");
        let parts: Vec<&str> = text.split(':').collect();
        let [first, last, count] = parts.as_slice() else { return Err(wrong()) };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(wrong);
        let count: u64 = count.trim().parse().map_err(|_| wrong())?;
        let axis = Axis { first: number(first)?, last: number(last)?, count };
        match axis.count {
            0 => Err("a grid must have at least one cell".into()),
            2.. if axis.first == axis.last => Err(format!("{text:?}: several cells need different coordinates")),
            _ => Ok(axis),
        }
    }

    /// As it is typed.
    pub fn text(&self) -> String {
        format!("{}:{}:{}", self.first, self.last, self.count)
    }

    /// The coordinate of a cell.
    pub fn at(&self, index: u64) -> f64 {
        match self.count {
            0 | 1 => self.first,
            count => self.first + (self.last - self.first) * (index as f64 / (count - 1) as f64),
        }
    }
}

/// A latitude-longitude grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GridShape {
    pub latitude: Axis,
    pub longitude: Axis,
}

impl GridShape {
    /// Reads `LAT0:LAT1:N,LON0:LON1:M`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<GridShape, String> {
        let (latitude, longitude) =
            text.split_once(',').ok_or("must be LAT0:LAT1:N,LON0:LON1:M, such as 90:-90:91,0:358:180")?;
        let grid = GridShape { latitude: Axis::parse(latitude)?, longitude: Axis::parse(longitude)? };
        let is_latitude = |degrees: f64| (-90.0..=90.0).contains(&degrees);
        if !is_latitude(grid.latitude.first) || !is_latitude(grid.latitude.last) {
            return Err("latitudes must be between -90 and 90".into());
        }
        match grid.latitude.count.checked_mul(grid.longitude.count) {
            Some(cells) if cells <= u64::from(u32::MAX) => Ok(grid),
            _ => Err("a grid must not have more than 4,294,967,295 cells".into()),
        }
    }

    /// As it is typed.
    pub fn text(&self) -> String {
        format!("{},{}", self.latitude.text(), self.longitude.text())
    }

    /// Number of cells.
    pub fn cells(&self) -> u64 {
        self.latitude.count * self.longitude.count
    }
}

/// The largest `file_id`, and the smallest but for its sign.
pub const LARGEST_ID: i64 = 1 << 62;

/// The `file_id`s of each batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileIds {
    /// So many in each batch, one after the other.
    Each(u64),
    /// These ranges, the end excluded.
    Ranges(Vec<[i64; 2]>),
}

impl FileIds {
    /// Reads `N`, or `A:B,C:D,…`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<FileIds, String> {
        if let Ok(count) = text.parse::<u64>() {
            return match count {
                0 => Err("a batch must have at least one file_id".into()),
                _ if count > LARGEST_ID as u64 => Err(too_large()),
                _ => Ok(FileIds::Each(count)),
            };
        }
        let range = |part: &str| {
            let (start, end) = part.split_once(':')?;
            let (start, end): (i64, i64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
            (start < end).then_some([start, end])
        };
        let ranges: Option<Vec<[i64; 2]>> = text.split(',').map(range).collect();
        let ranges = ranges.ok_or("must be N for each batch, or a range A:B for each: 0:4,4:8")?;
        let is_small = |id: &i64| (-LARGEST_ID..=LARGEST_ID).contains(id);
        if ranges.iter().flatten().all(is_small) { Ok(FileIds::Ranges(ranges)) } else { Err(too_large()) }
    }

    /// The range of each of `batches` batches.
    ///
    /// # Errors
    /// Another number of ranges; more `file_id`s than can be counted.
    pub fn ranges(&self, batches: u64) -> Result<Vec<[i64; 2]>, String> {
        match self {
            FileIds::Each(count) => {
                let last = count.checked_mul(batches).filter(|last| *last <= LARGEST_ID as u64);
                last.ok_or_else(|| format!("--batches and --file-ids: {}", too_large()))?;
                let at = |batch: u64| (batch * count) as i64;
                Ok((0..batches).map(|batch| [at(batch), at(batch + 1)]).collect())
            }
            FileIds::Ranges(ranges) if ranges.len() as u64 == batches => Ok(ranges.clone()),
            FileIds::Ranges(ranges) => {
                Err(format!("--file-ids has {} ranges, but there are {batches} batches", ranges.len()))
            }
        }
    }
}

fn too_large() -> String {
    "file_ids must not be beyond 2^62".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_read() {
        let grid = GridShape::parse("90:-90:3, 0:270:4").expect("a grid");
        assert_eq!((0..3).map(|row| grid.latitude.at(row)).collect::<Vec<_>>(), [90.0, 0.0, -90.0]);
        assert_eq!((grid.longitude.at(3), grid.cells()), (270.0, 12));
        assert_eq!(grid.text(), "90:-90:3,0:270:4");
        for bad in
            ["", "90:-90:3", "91:0:2,0:1:2", "0:0:2,0:1:2", "0:1:0,0:1:2", "0:1:x,0:1:2", "0:1:99999999,0:1:99999999"]
        {
            assert!(GridShape::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_ids_follow_each_other_or_are_given() {
        assert_eq!(FileIds::parse("3").and_then(|ids| ids.ranges(2)), Ok(vec![[0, 3], [3, 6]]));
        assert_eq!(FileIds::parse("0:4,2:5").and_then(|ids| ids.ranges(2)), Ok(vec![[0, 4], [2, 5]]));
        assert!(FileIds::parse("0:4").and_then(|ids| ids.ranges(2)).is_err());
        for bad in ["", "0", "4:4", "a:b", "0:4,", "5000000000000000000", "0:9223372036854775807"] {
            assert!(FileIds::parse(bad).is_err(), "{bad}");
        }
        let many = FileIds::parse("4611686018427387904").expect("2^62");
        assert_eq!(many.ranges(1), Ok(vec![[0, 1 << 62]]));
        assert!(many.ranges(2).is_err_and(|text| text.contains("--file-ids")));
    }
}
