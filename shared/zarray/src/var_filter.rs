//! Which arrays are meant: patterns over names and paths.

use globset::{GlobBuilder, GlobMatcher};
use zwire::{Exit, Failure, did_you_mean};

/// `text` as a pattern that only it matches.
pub fn glob_escape(text: &str) -> String {
    globset::escape(text)
}

/// Patterns that select arrays.
pub struct VarFilter(Vec<Pattern>);

struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// With a slash, the whole path is compared, otherwise the name.
    fn matches(&self, path: &str) -> bool {
        match self.text.contains('/') {
            true => self.glob.is_match(path) || self.glob.is_match(path.trim_start_matches('/')),
            false => self.glob.is_match(name_of(path)),
        }
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl VarFilter {
    /// Compiles patterns: names or, with a slash, full paths.
    ///
    /// # Errors
    /// A usage failure that names the pattern.
    pub fn new(patterns: &[String]) -> Result<VarFilter, Failure> {
        let compile = |pattern: &String| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            let matcher =
                glob.map_err(|error| Failure::usage(error.kind().to_string()).at(format!("--var {pattern}")))?;
            Ok(Pattern { text: pattern.clone(), glob: matcher.compile_matcher() })
        };
        patterns.iter().map(compile).collect::<Result<_, Failure>>().map(VarFilter)
    }

    /// Whether there are no patterns.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the array at the absolute path `path` is one of them; without patterns every array is.
    pub fn matches(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(path))
    }

    /// A failure for each pattern that matches none of the arrays at `paths`, with the closest name and those that exist.
    pub fn unmatched(&self, paths: &[String]) -> Vec<Failure> {
        self.unmatched_of("--var", paths)
    }

    /// As [`VarFilter::unmatched`], of the patterns that were given with another flag.
    pub fn unmatched_of(&self, flag: &str, paths: &[String]) -> Vec<Failure> {
        let unmatched = self.0.iter().filter(|pattern| !paths.iter().any(|path| pattern.matches(path)));
        let failure = |Pattern { text, .. }: &Pattern| {
            let failure = Failure::new(Exit::Absent, format!("{flag} {text}: no such array"));
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            let exists = |part: &&str| paths.iter().any(|path| path == *part || name_of(path) == *part);
            if parts.len() > 1 && parts.iter().all(exists) {
                let flags: Vec<String> = parts.iter().map(|part| format!("{flag} {part}")).collect();
                return failure.hint(format!("repeat the flag: {}", flags.join(" ")));
            }
            let shown = |path| if text.contains('/') { path } else { name_of(path) };
            match did_you_mean(text, paths.iter().map(|path| shown(path.as_str()))) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        };
        unmatched.map(failure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_names_or_paths() {
        let filter = |patterns: &[&str]| {
            let var: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            VarFilter::new(&var).expect("valid")
        };
        assert!(filter(&[]).matches("/a/t2m"));
        assert!(filter(&["t2m"]).matches("/a/t2m") && !filter(&["t2"]).matches("/a/t2m"));
        assert!(filter(&["a/*"]).matches("/a/t2m") && filter(&["/a/t2m"]).matches("/a/t2m"));
        assert!(!filter(&["/*"]).matches("/a/t2m") && filter(&["/**"]).matches("/a/t2m"));
        assert!(VarFilter::new(&["[".into()]).is_err());
    }

    #[test]
    fn patterns_without_an_array_are_named_with_the_closest() {
        let filter = VarFilter::new(&["t2m".into(), "u1".into(), "/b/t2m".into()]).expect("valid");
        let failures = filter.unmatched(&["/a/t2m".into(), "/a/u10".into()]);
        let texts: Vec<_> =
            failures.iter().map(|failure| (failure.to_string(), failure.advice().unwrap_or(""))).collect();
        let expected = [
            ("--var u1: no such array".to_owned(), "did you mean u10? available: t2m, u10"),
            ("--var /b/t2m: no such array".to_owned(), "did you mean /a/t2m? available: /a/t2m, /a/u10"),
        ];
        assert_eq!(texts, expected);
    }
}
