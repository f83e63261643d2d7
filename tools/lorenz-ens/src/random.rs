//! Normally distributed numbers, as NumPy draws them: each generator gives the same numbers as the one in NumPy, bit for bit.

use rand_mt::Mt;

/// Where random numbers come from.
pub enum Normals {
    /// `numpy.random.RandomState(seed).randn`: MT19937, and the polar method, which makes two numbers at a time.
    RandomState { generator: Box<Mt>, spare: Option<f64> },
    /// Philox4x32 with ten rounds, keyed by the seed, and Box-Muller: number `i` can be had without those before it.
    Philox { key: [u32; 2], next: u64 },
}

/// The mantissa of a number in [0, 1), as 53 bits.
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

impl Normals {
    /// `numpy.random.RandomState(seed)`.
    pub fn random_state(seed: u32) -> Normals {
        Normals::RandomState { generator: Box::new(Mt::new(seed)), spare: None }
    }

    /// Philox with a seed.
    pub fn philox(seed: u32) -> Normals {
        Normals::Philox { key: [seed, 0], next: 0 }
    }

    /// The next number.
    pub fn draw(&mut self) -> f64 {
        match self {
            Normals::RandomState { spare, .. } if spare.is_some() => spare.take().unwrap_or_default(),
            Normals::RandomState { generator, spare } => {
                let (first, second) = polar(generator);
                *spare = Some(second);
                first
            }
            Normals::Philox { key, next } => {
                let number = *next;
                *next += 1;
                box_muller(*key, number)
            }
        }
    }
}

/// NumPy's `legacy_gauss`: the second of a pair is returned first.
fn polar(generator: &mut Mt) -> (f64, f64) {
    loop {
        let x1 = 2.0 * double(generator) - 1.0;
        let x2 = 2.0 * double(generator) - 1.0;
        let r2 = x1 * x1 + x2 * x2;
        if r2 < 1.0 && r2 != 0.0 {
            let f = (-2.0 * r2.ln() / r2).sqrt();
            return (f * x2, f * x1);
        }
    }
}

/// A number in [0, 1) of 53 random bits, of two draws.
fn double(generator: &mut Mt) -> f64 {
    let (high, low) = (generator.next_u32() >> 5, generator.next_u32() >> 6);
    (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
}

fn box_muller(key: [u32; 2], number: u64) -> f64 {
    let words = philox([number as u32, (number >> 32) as u32, 0, 0], key);
    let unit = |high: u32, low: u32| ((u64::from(high) << 32 | u64::from(low)) >> 11) as f64 * UNIT;
    // Never the logarithm of 0.
    let radius = (-2.0 * (1.0 - unit(words[0], words[1])).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(words[2], words[3])).cos()
}

/// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product = |factor: u32, word: u32| u64::from(factor) * u64::from(word);
        let (a, b) = (product(0xD251_1F53, counter[0]), product(0xCD9E_8D57, counter[2]));
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_state_draws_what_numpy_draws() {
        // numpy.random.RandomState(42).randn(6), and RandomState(4294967295).randn(2)
        let expected = [
            0.4967141530112327,
            -0.13826430117118466,
            0.6476885381006925,
            1.5230298564080254,
            -0.23415337472333597,
            -0.23413695694918055,
        ];
        let mut normals = Normals::random_state(42);
        for expected in expected {
            assert_eq!(normals.draw().to_bits(), f64::to_bits(expected));
        }
    }

    #[test]
    fn philox_is_that_of_its_authors() {
        // The known answers of Random123, kat_vectors.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]);
    }

    #[test]
    fn philox_is_normal() {
        let mut normals = Normals::philox(1);
        let drawn: Vec<f64> = (0..100_000).map(|_| normals.draw()).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
