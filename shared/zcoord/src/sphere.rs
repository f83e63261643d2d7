//! The sphere: points as unit vectors, distances between them, and scans of many cells for the nearest of a point.
//!
//! This module does not depend on the shape of a grid. Scans compare squared chords: they have the order of
//! great-circle distances and, unlike dot products, stay precise for nearby cells.

/// Radius of the sphere for distances, in kilometres: that of the IFS, and of its GRIB files (shape 6).
pub const EARTH_RADIUS_KM: f64 = 6371.229;

/// Cells that a scan takes at once: three columns of them stay in the second-level cache while points go by.
const BLOCK: usize = 4096;
/// Cells side by side in one step of a scan, for the compiler to put into vector registers.
const LANES: usize = 8;
/// Points that a scan takes along through each block.
const BATCH: usize = 64;
/// How far a chord may be off by rounding: cells as near as that are equally near.
const CHORD_ROUNDING: f64 = 1e-15;

/// A vector from the centre of the sphere.
pub(crate) type Vector = [f64; 3];

/// The unit vector of a point in degrees. Whole turns of longitude make no difference, not even by rounding.
pub(crate) fn unit(lat: f64, lon: f64) -> Vector {
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    let (sin_lon, cos_lon) = lon.rem_euclid(360.0).to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn scaled(a: Vector, by: f64) -> Vector {
    a.map(|part| part * by)
}

pub(crate) fn norm(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn difference(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The angle between two unit vectors in radians, exact for small ones.
pub(crate) fn angle(a: Vector, b: Vector) -> f64 {
    2.0 * (norm(difference(a, b)) / 2.0).clamp(0.0, 1.0).asin()
}

/// Kilometres along the great circle between two points in degrees.
pub(crate) fn distance_km(from: [f64; 2], to: [f64; 2]) -> f64 {
    EARTH_RADIUS_KM * angle(unit(from[0], from[1]), unit(to[0], to[1]))
}

/// Where `to` lies in the tangent plane at `at`: in its direction, and as long as the angle to it.
pub(crate) fn tangent(at: Vector, to: Vector) -> Vector {
    let flat = difference(to, scaled(at, dot(at, to)));
    match norm(flat) {
        0.0 => [0.0; 3],
        length => scaled(flat, angle(at, to) / length),
    }
}

/// The point that a vector of the tangent plane at `at` leads to, the inverse of [`tangent`].
pub(crate) fn along_great_circle(at: Vector, tangent: Vector) -> Vector {
    let length = norm(tangent);
    if length == 0.0 {
        return at;
    }
    let sideways = scaled(tangent, length.sin() / length);
    std::array::from_fn(|part| at[part] * length.cos() + sideways[part])
}

/// Many unit vectors, by component. Cells without coordinates are NaN and never found.
#[derive(Debug, Clone)]
pub(crate) struct UnitVectors {
    parts: [Vec<f64>; 3],
}

impl UnitVectors {
    /// Of coordinates in degrees.
    pub fn new(lat: &[f64], lon: &[f64]) -> UnitVectors {
        let mut parts = [(); 3].map(|()| Vec::with_capacity(lat.len()));
        for (lat, lon) in lat.iter().zip(lon) {
            let vector = unit(*lat, *lon);
            parts.iter_mut().zip(vector).for_each(|(part, value)| part.push(value));
        }
        UnitVectors { parts }
    }

    /// The vector of a cell, where it has one.
    pub fn get(&self, cell: usize) -> Option<Vector> {
        let vector = [*self.parts[0].get(cell)?, *self.parts[1].get(cell)?, *self.parts[2].get(cell)?];
        vector.iter().all(|part| part.is_finite()).then_some(vector)
    }

    /// The nearest cell of each point; of cells equally near the first.
    pub fn nearest(&self, points: &[Vector]) -> Vec<usize> {
        self.scanned(points, |point, minima| self.first_nearest(point, minima))
    }

    /// Squared chords from each point to the `N` nearest cells that are farther away than `beyond`, ascending; infinite
    /// if there are fewer.
    pub fn nearest_beyond<const N: usize>(&self, points: &[Vector], beyond: f64) -> Vec<[f64; N]> {
        self.scanned(points, |point, minima| self.smallest_beyond(point, minima, beyond))
    }

    /// What `found` makes of each point and of its smallest squared chord to each block.
    fn scanned<T>(&self, points: &[Vector], found: impl Fn(Vector, &[f64]) -> T) -> Vec<T> {
        let mut all = Vec::with_capacity(points.len());
        for batch in points.chunks(BATCH) {
            let mut minima = vec![Vec::with_capacity(self.blocks().len()); batch.len()];
            for block in self.blocks() {
                for (point, minima) in batch.iter().zip(&mut minima) {
                    minima.push(self.minimum(block, *point));
                }
            }
            all.extend(batch.iter().zip(&minima).map(|(point, minima)| found(*point, minima)));
        }
        all
    }

    /// The first cell that is as near as the smallest of the blocks' minima.
    fn first_nearest(&self, point: Vector, minima: &[f64]) -> usize {
        let least = minima.iter().copied().fold(f64::INFINITY, f64::min);
        let limit = (least.sqrt() + CHORD_ROUNDING).powi(2);
        let hits = self.blocks().zip(minima).filter(|(_, minimum)| **minimum <= limit);
        hits.flat_map(|(block, _)| self.cells(block))
            .find(|cell| self.squared_chord(*cell, point) <= limit)
            .unwrap_or_default()
    }

    /// All cells whose squared chord to `point` is at most `limit`, in their order.
    pub fn within(&self, point: Vector, limit: f64) -> Vec<usize> {
        let hits = self.blocks().filter(|block| self.minimum(*block, point) <= limit);
        hits.flat_map(|block| self.cells(block)).filter(|cell| self.squared_chord(*cell, point) <= limit).collect()
    }

    fn smallest_beyond<const N: usize>(&self, point: Vector, minima: &[f64], beyond: f64) -> [f64; N] {
        let mut found = [f64::INFINITY; N];
        // Near blocks first, so that far ones need no second look.
        let mut blocks: Vec<(usize, f64)> = self.blocks().zip(minima.iter().copied()).collect();
        blocks.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (block, minimum) in blocks {
            if !found.last().is_some_and(|farthest| minimum < *farthest) {
                break;
            }
            for cell in self.cells(block) {
                let chord = self.squared_chord(cell, point);
                if chord > beyond && chord < found[N - 1] {
                    found[N - 1] = chord;
                    found.sort_by(f64::total_cmp);
                }
            }
        }
        found
    }

    /// Numbers of the blocks.
    fn blocks(&self) -> std::ops::Range<usize> {
        0..self.parts[0].len().div_ceil(BLOCK)
    }

    /// The cells of a block.
    fn cells(&self, block: usize) -> std::ops::Range<usize> {
        let start = block * BLOCK;
        start..self.parts[0].len().min(start + BLOCK)
    }

    fn squared_chord(&self, cell: usize, point: Vector) -> f64 {
        squared_chord([self.parts[0][cell], self.parts[1][cell], self.parts[2][cell]], point)
    }

    /// The smallest squared chord from `point` to a cell of the block; infinite where none has coordinates.
    fn minimum(&self, block: usize, point: Vector) -> f64 {
        let cells = self.cells(block);
        let [(x, x_rest), (y, y_rest), (z, z_rest)] =
            self.parts.each_ref().map(|part| part[cells.clone()].as_chunks::<LANES>());
        let mut least = [f64::INFINITY; LANES];
        for ((x, y), z) in x.iter().zip(y).zip(z) {
            for lane in 0..LANES {
                // Not `f64::min`: a comparison that is false for NaN is one instruction.
                let chord = squared_chord([x[lane], y[lane], z[lane]], point);
                least[lane] = if chord < least[lane] { chord } else { least[lane] };
            }
        }
        let rest = x_rest.iter().zip(y_rest).zip(z_rest).map(|((x, y), z)| squared_chord([*x, *y, *z], point));
        rest.chain(least).fold(f64::INFINITY, f64::min)
    }
}

#[inline(always)]
fn squared_chord(a: Vector, b: Vector) -> f64 {
    let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    x * x + y * y + z * z
}

/// The squared chord of an arc in kilometres.
pub(crate) fn squared_chord_of_km(kilometres: f64) -> f64 {
    let half = (kilometres / EARTH_RADIUS_KM).min(std::f64::consts::PI) / 2.0;
    (2.0 * half.sin()).powi(2)
}

/// Kilometres of a squared chord.
pub(crate) fn km_of_squared_chord(squared: f64) -> f64 {
    EARTH_RADIUS_KM * 2.0 * (squared.sqrt() / 2.0).clamp(0.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn haversine_km(from: [f64; 2], to: [f64; 2]) -> f64 {
        let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let cosines = from[0].to_radians().cos() * to[0].to_radians().cos();
        let squared = half(to[0] - from[0]) + cosines * half(to[1] - from[1]);
        2.0 * EARTH_RADIUS_KM * squared.sqrt().clamp(0.0, 1.0).asin()
    }

    #[test]
    fn a_quarter_of_the_equator() {
        let quarter = EARTH_RADIUS_KM * std::f64::consts::FRAC_PI_2;
        assert!((distance_km([0.0, 350.0], [0.0, 80.0]) - quarter).abs() < 1e-9);
        assert!((distance_km([0.0, 12.0], [90.0, -170.0]) - quarter).abs() < 1e-9);
        assert!((distance_km([90.0, 0.0], [-90.0, 0.0]) - 2.0 * quarter).abs() < 1e-6);
    }

    #[test]
    fn the_first_of_equal_cells_wins_across_blocks() {
        let lon: Vec<f64> = (0..3 * BLOCK + 5).map(|cell| if cell % BLOCK == 7 { 40.0 } else { -40.0 }).collect();
        let cells = UnitVectors::new(&vec![10.0; lon.len()], &lon);
        let points = [unit(11.0, 400.0), unit(11.0, 320.0), unit(10.0, 0.0)];
        assert_eq!(cells.nearest(&points), [7, 0, 0]);
    }

    #[test]
    fn the_nearest_beyond_skip_cells_at_the_same_point() {
        let cells = UnitVectors::new(&[0.0, 3.0, 0.0, 2.0, 1.0, 4.0], &[0.0; 6]);
        let found = cells.nearest_beyond::<3>(&[unit(0.0, 0.0), unit(4.0, 0.0)], 1e-20);
        let degree = |chord: f64| (km_of_squared_chord(chord) / EARTH_RADIUS_KM).to_degrees().round() as i32;
        let degrees: Vec<[i32; 3]> = found.into_iter().map(|chords| chords.map(degree)).collect();
        assert_eq!(degrees, [[1, 2, 3], [1, 2, 3]]);
        let few = UnitVectors::new(&[0.0, 1.0], &[0.0; 2]).nearest_beyond::<3>(&[unit(0.0, 0.0)], 1e-20);
        assert!(few[0][0].is_finite() && few[0][1].is_infinite() && few[0][2].is_infinite());
    }

    #[test]
    fn cells_without_a_place_are_never_found() {
        let cells = UnitVectors::new(&[f64::NAN, 80.0, f64::NAN], &[0.0, 0.0, 0.0]);
        assert_eq!(cells.nearest(&[unit(-80.0, 180.0)]), [1]);
        assert_eq!(cells.within(unit(0.0, 0.0), 4.0), [1]);
        assert_eq!((cells.get(0), cells.get(7)), (None, None));
    }

    proptest! {
        #[test]
        fn distances_are_those_of_the_haversine(
            from in [-90.0..=90.0_f64, -720.0..=720.0_f64], to in [-90.0..=90.0_f64, -720.0..=720.0_f64],
        ) {
            // Near the antipode neither formula has more digits than this.
            prop_assert!((distance_km(from, to) - haversine_km(from, to)).abs() < 1e-3);
        }

        #[test]
        fn a_tangent_is_as_long_as_the_angle(
            at in [-90.0..=90.0_f64, 0.0..=360.0_f64], to in [-90.0..=90.0_f64, 0.0..=360.0_f64],
        ) {
            let (at, to) = (unit(at[0], at[1]), unit(to[0], to[1]));
            let tangent = tangent(at, to);
            prop_assert!(angle(along_great_circle(at, tangent), to) < 1e-6);
            prop_assert!(dot(at, tangent).abs() < 1e-6);
            prop_assert!((norm(tangent) - angle(at, to)).abs() < 1e-12);
        }

        #[test]
        fn chords_and_kilometres_are_inverse(kilometres in 0.0..20_000.0_f64) {
            prop_assert!((km_of_squared_chord(squared_chord_of_km(kilometres)) - kilometres).abs() < 1e-6);
        }
    }
}
