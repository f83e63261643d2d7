//! What decides the values of an output, by the names of the flags: attributes of the group, and what a resumed run is compared by.

use serde_json::{Map, Value, json};
use zarray::json::parse;
use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use crate::system::System;

/// Values by the names of flags, with `_` for `-`.
pub type Parameters = Map<String, Value>;

/// The parameters of a system.
pub fn of_system(system: &System) -> Parameters {
    let System { sigma, rho, beta, dt, integrator } = system;
    crate::documents::members(
        json!({"sigma": sigma, "rho": rho, "beta": beta, "dt": dt, "integrator": integrator.name()}),
    )
}

/// The parameters of an ensemble whose initial conditions have these.
pub fn of_ensemble(initial: Parameters, system: &System, steps: u64, every: u64) -> Parameters {
    let mut all = initial;
    all.extend(of_system(system));
    all.extend(crate::documents::members(json!({"steps": steps, "every": every})));
    all
}

/// The flag of a parameter.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// The first parameter that is another one, or missing, in `found`.
pub fn difference<'a>(
    found: &'a Parameters,
    wanted: &'a Parameters,
) -> Option<(&'a str, Option<&'a Value>, &'a Value)> {
    let all = wanted.iter().map(|(name, wanted)| (name.as_str(), found.get(name), wanted));
    all.into_iter().find(|(_, found, wanted)| !found.is_some_and(|found| is_same(found, wanted)))
}

/// Whether two values are the same, whatever program wrote the number.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => one.as_f64() == other.as_f64(),
        _ => a == b,
    }
}

/// Checks that a finished output was written with these parameters, as its attributes tell.
///
/// # Errors
/// [`Exit::Output`] with the first that differs.
pub fn check_written(written: &Store, wanted: &Parameters) -> Result<(), Failure> {
    let found = attributes(written)?;
    let text = match difference(&found, wanted) {
        None => return Ok(()),
        Some((name, Some(found), wanted)) => {
            let flag = flag(name);
            format!(
                "the output exists, and was written with {flag} {}, not with {flag} {}",
                typed(name, found),
                typed(name, wanted)
            )
        }
        Some((name, None, wanted)) => format!(
            "the output exists, but its attributes do not have {name}: it was not written with {} {}",
            flag(name),
            typed(name, wanted)
        ),
    };
    let failure = Failure::new(Exit::Output, text).at(written.location());
    Err(failure.hint("use another output, or --overwrite to replace it"))
}

/// The value of a parameter as it is typed.
fn typed(name: &str, value: &Value) -> String {
    match (name, value) {
        // Of a batch: its range.
        ("file_ids", Value::Array(range)) => range.iter().map(short).collect::<Vec<_>>().join(":"),
        _ => short(value),
    }
}

/// A value as it is typed.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The attributes of the root group, in either format; none of a store without them.
///
/// # Errors
/// The store's.
pub fn attributes(store: &Store) -> Result<Parameters, StoreError> {
    let mut text = Vec::new();
    let members = |text: &[u8]| match parse(text) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    if store.get("zarr.json", &mut text)?.is_some() {
        return Ok(match members(&text).remove("attributes") {
            Some(Value::Object(attributes)) => attributes,
            _ => Map::new(),
        });
    }
    Ok(if store.get(".zattrs", &mut text)?.is_some() { members(&text) } else { Map::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::members;

    #[test]
    fn the_first_difference_is_found_whatever_wrote_the_numbers() {
        let wanted = members(json!({"seed": 42, "center": [-10.0, -10.0, 25.0], "file_ids": [1, 1i64 << 61]}));
        let written =
            members(json!({"title": "mine", "seed": 42, "center": [-10, -10, 25], "file_ids": [1, 1i64 << 61]}));
        assert_eq!(difference(&written, &wanted), None);
        let mut other = written.clone();
        other.insert("file_ids".into(), json!([1, (1i64 << 61) + 1]));
        assert_eq!(difference(&other, &wanted).map(|found| found.0), Some("file_ids"));
        other.remove("seed");
        assert_eq!(difference(&other, &wanted), Some(("seed", None, &json!(42))));
        assert_eq!((flag("file_ids").as_str(), short(&wanted["center"]).as_str()), ("--file-ids", "-10.0,-10.0,25.0"));
    }
}
