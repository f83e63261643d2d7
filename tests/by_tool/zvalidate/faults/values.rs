//! Faults in the values.

use serde_json::json;

use super::{DEFAULT, Fault, chunk};

/// The faults.
pub fn values() -> Vec<Fault> {
    vec![
        Fault {
            kind: "too_many_nan",
            path: "/t2m",
            flags: &["--max-nan", "t2m=0.001"],
            located: |_| "0.227%".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if index[0] < 10 && index[1] == 4 && index[2] == 4 {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "all_nan",
            path: "/t2m",
            located: |_| "4 400 values".into(),
            plant: |scene| scene.set("t2m", |_, value| *value = f32::NAN),
            ..DEFAULT
        },
        Fault {
            kind: "nan_steps",
            path: "/t2m",
            located: |_| "2019-03-01T07:00:00Z 2019-03-01T09:00:00Z".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (7..10).contains(&index[0]) {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "nan_chunks",
            path: "/t2m",
            located: chunk,
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (12..18).contains(&index[0]) && index[1] >= 6 {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "nan_rectangles",
            path: "/t2m",
            located: chunk,
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (12..18).contains(&index[0]) && index[1] >= 8 {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "constant_steps",
            path: "/t2m",
            located: |_| "2019-03-01T07:00:00Z 2019-03-01T08:00:00Z".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (7..9).contains(&index[0]) {
                        *value = 273.15;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "constant_array",
            path: "/t2m",
            located: |_| "273".into(),
            plant: |scene| scene.set("t2m", |_, value| *value = 273.0),
            ..DEFAULT
        },
        Fault {
            kind: "infinite_values",
            path: "/t2m",
            located: |_| "inf".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if index == [20, 3, 3] {
                        *value = f32::INFINITY;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "out_of_range",
            path: "/t2m",
            located: |_| "as stored".into(),
            plant: |scene| scene.edit_attributes("t2m", |attributes| attributes["valid_max"] = json!(270)),
            ..DEFAULT
        },
    ]
}
