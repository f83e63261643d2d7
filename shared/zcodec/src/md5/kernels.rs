//! MD5 of several messages at once, in vectors of the processor: AVX-512 takes 16 messages and has the logic of a step and its
//! rotation in one instruction each, AVX2 takes 8. The only unsafe code calls functions that were compiled for such instructions.

use super::state::{Blocks, State};

/// Adds blocks to the states of messages. Each message has as many blocks.
pub type Kernel = fn(&mut [State], &[Blocks]);

/// The kernel for so many messages, and how many it takes; none where the processor has no such instructions.
pub fn kernel(messages: usize) -> Option<(Kernel, usize)> {
    #[cfg(target_arch = "x86_64")]
    if x86::has_avx512() {
        return Some(match messages {
            0..=4 => (x86::quad_avx512, 4),
            5..=8 => (x86::eight_avx512, 8),
            _ => (x86::sixteen_avx512, 16),
        });
    }
    #[cfg(target_arch = "x86_64")]
    if x86::has_avx2() && messages > 4 {
        return Some((x86::eight_avx2, 8));
    }
    let _ = messages;
    None
}

/// All kernels for this processor.
#[cfg(test)]
pub fn available() -> Vec<(Kernel, usize)> {
    let mut all: Vec<(Kernel, usize)> = [1, 5, 9].into_iter().filter_map(kernel).collect();
    #[cfg(target_arch = "x86_64")]
    if x86::has_avx2() {
        all.push((x86::eight_avx2, 8));
    }
    all
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use crate::md5::state::{BLOCK, Blocks, K, State};

    pub fn has_avx512() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl")
    }

    pub fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
    }

    /// 16 bytes of a block.
    #[inline]
    fn quarter(block: &[u8; BLOCK], number: usize) -> __m128i {
        let bytes: [u8; 16] = block.as_chunks::<16>().0[number];
        // SAFETY: both are 16 bytes of any value.
        unsafe { std::mem::transmute::<[u8; 16], __m128i>(bytes) }
    }

    /// A kernel. `$join` makes a vector of quarters of several messages; element `4 q + r` is that of message `4 q + r`, where
    /// the quarters of `r`, `r + 4`, ... are joined.
    macro_rules! kernel {
        (
            $name:ident, $inner:ident, $features:literal, $is_there:ident, $vector:ty, $lanes:literal,
            $join:expr, $set:ident, $add:ident, $low32:ident, $high32:ident, $low64:ident, $high64:ident, $mix:ident, $turn:ident
        ) => {
            pub fn $name(states: &mut [State], messages: &[Blocks]) {
                assert!($is_there());
                // SAFETY: the processor has these instructions, as the line above has checked.
                unsafe { $inner(states, messages) }
            }

            #[target_feature(enable = $features)]
            fn $inner(states: &mut [State], messages: &[Blocks]) {
                let Some(last) = states.len().min(messages.len()).checked_sub(1) else { return };
                // Lanes without a message repeat the last one.
                let blocks: [Blocks; $lanes] = std::array::from_fn(|lane| messages[lane.min(last)]);
                let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
                let load = |word: usize| -> $vector {
                    let words: [u32; $lanes] = std::array::from_fn(|lane| states[lane.min(last)][word]);
                    // SAFETY: both are as many bytes of any value.
                    unsafe { std::mem::transmute::<[u32; $lanes], $vector>(words) }
                };
                let [mut a, mut b, mut c, mut d] = [load(0), load(1), load(2), load(3)];
                for number in 0..count {
                    let mut words = [$set(0); 16];
                    for four in 0..4 {
                        let of = |lane: usize| quarter(&blocks[lane][number], four);
                        let [w, x, y, z] = [$join(&of, 0), $join(&of, 1), $join(&of, 2), $join(&of, 3)];
                        let (even, odd) = ([$low32(w, x), $low32(y, z)], [$high32(w, x), $high32(y, z)]);
                        words[4 * four] = $low64(even[0], even[1]);
                        words[4 * four + 1] = $high64(even[0], even[1]);
                        words[4 * four + 2] = $low64(odd[0], odd[1]);
                        words[4 * four + 3] = $high64(odd[0], odd[1]);
                    }
                    let before = [a, b, c, d];
                    macro_rules! step {
                        ($round:tt, $number:expr, $word:expr, $left:literal, $a:ident $b:ident $c:ident $d:ident) => {
                            let sum = $add($add($a, $add(words[$word % 16], $set(K[$number] as i32))), $mix!($round, $b, $c, $d));
                            $a = $add($turn!(sum, $left), $b);
                        };
                    }
                    macro_rules! four_steps {
                        ($round:tt, $number:expr, $first:expr, $stride:expr, $w:literal $x:literal $y:literal $z:literal) => {
                            step!($round, $number, $first, $w, a b c d);
                            step!($round, $number + 1, $first + $stride, $x, d a b c);
                            step!($round, $number + 2, $first + 2 * $stride, $y, c d a b);
                            step!($round, $number + 3, $first + 3 * $stride, $z, b c d a);
                        };
                    }
                    four_steps!(0, 0, 0, 1, 7 12 17 22);
                    four_steps!(0, 4, 4, 1, 7 12 17 22);
                    four_steps!(0, 8, 8, 1, 7 12 17 22);
                    four_steps!(0, 12, 12, 1, 7 12 17 22);
                    four_steps!(1, 16, 1, 5, 5 9 14 20);
                    four_steps!(1, 20, 5, 5, 5 9 14 20);
                    four_steps!(1, 24, 9, 5, 5 9 14 20);
                    four_steps!(1, 28, 13, 5, 5 9 14 20);
                    four_steps!(2, 32, 5, 3, 4 11 16 23);
                    four_steps!(2, 36, 1, 3, 4 11 16 23);
                    four_steps!(2, 40, 13, 3, 4 11 16 23);
                    four_steps!(2, 44, 9, 3, 4 11 16 23);
                    four_steps!(3, 48, 0, 7, 6 10 15 21);
                    four_steps!(3, 52, 12, 7, 6 10 15 21);
                    four_steps!(3, 56, 8, 7, 6 10 15 21);
                    four_steps!(3, 60, 4, 7, 6 10 15 21);
                    a = $add(a, before[0]);
                    b = $add(b, before[1]);
                    c = $add(c, before[2]);
                    d = $add(d, before[3]);
                }
                for (word, vector) in [a, b, c, d].into_iter().enumerate() {
                    // SAFETY: both are as many bytes of any value.
                    let words: [u32; $lanes] = unsafe { std::mem::transmute::<$vector, [u32; $lanes]>(vector) };
                    states.iter_mut().zip(words).for_each(|(state, new)| state[word] = new);
                }
            }
        };
    }

    /// The mixing of a round as a table of its values, for AVX-512.
    macro_rules! table {
        (0) => {
            0xca
        };
        (1) => {
            0xe4
        };
        (2) => {
            0x96
        };
        (3) => {
            0x39
        };
    }
    macro_rules! mix128 {
        ($round:tt, $b:ident, $c:ident, $d:ident) => {
            _mm_ternarylogic_epi32::<{ table!($round) }>($b, $c, $d)
        };
    }
    macro_rules! mix256 {
        ($round:tt, $b:ident, $c:ident, $d:ident) => {
            _mm256_ternarylogic_epi32::<{ table!($round) }>($b, $c, $d)
        };
    }
    macro_rules! mix512 {
        ($round:tt, $b:ident, $c:ident, $d:ident) => {
            _mm512_ternarylogic_epi32::<{ table!($round) }>($b, $c, $d)
        };
    }
    macro_rules! turn128 {
        ($sum:ident, $left:literal) => {
            _mm_rol_epi32::<$left>($sum)
        };
    }
    macro_rules! turn256 {
        ($sum:ident, $left:literal) => {
            _mm256_rol_epi32::<$left>($sum)
        };
    }
    macro_rules! turn512 {
        ($sum:ident, $left:literal) => {
            _mm512_rol_epi32::<$left>($sum)
        };
    }
    macro_rules! mix_avx2 {
        (0, $b:ident, $c:ident, $d:ident) => {
            _mm256_xor_si256($d, _mm256_and_si256($b, _mm256_xor_si256($c, $d)))
        };
        (1, $b:ident, $c:ident, $d:ident) => {
            _mm256_xor_si256($c, _mm256_and_si256($d, _mm256_xor_si256($b, $c)))
        };
        (2, $b:ident, $c:ident, $d:ident) => {
            _mm256_xor_si256(_mm256_xor_si256($c, $d), $b)
        };
        (3, $b:ident, $c:ident, $d:ident) => {
            _mm256_xor_si256($c, _mm256_or_si256($b, _mm256_xor_si256($d, _mm256_set1_epi32(-1))))
        };
    }
    macro_rules! turn_avx2 {
        ($sum:ident, $left:literal) => {
            _mm256_or_si256(_mm256_slli_epi32::<$left>($sum), _mm256_srli_epi32::<{ 32 - $left }>($sum))
        };
    }

    #[inline]
    fn one(of: &impl Fn(usize) -> __m128i, lane: usize) -> __m128i {
        of(lane)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn two(of: &impl Fn(usize) -> __m128i, lane: usize) -> __m256i {
        _mm256_set_m128i(of(lane + 4), of(lane))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn four(of: &impl Fn(usize) -> __m128i, lane: usize) -> __m512i {
        let low = _mm512_castsi256_si512(_mm256_set_m128i(of(lane + 4), of(lane)));
        _mm512_inserti64x4::<1>(low, _mm256_set_m128i(of(lane + 12), of(lane + 8)))
    }

    kernel!(
        quad_avx512,
        quad,
        "avx512f,avx512vl",
        has_avx512,
        __m128i,
        4,
        one,
        _mm_set1_epi32,
        _mm_add_epi32,
        _mm_unpacklo_epi32,
        _mm_unpackhi_epi32,
        _mm_unpacklo_epi64,
        _mm_unpackhi_epi64,
        mix128,
        turn128
    );
    kernel!(
        eight_avx512,
        eight,
        "avx512f,avx512vl",
        has_avx512,
        __m256i,
        8,
        two,
        _mm256_set1_epi32,
        _mm256_add_epi32,
        _mm256_unpacklo_epi32,
        _mm256_unpackhi_epi32,
        _mm256_unpacklo_epi64,
        _mm256_unpackhi_epi64,
        mix256,
        turn256
    );
    kernel!(
        sixteen_avx512,
        sixteen,
        "avx512f,avx512vl",
        has_avx512,
        __m512i,
        16,
        four,
        _mm512_set1_epi32,
        _mm512_add_epi32,
        _mm512_unpacklo_epi32,
        _mm512_unpackhi_epi32,
        _mm512_unpacklo_epi64,
        _mm512_unpackhi_epi64,
        mix512,
        turn512
    );
    kernel!(
        eight_avx2,
        eight_of_avx2,
        "avx2",
        has_avx2,
        __m256i,
        8,
        two,
        _mm256_set1_epi32,
        _mm256_add_epi32,
        _mm256_unpacklo_epi32,
        _mm256_unpackhi_epi32,
        _mm256_unpacklo_epi64,
        _mm256_unpackhi_epi64,
        mix_avx2,
        turn_avx2
    );
}
