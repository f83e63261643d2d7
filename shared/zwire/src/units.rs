//! Human-readable numbers and names.

/// Bytes in powers of 1024, three digits: `0 B`, `999 B`, `1.50 KiB`, `12.3 GiB`.
pub fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 999.5 || unit == "PiB" {
            let decimals = match value {
                _ if unit == "B" => 0,
                v if v < 9.995 => 2,
                v if v < 99.95 => 1,
                _ => 0,
            };
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1024.0;
    }
    unreachable!("the last unit takes every value")
}

/// A count with thousands separated: `3 930`.
pub fn human_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 block`, `3 930 arrays`.
pub fn human_counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", human_count(count), if count == 1 { "" } else { "s" })
}

/// A path, URL or value as one word of a POSIX shell. A path that begins with `-` gets `./` before it, so that it is not taken for
/// an option.
pub fn shell_quote(text: &str) -> String {
    if text.starts_with('-') {
        return shell_quote(&format!("./{text}"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The output of a printed command that recompresses `array` of `store`: beside a local store, in the current directory for
/// a URL. Each array has an output of its own, so that all printed commands can run, and none ends in `.zarr`, so that a later
/// `*.zarr` does not find it.
pub fn recompressed_name(store: &str, array: &str) -> String {
    let name = store.trim_end_matches('/');
    let stem = match name.rsplit('/').next() {
        // The store has no name of its own.
        Some("." | ".." | "") | None => "../copy",
        Some(last) if name.contains("://") => last,
        Some(_) => name,
    };
    // What separates them stands in no name, so that no two arrays share one.
    let escaped = array.trim_start_matches('/').replace('%', "%25").replace('-', "%2D").replace('+', "%2B");
    let separator = if escaped.is_empty() { "" } else { "-" };
    let array = escaped.replace('/', "+");
    format!("{}{separator}{array}.recompressed", stem.strip_suffix(".zarr").unwrap_or(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_printed_commands_have_names_of_their_own() {
        for (store, array, name) in [
            ("/data/a.zarr/", "/t2m", "/data/a-t2m.recompressed"),
            ("b", "/surface/t2m", "b-surface+t2m.recompressed"),
            ("b", "/surface-t2m", "b-surface%2Dt2m.recompressed"),
            ("b-surface", "/t2m", "b-surface-t2m.recompressed"),
            ("b", "/surface+t2m", "b-surface%2Bt2m.recompressed"),
            ("b", "/surface%2Bt2m", "b-surface%252Bt2m.recompressed"),
            (".", "/t2m", "../copy-t2m.recompressed"),
            ("my store.zarr", "/", "my store.recompressed"),
            ("s3://bucket/dir/c.zarr", "/t2m", "c-t2m.recompressed"),
        ] {
            assert_eq!(recompressed_name(store, array), name);
        }
    }

    #[test]
    fn three_digits_and_a_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "0.98 KiB"),
            (1536, "1.50 KiB"),
            (12 << 20, "12.0 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
        assert_eq!(
            (human_count(7), human_count(3930), human_count(1234567)),
            ("7".into(), "3 930".into(), "1 234 567".into())
        );
    }

    #[test]
    fn nouns_follow_their_count() {
        assert_eq!(
            (human_counted(1, "block"), human_counted(1200, "block")),
            ("1 block".into(), "1 200 blocks".into())
        );
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_quote("s3://b/x.zarr"), "s3://b/x.zarr");
        assert_eq!(shell_quote("a b"), "'a b'");
        assert_eq!((shell_quote("-x.zarr"), shell_quote("-a b")), ("./-x.zarr".into(), "'./-a b'".into()));
        assert_eq!(shell_quote("it's"), r"'it'\''s'");
        assert_eq!(shell_quote(""), "''");
    }
}
