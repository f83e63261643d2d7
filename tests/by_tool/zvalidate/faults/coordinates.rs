//! Faults in the coordinates.

use serde_json::json;

use super::{DEFAULT, Fault};
use crate::made::{Data, Scene};

/// The faults.
pub fn coordinates() -> Vec<Fault> {
    fn times(scene: &Scene, change: impl FnOnce(&mut Vec<i64>)) {
        scene.rewrite("time", |array| {
            let Data::I64(values) = &mut array.data else { panic!("time has whole numbers") };
            change(values);
        });
    }
    fn latitudes(scene: &Scene, change: impl FnOnce(&mut Vec<f64>)) {
        scene.rewrite("latitude", |array| {
            let Data::F64(values) = &mut array.data else { panic!("latitude has floats") };
            change(values);
        });
    }
    vec![
        Fault {
            kind: "coordinate_duplicates",
            path: "/time",
            located: |_| "2019-03-01T20:00:00Z".into(),
            plant: |scene| times(scene, |times| times[21] = 20),
            besides: &["coordinate_gaps"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_duplicates",
            path: "/time",
            located: |_| "10 values".into(),
            // A batch that was appended twice.
            plant: |scene| times(scene, |times| (40..50).for_each(|at| times[at] = at as i64 - 30)),
            besides: &["coordinate_order"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_order",
            path: "/time",
            located: |_| "2019-03-02T06:00:00Z 2019-03-02T05:00:00Z".into(),
            plant: |scene| times(scene, |times| times.swap(29, 30)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_missing_values",
            path: "/latitude",
            located: |_| "1 of 11".into(),
            plant: |scene| latitudes(scene, |values| values[4] = f64::NAN),
            besides: &["nan_values"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_missing_values",
            path: "/latitude",
            located: |_| "1 of 11".into(),
            plant: |scene| latitudes(scene, |values| values[4] = f64::INFINITY),
            besides: &["infinite_values"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_gaps",
            path: "/time",
            located: |_| "3 steps missing between 2019-03-02T05:00:00Z and 2019-03-02T09:00:00Z".into(),
            plant: |scene| times(scene, |times| times[30..].iter_mut().for_each(|time| *time += 3)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_near_duplicates",
            path: "/latitude",
            located: |_| "nearly equal".into(),
            plant: |scene| latitudes(scene, |values| values[10] = values[9] - 1e-5),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_step",
            path: "/time",
            flags: &["--expect-step", "1h"],
            located: |_| "3 steps missing".into(),
            plant: |scene| times(scene, |times| times[30..].iter_mut().for_each(|time| *time += 3)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_step",
            path: "/latitude",
            flags: &["--expect-step", "latitude=0.5"],
            located: |_| "a step of".into(),
            plant: |scene| latitudes(scene, |values| values[10] -= 0.2),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_values",
            path: "/time",
            flags: &["--expect", "time=2019-03-01:2019-03-03T01", "--expect-step", "1h"],
            located: |_| "2019-03-03T01:00:00Z".into(),
            plant: |scene| times(scene, |times| times.iter_mut().for_each(|time| *time -= 1)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_unreadable",
            path: "/longitude",
            located: |_| "longitude".into(),
            plant: |scene| scene.change(&scene.axis_key("longitude"), |bytes| bytes.truncate(20)),
            besides: &["truncated"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_bounds",
            path: "/latitude",
            located: |_| "not there".into(),
            plant: |scene| scene.edit_attributes("latitude", |attributes| attributes["bounds"] = json!("lat_bnds")),
            ..DEFAULT
        },
    ]
}
