//! Variables that are carried, left out or asked for by name; datasets whose names and coordinates come from conventions.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::made::Field;
use crate::scene::{COLUMNS, ROWS, Scene, TIMES, csv, globe, summary, value, values};

/// Changes a metadata document.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut document);
    fs::write(path, document.to_string()).unwrap();
}

/// The globe whose variable has a scalar, a text and a two-dimensional coordinate, bounds and a grid mapping.
fn with_coordinates() -> Scene {
    let mut fields = globe();
    let names = json!({"coordinates": "number expver valid_time", "grid_mapping": "crs"});
    let t = Field::new("t", &[("time", TIMES), ("lat", ROWS), ("lon", COLUMNS)], |at| value(at[0], at[1], at[2]));
    fields[3] = t.attributes(names);
    fields.push(Field::new("number", &[], |_| 7.0));
    fields.push(Field::new("valid_time", &[("time", TIMES), ("step", 2)], |at| (at[0] * 10 + at[1]) as f64));
    fields.push(Field::new("expver", &[("time", TIMES)], |at| at[0] as f64).dtype("<i8", json!("")));
    fields.push(Field::new("crs", &[], |_| 0.0));
    let scene = Scene::of(&fields);
    // Eight bytes of text each: "0001" of the first times, "0005" of the others.
    edit(&scene.store.join("expver/.zarray"), |document| document["dtype"] = json!("|S8"));
    let text = |time: usize| if time < 2 { *b"0001\0\0\0\0" } else { *b"0005\0\0\0\0" };
    fs::write(scene.store.join("expver/0"), (0..TIMES).flat_map(text).collect::<Vec<u8>>()).unwrap();
    scene
}

#[test]
fn scalar_text_and_two_dimensional_coordinates_are_carried() {
    let scene = with_coordinates();
    let points = ["--lat=50", "--lon=0", "--lat=0", "--lon=90", "-f", "csv", "--carry"];
    for flags in [&[][..], &["--var", "t"]] {
        let outcome = scene.run(&[&points[..], flags].concat()).expect(0);
        let column = |name: &str| csv(&outcome.stdout, name);
        assert_eq!(column("number"), vec!["7.0"; 2 * TIMES]);
        assert_eq!(
            column("valid_time_1"),
            (0..2 * TIMES).map(|row| format!("{}.0", row / 2 * 10 + 1)).collect::<Vec<_>>()
        );
        assert_eq!(column("expver")[..6], ["0001", "0001", "0001", "0001", "0005", "0005"]);
        assert_eq!(column("t")[1], format!("{:.1}", value(0, 9, 9)));
    }
    // What describes others otherwise is named.
    let outcome = scene.run(&points).expect(0);
    assert!(outcome.stderr.contains("1 array left out: /crs"), "{}", outcome.stderr);
    let rows = scene.run(&[&points[..], &["--row-dims", "time,step"]].concat()).expect(0).stdout;
    assert_eq!(csv(&rows, "valid_time")[..4], ["0.0", "0.0", "1.0", "1.0"]);
    // As before without the flag.
    let outcome = scene.at(50.0, 0.0, &[]).expect(0);
    assert_eq!((outcome.stderr.as_str(), summary(&outcome)["columns"].as_u64()), ("", Some(1)));
}

/// Text of variable length, by time and step in chunks of two times.
#[test]
fn text_of_variable_length_is_carried() {
    let scene = with_coordinates();
    let array = scene.store.join("expver");
    edit(&array.join(".zattrs"), |document| document["_ARRAY_DIMENSIONS"] = json!(["time", "step"]));
    edit(&array.join(".zarray"), |document| {
        (document["dtype"], document["shape"], document["chunks"]) = (json!("|O"), json!([TIMES, 2]), json!([2, 2]));
        (document["filters"], document["fill_value"]) = (json!([{"id": "vlen-utf8"}]), json!("none"));
    });
    fs::remove_file(array.join("0")).unwrap();
    let name = |time: usize, step: usize| "x".repeat(time) + &step.to_string();
    for chunk in [0, 2] {
        let mut bytes = 4u32.to_le_bytes().to_vec();
        for number in 0..4 {
            let text = name(2 * chunk + number / 2, number % 2);
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        fs::write(array.join(format!("{chunk}.0")), bytes).unwrap();
    }
    let outcome = scene.at(50.0, 0.0, &["-f", "csv", "--carry", "--isel", "time=1:6", "--isel", "step=1"]).expect(0);
    let expected = [name(1, 1), "none".into(), "none".into(), name(4, 1), name(5, 1)];
    assert_eq!(csv(&outcome.stdout, "expver_1"), expected);
    let outcome = scene.at(50.0, 0.0, &["-f", "csv", "--carry", "--row-dims", "step,time"]).expect(0);
    assert_eq!(csv(&outcome.stdout, "expver")[..4], [name(0, 0), name(0, 1), name(1, 0), name(1, 1)]);
}

#[test]
fn every_output_takes_carried_text() {
    let scene = with_coordinates();
    for name in ["a.parquet", "b.zarr", "c.jsonl"] {
        scene.at(50.0, 0.0, &["--carry", "--row-dims", "time", "-o", &scene.text(name)]).expect(0);
        assert!(scene.path(name).exists());
    }
}

/// Arrays beside `t` that cannot be read.
fn with_unreadable(names: &[&str]) -> Scene {
    let mut fields = globe();
    for name in names {
        fields.push(Field::new(name, &[("lat", ROWS), ("lon", COLUMNS)], |_| 0.0));
    }
    let scene = Scene::of(&fields);
    for name in names {
        let filter = json!([{"id": "jenkins_lookup3"}]);
        edit(&scene.store.join(name).join(".zarray"), |document| document["filters"] = filter);
    }
    scene
}

#[test]
fn what_is_asked_for_by_name_and_left_out_is_an_error_record() {
    let scene = with_unreadable(&["a", "b"]);
    for flags in [&[][..], &["-n"], &["-f", "csv"]] {
        let outcome = scene.at(50.0, 0.0, &[&["--var", "t", "--var", "a", "--var", "b"], flags].concat()).expect(3);
        for path in ["/a", "/b", "jenkins_lookup3"] {
            assert!(outcome.stderr.contains(path), "{path}: {}", outcome.stderr);
        }
        if flags != ["-f", "csv"] {
            let errors = outcome.of_type("error");
            assert_eq!(errors.len(), 2, "{errors:?}");
            assert!(errors[1]["path"].as_str().unwrap().ends_with("/b"), "{errors:?}");
        }
    }
    // One that is not there, too.
    let outcome = scene.at(50.0, 0.0, &["--var", "t", "--var", "t2n"]).expect(3);
    assert!(outcome.stderr.contains("--var t2n: no such array"), "{}", outcome.stderr);
    assert_eq!(values(&outcome, "t").len(), TIMES);
    // Patterns ask for whatever there is.
    scene.at(50.0, 0.0, &["--var", "[tab]"]).expect(0);
}

#[test]
fn all_that_are_left_out_are_named() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let outcome = with_unreadable(&names).at(50.0, 0.0, &[]).expect(0);
    assert!(outcome.stderr.contains("8 arrays left out: /a, /b, /c, /d, /e, /f, /g, /h: "), "{}", outcome.stderr);
}

#[test]
fn when_no_variable_can_be_read_the_codec_is_named() {
    let scene = with_unreadable(&["a"]);
    fs::remove_dir_all(scene.store.join("t")).unwrap();
    for flags in [&[][..], &["--var", "a"], &["--carry"]] {
        let outcome = scene.at(50.0, 0.0, flags).expect(5);
        assert!(
            outcome.stderr.contains("jenkins_lookup3") && !outcome.stderr.contains("--lat-name"),
            "{}",
            outcome.stderr
        );
    }
}

/// A dataset of anemoi: no dimension names, no units, variables named by an attribute.
fn anemoi(dims: bool) -> Scene {
    let cells = 40;
    let lat = move |n: usize| (n * 37 % cells) as f64 * 4.0 - 80.0;
    let lon = move |n: usize| (n * 53 % cells) as f64 * 9.0;
    let double = |name: &str, value: Box<dyn Fn(usize) -> f64>| {
        Field::new(name, &[("cell", cells)], move |at| value(at[0])).dtype("<f8", json!("NaN"))
    };
    let dimensions = [("time", 5), ("variable", 3), ("ensemble", 1), ("cell", cells)];
    let data = Field::new("data", &dimensions, |at| (at[0] * 1000 + at[1] * 100 + at[3]) as f64);
    let dates = Field::new("dates", &[("time", 5)], |at| 1_577_836_800.0 + at[0] as f64 * 21_600.0);
    let mean = Field::new("mean", &[("variable", 3)], |_| 1.0);
    let fields = [
        data.chunks(&[1, 3, 1, cells]),
        dates.dtype("<i8", Value::Null),
        double("latitudes", Box::new(lat)),
        double("longitudes", Box::new(lon)),
        mean,
    ];
    let scene = Scene::of(&fields);
    let attributes = json!({"variables": ["2t", "10u", "lsm"], "ensemble_dimension": 2, "frequency": "6h"});
    fs::write(scene.store.join(".zattrs"), attributes.to_string()).unwrap();
    edit(&scene.store.join("dates/.zarray"), |document| document["dtype"] = json!("<M8[s]"));
    if !dims {
        for name in ["data", "dates", "latitudes", "longitudes", "mean"] {
            fs::remove_file(scene.store.join(name).join(".zattrs")).unwrap();
        }
    }
    scene
}

#[test]
fn datasets_of_anemoi_have_dates_positions_and_names_of_variables() {
    for dims in [true, false] {
        let scene = anemoi(dims);
        // Cell 1.
        let outcome = scene.at(68.2, 117.1, &["-f", "csv", "--max-distance", "2000km"]).expect(0);
        let header = outcome.stdout.lines().next().unwrap();
        assert!(header.ends_with("time,data_2t_0,data_10u_0,data_lsm_0"), "{header}");
        assert_eq!(csv(&outcome.stdout, "time")[1], "2020-01-01T06:00:00Z");
        assert_eq!(csv(&outcome.stdout, "data_10u_0"), ["101.0", "1101.0", "2101.0", "3101.0", "4101.0"]);
        assert!(!outcome.stderr.contains("units"), "{}", outcome.stderr);
        let flags = ["-f", "csv", "--max-distance", "2000km", "--sel", "variable=lsm", "--sel", "time=2020-01-02"];
        let outcome = scene.at(68.2, 117.1, &flags).expect(0);
        assert_eq!(csv(&outcome.stdout, "data_lsm_0"), ["4201.0"]);
    }
}

#[test]
fn dimension_names_of_netcdf_c_are_understood() {
    for (file, key) in [(".zarray", "_NCZARR_ARRAY"), (".zattrs", "_nczarr_array"), (".nczarray", "")] {
        let scene = Scene::globe();
        for (name, own) in
            [("lat", vec!["lat"]), ("lon", vec!["lon"]), ("time", vec!["time"]), ("t", vec!["time", "lat", "lon"])]
        {
            let array = scene.store.join(name);
            edit(&array.join(".zattrs"), |document| {
                drop(document.as_object_mut().unwrap().remove("_ARRAY_DIMENSIONS"))
            });
            let paths: Vec<String> = own.iter().map(|name| format!("/{name}")).collect();
            let references = json!({"dimrefs": paths, "storage": "chunked"});
            match key {
                "" => fs::write(array.join(file), references.to_string()).unwrap(),
                key => edit(&array.join(file), |document| document[key] = references),
            }
        }
        fs::write(scene.store.join(".nczarr"), r#"{"nczarr_version": "1.0.0"}"#).unwrap();
        let outcome = scene.at(50.0, 30.0, &[]).expect(0);
        assert_eq!(values(&outcome, "t")[0], Some(value(0, 4, 3)), "{file}");
        assert_eq!(outcome.of_type("row")[1]["time"], "2019-03-01T01:00:00Z");
    }
}
