//! Detection of latitude and longitude, and the cell of a point on every kind of grid.

use serde_json::{Value, json};

use crate::made::Field;
use crate::scene::{Scene, TIMES, first, globe, latitude, longitude, region, value, values};

#[test]
fn a_store_without_coordinates_has_no_points() {
    let scene = Scene::of(&[Field::new("t", &[("y", 4), ("x", 5)], |at| at[0] as f64)]);
    let outcome = scene.at(10.0, 20.0, &[]).expect(4);
    for words in ["/t", "latitude", "--lat-name"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    outcome.records();
}

/// Points whose latitudes are there twice, one of them upside down.
pub fn twice() -> Scene {
    let along = |name: &str, units: &str, sign: f64| {
        let field = Field::new(name, &[("cell", 5)], move |at| sign * 10.0 * (at[0] + 1) as f64);
        field.dtype("<f8", Value::Null).attributes(json!({"units": units}))
    };
    let fields = [
        along("lat", "degrees_north", 1.0),
        along("lat_mirror", "degrees_north", -1.0),
        along("lon", "degrees_east", 1.0),
        Field::new("t", &[("cell", 5)], |at| at[0] as f64),
    ];
    Scene::of(&fields)
}

#[test]
fn two_latitudes_are_named_and_the_user_is_asked() {
    let scene = twice();
    let outcome = scene.at(30.0, 30.0, &[]).expect(2);
    for words in ["/lat ", "/lat_mirror", "--lat-name"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    assert_eq!(first(&scene.at(30.0, 30.0, &["--lat-name", "lat"]).expect(0)), Some(2.0));
    assert_eq!(first(&scene.at(-40.0, 40.0, &["--lat-name", "lat_mirror", "--var", "t"]).expect(0)), Some(3.0));
}

#[test]
fn latitude_and_longitude_that_are_swapped_are_noticed() {
    let mut fields = globe();
    fields[0] = latitude("lat", 19, 0.0, 18.0);
    fields[1] = longitude("lon", 36, -87.5, 5.0);
    let outcome = Scene::of(&fields).at(10.0, 20.0, &[]).expect(5);
    assert!(outcome.stderr.contains("swapped") && outcome.stderr.contains("/lat"), "{}", outcome.stderr);
}

#[test]
fn a_coordinate_that_is_not_finite_is_named() {
    for (number, name) in [(0, "latitude"), (1, "longitude")] {
        let mut fields = region();
        let broken = |at: &[usize]| if at[0] == 3 { f64::NAN } else { at[0] as f64 };
        let (array, units) = [("lat", "degrees_north"), ("lon", "degrees_east")][number];
        let field = Field::new(array, &[(array, 11)], broken).dtype("<f8", Value::Null);
        fields[number] = field.attributes(json!({"units": units}));
        let outcome = Scene::of(&fields).at(45.0, 5.0, &[]).expect(5);
        for words in [name, "3", &format!("/{array}")] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
        }
    }
}

#[test]
fn poles_have_the_row_of_the_pole() {
    let scene = Scene::globe();
    assert_eq!(first(&scene.at(90.0, 123.0, &[]).expect(0)), Some(value(0, 0, 12)));
    assert_eq!(first(&scene.at(-90.0, -77.0, &[]).expect(0)), Some(value(0, 18, 28)));
    // On a grid without a row there, the outermost one reaches to it.
    let mut fields = globe();
    fields[0] = latitude("lat", 18, 85.0, -10.0);
    fields[3] = crate::scene::temperature(6, 18, 36);
    let scene = Scene::of(&fields);
    assert_eq!(first(&scene.at(90.0, 0.0, &[]).expect(0)), Some(value(0, 0, 0)));
    assert_eq!(first(&scene.at(-89.0, 0.0, &[]).expect(0)), Some(value(0, 17, 0)));
}

#[test]
fn longitudes_go_round() {
    let scene = Scene::globe();
    for (lon, column) in [(-180.0, 18), (180.0, 18), (-1.0, 0), (356.0, 0), (359.9, 0), (-179.0, 18), (-14.0, 35)] {
        assert_eq!(first(&scene.at(0.0, lon, &[]).expect(0)), Some(value(0, 9, column)), "{lon}");
    }
    // A grid in the other convention.
    let mut fields = globe();
    fields[1] = longitude("lon", 36, -180.0, 10.0);
    let scene = Scene::of(&fields);
    for (lon, column) in [(180.0, 0), (-180.0, 0), (179.0, 0), (350.0, 17), (170.0, 35)] {
        assert_eq!(first(&scene.at(0.0, lon, &[]).expect(0)), Some(value(0, 9, column)), "{lon}");
    }
}

#[test]
fn linear_is_between_four_cells_and_across_the_seam() {
    let scene = Scene::globe();
    let between = |lat: f64, lon: f64| first(&scene.at(lat, lon, &["--method", "linear"]).expect(0)).unwrap();
    // Rows 4 and 5, columns 2 and 3, which the formula is linear in.
    assert!((between(46.0, 27.5) - (440.0 + 2.75)).abs() < 1e-3, "{}", between(46.0, 27.5));
    // Columns 35 and 0, at equal weights.
    assert!((between(50.0, 355.0) - (400.0 + 17.5)).abs() < 1e-3, "{}", between(50.0, 355.0));
}

/// Great-circle distance on a sphere, in degrees.
fn apart(one: [f64; 2], other: [f64; 2]) -> f64 {
    let unit = |[lat, lon]: [f64; 2]| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (a, b) = (unit(one), unit(other));
    let chord: f64 = (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum();
    (2.0 * (chord.sqrt() / 2.0).asin()).to_degrees()
}

fn nearest(cells: &[[f64; 2]], point: [f64; 2]) -> usize {
    (0..cells.len()).min_by(|a, b| apart(cells[*a], point).total_cmp(&apart(cells[*b], point))).unwrap()
}

const POINTS: [[f64; 2]; 5] = [[45.3, 3.1], [41.0, 0.4], [47.9, 6.2], [44.4, 7.7], [42.2, 4.9]];

/// Coordinates of two dimensions, tilted.
#[test]
fn curvilinear_grids_have_the_nearest_cell() {
    let cell = |row: usize, column: usize| [40.0 + row as f64 + 0.1 * column as f64, column as f64 - 0.15 * row as f64];
    let plane = |name: &str, units: &str, part: usize| {
        let field = Field::new(name, &[("y", 11), ("x", 9)], move |at| cell(at[0], at[1])[part]);
        field.dtype("<f8", Value::Null).attributes(json!({"units": units}))
    };
    let t = Field::new("t", &[("y", 11), ("x", 9)], |at| value(0, at[0], at[1])).chunks(&[4, 4]);
    let t = t.attributes(json!({"coordinates": "nav_lat nav_lon"}));
    let scene = Scene::of(&[plane("nav_lat", "degrees_north", 0), plane("nav_lon", "degrees_east", 1), t]);
    let cells: Vec<[f64; 2]> = (0..11 * 9).map(|number| cell(number / 9, number % 9)).collect();
    for point in POINTS {
        let number = nearest(&cells, point);
        let outcome = scene.at(point[0], point[1], &[]).expect(0);
        assert_eq!(first(&outcome), Some(value(0, number / 9, number % 9)), "{point:?}");
        assert_eq!(values(&outcome, "grid_lat")[0], Some(cells[number][0]));
    }
    let outcome = scene.at(60.0, 3.0, &[]).expect(2);
    assert!(outcome.stderr.contains("point 0"), "{}", outcome.stderr);
}

#[test]
fn cells_without_order_have_the_nearest_cell() {
    let cell = |number: usize| [40.0 + (number * 37 % 101) as f64 / 10.0, (number * 53 % 97) as f64 / 10.0];
    let along = |name: &str, units: &str, part: usize| {
        let field = Field::new(name, &[("cell", 300)], move |at| cell(at[0])[part]);
        field.dtype("<f8", Value::Null).attributes(json!({"units": units}))
    };
    let t = Field::new("t", &[("cell", 300)], |at| at[0] as f64).chunks(&[64]);
    let scene = Scene::of(&[along("clat", "degrees_north", 0), along("clon", "degrees_east", 1), t]);
    let cells: Vec<[f64; 2]> = (0..300).map(cell).collect();
    for point in POINTS {
        let outcome = scene.at(point[0], point[1], &["--max-distance", "200km"]).expect(0);
        assert_eq!(first(&outcome), Some(nearest(&cells, point) as f64), "{point:?}");
    }
    scene.at(-60.0, 3.0, &["--max-distance", "200km"]).expect(2);
}

#[test]
fn how_the_coordinates_were_found_is_told() {
    let outcome = Scene::globe().at(0.0, 0.0, &["-v"]).expect(0);
    assert!(outcome.stderr.contains("/lat (units), /lon (units)"), "{}", outcome.stderr);
    let mut fields = globe();
    fields[0] = latitude("lat", 19, 90.0, -10.0).attributes(json!({}));
    let scene = Scene::of(&fields);
    let outcome = scene.at(0.0, 0.0, &["-v", "-o", &scene.text("out.csv")]).expect(0);
    assert!(outcome.stderr.contains("/lat (name), /lon (units)"), "{}", outcome.stderr);
    assert_eq!(outcome.of_type("match")[0]["found_by"], "/lat (name), /lon (units)");
}

/// The globe, and `q` on a second grid whose latitude has other values or attributes.
fn two_grids(latitude: Field) -> Scene {
    let mut fields = globe();
    fields.push(latitude);
    let east = Field::new("east", &[("cell", 5)], |at| at[0] as f64).dtype("<f8", Value::Null);
    fields.push(east.attributes(json!({"standard_name": "longitude", "units": "degrees"})));
    fields.push(Field::new("q", &[("run", 3), ("cell", 5)], |_| 1.0).attributes(json!({"coordinates": "north east"})));
    Scene::of(&fields)
}

fn north(units: &str, value: impl Fn(&[usize]) -> f64 + 'static) -> Field {
    let field = Field::new("north", &[("cell", 5)], value).dtype("<f8", Value::Null);
    field.attributes(json!({"standard_name": "latitude", "units": units}))
}

/// Whatever is wrong with one grid, the variables of the others are read, with their own rows.
#[test]
fn a_grid_that_cannot_be_used_leaves_out_its_variables_alone() {
    let cases = [
        (north("m", |at| at[0] as f64), "units \"m\""),
        (north("degrees", |_| f64::NAN), "not both finite"),
        (north("degrees", |at| 100.0 * at[0] as f64), "latitude has values up to 400"),
    ];
    for (field, words) in cases {
        let scene = two_grids(field);
        let outcome = scene.at(50.0, 30.0, &[]).expect(0);
        assert_eq!(values(&outcome, "t").len(), TIMES, "no row for each run");
        assert_eq!(first(&outcome), Some(value(0, 4, 3)));
        for words in ["1 array left out: /q: /north", words] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
        }
        let outcome = scene.at(50.0, 30.0, &["--var", "t", "--var", "q"]).expect(3);
        assert_eq!(first(&outcome), Some(value(0, 4, 3)));
        let errors = outcome.of_type("error");
        assert!(errors.len() == 1 && errors[0]["path"].as_str().unwrap().ends_with("/q"), "{errors:?}");
        let outcome = scene.at(50.0, 30.0, &["--var", "q"]).expect(5);
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
}

/// Damage is more than a grid that is no grid: the run does not count as complete.
#[test]
fn a_grid_whose_coordinates_are_damaged_is_an_error_record() {
    let scene = two_grids(north("degrees", |at| at[0] as f64));
    std::fs::write(scene.store.join("north/0"), [0; 7]).unwrap();
    let outcome = scene.at(50.0, 30.0, &[]).expect(3);
    assert_eq!(first(&outcome), Some(value(0, 4, 3)));
    let errors = outcome.of_type("error");
    assert!(errors.len() == 1 && errors[0]["path"].as_str().unwrap().contains("north"), "{errors:?}");
    assert!(outcome.stderr.contains("1 array left out: /q"), "{}", outcome.stderr);
}

/// A projection without latitudes, and coordinates that only the user can choose, are matters of their own variables too.
#[test]
fn a_variable_on_a_projection_does_not_stop_the_others() {
    let mut fields = globe();
    let metres = |name: &'static str| {
        let field = Field::new(name, &[(name, 4)], |at| 1000.0 * at[0] as f64).dtype("<f8", Value::Null);
        field.attributes(json!({"standard_name": format!("projection_{name}_coordinate"), "units": "m"}))
    };
    fields.extend([metres("x"), metres("y"), Field::new("q", &[("y", 4), ("x", 4)], |_| 1.0)]);
    let scene = Scene::of(&fields);
    let outcome = scene.at(50.0, 30.0, &[]).expect(0);
    assert_eq!(first(&outcome), Some(value(0, 4, 3)));
    assert!(outcome.stderr.contains("left out: /q: ") && outcome.stderr.contains("projection"), "{}", outcome.stderr);
    scene.at(50.0, 30.0, &["--var", "t", "--var", "q"]).expect(3);
    scene.at(50.0, 30.0, &["--var", "q"]).expect(2);
}

/// Latitudes that are data: where the air of a cell came from.
#[test]
fn a_field_of_latitudes_is_data() {
    let mut fields = globe();
    let origin = Field::new("origin", &[("lat", 19), ("lon", 36)], |at| value(0, at[0], at[1]));
    fields.push(origin.attributes(json!({"units": "degrees_north", "standard_name": "latitude"})));
    let centre = Field::new("centre", &[("time", TIMES)], |at| at[0] as f64);
    fields.push(centre.attributes(json!({"units": "degrees_north"})));
    let scene = Scene::of(&fields);
    let outcome = scene.at(50.0, 30.0, &[]).expect(0);
    assert_eq!(values(&outcome, "origin"), [Some(value(0, 4, 3)); TIMES]);
    assert!(outcome.stderr.contains("left out: /centre: it has no longitude"), "{}", outcome.stderr);
    let outcome = scene.at(50.0, 30.0, &["--carry"]).expect(0);
    assert_eq!(values(&outcome, "centre")[..3], [Some(0.0), Some(1.0), Some(2.0)]);
}

/// The corners of a grid are its coordinates or named, and read when they are asked for.
#[test]
fn coordinates_that_no_variable_has_are_named() {
    let mut fields = globe();
    for (name, units) in [("psi_lat", "degrees_north"), ("psi_lon", "degrees_east")] {
        let field = Field::new(name, &[("y", 3), ("x", 3)], |at| 10.0 * (at[0] + at[1]) as f64);
        fields.push(field.dtype("<f8", Value::Null).attributes(json!({"units": units})));
    }
    let scene = Scene::of(&fields);
    let outcome = scene.at(0.0, 0.0, &[]).expect(0);
    assert!(outcome.stderr.contains("left out: /psi_lat, /psi_lon: "), "{}", outcome.stderr);
    let outcome = scene.at(0.0, 0.0, &["--var", "psi_lat"]).expect(0);
    assert_eq!(values(&outcome, "psi_lat"), [Some(0.0)]);
}

/// What a selection could have been is listed, and found by its neighbours.
#[test]
fn labels_are_listed_and_found_nearby() {
    let mut fields = globe();
    let depth = Field::new("depth", &[("depth", 3)], |at| [0.494_025, 1.541_375, 2.645_669][at[0]]);
    fields.push(depth.attributes(json!({"units": "m"})));
    fields.push(Field::new("q", &[("depth", 3), ("lat", 19), ("lon", 36)], |at| at[0] as f64));
    let scene = Scene::of(&fields);
    let run = |flags: &[&str]| scene.at(50.0, 30.0, &[&["--var", "q"], flags].concat());
    let outcome = run(&["--sel", "depth=0.494"]).expect(2);
    for words in ["available: 0.494025, 1.541375, 2.645669", "--sel-method nearest", "the nearest is 0.494025"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    let column = |outcome: &harness::Outcome| {
        let row = outcome.of_type("row").remove(0);
        row.as_object().unwrap().keys().find(|name| name.starts_with("q_")).unwrap().clone()
    };
    assert_eq!(column(&run(&["--sel", "depth=0.494", "--sel-method", "nearest"]).expect(0)), "q_0.494025");
    assert_eq!(column(&run(&["--sel", "depth=2", "--sel-method", "pad"]).expect(0)), "q_1.541375");
    run(&["--sel", "depth=0.494", "--sel-method", "nearest", "--sel-tolerance", "0.001"]).expect(0);
    run(&["--sel", "depth=0.3", "--sel-method", "nearest", "--sel-tolerance", "0.001"]).expect(2);
    run(&["--sel", "depth=0.494", "--sel-tolerance", "0.001"]).expect(2);
}

#[test]
fn a_point_the_other_way_round_is_noticed() {
    let scene = Scene::of(&region());
    let outcome = scene.at(5.0, 45.0, &[]).expect(2);
    assert!(outcome.stderr.contains("may be swapped"), "{}", outcome.stderr);
    let outcome = scene.at(5.0, -45.0, &[]).expect(2);
    assert!(!outcome.stderr.contains("swapped"), "{}", outcome.stderr);
    let outcome = scene.at(95.0, 10.0, &[]).expect(2);
    assert!(outcome.stderr.contains("--lat 10 --lon 95"), "{}", outcome.stderr);
}

/// An array in place of its store: the same values, and no others.
#[test]
fn a_single_array_is_a_store() {
    let mut fields = globe();
    fields.push(Field::new("q", &[("lat", 19), ("lon", 36)], |_| 1.0));
    let scene = Scene::of(&fields);
    let array = scene.store.join("t");
    let run =
        |flags: &[&str]| harness::Tool::new("zpoint").arg(&array).args(["--lat=50", "--lon=30"]).args(flags).run();
    let outcome = run(&[]).expect(0);
    assert_eq!(first(&outcome), Some(value(0, 4, 3)));
    assert!(outcome.of_type("row")[0].get("q").is_none());
    assert_eq!(values(&run(&["--sel", "time=2019-03-01T02"]).expect(0), "t"), [Some(value(2, 4, 3))]);
}

#[test]
fn a_mistyped_name_gets_the_closest() {
    let mut fields = globe();
    fields.push(Field::new("t2m", &[("lat", 19), ("lon", 36)], |_| 1.0));
    let scene = Scene::of(&fields);
    let outcome = scene.at(50.0, 30.0, &["--var", "t2n"]).expect(4);
    assert!(outcome.stderr.contains("did you mean t2m?"), "{}", outcome.stderr);
    let outcome = scene.at(50.0, 30.0, &["--sel", "tim=2019"]).expect(2);
    assert!(outcome.stderr.contains("did you mean time?"), "{}", outcome.stderr);
}
