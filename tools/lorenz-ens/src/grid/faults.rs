//! Faults of real archives, planted in batches: file_ids that occur twice, chunks that are missing or damaged, a file that is all NaN.

use zcodec::HEADER_LEN;
use zstore::Store;
use zwire::{Exit, Failure};

/// Batches of the archive in which the faults were found.
pub const SEED_BATCHES: u64 = 22;

/// file_ids that occur twice.
const DUPLICATES: i64 = 26;

/// file_ids of a batch that only it has.
const OWN: i64 = 3;

/// Where faults are planted: all in the last batch with files that no other batch has, in such files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// The batch.
    pub batch: u64,
    /// The file whose second variable is all NaN.
    pub nan_file: i64,
    /// The file of whose third variable all chunks are missing, and of whose first variable one is damaged.
    pub damaged_file: i64,
}

impl Faults {
    /// Variables that are needed.
    pub const VARIABLES: u64 = 3;

    /// The faults of batches with these file_ids: in the last two files of a batch that no other has, or in the only one. `None` if
    /// every file is in several batches.
    pub fn of(ranges: &[[i64; 2]]) -> Option<Faults> {
        let own = own(ranges);
        let (batch, _) = *own.iter().max_by_key(|(batch, [_, end])| (*batch, *end))?;
        let mut files =
            own.iter().filter(|(of, _)| *of == batch).rev().flat_map(|(_, [start, end])| (*start..*end).rev());
        let damaged_file = files.next()?;
        Some(Faults { batch: batch as u64, nan_file: files.next().unwrap_or(damaged_file), damaged_file })
    }

    /// file_ids of which 26 occur twice: for 22 batches those of the archive, with 95 in all.
    pub fn file_ids(batches: u64) -> Vec<[i64; 2]> {
        if batches == SEED_BATCHES {
            return seed();
        }
        let others = i64::try_from(batches).unwrap_or(i64::MAX) - 1;
        let overlap =
            |number: i64| if others == 0 { 0 } else { DUPLICATES / others + i64::from(number < DUPLICATES % others) };
        let most = overlap(0);
        let mut ranges = vec![[0, most + OWN]];
        for number in 0..others {
            let start = ranges.last().map_or(0, |[_, end]| *end) - overlap(number);
            ranges.push([start, start + most + OWN]);
        }
        ranges
    }
}

/// The ranges of file_ids that a single batch has, in order, with the number of that batch.
fn own(ranges: &[[i64; 2]]) -> Vec<(usize, [i64; 2])> {
    let mut ends: Vec<(i64, bool, usize)> = Vec::with_capacity(2 * ranges.len());
    for (batch, [start, end]) in ranges.iter().enumerate() {
        ends.extend([(*start, true, batch), (*end, false, batch)]);
    }
    ends.sort_unstable();
    // While a single batch is open, the sum of the numbers of open ones is its number.
    let (mut open, mut sum, mut own) = (0usize, 0usize, Vec::new());
    for pair in ends.windows(2) {
        let ((first, begins, batch), (next, ..)) = (pair[0], pair[1]);
        match begins {
            true => (open, sum) = (open + 1, sum + batch),
            false => (open, sum) = (open - 1, sum - batch),
        }
        if open == 1 && first < next {
            own.push((sum, [first, next]));
        }
    }
    own
}

fn seed() -> Vec<[i64; 2]> {
    let mut ranges = vec![[0, 4], [0, 4], [4, 7]];
    for number in 0..SEED_BATCHES as i64 - 3 {
        let end = ranges.last().map_or(0, |[_, end]| *end);
        let start = if number < 11 { end - 2 } else { end };
        ranges.push([start, start + if number < 8 { 5 } else { 4 }]);
    }
    ranges
}

/// Damages the object `key`: the header of its Blosc frame becomes zeros. Doing it again changes nothing.
///
/// # Errors
/// An object that is not there; the store's.
pub fn damage(objects: &Store, key: &str) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    if objects.get(key, &mut bytes)?.is_none() {
        return Err(Failure::new(Exit::Output, "the chunk to be damaged is missing").at(objects.place(key)));
    }
    let header = bytes.len().min(HEADER_LEN);
    bytes[..header].fill(0);
    objects.put(key, &bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duplicates(ranges: &[[i64; 2]]) -> (usize, usize) {
        let mut ids: Vec<i64> = ranges.iter().flat_map(|[start, end]| *start..*end).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        (all, all - ids.len())
    }

    #[test]
    fn there_are_26_duplicates() {
        assert_eq!(duplicates(&Faults::file_ids(22)), (95, 26));
        for batches in [2, 3, 5, 21, 23, 40] {
            let ranges = Faults::file_ids(batches);
            assert_eq!((ranges.len() as u64, duplicates(&ranges).1), (batches, 26));
            let faults = Faults::of(&ranges).expect("batches");
            let others = &ranges[..ranges.len() - 1];
            for file in [faults.nan_file, faults.damaged_file] {
                assert!(others.iter().all(|[start, end]| !(*start..*end).contains(&file)), "{batches}");
            }
        }
        assert_eq!(duplicates(&Faults::file_ids(1)).1, 0);
    }

    #[test]
    fn faults_are_where_no_other_batch_has_the_values() {
        let faults =
            |ranges: &[[i64; 2]]| Faults::of(ranges).map(|found| (found.batch, found.nan_file, found.damaged_file));
        assert_eq!(faults(&[[0, 4], [4, 8]]), Some((1, 6, 7)));
        assert_eq!(faults(&[[0, 8], [2, 6]]), Some((0, 6, 7)));
        assert_eq!(faults(&[[0, 4], [0, 5]]), Some((1, 4, 4)));
        assert_eq!(faults(&[[4, 5], [0, 9], [6, 7], [8, 9]]), Some((1, 5, 7)));
        assert_eq!((faults(&[[0, 4], [0, 4]]), faults(&[])), (None, None));
        assert_eq!(faults(&[[3, 4]]), Some((0, 3, 3)));
    }
}
