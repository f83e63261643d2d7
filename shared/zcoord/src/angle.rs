//! Units of latitude and longitude: the factor that makes degrees of them.
//!
//! Spellings: UDUNITS-2, CF conventions 4.1 and 4.2, and those of models that store radians or integers of scaled degrees.

use serde_json::Value;
use zarray::Array;

use crate::horizontal::Horizontal;

/// A unit of angle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Angle {
    /// Degrees north or east of one unit.
    pub degrees: f64,
    /// The coordinate that it belongs to, if it names a direction.
    pub of: Option<Horizontal>,
}

/// The `units` of a coordinate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Units {
    /// An angle.
    Angle(Angle),
    /// None, or no dimension.
    Missing,
    /// Something else.
    Other,
}

/// Names of degrees, the longest first.
const DEGREES: [&str; 13] = [
    "decimaldegrees",
    "decimaldegree",
    "angulardegrees",
    "angulardegree",
    "arcdegrees",
    "arcdegree",
    "arcdegs",
    "arcdeg",
    "degrees",
    "degree",
    "deg",
    "°",
    "º",
];

const RADIANS: [&str; 4] = ["radians", "radian", "rads", "rad"];

/// Other angles, in degrees.
const OTHERS: [(&[&str], f64); 4] = [
    (&["arcminute", "arcminutes", "arcmin", "arcmins", "minuteofarc", "minutesofarc"], 1.0 / 60.0),
    (&["arcsecond", "arcseconds", "arcsec", "arcsecs", "secondofarc", "secondsofarc"], 1.0 / 3600.0),
    (&["gon", "gons", "grad", "grads", "grade", "grades", "gradian", "gradians"], 0.9),
    (&["turn", "turns", "circle", "circles", "revolution", "revolutions"], 360.0),
];

/// Prefixes of the SI, words before letters.
const PREFIXES: [(&str, f64); 9] = [
    ("deci", 1e-1),
    ("centi", 1e-2),
    ("milli", 1e-3),
    ("micro", 1e-6),
    ("nano", 1e-9),
    ("m", 1e-3),
    ("u", 1e-6),
    ("µ", 1e-6),
    ("μ", 1e-6),
];

/// Words for no unit.
const DIMENSIONLESS: [&str; 8] = ["", "1", "-", "none", "null", "unitless", "dimensionless", "unknown"];

impl Units {
    /// Those of an array.
    pub fn of(array: &Array) -> Units {
        match array.attributes.get("units") {
            None | Some(Value::Null) => Units::Missing,
            Some(Value::String(text)) => Units::parse(text),
            Some(number) if number.as_f64() == Some(1.0) => Units::Missing,
            Some(_) => Units::Other,
        }
    }

    /// A unit of angle, with a factor before it or behind it: `degrees_north`, `0.01 degree`, `1e-3 rad`, `degrees/100`.
    pub fn parse(text: &str) -> Units {
        let text = text.trim();
        if DIMENSIONLESS.contains(&text.to_ascii_lowercase().as_str()) {
            return Units::Missing;
        }
        let (before, rest) = leading_factor(text);
        let (name, behind) = trailing_factor(rest);
        named(name).map_or(Units::Other, |angle| {
            Units::Angle(Angle { degrees: angle.degrees * before.unwrap_or(1.0) * behind, ..angle })
        })
    }
}

/// A number at the start, which may be a power, and what follows it.
fn leading_factor(text: &str) -> (Option<f64>, &str) {
    let Some((number, rest)) = number(text) else { return (None, text) };
    let power = rest.strip_prefix("**").or_else(|| rest.strip_prefix('^'));
    let (factor, rest) = match power.and_then(number_whole) {
        Some((power, rest)) => (number.powi(power), rest),
        None => (number, rest),
    };
    (Some(factor), rest.trim_start_matches([' ', '*', '.', '·', '\t']))
}

/// A name, and the factor behind it: `/100` or `*0.01`.
fn trailing_factor(text: &str) -> (&str, f64) {
    let Some(at) = text.find(['/', '*']) else { return (text, 1.0) };
    let (name, factor) = (text[..at].trim_end(), text[at + 1..].trim());
    match number(factor) {
        Some((number, "")) if text[at..].starts_with('/') => (name, 1.0 / number),
        Some((number, "")) => (name, number),
        _ => (text, 1.0),
    }
}

/// The longest number that `text` starts with.
fn number(text: &str) -> Option<(f64, &str)> {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.eE".contains(c));
    let longest = text.len() - digits.len();
    let ends = (1..=longest).rev();
    ends.filter_map(|end| Some((text.get(..end)?.parse().ok()?, &text[end..])))
        .find(|(number, _): &(f64, _)| *number != 0.0)
}

/// A whole number at the start.
fn number_whole(text: &str) -> Option<(i32, &str)> {
    let (number, rest) = number(text)?;
    (number.fract() == 0.0 && number.abs() < 30.0).then_some((number as i32, rest))
}

/// A unit without a factor; spaces, hyphens, underscores and case make no difference.
fn named(text: &str) -> Option<Angle> {
    let lower = text.to_lowercase();
    // A point or parentheses only punctuate degrees; elsewhere a point multiplies units.
    let punctuates = |c: char| lower.contains("deg") && matches!(c, '.' | '(' | ')' | ',');
    let plain: String = lower.chars().filter(|c| !matches!(c, ' ' | '_' | '-') && !punctuates(*c)).collect();
    let plain = plain.strip_suffix("wgs84").map(str::to_owned).unwrap_or(plain);
    let prefixed = |(prefix, factor): &(&str, f64)| {
        let angle = without_prefix(plain.strip_prefix(prefix)?)?;
        Some(Angle { degrees: angle.degrees * factor, ..angle })
    };
    without_prefix(&plain).or_else(|| PREFIXES.iter().find_map(prefixed))
}

fn without_prefix(plain: &str) -> Option<Angle> {
    let stems = DEGREES.iter().map(|stem| (stem, 1.0)).chain(RADIANS.iter().map(|stem| (stem, 1f64.to_degrees())));
    let directed = stems.filter_map(|(stem, degrees)| {
        let (sign, of) = direction(plain.strip_prefix(stem)?)?;
        Some(Angle { degrees: sign * degrees, of })
    });
    let other = OTHERS.iter().find(|(names, _)| names.contains(&plain));
    directed.into_iter().next().or(other.map(|(_, degrees)| Angle { degrees: *degrees, of: None }))
}

/// What follows the name of an angle: the direction in which it counts.
fn direction(text: &str) -> Option<(f64, Option<Horizontal>)> {
    match text {
        "" | "true" | "t" => Some((1.0, None)),
        "north" | "n" | "latitude" | "lat" | "northlatitude" => Some((1.0, Some(Horizontal::Latitude))),
        "south" => Some((-1.0, Some(Horizontal::Latitude))),
        "east" | "e" | "longitude" | "lon" | "eastlongitude" => Some((1.0, Some(Horizontal::Longitude))),
        "west" | "w" => Some((-1.0, Some(Horizontal::Longitude))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(text: &str) -> f64 {
        match Units::parse(text) {
            Units::Angle(angle) => angle.degrees,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_spelling_of_degrees() {
        for text in [
            "degrees",
            "degree",
            "deg",
            "°",
            "Degrees",
            "degrees_north",
            "deg. N",
            "degrees_latitude",
            "degrees (north)",
            "degree north latitude",
            "Degrees North (WGS84)",
            "degree_N",
            "degreesE",
            "degrees east",
            "degreeN",
            "DEGREES_EAST",
            "decimal degrees",
            "degree_true",
            "arc_degree",
            "1 degree",
            "1.0 degrees_east",
        ] {
            assert_eq!(degrees(text), 1.0, "{text}");
        }
        assert_eq!((degrees("degrees_south"), degrees("degrees_west"), degrees("degreeW")), (-1.0, -1.0, -1.0));
    }

    #[test]
    fn other_angles_and_scaled_ones() {
        let radian = 1f64.to_degrees();
        for (text, expected) in [
            ("radian", radian),
            ("radians", radian),
            ("rad", radian),
            ("radians_north", radian),
            ("mrad", radian * 1e-3),
            ("1e-3 rad", radian * 1e-3),
            ("0.001*radian", radian * 1e-3),
            ("microradians", radian * 1e-6),
            ("0.01 degrees_north", 0.01),
            ("1.e-6 degree", 1e-6),
            ("1e-6 degrees_east", 1e-6),
            ("10^-2 degrees", 0.01),
            ("10**-2 degrees", 0.01),
            ("degrees/100", 0.01),
            ("degrees * 0.01", 0.01),
            ("-1 degrees_west", 1.0),
            ("millidegrees", 0.001),
            ("microdegree_north", 1e-6),
            ("arc_minutes", 1.0 / 60.0),
            ("arcsec", 1.0 / 3600.0),
            ("gon", 0.9),
        ] {
            let found = degrees(text);
            assert!((found - expected).abs() <= 1e-15 * expected.abs().max(1e-6), "{text}: {found}");
        }
    }

    #[test]
    fn directions() {
        let of = |text| match Units::parse(text) {
            Units::Angle(angle) => angle.of,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!((of("degreeN"), of("degrees east")), (Some(Horizontal::Latitude), Some(Horizontal::Longitude)));
        assert_eq!((of("degrees"), of("rad")), (None, None));
    }

    #[test]
    fn what_is_no_angle() {
        for text in
            ["m", "km", "metre", "K", "hours since 2000-01-01", "degC", "degree_Celsius", "degK", "0.5", "rad/s", "%"]
        {
            assert_eq!(Units::parse(text), Units::Other, "{text}");
        }
        for text in ["", " ", "1", "none", "dimensionless", "unknown"] {
            assert_eq!(Units::parse(text), Units::Missing, "{text:?}");
        }
    }
}
