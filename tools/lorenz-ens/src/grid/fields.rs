//! What the fields of a batch begin with: initial conditions that vary smoothly over the grid, and climates.

use crate::grid::layout::GridShape;
use crate::kernel::Cells;
use crate::random::Normals;

/// Waves around a circle of latitude.
const WAVES: usize = 4;

/// Standard deviation of the initial conditions, as a multiple of `--spread`.
const AMPLITUDE: f64 = 6.0;

/// The initial conditions of a file: `center` and a sum of waves, drawn with a seed of their own.
pub fn initial(grid: &GridShape, center: [f64; 3], spread: f64, seed: u32, file_id: i64) -> Cells {
    let mut normals = Normals::philox(seed ^ (file_id as u32).wrapping_mul(0x9E37_79B1) ^ ((file_id >> 32) as u32));
    let field = |mean: f64, normals: &mut Normals| {
        let waves: Vec<Wave> = (1..=WAVES).map(|number| Wave::draw(number, normals)).collect();
        smooth(grid, mean, AMPLITUDE * spread, &waves)
    };
    Cells { x: field(center[0], &mut normals), y: field(center[1], &mut normals), z: field(center[2], &mut normals) }
}

/// A wave along longitude, whose amplitude and phase change with latitude.
struct Wave {
    number: f64,
    cosine: [f64; 3],
    sine: [f64; 3],
}

impl Wave {
    fn draw(number: usize, normals: &mut Normals) -> Wave {
        let scale = 1.0 / (number as f64).sqrt() / 2.0;
        let mut three = || std::array::from_fn(|_| scale * normals.draw());
        Wave { number: number as f64, cosine: three(), sine: three() }
    }

    /// Factors of cosine and sine at a latitude in radians.
    fn at(&self, latitude: f64) -> [f64; 2] {
        let profile =
            |[a, b, c]: [f64; 3]| latitude.cos() * (a + b * (2.0 * latitude).sin() + c * (3.0 * latitude).cos());
        [profile(self.cosine), profile(self.sine)]
    }
}

/// `mean + amplitude · Σ waves`: for each row a few factors, for each cell a few multiplications.
fn smooth(grid: &GridShape, mean: f64, amplitude: f64, waves: &[Wave]) -> Vec<f32> {
    let columns: Vec<Vec<[f32; 2]>> = waves
        .iter()
        .map(|wave| {
            let angle = |column| (wave.number * grid.longitude.at(column)).to_radians();
            (0..grid.longitude.count).map(|column| [angle(column).cos() as f32, angle(column).sin() as f32]).collect()
        })
        .collect();
    let mut field = Vec::with_capacity(grid.cells() as usize);
    for row in 0..grid.latitude.count {
        let start = field.len();
        field.resize(start + grid.longitude.count as usize, mean as f32);
        for (wave, columns) in waves.iter().zip(&columns) {
            let [cosine, sine] = wave.at(grid.latitude.at(row).to_radians()).map(|factor| (amplitude * factor) as f32);
            for (value, [c, s]) in field[start..].iter_mut().zip(columns) {
                *value += cosine * c + sine * s;
            }
        }
    }
    field
}

/// The part of each cell that follows from its latitude: from the equator to the poles.
pub fn climate(grid: &GridShape, equator: f64, pole: f64) -> Vec<f32> {
    let mut field = Vec::with_capacity(grid.cells() as usize);
    for row in 0..grid.latitude.count {
        let value = equator + pole * grid.latitude.at(row).to_radians().sin().powi(2);
        field.resize(field.len() + grid.longitude.count as usize, value as f32);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_smooth_and_belong_to_their_file() {
        let grid = GridShape::parse("90:-90:46,0:356:90").expect("a grid");
        let cells = initial(&grid, [-10.0, -10.0, 25.0], 0.5, 42, 3);
        assert_eq!(cells.x.len(), 46 * 90);
        let mean = cells.z.iter().sum::<f32>() / cells.z.len() as f32;
        assert!((mean - 25.0).abs() < 1.0, "{mean}");
        let largest = cells.x.chunks(90).flat_map(|row| row.windows(2)).map(|pair| (pair[0] - pair[1]).abs());
        let largest = largest.fold(0.0, f32::max);
        assert!(largest > 0.01 && largest < 1.5, "{largest}");
        assert_eq!(initial(&grid, [-10.0, -10.0, 25.0], 0.5, 42, 3).y, cells.y);
        assert_ne!(initial(&grid, [-10.0, -10.0, 25.0], 0.5, 42, 4).y, cells.y);
        let climate = climate(&grid, 300.0, -50.0);
        assert!((climate[0] - 250.0).abs() < 1e-3 && climate[23 * 90] > 299.0);
    }
}
