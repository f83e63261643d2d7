//! Arrays that are not extracted, and why.

use zwire::Exit;

/// An array that is not extracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path.
    pub path: String,
    /// Why, as a message.
    pub why: String,
    /// What it is an error of, if the array was requested.
    pub exit: Exit,
}

/// The most paths that are listed for one reason.
const LISTED: usize = 100;

impl LeftOut {
    /// An array that no point has values of.
    pub fn new(path: &str, why: impl Into<String>) -> LeftOut {
        LeftOut { path: path.to_owned(), why: why.into(), exit: Exit::Absent }
    }

    /// An array that cannot be read, or whose coordinates cannot be used.
    pub fn unreadable(path: &str, why: impl Into<String>) -> LeftOut {
        LeftOut { exit: Exit::Unreadable, ..LeftOut::new(path, why) }
    }

    /// An array with coordinates that the user has to choose.
    pub fn unclear(path: &str, why: impl Into<String>) -> LeftOut {
        LeftOut { exit: Exit::Usage, ..LeftOut::new(path, why) }
    }
}

/// All of them by reason: `/a, /b: codec x is not supported; /c: it has no latitude`.
pub fn listed<'a>(left_out: impl IntoIterator<Item = &'a LeftOut>) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for LeftOut { path, why, .. } in left_out {
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, paths)) => paths.push(path),
            None => reasons.push((why, vec![path])),
        }
    }
    let text = |(reason, paths): (&str, Vec<&str>)| {
        let more = match paths.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {reason}", paths[..paths.len().min(LISTED)].join(", "))
    };
    reasons.into_iter().map(text).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_listed_by_reason() {
        let all = [LeftOut::new("/a", "no"), LeftOut::unreadable("/b", "codec x"), LeftOut::new("/c", "no")];
        assert_eq!(listed(&all), "/a, /c: no; /b: codec x");
        let many: Vec<LeftOut> = (0..105).map(|number| LeftOut::new(&format!("/{number}"), "no")).collect();
        assert!(listed(&many).ends_with("/99 and 5 more: no"), "{}", listed(&many));
    }
}
