//! Small objects are looked at in groups: to hand an object to another thread takes about as long as to read a small one.

/// Bytes that are worth a task of their own.
const TASK: u64 = 256 << 10;

/// The most objects of a group.
const MOST: u64 = 64;

/// How many objects of `bytes` a group has. The latency of a remote store is worth a task.
pub fn group_len(bytes: u64, is_remote: bool) -> u64 {
    if is_remote { 1 } else { (TASK / bytes.max(1)).clamp(1, MOST) }
}

/// Groups of items, in their order.
pub struct Groups<I> {
    items: I,
    len: usize,
}

impl<I: Iterator> Groups<I> {
    /// Groups of `len` items.
    pub fn new(items: I, len: u64) -> Groups<I> {
        Groups { items, len: zcodec::to_usize(len.max(1)) }
    }
}

impl<I: Iterator> Iterator for Groups<I> {
    type Item = Vec<I::Item>;

    fn next(&mut self) -> Option<Vec<I::Item>> {
        let group: Vec<I::Item> = self.items.by_ref().take(self.len).collect();
        (!group.is_empty()).then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_all_items_in_order() {
        let groups: Vec<Vec<u64>> = Groups::new(0..7, 3).collect();
        assert_eq!(groups, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        assert_eq!(Groups::new(0..0, 3).count(), 0);
        assert_eq!([group_len(1, false), group_len(100 << 10, false), group_len(4 << 20, false)], [64, 2, 1]);
        assert_eq!(group_len(1, true), 1);
    }
}
