//! Attributes of the output: those of the first batch, as far as the others agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use zstage::Attributes;

use crate::rules::Combine;

/// Attributes that hold the names of dimensions, and of another program.
const NOT_COMBINED: [&str; 2] = ["_ARRAY_DIMENSIONS", "_nczarr_attrs"];

/// The attributes of all nodes, combined from batch to batch.
pub struct Combiner {
    how: Combine,
    nodes: BTreeMap<String, Combined>,
}

struct Combined {
    attributes: Map<String, Value>,
    dropped: BTreeSet<String>,
    changed: bool,
}

impl Combiner {
    /// Begins with the attributes of the nodes of the first batch, by the start of their keys.
    pub fn new(how: Combine, nodes: impl Iterator<Item = (String, Map<String, Value>)>) -> Combiner {
        let combined = |attributes| Combined { attributes, dropped: BTreeSet::new(), changed: false };
        Combiner { how, nodes: nodes.map(|(prefix, attributes)| (prefix, combined(attributes))).collect() }
    }

    /// Adds a node of another batch, without its attributes in `except`.
    ///
    /// # Errors
    /// The name of an attribute that differs, if that is not allowed.
    pub fn add(&mut self, prefix: &str, other: &Map<String, Value>, except: &[&str]) -> Result<(), String> {
        let Some(node) = self.nodes.get_mut(prefix) else { return Ok(()) };
        let is_compared = |name: &str| !NOT_COMBINED.contains(&name) && !except.contains(&name);
        let names: BTreeSet<String> =
            node.attributes.keys().chain(other.keys()).filter(|name| is_compared(name)).cloned().collect();
        for name in names {
            let (own, theirs) = (node.attributes.get(&name), other.get(&name));
            if own == theirs || node.dropped.contains(&name) {
                continue;
            }
            match (self.how, own, theirs) {
                (Combine::Override, ..) => {}
                (Combine::Identical, ..) | (Combine::NoConflicts, Some(_), Some(_)) => return Err(name),
                (Combine::NoConflicts | Combine::DropConflicts, None, Some(value)) => {
                    node.attributes.insert(name, value.clone());
                    node.changed = true;
                }
                (Combine::DropConflicts, Some(_), Some(_)) => {
                    node.attributes.shift_remove(&name);
                    node.dropped.insert(name);
                    node.changed = true;
                }
                (_, _, None) => {}
            }
        }
        Ok(())
    }

    /// Attributes that were dropped because they differ: the first few, and how many there are.
    pub fn dropped(&self) -> (Vec<String>, usize) {
        let all = self.nodes.iter().flat_map(|(prefix, node)| {
            node.dropped
                .iter()
                .map(move |name| if prefix.is_empty() { name.clone() } else { format!("{prefix}:{name}") })
        });
        let names: Vec<String> = all.collect();
        let count = names.len();
        (names.into_iter().take(3).collect(), count)
    }

    /// The nodes whose attributes are others than in the first batch.
    pub fn changed(self) -> Attributes {
        let changed = self.nodes.into_iter().filter(|(_, node)| node.changed);
        changed.map(|(prefix, node)| (prefix, node.attributes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn combined(how: Combine, batches: &[Value]) -> Result<(Value, Vec<String>), String> {
        let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let first = map(&batches[0]);
        let mut combiner = Combiner::new(how, [(String::new(), first.clone())].into_iter());
        for other in &batches[1..] {
            combiner.add("", &map(other), &["units"])?;
        }
        let dropped = combiner.dropped().0;
        Ok((Value::Object(combiner.changed().remove("").unwrap_or(first)), dropped))
    }

    #[test]
    fn attributes_are_combined_in_the_words_of_xarray() {
        let batches = [json!({"a": 1, "b": 2, "units": "K"}), json!({"a": 1, "b": 3, "c": 4}), json!({"a": 1, "b": 2})];
        let (attributes, dropped) = combined(Combine::DropConflicts, &batches).expect("combined");
        assert_eq!((attributes, dropped), (json!({"a": 1, "units": "K", "c": 4}), vec!["b".to_owned()]));
        assert_eq!(combined(Combine::Override, &batches).expect("combined").0, batches[0]);
        assert_eq!(combined(Combine::NoConflicts, &batches), Err("b".into()));
        assert_eq!(combined(Combine::Identical, &batches[..2]), Err("b".into()));
        let agree = [json!({"a": 1}), json!({"c": 2})];
        assert_eq!(combined(Combine::NoConflicts, &agree).expect("combined").0, json!({"a": 1, "c": 2}));
    }
}
