//! Which arrays are meant: patterns over names and paths.

use globset::{GlobBuilder, GlobMatcher};
use zwire::Failure;

/// `text` as a pattern that only it matches.
pub fn glob_escape(text: &str) -> String {
    globset::escape(text)
}

/// Patterns that select arrays.
pub struct VarFilter(Vec<(bool, GlobMatcher)>);

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
            Ok((pattern.contains('/'), matcher.compile_matcher()))
        };
        patterns.iter().map(compile).collect::<Result<_, Failure>>().map(VarFilter)
    }

    /// Whether there are no patterns.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the array at the absolute path `path` is one of them; without patterns every array is.
    pub fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let relative = path.trim_start_matches('/');
        self.0.is_empty()
            || self.0.iter().any(|(whole, glob)| match whole {
                true => glob.is_match(path) || glob.is_match(relative),
                false => glob.is_match(name),
            })
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
}
