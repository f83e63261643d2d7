//! Codecs that work on bytes: in v2 the compressor and whatever bytes-to-bytes filters stand before it, in v3 the codecs after
//! `bytes`. Either name stands for the same stored bytes.

use serde_json::{Map, Value, json};

use super::dtype::DType;

/// The names of Blosc's filters in v3; their number is that of v2. -1 leaves the choice to the size of elements.
const SHUFFLES: [&str; 3] = ["noshuffle", "shuffle", "bitshuffle"];

/// Codecs of numcodecs that the specification of v3 has not, by their v2 `id`; zarr-python 3 names them `numcodecs.<id>`.
const NUMCODECS: [&str; 9] =
    ["zlib", "bz2", "lzma", "lz4", "shuffle", "crc32", "adler32", "fletcher32", "jenkins_lookup3"];

/// Codecs that do not compress: v2 has them among the filters.
const FILTERS: [&str; 6] = ["shuffle", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"];

/// Whether a codec of numcodecs works on bytes.
pub fn is_bytes_codec(id: &str) -> bool {
    NUMCODECS.contains(&id) || ["blosc", "zstd", "gzip", "crc32c"].contains(&id)
}

/// Whether v2 has the codec as a filter and not as the compressor.
pub fn is_filter(id: &str) -> bool {
    FILTERS.contains(&id)
}

/// The codec of v3 that reads what a v2 codec stored. `itemsize` is the size of the elements that it gets.
///
/// # Errors
/// v3 has no such codec.
pub fn to_v3(config: &Value, itemsize: u64) -> Result<Value, String> {
    let id = config["id"].as_str().ok_or_else(|| format!("codec {config} has no id"))?;
    let level = |default: i64| config.get("level").cloned().unwrap_or(json!(default));
    match id {
        "blosc" => blosc_to_v3(config, itemsize),
        "zstd" => {
            let checksum = config.get("checksum").cloned().unwrap_or(json!(false));
            Ok(json!({"name": "zstd", "configuration": {"level": level(0), "checksum": checksum}}))
        }
        "gzip" => Ok(json!({"name": "gzip", "configuration": {"level": level(1)}})),
        // The specification has the checksum at the end, where numcodecs puts it if nothing else is said.
        "crc32c" if config.get("location").is_none_or(|place| place.is_null() || place == "end") => {
            Ok(json!({"name": "crc32c"}))
        }
        _ if id == "crc32c" || NUMCODECS.contains(&id) => {
            let mut configuration = without_id(config);
            if id == "shuffle" && !configuration.contains_key("elementsize") {
                // The default of numcodecs; zarr-python 3 would take the size of the array's elements.
                configuration.insert("elementsize".into(), json!(4));
            }
            Ok(json!({"name": format!("numcodecs.{id}"), "configuration": configuration}))
        }
        _ => Err(format!("codec {id:?} has no counterpart in Zarr v3 that reads what it stored")),
    }
}

/// The codec of v2 that reads what a v3 codec stored.
///
/// # Errors
/// v2 has no such codec.
pub fn to_v2(name: &str, configuration: &Value) -> Result<Value, String> {
    let level = |default: i64| configuration.get("level").cloned().unwrap_or(json!(default));
    match (name, name.strip_prefix("numcodecs.")) {
        ("blosc", _) => blosc_to_v2(configuration),
        ("gzip", _) => Ok(json!({"id": "gzip", "level": level(1)})),
        ("crc32c", _) => Ok(json!({"id": "crc32c", "location": "end"})),
        ("zstd", _) => {
            let checksum = configuration.get("checksum").filter(|checksum| **checksum == json!(true));
            let mut config = json!({"id": "zstd", "level": level(0)});
            if let Some(checksum) = checksum {
                config["checksum"] = checksum.clone();
            }
            Ok(config)
        }
        (_, Some(id)) if is_bytes_codec(id) => {
            let mut config = Map::from_iter([("id".to_owned(), json!(id))]);
            config.extend(configuration.as_object().cloned().unwrap_or_default());
            Ok(Value::Object(config))
        }
        _ => Err(format!("codec {name:?} has no counterpart in Zarr v2 that reads what it stored")),
    }
}

/// The size of elements that Blosc gets from numcodecs after `bytes_codecs`, each of which makes single bytes.
pub fn typesize(dtype: &DType, bytes_codecs: usize) -> u64 {
    if bytes_codecs > 0 { 1 } else { dtype.itemsize() }
}

fn without_id(config: &Value) -> Map<String, Value> {
    let mut config = config.as_object().cloned().unwrap_or_default();
    config.shift_remove("id");
    config
}

/// v2 leaves out the size of elements, which is known, and may leave the filter to it.
fn blosc_to_v3(config: &Value, itemsize: u64) -> Result<Value, String> {
    let given = |member: &str, default: Value| config.get(member).cloned().unwrap_or(default);
    let typesize = config["typesize"].as_u64().filter(|size| *size > 0).unwrap_or(itemsize);
    let shuffle = match given("shuffle", json!(1)).as_i64() {
        Some(-1) if itemsize == 1 => "bitshuffle",
        Some(-1) => "shuffle",
        Some(number) => usize::try_from(number).ok().and_then(|number| SHUFFLES.get(number).copied()).unwrap_or(""),
        None => "",
    };
    if shuffle.is_empty() {
        return Err(format!("Blosc has no shuffle {}", config["shuffle"]));
    }
    Ok(json!({"name": "blosc", "configuration": {
        "typesize": typesize,
        "cname": given("cname", json!("lz4")),
        "clevel": given("clevel", json!(5)),
        "shuffle": shuffle,
        "blocksize": given("blocksize", json!(0)),
    }}))
}

fn blosc_to_v2(configuration: &Value) -> Result<Value, String> {
    let given = |member: &str, default: Value| configuration.get(member).cloned().unwrap_or(default);
    let named = configuration["shuffle"].as_str().unwrap_or("noshuffle");
    let shuffle = SHUFFLES.iter().position(|shuffle| *shuffle == named);
    let shuffle = shuffle.ok_or_else(|| format!("Blosc has no shuffle {named:?}"))?;
    Ok(json!({
        "id": "blosc",
        "cname": given("cname", json!("zstd")),
        "clevel": given("clevel", json!(5)),
        "shuffle": shuffle,
        "blocksize": given("blocksize", json!(0)),
    }))
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
            assert!(to_v3(&config, 4).expect_err(word).contains(word));
        }
        assert!(to_v2("numcodecs.pcodec", &json!({})).expect_err("array to bytes").contains("pcodec"));
        assert!(to_v2("blosc", &json!({"shuffle": "auto"})).expect_err("no such shuffle").contains("auto"));
    }
}
