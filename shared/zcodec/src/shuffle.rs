//! The byte shuffle with AVX2, for the common element sizes. `blosc-src` compiles c-blosc's own only where the whole program may
//! use AVX2; the result is the same.

#![allow(unsafe_code)]

/// Shuffles `src` to `dst`, of the same length; `false` (nothing is written) if the element size or the processor needs another way.
pub fn shuffle(typesize: usize, src: &[u8], dst: &mut [u8]) -> bool {
    debug_assert_eq!(src.len(), dst.len());
    let elements = src.len() / typesize.max(1);
    let Some(done) = x86::shuffle(typesize, elements, src, dst) else { return false };
    let (whole, rest) = src.split_at(elements * typesize);
    for lane in 0..typesize {
        let bytes = whole[done * typesize..].iter().skip(lane).step_by(typesize);
        dst[lane * elements + done..].iter_mut().zip(bytes).for_each(|(byte, from)| *byte = *from);
    }
    dst[elements * typesize..].copy_from_slice(rest);
    true
}

/// Reverses [`shuffle`].
pub fn unshuffle(typesize: usize, src: &[u8], dst: &mut [u8]) -> bool {
    debug_assert_eq!(src.len(), dst.len());
    let elements = src.len() / typesize.max(1);
    let Some(done) = x86::unshuffle(typesize, elements, src, dst) else { return false };
    let (whole, rest) = dst.split_at_mut(elements * typesize);
    for lane in 0..typesize {
        let bytes = src[lane * elements + done..][..elements - done].iter();
        let places = whole[done * typesize..].iter_mut().skip(lane).step_by(typesize);
        places.zip(bytes).for_each(|(byte, from)| *byte = *from);
    }
    rest.copy_from_slice(&src[elements * typesize..]);
    true
}

#[cfg(not(target_arch = "x86_64"))]
mod x86 {
    pub fn shuffle(_: usize, _: usize, _: &[u8], _: &mut [u8]) -> Option<usize> {
        None
    }

    pub use shuffle as unshuffle;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::similar_names, reason = "registers are numbered")]

    use std::arch::x86_64::*;

    /// Elements at once: a register of each lane.
    const GROUP: usize = 32;

    /// Shuffles whole groups; returns how many elements that are.
    pub fn shuffle(typesize: usize, elements: usize, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        check(typesize, elements, src, dst)?;
        let groups = elements / GROUP;
        // SAFETY: the processor has AVX2, and both slices hold `elements` elements, as was checked.
        unsafe {
            match typesize {
                2 => shuffle2(groups, elements, src.as_ptr(), dst.as_mut_ptr()),
                4 => shuffle4(groups, elements, src.as_ptr(), dst.as_mut_ptr()),
                _ => shuffle8(groups, elements, src.as_ptr(), dst.as_mut_ptr()),
            }
        }
        Some(groups * GROUP)
    }

    /// Reverses [`shuffle`].
    pub fn unshuffle(typesize: usize, elements: usize, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        check(typesize, elements, src, dst)?;
        let groups = elements / GROUP;
        // SAFETY: as in `shuffle`.
        unsafe {
            match typesize {
                2 => unshuffle2(groups, elements, src.as_ptr(), dst.as_mut_ptr()),
                4 => unshuffle4(groups, elements, src.as_ptr(), dst.as_mut_ptr()),
                _ => unshuffle8(groups, elements, src.as_ptr(), dst.as_mut_ptr()),
            }
        }
        Some(groups * GROUP)
    }

    fn check(typesize: usize, elements: usize, src: &[u8], dst: &[u8]) -> Option<()> {
        let bytes = elements.checked_mul(typesize)?;
        assert!(bytes <= src.len() && bytes <= dst.len());
        (matches!(typesize, 2 | 4 | 8) && is_x86_feature_detected!("avx2")).then_some(())
    }

    // SAFETY, of all functions below: group `group` reads or writes elements `32 * group..32 * (group + 1)`, which both buffers
    // hold: 32 bytes of each lane, and as many registers of elements as there are lanes.

    #[target_feature(enable = "avx2")]
    unsafe fn load(from: *const u8, at: usize) -> __m256i {
        unsafe { _mm256_loadu_si256(from.add(at).cast()) }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn store(to: *mut u8, at: usize, value: __m256i) {
        unsafe { _mm256_storeu_si256(to.add(at).cast(), value) }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn shuffle2(groups: usize, elements: usize, src: *const u8, dst: *mut u8) {
        let low = _mm256_set1_epi16(0xff);
        for group in 0..groups {
            let at = group * GROUP;
            unsafe {
                let [a, b] = [load(src, at * 2), load(src, at * 2 + 32)];
                let first = _mm256_packus_epi16(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
                let second = _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
                store(dst, at, _mm256_permute4x64_epi64(first, 0b1101_1000));
                store(dst, elements + at, _mm256_permute4x64_epi64(second, 0b1101_1000));
            }
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn shuffle4(groups: usize, elements: usize, src: *const u8, dst: *mut u8) {
        let by_lane = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        let together = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        for group in 0..groups {
            let at = group * GROUP;
            // In each register, eight bytes of each lane.
            let lanes = |from| {
                let bytes = _mm256_shuffle_epi8(unsafe { load(src, at * 4 + from) }, by_lane);
                _mm256_permutevar8x32_epi32(bytes, together)
            };
            let [a, b, c, d] = [lanes(0), lanes(32), lanes(64), lanes(96)];
            let [ab02, ab13] = [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)];
            let [cd02, cd13] = [_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d)];
            unsafe {
                store(dst, at, _mm256_permute2x128_si256(ab02, cd02, 0x20));
                store(dst, elements + at, _mm256_permute2x128_si256(ab13, cd13, 0x20));
                store(dst, 2 * elements + at, _mm256_permute2x128_si256(ab02, cd02, 0x31));
                store(dst, 3 * elements + at, _mm256_permute2x128_si256(ab13, cd13, 0x31));
            }
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn shuffle8(groups: usize, elements: usize, src: *const u8, dst: *mut u8) {
        let pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
        let fours = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
        for group in 0..groups {
            let at = group * GROUP;
            // In each register, four bytes of each lane.
            let lanes = |number: usize| {
                let bytes = _mm256_shuffle_epi8(unsafe { load(src, at * 8 + number * 32) }, pairs);
                _mm256_shuffle_epi8(_mm256_permute4x64_epi64(bytes, 0b1101_1000), fours)
            };
            let [a, b, c, d] = [lanes(0), lanes(1), lanes(2), lanes(3)];
            let [e, f, g, h] = [lanes(4), lanes(5), lanes(6), lanes(7)];
            // Transposes eight registers of eight words.
            let four = |a, b, c, d| {
                let [ab0, ab1] = [_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)];
                let [cd0, cd1] = [_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d)];
                [
                    _mm256_unpacklo_epi64(ab0, cd0),
                    _mm256_unpackhi_epi64(ab0, cd0),
                    _mm256_unpacklo_epi64(ab1, cd1),
                    _mm256_unpackhi_epi64(ab1, cd1),
                ]
            };
            let (front, back) = (four(a, b, c, d), four(e, f, g, h));
            for lane in 0..4 {
                let (front, back) = (front[lane], back[lane]);
                unsafe {
                    store(dst, lane * elements + at, _mm256_permute2x128_si256(front, back, 0x20));
                    store(dst, (lane + 4) * elements + at, _mm256_permute2x128_si256(front, back, 0x31));
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn unshuffle2(groups: usize, elements: usize, src: *const u8, dst: *mut u8) {
        for group in 0..groups {
            let at = group * GROUP;
            unsafe {
                let [low, high] = [load(src, at), load(src, elements + at)];
                let [a, b] = [_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)];
                store(dst, at * 2, _mm256_permute2x128_si256(a, b, 0x20));
                store(dst, at * 2 + 32, _mm256_permute2x128_si256(a, b, 0x31));
            }
        }
    }

    /// Elements of four lanes, in the order of registers that `unpack` leaves: 0 to 3 and 16 to 19, 4 to 7 and 20 to 23, and so on.
    #[target_feature(enable = "avx2")]
    unsafe fn four_lanes(src: *const u8, elements: usize, first: usize, at: usize) -> [__m256i; 4] {
        let lane = |lane: usize| unsafe { load(src, (first + lane) * elements + at) };
        let [a, b, c, d] = [lane(0), lane(1), lane(2), lane(3)];
        let [ab0, ab1] = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
        let [cd0, cd1] = [_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d)];
        [
            _mm256_unpacklo_epi16(ab0, cd0),
            _mm256_unpackhi_epi16(ab0, cd0),
            _mm256_unpacklo_epi16(ab1, cd1),
            _mm256_unpackhi_epi16(ab1, cd1),
        ]
    }

    #[target_feature(enable = "avx2")]
    unsafe fn unshuffle4(groups: usize, elements: usize, src: *const u8, dst: *mut u8) {
        for group in 0..groups {
            let at = group * GROUP;
            unsafe {
                let [a, b, c, d] = four_lanes(src, elements, 0, at);
                store(dst, at * 4, _mm256_permute2x128_si256(a, b, 0x20));
                store(dst, at * 4 + 32, _mm256_permute2x128_si256(c, d, 0x20));
                store(dst, at * 4 + 64, _mm256_permute2x128_si256(a, b, 0x31));
                store(dst, at * 4 + 96, _mm256_permute2x128_si256(c, d, 0x31));
            }
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn unshuffle8(groups: usize, elements: usize, src: *const u8, dst: *mut u8) {
        for group in 0..groups {
            let at = group * GROUP;
            unsafe {
                let (low, high) = (four_lanes(src, elements, 0, at), four_lanes(src, elements, 4, at));
                for (number, (low, high)) in low.into_iter().zip(high).enumerate() {
                    let [a, b] = [_mm256_unpacklo_epi32(low, high), _mm256_unpackhi_epi32(low, high)];
                    store(dst, at * 8 + number * 32, _mm256_permute2x128_si256(a, b, 0x20));
                    store(dst, at * 8 + number * 32 + 128, _mm256_permute2x128_si256(a, b, 0x31));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_where_its_lane_is_and_comes_back() {
        for typesize in [2, 4, 8] {
            for len in (0..700).chain([4096, 100_003]) {
                let src: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
                let (mut shuffled, mut back) = (vec![1; len], vec![2; len]);
                if !shuffle(typesize, &src, &mut shuffled) {
                    return;
                }
                let elements = len / typesize;
                for (at, byte) in src.iter().enumerate() {
                    let (element, lane) = (at / typesize, at % typesize);
                    let place = if element < elements { lane * elements + element } else { at };
                    assert_eq!(shuffled[place], *byte, "{typesize} {len} {at}");
                }
                assert!(unshuffle(typesize, &shuffled, &mut back) && back == src, "{typesize} {len}");
            }
        }
        assert!(!shuffle(3, &[0; 300], &mut [0; 300]) && !unshuffle(16, &[0; 320], &mut [0; 320]));
    }
}
