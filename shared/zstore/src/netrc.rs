//! User and password of a host in the netrc file, which other programs read as well.

use std::path::PathBuf;

/// User and password for `host`, from the file that `NETRC` names or `~/.netrc`.
pub fn login(host: &str) -> Option<(String, String)> {
    let home = || std::env::home_dir().map(|home| home.join(".netrc"));
    let path = std::env::var_os("NETRC").map(PathBuf::from).or_else(home)?;
    find(&std::fs::read_to_string(path).ok()?, host)
}

/// The first entry for the host, or the default one.
fn find(text: &str, host: &str) -> Option<(String, String)> {
    let lines = without_macros(text);
    let mut words =
        lines.iter().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split_whitespace());
    let (mut here, mut user, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        if matches!(word, "machine" | "default") {
            if here && password.is_some() {
                break;
            }
            here = word == "default" || words.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
            (user, password) = (None, None);
        }
        match word {
            "login" if here => user = words.next(),
            "password" if here => password = words.next(),
            "login" | "password" | "account" => drop(words.next()),
            _ => {}
        }
    }
    Some((user.unwrap_or_default().to_owned(), password.filter(|_| here)?.to_owned()))
}

/// A macro ends with an empty line.
fn without_macros(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut is_outside = |line: &&str| {
        inside = if inside { !line.trim().is_empty() } else { line.trim_start().starts_with("macdef") };
        !inside
    };
    text.lines().filter(|line| is_outside(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_host_counts_and_the_default_is_last() {
        let text = "# all\nmachine a login me password one\nmacdef init\n  machine c password no\n\n\
            machine B\n  login you # with\n  account x\n  password two\nmachine a password late\ndefault login any password three\n";
        let found = |host: &str| find(text, host).map(|(user, password)| format!("{user}:{password}"));
        assert_eq!(found("a").as_deref(), Some("me:one"));
        assert_eq!(found("b").as_deref(), Some("you:two"));
        assert_eq!(found("c").as_deref(), Some("any:three"));
        assert_eq!(find("machine a login me", "a"), None);
        assert_eq!(find("machine a login me password one", "b"), None);
        assert_eq!(find("", "a"), None);
    }
}
