//! Units of coordinates, cells without a position, and fill values that only a missing chunk needs.

use std::f64::consts::PI;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::made::Field;
use crate::scene::{Scene, first, globe, latitude, longitude, region, values};

/// A field over cells, from a list.
fn over_cells(name: &str, numbers: &[f64], attributes: Value) -> Field {
    let numbers = numbers.to_vec();
    let field = Field::new(name, &[("cell", numbers.len())], move |at| numbers[at[0]]);
    field.dtype("<f8", Value::Null).attributes(attributes)
}

/// A spiral over the sphere; `t` is the number of the cell.
fn spiral(units: [&str; 2], one: f64) -> (Vec<[f64; 2]>, Scene) {
    let count = 2000;
    let cell = |n: usize| {
        let (i, turn) = (n as f64 + 0.5, PI * (3.0 - 5f64.sqrt()));
        let lat = (1.0 - 2.0 * i / count as f64).asin().to_degrees();
        [lat, ((i * turn + PI).rem_euclid(2.0 * PI) - PI).to_degrees()]
    };
    let cells: Vec<[f64; 2]> = (0..count).map(cell).collect();
    let part = |part: usize| cells.iter().map(|cell| cell[part] / one).collect::<Vec<f64>>();
    let named = |units: &str, name: &str| match units {
        "" => json!({"standard_name": name}),
        units => json!({"standard_name": name, "units": units}),
    };
    let t = Field::new("t", &[("cell", count)], |at| at[0] as f64).attributes(json!({"coordinates": "clat clon"}));
    let scene = Scene::of(&[
        over_cells("clat", &part(0), named(units[0], "latitude")),
        over_cells("clon", &part(1), named(units[1], "longitude")),
        t,
    ]);
    (cells, scene)
}

fn nearest(cells: &[[f64; 2]], point: [f64; 2]) -> usize {
    let unit = |[lat, lon]: [f64; 2]| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let near = |cell: [f64; 2]| unit(cell).iter().zip(unit(point)).map(|(a, b)| a * b).sum::<f64>();
    (0..cells.len()).max_by(|a, b| near(cells[*a]).total_cmp(&near(cells[*b]))).unwrap()
}

#[test]
fn cells_in_other_units_of_angle_are_those_of_degrees() {
    let radian = 1f64.to_degrees();
    for (units, one) in [
        (["radian", "radian"], radian),
        (["rad", "radians"], radian),
        (["radians_north", "radians_east"], radian),
        (["0.01 degrees_north", "0.01 degrees_east"], 0.01),
        (["1e-6 degree", "microdegrees"], 1e-6),
        (["arc_minute", "arcmin"], 1.0 / 60.0),
        (["degrees", "deg"], 1.0),
        (["Degrees_North", "DegreesE"], 1.0),
        (["degrees north", "degrees east"], 1.0),
    ] {
        let (cells, scene) = spiral(units, one);
        for point in [[1.0, 0.5], [51.0, 7.0], [-33.9, 151.2], [89.0, -100.0]] {
            let outcome = scene.at(point[0], point[1], &[]).expect(0);
            let number = nearest(&cells, point);
            assert_eq!(first(&outcome), Some(number as f64), "{units:?} {point:?}");
            let lat = values(&outcome, "grid_lat")[0].unwrap();
            assert!((lat - cells[number][0]).abs() < 1e-9, "{units:?} {lat}");
            assert!(!outcome.stderr.contains("units"), "{units:?}: {}", outcome.stderr);
        }
    }
}

#[test]
fn axes_and_their_bounds_are_converted_too() {
    let radian = 1f64.to_degrees();
    let mut fields = region();
    let axis = |name: &str, start: f64, units: &str| {
        let field = Field::new(name, &[(name, 11)], move |at| (start + at[0] as f64).to_radians());
        field.dtype("<f8", Value::Null).attributes(json!({"units": units, "bounds": format!("{name}_bnds")}))
    };
    let bounds = |name: &str, start: f64| {
        let field = Field::new(&format!("{name}_bnds"), &[(name, 11), ("nv", 2)], move |at| {
            (start - 0.5 + (at[0] + at[1]) as f64) / radian
        });
        field.dtype("<f8", Value::Null)
    };
    (fields[0], fields[1]) = (axis("lat", 40.0, "radians"), axis("lon", 0.0, "rad"));
    fields.extend([bounds("lat", 40.0), bounds("lon", 0.0)]);
    let scene = Scene::of(&fields);
    let names = ["--lat-name", "lat", "--lon-name", "lon"];
    assert_eq!(first(&scene.at(45.2, 7.1, &names).expect(0)), Some(507.0));
    scene.at(50.4, 7.1, &names).expect(0);
    scene.at(50.6, 7.1, &names).expect(2);
}

#[test]
fn counts_to_the_west_and_south_are_turned() {
    let mut fields = region();
    fields[0] = latitude("lat", 11, -40.0, -1.0).attributes(json!({"units": "degrees_south"}));
    fields[1] = longitude("lon", 11, 0.0, -1.0).attributes(json!({"units": "degrees_west"}));
    assert_eq!(first(&Scene::of(&fields).at(45.0, 7.0, &[]).expect(0)), Some(507.0));
}

#[test]
fn units_that_are_no_angles_are_refused_by_name() {
    for units in ["m", "km", "metre", "K", "pixels", "0.5", "hours since 2000-01-01"] {
        let mut fields = region();
        fields[0] = latitude("lat", 11, 40.0, 1.0).attributes(json!({"units": units, "standard_name": "latitude"}));
        let outcome = Scene::of(&fields).at(45.0, 7.0, &[]).expect(5);
        for word in [units, "/lat", "--lat-name"] {
            assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
        }
    }
}

#[test]
fn without_units_degrees_are_assumed_and_told() {
    let mut fields = region();
    fields[0] = latitude("lat", 11, 40.0, 1.0).attributes(json!({}));
    fields[1] = longitude("lon", 11, 0.0, 1.0).attributes(json!({"units": "1"}));
    let outcome = Scene::of(&fields).at(45.0, 7.0, &[]).expect(0);
    assert_eq!(first(&outcome), Some(507.0));
    assert!(outcome.stderr.contains("/lat and /lon have no units; assumed to be degrees"), "{}", outcome.stderr);
}

#[test]
fn radians_without_units_are_not_taken_for_degrees() {
    let (_, scene) = spiral(["", ""], 1f64.to_degrees());
    let outcome = scene.at(1.0, 0.5, &[]).expect(5);
    assert!(outcome.stderr.contains("look like radians"), "{}", outcome.stderr);
    let (_, scene) = spiral(["radian", ""], 1f64.to_degrees());
    assert!(scene.at(1.0, 0.5, &[]).expect(5).stderr.contains("/clon has no units"));
}

/// Stations, of which some have no position.
fn stations(fill: Value, v3: bool, lats: &[f64], lons: &[f64]) -> Scene {
    let of = |name: &str, numbers: &[f64], units: &str| {
        over_cells(name, numbers, json!({"units": units})).dtype("<f8", fill.clone())
    };
    let t = Field::new("t", &[("cell", lats.len())], |at| at[0] as f64).attributes(json!({"coordinates": "la lo"}));
    Scene::written(v3, &[of("la", lats, "degrees_north"), of("lo", lons, "degrees_east"), t])
}

#[test]
fn a_cell_without_a_position_is_no_candidate_and_stops_nothing() {
    let nan = f64::NAN;
    for (fill, v3, missing) in [
        (json!(1e20), false, 1e20),
        (json!(1e20), true, 1e20),
        (json!(-999.0), false, -999.0),
        (json!("NaN"), false, nan),
        (json!("NaN"), true, nan),
        (Value::Null, false, nan),
        // A position by itself, but not as the fill value of both.
        (json!(-1.0), false, -1.0),
    ] {
        let scene = stations(fill.clone(), v3, &[missing, 50.0, missing, 52.0], &[missing, 0.0, missing, 1.0]);
        assert_eq!(first(&scene.at(50.1, 0.1, &[]).expect(0)), Some(1.0), "{fill} {v3}");
        let far = scene.at(-1.2, -1.2, &["--max-distance", "9000km"]).expect(0);
        assert_eq!(first(&far), Some(1.0), "{fill} {v3}");
    }
}

/// Zero is the fill value of stores whose writer never thought of one: a cell on the meridian of Greenwich stays.
#[test]
fn a_fill_value_of_zero_hides_no_meridian() {
    let scene = stations(json!(0.0), false, &[50.0, 50.0, 0.0], &[0.0, 1.0, 0.0]);
    assert_eq!(first(&scene.at(50.0, 0.1, &[]).expect(0)), Some(0.0));
    // Where both are zero, nothing was set, as xarray has it.
    scene.at(0.1, 0.1, &["--max-distance", "500km"]).expect(2);
}

#[test]
fn an_attribute_marks_positions_as_missing() {
    let of = |name: &str, numbers: [f64; 3], units: &str| {
        over_cells(name, &numbers, json!({"units": units, "missing_value": 7.0}))
    };
    let t = Field::new("t", &[("cell", 3)], |at| at[0] as f64).attributes(json!({"coordinates": "la lo"}));
    let (la, lo) = (of("la", [50.0, 7.0, 52.0], "degrees_north"), of("lo", [0.0, 7.0, 1.0], "degrees_east"));
    let scene = Scene::of(&[la, lo, t]);
    assert_eq!(first(&scene.at(7.0, 7.0, &["--max-distance", "9000km"]).expect(0)), Some(0.0));
}

#[test]
fn no_position_at_all_is_refused() {
    let outcome = stations(json!(1e20), false, &[1e20, 1e20], &[1e20, 1e20]).at(50.0, 0.0, &[]).expect(5);
    assert!(outcome.stderr.contains("not both finite in any cell"), "{}", outcome.stderr);
}

/// Makes 16-bit integers of a stored array: packed numbers of a filter.
fn packed(array: &Path, fill: Value, scale: f64, offset: f64) {
    let path = array.join(".zarray");
    let mut metadata: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let filter = json!({"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": scale, "offset": offset});
    (metadata["dtype"], metadata["filters"], metadata["fill_value"]) = (json!("<f4"), json!([filter]), fill);
    fs::write(path, metadata.to_string()).unwrap();
}

#[test]
fn only_a_missing_chunk_needs_a_fill_value_that_filters_cannot_hold() {
    let mut fields = globe();
    let x = Field::new("t", &[("time", 6), ("lat", 19), ("lon", 36)], |at| (at[0] * 10 + at[1]) as f64);
    fields[3] = x.dtype("<i2", json!(0)).chunks(&[1, 19, 36]);
    for (fill, missing) in [(json!("NaN"), None), (json!(1e20), None), (json!(-9.5), None)] {
        let scene = Scene::of(&fields);
        packed(&scene.store.join("t"), fill.clone(), 2.0, 100.0);
        let expected = |time: usize| Some((time * 10 + 4) as f64 / 2.0 + 100.0);
        let found = values(&scene.at(50.0, 30.0, &[]).expect(0), "t");
        assert_eq!(found, (0..6).map(expected).collect::<Vec<_>>(), "{fill}");
        fs::remove_file(scene.store.join("t/2.0.0")).unwrap();
        let found = values(&scene.at(50.0, 30.0, &[]).expect(0), "t");
        assert_eq!((found[1], found[2], found[3]), (expected(1), missing, expected(3)), "{fill}");
        // As stored, the fill value is what a missing chunk reads as.
        let found = values(&scene.at(50.0, 30.0, &["--decode", "raw"]).expect(0), "t");
        assert_eq!((found[1], found[2]), (expected(1), fill.as_f64()), "{fill}");
    }
}

#[test]
fn a_coordinate_with_filters_needs_no_fill_value_either() {
    let mut fields = globe();
    fields[2] = Field::new("time", &[("time", 6)], |at| at[0] as f64)
        .dtype("<i2", json!(0))
        .attributes(json!({"units": "hours since 2019-03-01"}));
    let scene = Scene::of(&fields);
    packed(&scene.store.join("time"), json!("NaN"), 1.0, 0.5);
    let outcome = scene.at(50.0, 30.0, &["--isel", "time=1"]).expect(0);
    assert_eq!(outcome.of_type("row")[0]["time"], "2019-03-01T01:30:00Z");
    fs::remove_file(scene.store.join("time/0")).unwrap();
    let outcome = scene.at(50.0, 30.0, &[]).expect(5);
    assert!(outcome.stderr.contains("not stored") && outcome.stderr.contains("fixedscaleoffset"), "{}", outcome.stderr);
}
