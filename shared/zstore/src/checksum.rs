//! Checksums that servers have of their objects, and the headers that carry them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderMap;

/// A checksum of a whole object, as its server gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// CRC-32 of gzip and zip.
    Crc32(u32),
    /// CRC-32C.
    Crc32c(u32),
    /// CRC-64/NVME.
    Crc64Nvme(u64),
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
    /// An ETag with the form of an MD5. Objects that are encrypted with a key of the user's own have others of that form.
    EtagMd5([u8; 16]),
    /// An ETag with the form that objects have which were uploaded in parts: the MD5 of the MD5s of the parts, and their number.
    EtagParts([u8; 16], u32),
}

impl Checksum {
    /// What an ETag says.
    pub(crate) fn of_etag(etag: &str) -> Option<Checksum> {
        let text = etag.trim_matches('"');
        match text.split_once('-') {
            None => hexadecimal(text).map(Checksum::EtagMd5),
            Some((digits, parts)) => {
                let parts = parts.parse().ok().filter(|parts| (1..=10_000).contains(parts))?;
                Some(Checksum::EtagParts(hexadecimal(digits)?, parts))
            }
        }
    }

    /// What the headers of a response say that has a whole object: the strongest of what is quickly computed. Checksums of parts
    /// only (`…-3`) are none.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Checksum> {
        let bytes = |name: &str| BASE64_STANDARD.decode(headers.get(name)?.as_bytes()).ok();
        let of_s3 = |name: &str| bytes(&format!("x-amz-checksum-{name}"));
        let is_whole = headers.get("x-amz-checksum-type").is_none_or(|kind| kind != "COMPOSITE");
        None.or_else(|| Some(Checksum::Sha256(of_s3("sha256")?.try_into().ok()?)))
            .or_else(|| Some(Checksum::Crc64Nvme(u64::from_be_bytes(of_s3("crc64nvme")?.try_into().ok()?))))
            .or_else(|| Some(Checksum::Crc32c(u32::from_be_bytes(of_s3("crc32c")?.try_into().ok()?))))
            .or_else(|| Some(Checksum::Crc32(u32::from_be_bytes(of_s3("crc32")?.try_into().ok()?))))
            .or_else(|| Some(Checksum::Sha1(of_s3("sha1")?.try_into().ok()?)))
            .filter(|_| is_whole)
            .or_else(|| of_digests(headers))
            .or_else(|| of_google(headers))
            .or_else(|| Some(Checksum::Md5(bytes("content-md5")?.try_into().ok()?)))
    }
}

/// `crc32c=…,md5=…` of Google, of the stored object; where that is compressed and served otherwise, they do not belong together.
fn of_google(headers: &HeaderMap) -> Option<Checksum> {
    let stored = headers.get("x-goog-stored-content-encoding").filter(|encoding| *encoding != "identity");
    if stored != headers.get("content-encoding").filter(|_| stored.is_some()) {
        return None;
    }
    let find = |name: &str| member(headers, "x-goog-hash", name);
    None.or_else(|| Some(Checksum::Crc32c(u32::from_be_bytes(find("crc32c")?.try_into().ok()?))))
        .or_else(|| Some(Checksum::Md5(find("md5")?.try_into().ok()?)))
}

/// `sha-256=…` of web servers.
fn of_digests(headers: &HeaderMap) -> Option<Checksum> {
    let digest = ["repr-digest", "digest"].iter().find_map(|name| member(headers, name, "sha-256"))?;
    Some(Checksum::Sha256(digest.try_into().ok()?))
}

/// A member of a list such as `crc32c=n03x6A==, md5=Ojk9c3dhfxgoKVVHYwFbHQ==`; values may stand between colons.
fn member(headers: &HeaderMap, header: &str, name: &str) -> Option<Vec<u8>> {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    let mut members = values.flat_map(|value| value.split(',')).filter_map(|member| member.trim().split_once('='));
    let (_, text) = members.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    BASE64_STANDARD.decode(text.trim_matches(':')).ok()
}

/// Bytes from twice as many digits.
fn hexadecimal<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Option<Checksum> {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Checksum::of_headers(&headers.iter().map(header).collect())
    }

    #[test]
    fn etags_are_told_apart() {
        let md5 = "99914b932bd37a50b983c5e7c90ae93b";
        let bytes: [u8; 16] = hexadecimal(md5).expect("digits");
        assert_eq!(bytes[..3], [0x99, 0x91, 0x4b]);
        assert_eq!(Checksum::of_etag(&format!("\"{md5}\"")), Some(Checksum::EtagMd5(bytes)));
        assert_eq!(Checksum::of_etag(&format!("\"{md5}-3\"")), Some(Checksum::EtagParts(bytes, 3)));
        for other in
            ["", "\"5f-2\"", "\"0x8DC\"", "W/\"99914b932bd37a50b983c5e7c90ae93b\"", &format!("{md5}-0"), &md5[1..]]
        {
            assert_eq!(Checksum::of_etag(other), None, "{other}");
        }
    }

    #[test]
    fn each_cloud_has_its_headers() {
        let md5 = ("content-md5", "mZFLkyvTelC5g8XnyQrpOw==");
        for (headers, expected) in [
            (&[("x-amz-checksum-crc32", "lmF2kg==")][..], Some(Checksum::Crc32(0x9661_7692))),
            (&[("x-amz-checksum-crc32c", "n03x6A=="), md5], Some(Checksum::Crc32c(0x9f4d_f1e8))),
            (&[("x-amz-checksum-crc64nvme", "AAAAAAAAAAE=")], Some(Checksum::Crc64Nvme(1))),
            (&[("x-amz-checksum-crc32", "lmF2kg==-3")], None),
            (&[("x-amz-checksum-crc32", "lmF2kg=="), ("x-amz-checksum-type", "COMPOSITE")], None),
            (&[("x-goog-hash", "crc32c=n03x6A==,md5=mZFLkyvTelC5g8XnyQrpOw==")], Some(Checksum::Crc32c(0x9f4d_f1e8))),
            (&[("x-goog-hash", "crc32c=n03x6A=="), ("x-goog-stored-content-encoding", "gzip")], None),
            (
                &[("x-goog-hash", "crc32c=n03x6A=="), ("x-goog-stored-content-encoding", "identity")],
                Some(Checksum::Crc32c(0x9f4d_f1e8)),
            ),
            (&[("x-amz-checksum-crc32c", "nonsense")], None),
            (&[("content-md5", "short")], None),
        ] {
            assert_eq!(of(headers), expected, "{headers:?}");
        }
        assert!(matches!(of(&[md5]), Some(Checksum::Md5([0x99, ..]))));
        let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert!(matches!(of(&[("repr-digest", digest), md5]), Some(Checksum::Sha256([0xe3, 0xb0, ..]))));
    }
}
