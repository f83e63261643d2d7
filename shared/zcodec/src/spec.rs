//! Codecs as Zarr metadata spells them.
//!
//! Sources: numcodecs' `get_config` for Zarr v2 (`{"id": …}`), the codec pages of the Zarr v3 specification
//! (`{"name": …, "configuration": {…}}`) and zarr-python's `numcodecs.*` names for v2 codecs in v3 metadata.

use serde_json::{Map, Value, json};

use crate::{Blosc, Cname, CodecError, Header, Shuffle, Workspace, crc32c, decompress, stream, to_usize};

/// A bytes-to-bytes codec that can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// Blosc, with the element size that v3 metadata states.
    Blosc(Blosc, Option<u64>),
    /// Zlib stream.
    Zlib,
    /// Gzip member(s).
    Gzip,
    /// Zstandard frame(s).
    Zstd,
    /// numcodecs' LZ4.
    Lz4,
    /// bzip2.
    Bz2,
    /// xz or lzma.
    Lzma,
    /// numcodecs' shuffle, with its element size.
    Shuffle(usize),
    /// CRC-32C after the bytes (Zarr v3).
    Crc32c,
}

impl Codec {
    /// The codec of a Zarr v2 `compressor`. `itemsize` resolves Blosc's automatic shuffle.
    ///
    /// # Errors
    /// [`CodecError::Unknown`] for an unsupported id, [`CodecError::Configuration`] for members that make no
    /// sense.
    pub fn from_v2(spec: &Value, itemsize: u64) -> Result<Codec, CodecError> {
        let id = spec.get("id").and_then(Value::as_str).unwrap_or_default();
        Codec::from_parts(id, spec, itemsize)
    }

    /// The codec of a member of a Zarr v3 `codecs` list.
    ///
    /// # Errors
    /// As [`Codec::from_v2`].
    pub fn from_v3(spec: &Value) -> Result<Codec, CodecError> {
        let name = codec_name(spec);
        let configuration = spec.get("configuration").unwrap_or(&Value::Null);
        if name == "crc32c" {
            return Ok(Codec::Crc32c);
        }
        Codec::from_parts(name.strip_prefix("numcodecs.").unwrap_or(name), configuration, 0)
    }

    fn from_parts(name: &str, members: &Value, itemsize: u64) -> Result<Codec, CodecError> {
        match name {
            "blosc" => blosc_from(members, itemsize),
            "zlib" => Ok(Codec::Zlib),
            "gzip" => Ok(Codec::Gzip),
            "zstd" => Ok(Codec::Zstd),
            "lz4" => Ok(Codec::Lz4),
            "bz2" => Ok(Codec::Bz2),
            "lzma" => Ok(Codec::Lzma),
            "shuffle" => {
                let size = members.get("elementsize").and_then(Value::as_u64).unwrap_or(4);
                Ok(Codec::Shuffle(to_usize(size)))
            }
            _ => Err(CodecError::Unknown { name: name.to_owned() }),
        }
    }

    /// Whether one chunk is one sequential stream, so that no two threads can share its decoding.
    pub fn is_single_stream(&self) -> bool {
        matches!(self, Codec::Zlib | Codec::Gzip | Codec::Zstd | Codec::Lz4 | Codec::Bz2 | Codec::Lzma)
    }

    /// Decodes `src` into `dst` (whose old content is lost). `expected` is the decoded size according to the metadata, if known;
    /// `threads` is for Blosc blocks.
    ///
    /// # Errors
    /// Whatever is wrong with the bytes, [`CodecError::WrongSize`] included; [`CodecError::Memory`] above the limit of the
    /// workspace.
    pub fn decode(
        &self,
        src: &[u8],
        expected: Option<usize>,
        dst: &mut Vec<u8>,
        threads: usize,
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        let most = workspace.most(expected)?;
        match self {
            Codec::Blosc(..) => {
                // Before memory is allocated for the size in a possibly damaged header.
                let found = u64::from(Header::parse(src)?.nbytes);
                if let Some(expected) = expected.map(|bytes| bytes as u64).filter(|expected| *expected != found) {
                    return Err(CodecError::WrongSize { expected, found });
                }
                decompress(src, dst, threads, workspace)?;
            }
            Codec::Zlib => stream::zlib(src, most, dst)?,
            Codec::Gzip => stream::gzip(src, most, dst)?,
            Codec::Zstd if expected.is_some() => stream::zstd(src, most, dst, workspace)?,
            Codec::Zstd => stream::zstd_unknown(src, most, dst, workspace)?,
            Codec::Lz4 => stream::lz4(src, expected, most, dst)?,
            Codec::Bz2 => stream::bz2(src, most, dst)?,
            Codec::Lzma => stream::lzma(src, most, dst)?,
            Codec::Shuffle(elementsize) => stream::unshuffle(src, *elementsize, dst),
            Codec::Crc32c => check_crc32c(src, dst)?,
        }
        match expected {
            Some(expected) if expected != dst.len() => {
                Err(CodecError::WrongSize { expected: expected as u64, found: dst.len() as u64 })
            }
            None if dst.len() > most => Err(CodecError::Memory { limit: most as u64 }),
            _ => Ok(()),
        }
    }
}

impl Blosc {
    /// The Zarr v2 `compressor` object.
    pub fn to_v2(&self) -> Value {
        json!({
            "id": "blosc",
            "cname": self.cname.name(),
            "clevel": self.clevel,
            "shuffle": self.shuffle.number(),
            "blocksize": self.blocksize,
        })
    }

    /// The member of a Zarr v3 `codecs` list.
    pub fn to_v3(&self, typesize: u64) -> Value {
        json!({
            "name": "blosc",
            "configuration": {
                "typesize": typesize,
                "cname": self.cname.name(),
                "clevel": self.clevel,
                "shuffle": self.shuffle.name(),
                "blocksize": self.blocksize,
            },
        })
    }
}

/// The name of a v3 codec, whose spec may be the bare name.
pub fn codec_name(spec: &Value) -> &str {
    spec.as_str().or_else(|| spec.get("name")?.as_str()).or_else(|| spec.get("id")?.as_str()).unwrap_or_default()
}

/// One codec in a few characters in short form: `blosc(lz4,5,shuffle)`, `zlib(4)`, `delta`. Works on any spec.
pub fn describe(spec: &Value) -> String {
    let name = codec_name(spec);
    let empty = Map::new();
    let members = spec.get("configuration").unwrap_or(spec).as_object().unwrap_or(&empty);
    let member = |key: &str| members.get(key).filter(|value| !value.is_null());
    let mut words: Vec<String> = Vec::new();
    for key in ["cname", "clevel", "level", "preset", "acceleration", "shuffle", "elementsize"] {
        match member(key) {
            Some(Value::Number(number)) if key == "shuffle" => {
                words.push(number.as_i64().map_or_else(String::new, shuffle_word));
            }
            Some(Value::String(text)) => words.push(text.clone()),
            Some(Value::Number(number)) => words.push(number.to_string()),
            _ => {}
        }
    }
    if let Some(blocksize) = member("blocksize").and_then(Value::as_u64).filter(|&size| size > 0) {
        words.push(format!("blocksize={blocksize}"));
    }
    if words.is_empty() { name.to_owned() } else { format!("{name}({})", words.join(",")) }
}

fn shuffle_word(number: i64) -> String {
    match usize::try_from(number).ok().and_then(|number| Shuffle::ALL.get(number)) {
        Some(shuffle) => shuffle.name().to_owned(),
        None if number == -1 => "autoshuffle".to_owned(),
        None => format!("shuffle={number}"),
    }
}

fn blosc_from(members: &Value, itemsize: u64) -> Result<Codec, CodecError> {
    let wrong = |detail: String| CodecError::Configuration { name: "blosc".into(), detail };
    let text = members.get("cname").and_then(Value::as_str).unwrap_or("lz4");
    let cname = Cname::from_name(text).ok_or_else(|| wrong(format!("cname {text:?}")))?;
    let clevel = members.get("clevel").and_then(Value::as_u64).unwrap_or(5);
    let clevel =
        u8::try_from(clevel).ok().filter(|level| *level <= 9).ok_or_else(|| wrong(format!("clevel {clevel}")))?;
    let shuffle = match members.get("shuffle") {
        None | Some(Value::Null) => Shuffle::Shuffle,
        Some(Value::String(name)) => Shuffle::from_name(name).ok_or_else(|| wrong(format!("shuffle {name:?}")))?,
        Some(value) => match value.as_i64() {
            Some(-1) => Shuffle::automatic(itemsize),
            number => number
                .and_then(|number| usize::try_from(number).ok())
                .and_then(|number| Shuffle::ALL.get(number).copied())
                .ok_or_else(|| wrong(format!("shuffle {value}")))?,
        },
    };
    let blocksize = members.get("blocksize").and_then(Value::as_u64).unwrap_or(0);
    let typesize = members.get("typesize").and_then(Value::as_u64);
    Ok(Codec::Blosc(Blosc { blocksize, ..Blosc::new(cname, clevel, shuffle) }, typesize))
}

fn check_crc32c(src: &[u8], dst: &mut Vec<u8>) -> Result<(), CodecError> {
    let bytes = unsealed(src)?;
    dst.clear();
    dst.extend_from_slice(bytes);
    Ok(())
}

/// The bytes before a CRC-32C (the `crc32c` codec of Zarr v3), which must be theirs.
///
/// # Errors
/// [`CodecError::Short`], or [`CodecError::Checksum`].
pub fn unsealed(src: &[u8]) -> Result<&[u8], CodecError> {
    let Some((bytes, stored)) = src.split_last_chunk::<4>() else {
        return Err(CodecError::Short { format: "crc32c", needed: 4, found: src.len() as u64 });
    };
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32c(bytes));
    if stored != computed {
        return Err(CodecError::Checksum { stored, computed });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_and_v3_come_back_as_they_went() {
        for cname in Cname::ALL {
            for shuffle in Shuffle::ALL {
                let blosc = Blosc { blocksize: 65536, ..Blosc::new(cname, 7, shuffle) };
                assert_eq!(Codec::from_v2(&blosc.to_v2(), 4), Ok(Codec::Blosc(blosc, None)));
                assert_eq!(Codec::from_v3(&blosc.to_v3(8)), Ok(Codec::Blosc(blosc, Some(8))));
            }
        }
    }

    #[test]
    fn metadata_never_holds_threads() {
        let blosc = Blosc::new(Cname::Zstd, 3, Shuffle::Bitshuffle);
        assert_eq!(blosc.to_v2().to_string(), r#"{"id":"blosc","cname":"zstd","clevel":3,"shuffle":2,"blocksize":0}"#);
        assert_eq!(
            blosc.to_v3(4).to_string(),
            r#"{"name":"blosc","configuration":{"typesize":4,"cname":"zstd","clevel":3,"shuffle":"bitshuffle","blocksize":0}}"#
        );
    }

    #[test]
    fn automatic_shuffle_depends_on_the_itemsize() {
        let spec = json!({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1, "blocksize": 0});
        for (itemsize, shuffle) in [(1, Shuffle::Bitshuffle), (4, Shuffle::Shuffle)] {
            let Ok(Codec::Blosc(blosc, _)) = Codec::from_v2(&spec, itemsize) else { panic!("blosc") };
            assert_eq!(blosc.shuffle, shuffle);
        }
    }

    #[test]
    fn unknown_and_senseless_codecs_are_told_apart() {
        assert!(matches!(Codec::from_v2(&json!({"id": "nobody_knows"}), 4), Err(CodecError::Unknown { .. })));
        let spec = json!({"id": "blosc", "cname": "lz5"});
        assert!(matches!(Codec::from_v2(&spec, 4), Err(CodecError::Configuration { .. })));
        assert_eq!(Codec::from_v3(&json!("crc32c")), Ok(Codec::Crc32c));
        assert_eq!(Codec::from_v3(&json!({"name": "numcodecs.bz2"})), Ok(Codec::Bz2));
    }

    #[test]
    fn descriptions_are_short() {
        assert_eq!(
            describe(&json!({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0})),
            "blosc(lz4,5,shuffle)"
        );
        assert_eq!(describe(&json!({"id": "zlib", "level": 4})), "zlib(4)");
        assert_eq!(describe(&json!({"name": "zstd", "configuration": {"level": 0, "checksum": false}})), "zstd(0)");
        assert_eq!(describe(&json!("crc32c")), "crc32c");
        assert_eq!(describe(&json!({"id": "delta", "dtype": "<i4"})), "delta");
    }

    #[test]
    fn a_wrong_checksum_is_noticed() {
        let mut bytes = b"abc".to_vec();
        bytes.extend(crc32c(b"abc").to_le_bytes());
        let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
        Codec::Crc32c.decode(&bytes, Some(3), &mut dst, 1, &mut workspace).expect("matches");
        assert_eq!(dst, b"abc");
        bytes[0] ^= 1;
        let error = Codec::Crc32c.decode(&bytes, None, &mut dst, 1, &mut workspace);
        assert!(matches!(error, Err(CodecError::Checksum { .. })));
    }
}
