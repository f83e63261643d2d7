//! Mistyped names: the closest of the names that exist.

use std::collections::HashSet;

/// How many names a hint lists.
const LISTED: usize = 8;

/// The hint for a name that does not exist: the closest one, and those that exist. `None` if there are none.
pub fn did_you_mean<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let mut seen = HashSet::new();
    let names: Vec<&str> = names.into_iter().filter(|name| seen.insert(*name)).collect();
    let meant = closest(typed, names.iter().copied()).map(|name| format!("did you mean {name}? "));
    let mut listed = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        listed.push_str(&format!(", … ({} in all)", names.len()));
    }
    (!names.is_empty()).then(|| format!("{}available: {listed}", meant.unwrap_or_default()))
}

/// The name that `typed` probably stands for: at most a third of its letters are different, or one contains the other.
pub fn closest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let typed = typed.to_lowercase();
    let allowed = (typed.chars().count() / 3).max(1);
    let rank = |name: &'n str| {
        let lower = name.to_lowercase();
        let edits = distance(&typed, &lower);
        let contains = typed.len() > 1 && lower.len() > 1 && (lower.contains(&typed) || typed.contains(&lower));
        // A name of one letter is close to any other.
        let close = edits <= allowed && edits < lower.chars().count().max(typed.chars().count());
        (close || contains).then_some((!close, edits, name))
    };
    names.into_iter().filter_map(rank).min_by_key(|(far, edits, _)| (*far, *edits)).map(|(.., name)| name)
}

/// The number of letters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, letter) in a.iter().enumerate() {
        let above = &rows[i];
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(letter != other);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_if_it_is_close() {
        let names = ["latitude", "longitude", "t2m", "time", "2m_temperature"];
        for (typed, meant) in [
            ("lattitude", Some("latitude")),
            ("T2M", Some("t2m")),
            ("tm2", Some("t2m")),
            ("t2", Some("t2m")),
            ("temperature", Some("2m_temperature")),
            ("tiem", Some("time")),
            ("wind_speed", None),
            ("x", None),
        ] {
            assert_eq!(closest(typed, names), meant, "{typed}");
        }
    }

    #[test]
    fn a_hint_lists_what_exists() {
        assert_eq!(did_you_mean("t2", ["t2m", "u10"]).as_deref(), Some("did you mean t2m? available: t2m, u10"));
        assert_eq!(did_you_mean("abc", ["t2m", "u10"]).as_deref(), Some("available: t2m, u10"));
        assert_eq!(did_you_mean("abc", ["t2m", "u10", "t2m"]).as_deref(), Some("available: t2m, u10"), "of two groups");
        assert_eq!(did_you_mean("abc", []), None);
        let many: Vec<String> = (0..100).map(|number| format!("name{number}")).collect();
        let hint = did_you_mean("t2", many.iter().map(String::as_str)).expect("there are names");
        assert!(hint.ends_with("name7, … (100 in all)"), "{hint}");
    }
}
