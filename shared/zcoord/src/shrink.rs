//! Gives back memory that parsed documents do not need: a parser reserves room for more members, and there may be very many
//! arrays.

use serde_json::{Map, Value};

/// Shrinks a value.
fn shrink(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(shrink);
            items.shrink_to_fit();
        }
        Value::Object(map) => shrink_map(map),
        _ => {}
    }
}

/// Shrinks attributes.
pub fn shrink_map(map: &mut Map<String, Value>) {
    map.values_mut().for_each(shrink);
    *map = std::mem::take(map).into_iter().collect();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_lost() {
        let Value::Object(map) = json!({"b": [1, "x", {"c": null, "a": []}], "a": {"z": 1.5}}) else { unreachable!() };
        let mut shrunk = map.clone();
        shrink_map(&mut shrunk);
        assert_eq!(shrunk, map);
        assert!(shrunk.keys().eq(map.keys()), "in the same order");
    }
}
