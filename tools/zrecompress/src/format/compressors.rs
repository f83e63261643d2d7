//! Codecs that work on bytes: in v2 the compressor and the bytes-to-bytes filters before it, in v3 the codecs after `bytes`.

use serde_json::{Value, json};

use super::error::{FormatError, invalid, unsupported};

/// The names of Blosc's filters in v3, at their number in v2.
const SHUFFLES: [&str; 3] = ["noshuffle", "shuffle", "bitshuffle"];

/// Compressors, by their id in v2.
const COMPRESSORS: [&str; 7] = ["blosc", "zstd", "gzip", "zlib", "bz2", "lzma", "lz4"];

/// Codecs on bytes that v2 has among the filters.
const FILTERS: [&str; 6] = ["shuffle", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"];

/// Whether v2 has the codec as the compressor.
pub fn is_compressor(id: &str) -> bool {
    COMPRESSORS.contains(&id)
}

/// Whether a codec of numcodecs works on bytes.
pub fn is_bytes_codec(id: &str) -> bool {
    is_compressor(id) || FILTERS.contains(&id)
}

/// The v3 codec that reads what a v2 codec stored. `itemsize` is the size of the elements that the codec gets.
///
/// # Errors
/// v3 has no such codec.
pub fn to_v3(config: &Value, itemsize: u64) -> Result<Value, FormatError> {
    let id = config["id"].as_str().ok_or_else(|| invalid(format!("codec {config} has no id")))?;
    let given = |member: &str, default: Value| config.get(member).cloned().unwrap_or(default);
    let configuration = match id {
        // v2 leaves out the size of elements, which is known there.
        "blosc" => json!({
            "typesize": config["typesize"].as_u64().filter(|size| *size > 0).unwrap_or(itemsize),
            "cname": given("cname", json!("lz4")),
            "clevel": given("clevel", json!(5)),
            "shuffle": shuffle_name(&given("shuffle", json!(1)), itemsize)?,
            "blocksize": given("blocksize", json!(0)),
        }),
        "zstd" => json!({"level": given("level", json!(0)), "checksum": given("checksum", json!(false))}),
        "gzip" => json!({"level": given("level", json!(1))}),
        // The specification has the checksum at the end, which is also the default of numcodecs.
        "crc32c" if config.get("location").is_none_or(|location| location.is_null() || location == "end") => {
            return Ok(json!({"name": "crc32c"}));
        }
        // Codecs that the specification lacks; zarr-python 3 names them `numcodecs.<id>`.
        _ if is_bytes_codec(id) => {
            let mut configuration = config.as_object().cloned().unwrap_or_default();
            configuration.shift_remove("id");
            if id == "shuffle" {
                // The default of numcodecs; zarr-python 3 would take the size of the array's elements.
                configuration.entry("elementsize").or_insert(json!(4));
            }
            return Ok(json!({"name": format!("numcodecs.{id}"), "configuration": configuration}));
        }
        _ => return Err(unsupported(format!("codec {id:?} has no compatible equivalent in Zarr v3"))),
    };
    Ok(json!({"name": id, "configuration": configuration}))
}

/// The v2 codec that reads what a v3 codec stored.
///
/// # Errors
/// v2 has no such codec.
pub fn to_v2(name: &str, configuration: &Value) -> Result<Value, FormatError> {
    let given = |member: &str, default: Value| configuration.get(member).cloned().unwrap_or(default);
    match (name, name.strip_prefix("numcodecs.")) {
        ("blosc", _) => Ok(json!({
            "id": "blosc",
            "cname": given("cname", json!("zstd")),
            "clevel": given("clevel", json!(5)),
            "shuffle": shuffle_number(configuration["shuffle"].as_str().unwrap_or("noshuffle"))?,
            "blocksize": given("blocksize", json!(0)),
        })),
        ("gzip", _) => Ok(json!({"id": "gzip", "level": given("level", json!(1))})),
        ("crc32c", _) => Ok(json!({"id": "crc32c", "location": "end"})),
        ("zstd", _) => {
            let mut config = json!({"id": "zstd", "level": given("level", json!(0))});
            if configuration.get("checksum") == Some(&json!(true)) {
                config["checksum"] = json!(true);
            }
            Ok(config)
        }
        (_, Some(id)) if is_bytes_codec(id) => {
            let mut config = serde_json::Map::from_iter([("id".to_owned(), json!(id))]);
            config.extend(configuration.as_object().cloned().unwrap_or_default());
            Ok(Value::Object(config))
        }
        _ => Err(unsupported(format!("codec {name:?} has no compatible equivalent in Zarr v2"))),
    }
}

/// -1 leaves the choice to the size of elements.
fn shuffle_name(stated: &Value, itemsize: u64) -> Result<&'static str, FormatError> {
    let number = match stated.as_i64() {
        Some(-1) => Some(if itemsize == 1 { 2 } else { 1 }),
        number => number.and_then(|number| usize::try_from(number).ok()),
    };
    let name = number.and_then(|number| SHUFFLES.get(number).copied());
    name.ok_or_else(|| invalid(format!("unknown Blosc shuffle {stated}")))
}

fn shuffle_number(name: &str) -> Result<usize, FormatError> {
    let number = SHUFFLES.iter().position(|shuffle| *shuffle == name);
    number.ok_or_else(|| invalid(format!("unknown Blosc shuffle {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_and_back() {
        let blosc = |shuffle: &str| {
            json!({"name": "blosc", "configuration":
                {"typesize": 4, "cname": "zstd", "clevel": 3, "shuffle": shuffle, "blocksize": 65536}})
        };
        let v2_blosc =
            |shuffle: i64| json!({"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": shuffle, "blocksize": 65536});
        let other = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
        for (v2, v3) in [
            (v2_blosc(0), blosc("noshuffle")),
            (v2_blosc(1), blosc("shuffle")),
            (v2_blosc(2), blosc("bitshuffle")),
            (json!({"id": "zstd", "level": 3}), other("zstd", json!({"level": 3, "checksum": false}))),
            (json!({"id": "zstd", "level": 3, "checksum": true}), other("zstd", json!({"level": 3, "checksum": true}))),
            (json!({"id": "gzip", "level": 6}), other("gzip", json!({"level": 6}))),
            (json!({"id": "zlib", "level": 6}), other("numcodecs.zlib", json!({"level": 6}))),
            (json!({"id": "bz2", "level": 6}), other("numcodecs.bz2", json!({"level": 6}))),
            (json!({"id": "lz4", "acceleration": 1}), other("numcodecs.lz4", json!({"acceleration": 1}))),
            (
                json!({"id": "lzma", "format": 1, "check": -1, "preset": null, "filters": null}),
                other("numcodecs.lzma", json!({"format": 1, "check": -1, "preset": null, "filters": null})),
            ),
            (json!({"id": "shuffle", "elementsize": 8}), other("numcodecs.shuffle", json!({"elementsize": 8}))),
            (json!({"id": "crc32"}), other("numcodecs.crc32", json!({}))),
            (json!({"id": "crc32c", "location": "start"}), other("numcodecs.crc32c", json!({"location": "start"}))),
            (json!({"id": "crc32c", "location": "end"}), json!({"name": "crc32c"})),
            (json!({"id": "fletcher32"}), other("numcodecs.fletcher32", json!({}))),
        ] {
            assert_eq!(to_v3(&v2, 4).as_ref(), Ok(&v3));
            assert_eq!(to_v2(v3["name"].as_str().expect("a name"), &v3["configuration"]), Ok(v2));
        }
    }

    #[test]
    fn what_is_left_out_is_what_numcodecs_takes() {
        let spelled =
            |config: Value, itemsize| to_v3(&config, itemsize).expect("both have it")["configuration"].clone();
        let lz4 = |typesize: u64, shuffle: &str| json!({"typesize": typesize, "cname": "lz4", "clevel": 5, "shuffle": shuffle, "blocksize": 0});
        assert_eq!(spelled(json!({"id": "blosc"}), 8), lz4(8, "shuffle"));
        assert_eq!(spelled(json!({"id": "blosc", "shuffle": -1}), 2), lz4(2, "shuffle"));
        assert_eq!(spelled(json!({"id": "blosc", "shuffle": -1}), 1), lz4(1, "bitshuffle"));
        assert_eq!(spelled(json!({"id": "blosc", "typesize": 3}), 8), lz4(3, "shuffle"));
        assert_eq!(spelled(json!({"id": "shuffle"}), 8), json!({"elementsize": 4}));
        assert_eq!(spelled(json!({"id": "zstd"}), 8), json!({"level": 0, "checksum": false}));
        assert_eq!(to_v3(&json!({"id": "crc32c", "location": null}), 1), Ok(json!({"name": "crc32c"})));
    }

    #[test]
    fn other_codecs_are_refused() {
        for (config, word) in [
            (json!({"id": "blosc", "shuffle": 3}), "shuffle 3"),
            (json!({"id": "imagecodecs_jpeg"}), "imagecodecs_jpeg"),
            (json!({"id": "pcodec"}), "pcodec"),
            (json!({}), "no id"),
        ] {
            assert!(to_v3(&config, 4).expect_err(word).to_string().contains(word));
        }
        assert!(to_v2("numcodecs.pcodec", &json!({})).expect_err("array to bytes").to_string().contains("pcodec"));
        assert!(to_v2("blosc", &json!({"shuffle": "auto"})).expect_err("no such shuffle").to_string().contains("auto"));
    }
}
