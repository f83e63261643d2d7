//! Part I of N: contiguous, disjoint, together complete, and of about equal size.

use std::ops::Range;
use std::str::FromStr;

/// Part `number` of `of`, spelled `I/N`; 1-based, as `split -n` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 1 to `of`.
    pub number: u32,
    /// Number of parts.
    pub of: u32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Part = Part { number: 1, of: 1 };

    /// The units of each group that belong to this part. `groups` are `(units, weight of a unit)`.
    ///
    /// All units stand in one row, each as long as its weight; a part has those that begin within its share of the row. It is
    /// a pure function of its arguments, so that every process computes the same.
    pub fn ranges(self, groups: &[(u64, u64)]) -> Vec<Range<u64>> {
        let total: u128 = groups.iter().map(|(units, weight)| u128::from(*units) * u128::from(*weight)).sum();
        // total × number / of, in an order that does not overflow.
        let of = u128::from(self.of);
        let bound = |number: u32| total / of * u128::from(number) + total % of * u128::from(number) / of;
        let (from, to) = (bound(self.number - 1), bound(self.number));
        let mut start = 0u128;
        groups
            .iter()
            .map(|(units, weight)| {
                // The first unit that starts at or after a position.
                let first = |position: u128| {
                    let unit = position.saturating_sub(start).div_ceil(u128::from(*weight));
                    u64::try_from(unit.min(u128::from(*units))).unwrap_or(*units)
                };
                let range = first(from)..first(to);
                start += u128::from(*units) * u128::from(*weight);
                range
            })
            .collect()
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let wrong = || "expected I/N, with I from 1 to N".to_owned();
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let part = Part { number: number.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if (1..=part.of).contains(&part.number) { Ok(part) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_in_order(
            groups in prop::collection::vec((0u64..200, 1u64..5000), 0..8), of in 1u32..40
        ) {
            let mut next = vec![0; groups.len()];
            for number in 1..=of {
                for (group, range) in (Part { number, of }).ranges(&groups).into_iter().enumerate() {
                    if !range.is_empty() {
                        prop_assert_eq!(range.start, next[group]);
                        next[group] = range.end;
                    }
                }
            }
            let all: Vec<u64> = groups.iter().map(|(units, _)| *units).collect();
            prop_assert_eq!(next, all);
        }

        #[test]
        fn no_part_has_more_than_its_share_and_a_unit(units in 1u64..10_000, of in 1u32..100) {
            for number in 1..=of {
                let range = &(Part { number, of }).ranges(&[(units, 7)])[0];
                prop_assert!(range.end.saturating_sub(range.start) <= units / u64::from(of) + 1);
            }
        }
    }

    #[test]
    fn sizes_beyond_64_bits_are_divided() {
        let ranges: Vec<_> =
            (1..=4).map(|number| (Part { number, of: 4 }).ranges(&[(u64::MAX, u64::MAX)])[0].clone()).collect();
        assert_eq!((ranges[0].start, ranges[3].end), (0, u64::MAX));
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn a_part_is_typed_as_a_fraction() {
        assert_eq!("3/8".parse(), Ok(Part { number: 3, of: 8 }));
        for bad in ["0/8", "9/8", "3", "3/", "a/b", "1/0"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }
}
