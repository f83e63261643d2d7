//! The variables of a weather-like batch: names, units, resolutions, and how each follows from the member of its cell.

/// A variable.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name, as in ERA5.
    pub name: &'static str,
    /// CF's name; empty if there is none.
    pub standard_name: &'static str,
    /// In words.
    pub long_name: &'static str,
    /// Its units.
    pub units: &'static str,
    /// Value at the equator.
    pub equator: f64,
    /// What is added at the poles.
    pub pole: f64,
    /// Change with x, y and z of the member.
    pub weights: [f64; 3],
    /// Smallest and largest value.
    pub range: [f64; 2],
    /// Resolution.
    pub resolution: f64,
    /// Whether it is stored as 16-bit integers, with `scale_factor` and `add_offset`.
    pub packed: bool,
}

#[rustfmt::skip]
const SURFACE: [Kind; 16] = [
    kind("t2m", "air_temperature", "2 metre temperature", "K", [300.0, -55.0], [0.35, 0.0, 0.25], [180.0, 340.0], 0.004, true),
    kind("u10", "eastward_wind", "10 metre U wind component", "m s**-1", [-3.0, 4.0], [0.7, 0.15, 0.0], [-60.0, 60.0], 0.002, false),
    kind("v10", "northward_wind", "10 metre V wind component", "m s**-1", [0.0, 0.0], [0.1, 0.6, 0.0], [-60.0, 60.0], 0.002, false),
    kind("msl", "air_pressure_at_mean_sea_level", "Mean sea level pressure", "Pa", [101_200.0, -900.0], [35.0, 0.0, -45.0], [87_000.0, 108_500.0], 0.5, true),
    kind("tp", "", "Total precipitation", "m", [-0.0012, -0.0004], [0.000_05, 0.0, 0.000_06], [0.0, 0.05], 0.000_001, true),
    kind("tcc", "cloud_area_fraction", "Total cloud cover", "(0 - 1)", [0.1, 0.2], [0.02, 0.0, 0.015], [0.0, 1.0], 0.000_04, false),
    kind("d2m", "dew_point_temperature", "2 metre dewpoint temperature", "K", [294.0, -55.0], [0.25, 0.1, 0.2], [170.0, 310.0], 0.004, true),
    kind("sp", "surface_air_pressure", "Surface pressure", "Pa", [98_900.0, -2500.0], [30.0, 5.0, -40.0], [48_000.0, 108_000.0], 1.0, false),
    kind("skt", "", "Skin temperature", "K", [301.0, -58.0], [0.4, 0.0, 0.3], [180.0, 345.0], 0.004, true),
    kind("sst", "sea_surface_temperature", "Sea surface temperature", "K", [301.0, -30.0], [0.02, 0.0, 0.01], [271.0, 308.0], 0.001, false),
    kind("tcwv", "atmosphere_mass_content_of_water_vapor", "Total column vertically-integrated water vapour", "kg m**-2", [45.0, -38.0], [0.3, 0.1, 0.3], [0.0, 90.0], 0.002, true),
    kind("blh", "", "Boundary layer height", "m", [700.0, -300.0], [25.0, 0.0, 12.0], [10.0, 6000.0], 0.2, false),
    kind("cape", "", "Convective available potential energy", "J kg**-1", [200.0, -700.0], [20.0, 30.0, 30.0], [0.0, 9000.0], 0.5, true),
    kind("ssrd", "", "Surface short-wave (solar) radiation downwards", "J m**-2", [900_000.0, -700_000.0], [-9000.0, 0.0, 18_000.0], [0.0, 4_500_000.0], 128.0, false),
    kind("strd", "", "Surface long-wave (thermal) radiation downwards", "J m**-2", [1_450_000.0, -750_000.0], [6000.0, 0.0, 5000.0], [200_000.0, 2_000_000.0], 64.0, true),
    kind("swvl1", "", "Volumetric soil water layer 1", "m**3 m**-3", [0.25, 0.05], [0.002, 0.001, 0.001], [0.0, 0.75], 0.000_02, false),
];

#[rustfmt::skip]
const UPPER: [Kind; 5] = [
    kind("t", "air_temperature", "Temperature", "K", [290.0, -40.0], [0.3, 0.0, 0.2], [170.0, 330.0], 0.004, true),
    kind("u", "eastward_wind", "U component of wind", "m s**-1", [-4.0, 14.0], [0.9, 0.2, 0.1], [-120.0, 140.0], 0.005, false),
    kind("v", "northward_wind", "V component of wind", "m s**-1", [0.0, 0.0], [0.1, 0.8, 0.0], [-110.0, 110.0], 0.005, true),
    kind("z", "geopotential", "Geopotential", "m**2 s**-2", [15_000.0, -1500.0], [40.0, 0.0, 60.0], [-6000.0, 320_000.0], 8.0, false),
    kind("q", "specific_humidity", "Specific humidity", "kg kg**-1", [0.011, -0.009], [0.000_08, 0.0, 0.000_06], [0.0, 0.03], 0.000_000_6, true),
];

/// Pressure levels in hPa.
const LEVELS: [u16; 9] = [1000, 925, 850, 700, 500, 300, 250, 200, 100];

/// How many variables there are.
pub const MOST: usize = SURFACE.len() + UPPER.len() * LEVELS.len();

#[allow(clippy::too_many_arguments, reason = "a row of a table")]
const fn kind(
    name: &'static str,
    standard_name: &'static str,
    long_name: &'static str,
    units: &'static str,
    [equator, pole]: [f64; 2],
    weights: [f64; 3],
    range: [f64; 2],
    resolution: f64,
    packed: bool,
) -> Kind {
    Kind { name, standard_name, long_name, units, equator, pole, weights, range, resolution, packed }
}

/// A variable of a batch: a kind, at a level if it has levels.
#[derive(Debug, Clone, Copy)]
pub struct GridVariable {
    pub kind: Kind,
    /// In hPa.
    pub level: Option<u16>,
}

impl GridVariable {
    /// The first `count` variables: those at the surface, then those at levels.
    pub fn first(count: usize) -> Vec<GridVariable> {
        let surface = SURFACE.iter().map(|kind| GridVariable { kind: *kind, level: None });
        let upper = LEVELS.iter().flat_map(|level| {
            UPPER.iter().map(move |kind| GridVariable { kind: at_level(kind, *level), level: Some(*level) })
        });
        surface.chain(upper).take(count).collect()
    }

    /// Its name: `t2m`, `t_850`.
    pub fn name(&self) -> String {
        self.level.map_or_else(|| self.kind.name.to_owned(), |level| format!("{}_{level}", self.kind.name))
    }

    /// What the packed 0 stands for: the middle of the range.
    pub fn offset(&self) -> f64 {
        let [low, high] = self.kind.range;
        (low + high) / 2.0
    }
}

/// A kind at a level: colder, windier, drier and higher up where the pressure is lower.
fn at_level(kind: &Kind, level: u16) -> Kind {
    let height = -(f64::from(level) / 1013.25).ln();
    let mut kind = *kind;
    match kind.name {
        "t" => kind.equator -= 38.0 * height.min(1.6),
        "u" => kind.pole += 12.0 * height,
        "z" => {
            kind.equator += 72_000.0 * height - 14_000.0;
            // 16 bits hold a part of the range, as the files of archives do.
            kind.range = [kind.equator - 25_000.0, kind.equator + 25_000.0];
        }
        "q" => {
            let drier = (-2.2 * height).exp();
            kind.equator *= drier;
            kind.pole *= drier;
            kind.weights = kind.weights.map(|weight| weight * drier);
            kind.range = [0.0, 0.03 * drier];
            kind.resolution *= drier;
        }
        _ => {}
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_values_fit_into_16_bits() {
        let all = GridVariable::first(usize::MAX);
        assert_eq!(all.len(), MOST);
        let mut names: Vec<String> = all.iter().map(GridVariable::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), MOST);
        for variable in &all {
            let [low, high] = variable.kind.range;
            let half = (high - low) / 2.0 / variable.kind.resolution;
            // Half-precision limits of rounding do not matter to those that are not packed.
            assert!(half < if variable.kind.packed { 32_767.0 } else { 4_000_000.0 }, "{}: {half}", variable.name());
        }
        assert_eq!(GridVariable::first(18)[17].name(), "u_1000");
    }
}
