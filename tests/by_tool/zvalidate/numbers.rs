//! Extremes as records and the table have them.

use harness::Tool;
use serde_json::{Value, json};

use crate::made::{Format, Scene};
use crate::size::{bare, run};

/// A store with one uncompressed chunk.
fn stored(dtype: &str, values: &[u8], attributes: &Value) -> Scene {
    let scene = bare(Format::V2);
    let document = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": dtype, "fill_value": 0, "order": "C",
        "filters": null, "compressor": null});
    scene.put("x/.zarray", document.to_string().as_bytes());
    scene.put("x/.zattrs", attributes.to_string().as_bytes());
    scene.put("x/0", values);
    scene
}

/// Numbers of 64 bits have more digits than a float.
#[test]
fn extremes_of_integers_are_exact() {
    let signed = [-9_007_199_254_740_993i64, 1, 2, 9_007_199_254_740_995].map(i64::to_le_bytes).concat();
    let unsigned = [9_007_199_254_740_993u64, 1 << 60, 1 << 61, u64::MAX - 1].map(u64::to_le_bytes).concat();
    let cases = [
        ("<i8", signed, json!([-9_007_199_254_740_993i64, 9_007_199_254_740_995i64])),
        ("<u8", unsigned, json!([9_007_199_254_740_993u64, u64::MAX - 1])),
        ("<i2", [3i16, -4, 5, 6].map(i16::to_le_bytes).concat(), json!([-4, 6])),
    ];
    for (dtype, bytes, expected) in cases {
        let scene = stored(dtype, &bytes, &json!({"valid_min": 1000, "valid_max": 2000}));
        let outcome = run(&scene, &["--level", "full"]).expect(1);
        let record = outcome.record("check", "/x");
        assert_eq!(json!([record["min"], record["max"]]), expected);
        let finding = outcome.of_type("finding").into_iter().find(|finding| finding["kind"] == "out_of_range");
        let text = format!("from {} to {}, as stored", expected[0], expected[1]);
        assert_eq!(finding.expect("a finding")["found"], text, "{}", outcome.stdout);
        let table =
            Tool::new("zvalidate").args(["--level", "full", "--format", "table", "--wide"]).arg(scene.store()).run();
        assert!(table.stdout.contains(&expected[1].to_string()), "{}", table.stdout);
    }
}
