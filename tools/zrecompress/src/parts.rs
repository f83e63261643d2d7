//! Which units of the work are part I of N: contiguous, disjoint, complete, and about equally many bytes each.

use std::ops::Range;

use zcli::Part;

use crate::plan::ArrayPlan;

/// What a unit of an array counts of which no size is known.
const UNKNOWN: u64 = 1 << 20;

/// The units of each array that belong to `part`: a pure function of the plan.
///
/// All units stand in a row, arrays by path, each as long as it has decoded bytes; a part has those that begin in its share.
pub fn units(plans: &[ArrayPlan], part: Part) -> Vec<Range<u64>> {
    let sizes: Vec<(u64, u64)> =
        plans.iter().map(|plan| (plan.units(), plan.unit_bytes().unwrap_or(UNKNOWN).max(1))).collect();
    share(&sizes, part)
}

/// The same, of arrays with `(units, bytes of a unit)`.
fn share(sizes: &[(u64, u64)], part: Part) -> Vec<Range<u64>> {
    let total: u128 = sizes.iter().map(|(units, bytes)| u128::from(*units) * u128::from(*bytes)).sum();
    // total × number / of, which could overflow in this order.
    let of = u128::from(part.of);
    let bound = |number: u32| total / of * u128::from(number) + total % of * u128::from(number) / of;
    let (from, to) = (bound(part.number - 1), bound(part.number));
    let mut start = 0u128;
    sizes
        .iter()
        .map(|(units, bytes)| {
            // The first unit that begins at or behind a place.
            let first = |place: u128| {
                let unit = place.saturating_sub(start).div_ceil(u128::from(*bytes));
                u64::try_from(unit.min(u128::from(*units))).unwrap_or(*units)
            };
            let range = first(from)..first(to);
            start += u128::from(*units) * u128::from(*bytes);
            range
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_in_order(
            sizes in prop::collection::vec((0u64..200, 1u64..5000), 0..8), of in 1u32..40
        ) {
            let mut next = vec![0; sizes.len()];
            for number in 1..=of {
                for (array, range) in share(&sizes, Part { number, of }).into_iter().enumerate() {
                    if !range.is_empty() {
                        prop_assert_eq!(range.start, next[array]);
                        next[array] = range.end;
                    }
                }
            }
            let all: Vec<u64> = sizes.iter().map(|(units, _)| *units).collect();
            prop_assert_eq!(next, all);
        }

        #[test]
        fn no_part_has_more_than_its_share_and_a_unit(units in 1u64..10_000, of in 1u32..100) {
            for number in 1..=of {
                let range = &share(&[(units, 7)], Part { number, of })[0];
                prop_assert!(range.end.saturating_sub(range.start) <= units / u64::from(of) + 1);
            }
        }
    }

    #[test]
    fn sizes_beyond_64_bits_are_shared_out() {
        let ranges: Vec<_> =
            (1..=4).map(|number| share(&[(u64::MAX, u64::MAX)], Part { number, of: 4 })[0].clone()).collect();
        assert_eq!((ranges[0].start, ranges[3].end), (0, u64::MAX));
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
