//! Tests of [`super`]: datasets as they are met, and what is found in them.

use serde_json::{Value, json};
use zarray::Node;

use super::*;
use crate::testing::array;

fn dataset(arrays: &[(&str, Value, Value)]) -> Dataset {
    let mut dataset = Dataset::default();
    for (path, dimensions, attributes) in arrays {
        dataset.add(Node::Array(Box::new(array(path, dimensions, attributes))));
    }
    dataset
}

fn found(dataset: &Dataset, names: &CoordinateNames) -> Result<(String, String, HorizontalDimensions), NotFound> {
    let variable = dataset.arrays().find(|array| array.path == "/v").expect("there");
    Finder::new(dataset, names)
        .find(variable)
        .map(|found| (found.latitude.path.clone(), found.longitude.path.clone(), found.dimensions))
}

#[test]
fn coordinates_of_dimensions_in_any_order() {
    let dataset = dataset(&[
        ("/a", json!(["a"]), json!({"units": "degrees_east"})),
        ("/b", json!(["b"]), json!({"standard_name": "latitude"})),
        ("/v", json!(["a", "time", "b"]), json!({})),
    ]);
    let layout = HorizontalDimensions::Axes { row: 2, column: 0 };
    assert_eq!(found(&dataset, &CoordinateNames::default()), Ok(("/b".into(), "/a".into(), layout)));
}

#[test]
fn units_go_before_names_and_rotated_poles_are_no_latitudes() {
    let dataset = dataset(&[
        ("/rlat", json!(["rlat"]), json!({"units": "degrees", "standard_name": "grid_latitude"})),
        ("/rlon", json!(["rlon"]), json!({"units": "degrees", "standard_name": "grid_longitude"})),
        ("/lat", json!(["rlat", "rlon"]), json!({"units": "degrees_north"})),
        ("/lon", json!(["rlat", "rlon"]), json!({"units": "degrees_east"})),
        ("/lat_2", json!(["rlat", "rlon"]), json!({})),
        ("/v", json!(["time", "rlat", "rlon"]), json!({"coordinates": "lon lat lat_2"})),
    ]);
    let layout = HorizontalDimensions::Plane { row: 1, column: 2 };
    assert_eq!(found(&dataset, &CoordinateNames::default()), Ok(("/lat".into(), "/lon".into(), layout)));
}

#[test]
fn points_share_a_dimension_and_wrf_repeats_its_grid() {
    let cells = dataset(&[
        ("/clat", json!(["cell"]), json!({"standard_name": "latitude"})),
        ("/clon", json!(["cell"]), json!({"standard_name": "longitude"})),
        ("/v", json!(["time", "cell"]), json!({"coordinates": "clat clon"})),
    ]);
    assert_eq!(
        found(&cells, &CoordinateNames::default()).map(|(.., layout)| layout),
        Ok(HorizontalDimensions::Points { cell: 1 })
    );
    let wrf = dataset(&[
        ("/XLAT", json!(["Time", "south_north", "west_east"]), json!({})),
        ("/XLONG", json!(["Time", "south_north", "west_east"]), json!({})),
        ("/XLAT_U", json!(["Time", "south_north", "west_east_stag"]), json!({})),
        ("/v", json!(["Time", "south_north", "west_east"]), json!({})),
    ]);
    assert_eq!(
        found(&wrf, &CoordinateNames::default()),
        Ok(("/XLAT".into(), "/XLONG".into(), HorizontalDimensions::Plane { row: 1, column: 2 }))
    );
}

#[test]
fn two_candidates_are_an_error_that_names_both() {
    let dataset = dataset(&[
        ("/lat", json!(["y", "x"]), json!({"units": "degrees_north"})),
        ("/lat2", json!(["y", "x"]), json!({"units": "degrees_north"})),
        ("/lon", json!(["y", "x"]), json!({"units": "degrees_east"})),
        ("/v", json!(["y", "x"]), json!({"coordinates": "lat lat2 lon"})),
    ]);
    let Err(NotFound::Unclear(text)) = found(&dataset, &CoordinateNames::default()) else { panic!("unclear") };
    for word in ["/lat and", "/lat2", "--lat-name"] {
        assert!(text.contains(word), "{text}");
    }
    let names = CoordinateNames { latitude: Some("lat2".into()), longitude: None };
    assert_eq!(found(&dataset, &names).map(|(latitude, ..)| latitude), Ok("/lat2".into()));
}

#[test]
fn metres_without_latitudes_are_refused_by_the_name_of_their_projection() {
    let dataset = dataset(&[
        ("/x", json!(["x"]), json!({"standard_name": "projection_x_coordinate", "units": "m"})),
        ("/y", json!(["y"]), json!({"standard_name": "projection_y_coordinate", "units": "m"})),
        ("/crs", json!([]), json!({"grid_mapping_name": "lambert_conformal_conic"})),
        ("/v", json!(["y", "x"]), json!({"grid_mapping": "crs"})),
    ]);
    let Err(NotFound::Unclear(text)) = found(&dataset, &CoordinateNames::default()) else { panic!("refused") };
    assert!(text.contains("lambert_conformal_conic"), "{text}");
}

#[test]
fn what_has_no_place_is_told() {
    let dataset = dataset(&[
        ("/time", json!(["time"]), json!({"units": "hours since 1900-01-01"})),
        ("/lat", json!(["lat"]), json!({})),
        ("/v", json!(["time", "lat"]), json!({})),
    ]);
    assert_eq!(found(&dataset, &CoordinateNames::default()), Err(NotFound::None("it has no longitude".into())));
    assert!(is_time(&array("/t", &json!(["t"]), &json!({"units": "days since 1850-1-1"}))));
    assert!(!is_time(&array("/step", &json!(["step"]), &json!({"units": "hours"}))));
}

#[test]
fn a_coordinate_of_another_length_is_none() {
    let mut dataset = dataset(&[("/lon", json!(["lon"]), json!({})), ("/v", json!(["lat", "lon"]), json!({}))]);
    let mut long = array("/lat", &json!(["lat"]), &json!({}));
    long.shape = vec![3];
    dataset.add(Node::Array(Box::new(long)));
    let Err(NotFound::None(why)) = found(&dataset, &CoordinateNames::default()) else { panic!("no grid") };
    assert!(why.contains("lat has length 2, but /lat has 3 values"), "{why}");
}
