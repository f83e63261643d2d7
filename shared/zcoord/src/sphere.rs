//! Places on the sphere: distances, and a scan of many points for the nearest ones.

/// Radius of the sphere in kilometres: the one of the IFS and of GRIB (WMO code table 3.2, code 6: 6 371 229 m).
pub const EARTH_RADIUS_KM: f64 = 6371.229;

/// Points of one block of the scan: three columns of 8 bytes, which the first level of cache holds.
const BLOCK: usize = 1024;

/// A place: degrees north, and degrees east in any convention of longitude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east: −180 … 180, 0 … 360, or any other turn.
    pub lon: f64,
}

impl Place {
    /// A place from degrees north and degrees east.
    pub fn new(lat: f64, lon: f64) -> Place {
        Place { lat, lon }
    }

    /// Why this is no place on the sphere, where it is none.
    pub(crate) fn fault(self) -> Option<String> {
        if !self.lat.is_finite() || !self.lon.is_finite() {
            return Some(format!("latitude {}, longitude {} is no place", self.lat, self.lon));
        }
        (self.lat.abs() > 90.0).then(|| format!("latitude {} is not between -90 and 90", self.lat))
    }

    /// The unit vector from the centre of the sphere.
    pub(crate) fn unit(self) -> [f64; 3] {
        let (sin_lat, cos_lat) = self.lat.to_radians().sin_cos();
        let (sin_lon, cos_lon) = self.lon.to_radians().sin_cos();
        [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    }

    /// Kilometres along the great circle to another place (haversine, on a sphere of [`EARTH_RADIUS_KM`]).
    pub fn distance_km(self, other: Place) -> f64 {
        let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let (near, far) = (self.lat.to_radians().cos(), other.lat.to_radians().cos());
        let square = half_sine(other.lat - self.lat) + near * far * half_sine(turned(other.lon - self.lon));
        2.0 * EARTH_RADIUS_KM * square.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// A difference of longitudes, brought to −180 … 180.
pub(crate) fn turned(degrees: f64) -> f64 {
    degrees - 360.0 * (degrees / 360.0).round()
}

/// A cell of a grid, and how far its centre is from the place it was looked up for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Index along latitude; along the one dimension of a scattered grid.
    pub row: usize,
    /// Index along longitude; 0 in a scattered grid.
    pub column: usize,
    /// Its latitude, as the store has it.
    pub lat: f64,
    /// Its longitude, as the store has it.
    pub lon: f64,
    /// Kilometres from the place to its centre.
    pub distance_km: f64,
}

/// Sorts cells from the nearest on; the one of the lower index first where two are as far.
pub(crate) fn nearest_first(cells: &mut [Cell]) {
    let rank = |cell: &Cell| (cell.row, cell.column);
    cells.sort_unstable_by(|a, b| a.distance_km.total_cmp(&b.distance_km).then_with(|| rank(a).cmp(&rank(b))));
}

/// A point that a scan found: the square of its chord (of the unit sphere), and its index.
pub(crate) type Found = (f64, usize);

/// Unit vectors of many points, a column each of x, y and z. A point without a place is NaN, and never found.
#[derive(Debug, Clone)]
pub(crate) struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
}

impl Points {
    /// Points of latitudes and longitudes of one length.
    pub fn new(lat: &[f64], lon: &[f64]) -> Points {
        let mut points = Points { x: Vec::new(), y: Vec::new(), z: Vec::new() };
        for column in [&mut points.x, &mut points.y, &mut points.z] {
            column.reserve_exact(lat.len());
        }
        for (&lat, &lon) in lat.iter().zip(lon) {
            let [x, y, z] = Place { lat, lon }.unit();
            points.x.push(x);
            points.y.push(y);
            points.z.push(z);
        }
        points
    }

    /// The unit vector of a point.
    pub fn at(&self, index: usize) -> [f64; 3] {
        [self.x[index], self.y[index], self.z[index]]
    }

    /// The `count` nearest points of each target, nearest first, of equally near ones the lowest index first.
    ///
    /// Block by block for all targets, so that memory is read once and not once a target. Chords and not cosines are
    /// compared: the cosine of a small angle has lost half of its digits.
    pub fn nearest(&self, targets: &[[f64; 3]], count: usize) -> Vec<Vec<Found>> {
        let mut found = vec![Vec::with_capacity(count + 1); targets.len()];
        for first in (0..self.x.len()).step_by(BLOCK) {
            for (target, best) in targets.iter().zip(&mut found) {
                if self.least(first, *target) < threshold(best, count) {
                    self.improve(first, *target, count, best);
                }
            }
        }
        found
    }

    /// All points whose chord is at most `chord`, in order of index.
    pub fn within(&self, target: [f64; 3], chord: f64) -> Vec<usize> {
        let limit = chord * chord;
        let mut found = Vec::new();
        for first in (0..self.x.len()).step_by(BLOCK) {
            if self.least(first, target) <= limit {
                found
                    .extend(self.block(first, target).enumerate().filter(|(_, d)| *d <= limit).map(|(i, _)| first + i));
            }
        }
        found
    }

    /// Squares of the chords from the target to the points of the block from `first` on.
    fn block(&self, first: usize, target: [f64; 3]) -> impl Iterator<Item = f64> {
        let range = first..self.x.len().min(first + BLOCK);
        let columns = self.x[range.clone()].iter().zip(&self.y[range.clone()]).zip(&self.z[range]);
        columns.map(move |((x, y), z)| square(x - target[0], y - target[1], z - target[2]))
    }

    /// The least square of a chord in a block; infinity where no point of it has a place.
    ///
    /// Eight minima side by side, so that the compiler can keep them in vector registers; NaN is never less.
    fn least(&self, first: usize, target: [f64; 3]) -> f64 {
        let range = first..self.x.len().min(first + BLOCK);
        let (x, x_rest) = self.x[range.clone()].as_chunks::<8>();
        let (y, y_rest) = self.y[range.clone()].as_chunks::<8>();
        let (z, z_rest) = self.z[range].as_chunks::<8>();
        let mut lanes = [f64::INFINITY; 8];
        for ((x, y), z) in x.iter().zip(y).zip(z) {
            for lane in 0..8 {
                let d = square(x[lane] - target[0], y[lane] - target[1], z[lane] - target[2]);
                lanes[lane] = if d < lanes[lane] { d } else { lanes[lane] };
            }
        }
        let rest = x_rest.iter().zip(y_rest).zip(z_rest);
        let rest = rest.map(|((x, y), z)| square(x - target[0], y - target[1], z - target[2]));
        lanes.into_iter().chain(rest).fold(f64::INFINITY, f64::min)
    }

    /// Takes the points of a block that are nearer than the worst of `best` into it.
    fn improve(&self, first: usize, target: [f64; 3], count: usize, best: &mut Vec<Found>) {
        for (index, d) in self.block(first, target).enumerate() {
            if d < threshold(best, count) {
                let position = best.partition_point(|found| found.0 <= d);
                best.insert(position, (d, first + index));
                best.truncate(count);
            }
        }
    }
}

fn square(x: f64, y: f64, z: f64) -> f64 {
    x * x + y * y + z * z
}

/// What a point has to be nearer than to be among the `count` best.
fn threshold(best: &[Found], count: usize) -> f64 {
    count.checked_sub(1).and_then(|last| best.get(last)).map_or(f64::INFINITY, |found| found.0)
}

/// The chord (of the unit sphere) that spans `km` along the great circle; the diameter where it is half a turn or more.
pub(crate) fn chord_of(km: f64) -> f64 {
    2.0 * (km / EARTH_RADIUS_KM / 2.0).clamp(0.0, std::f64::consts::FRAC_PI_2).sin()
}

/// The kilometres along the great circle that a chord (of the unit sphere) spans.
pub(crate) fn km_of(chord: f64) -> f64 {
    2.0 * EARTH_RADIUS_KM * (chord / 2.0).clamp(0.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_degree_of_the_equator_and_half_a_turn() {
        let degree = std::f64::consts::PI * EARTH_RADIUS_KM / 180.0;
        assert!((Place::new(0.0, 359.5).distance_km(Place::new(0.0, 0.5)) - degree).abs() < 1e-9);
        assert!((Place::new(90.0, 12.0).distance_km(Place::new(-90.0, 77.0)) - 180.0 * degree).abs() < 1e-6);
        // A millimetre is still a millimetre.
        let step = 1e-6 / degree;
        assert!((Place::new(45.0, 7.0).distance_km(Place::new(45.0 + step, 7.0)) / 1e-6 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn no_place() {
        assert!(Place::new(f64::NAN, 0.0).fault().is_some());
        assert!(Place::new(0.0, f64::INFINITY).fault().is_some());
        assert!(Place::new(90.1, 0.0).fault().expect("beyond the pole").contains("90.1"));
        assert_eq!(Place::new(-90.0, 720.0).fault(), None);
    }

    #[test]
    fn a_point_without_a_place_is_never_found() {
        let points = Points::new(&[f64::NAN, 10.0, f64::NAN], &[0.0, 20.0, f64::NAN]);
        let target = Place::new(0.0, 0.0).unit();
        let found: Vec<usize> = points.nearest(&[target], 3)[0].iter().map(|found| found.1).collect();
        assert_eq!(found, [1]);
        assert_eq!(points.within(target, 2.0), [1]);
    }

    proptest! {
        #[test]
        fn chords_and_kilometres_are_inverse(km in 0.0..20_000.0f64) {
            prop_assert!((km_of(chord_of(km)) - km).abs() < 1e-5);
        }

        #[test]
        fn the_scan_finds_what_a_sort_finds(
            places in prop::collection::vec((-90i32..=90, -180i32..=180), 1..3000),
            lat in -90.0..90.0f64, lon in -180.0..180.0f64, count in 1usize..5,
        ) {
            let lats: Vec<f64> = places.iter().map(|p| f64::from(p.0)).collect();
            let lons: Vec<f64> = places.iter().map(|p| f64::from(p.1)).collect();
            let points = Points::new(&lats, &lons);
            let target = Place { lat, lon }.unit();
            let chord = |i: usize| { let [x, y, z] = points.at(i); square(x - target[0], y - target[1], z - target[2]) };
            let mut order: Vec<usize> = (0..lats.len()).collect();
            order.sort_by(|a, b| chord(*a).total_cmp(&chord(*b)));
            order.truncate(count);
            let found: Vec<usize> = points.nearest(&[target], count)[0].iter().map(|found| found.1).collect();
            prop_assert_eq!(found, order);
        }
    }
}
