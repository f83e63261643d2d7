//! The records of a zip archive: its end, the headers of its central directory, and the header before each entry's bytes.
//!
//! Every number is checked against the size of the archive before anything is read or held because of it.

use std::ops::Range;

/// What is wrong with an archive.
pub type Damage = String;

const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
/// Of the central directory; it follows the headers.
const SIGNATURE: u32 = 0x0505_4b50;

const END_BYTES: usize = 22;
const LOCATOR64_BYTES: usize = 20;
const END64_BYTES: usize = 56;
const CENTRAL_BYTES: usize = 46;
/// Bytes of a local header before the name.
pub const LOCAL_BYTES: usize = 30;

/// Stored as they are.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Deflate makes at most this of a byte.
const MOST_INFLATED: u64 = 1032;

/// Where the central directory is.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    /// Its bytes.
    pub directory: Range<u64>,
    /// Number of headers; of archives without zip64, modulo 2¹⁶.
    pub entries: u64,
    pub zip64: bool,
    /// What offsets count from: the start of the archive, which something may precede.
    pub base: u64,
}

/// How the bytes of an entry are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflated,
    Encrypted,
    Unsupported,
}

/// One header of the central directory.
#[derive(Debug)]
pub struct Header<'a> {
    pub name: &'a [u8],
    pub method: Method,
    pub crc: u32,
    /// Bytes in the archive.
    pub stored: u64,
    /// Bytes of the object.
    pub size: u64,
    /// Of the local header.
    pub offset: u64,
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

impl End {
    /// Finds the end record in `tail`, the last bytes of an archive of `size` bytes.
    pub fn find(tail: &[u8], size: u64) -> Result<End, Damage> {
        let start = size - tail.len() as u64;
        let is_end = |at: &usize| {
            let comment = u16_at(tail, at + END_BYTES - 2).map(usize::from);
            u32_at(tail, *at) == Some(END) && comment.map(|comment| at + END_BYTES + comment) == Some(tail.len())
        };
        let candidates = (0..=tail.len().saturating_sub(END_BYTES)).rev().take(END_BYTES + usize::from(u16::MAX));
        let at = candidates.into_iter().find(is_end).ok_or("not a zip archive, or cut off: it has no end record")?;
        let locator = at.checked_sub(LOCATOR64_BYTES).filter(|at| u32_at(tail, *at) == Some(LOCATOR64));
        match locator {
            Some(locator) => End::read64(tail, start, locator),
            None => End::read(tail, start, at),
        }
        .ok_or("the end record is cut off")?
    }

    fn read(tail: &[u8], start: u64, at: usize) -> Option<Result<End, Damage>> {
        let (here, total) = (u16_at(tail, at + 8)?, u16_at(tail, at + 10)?);
        if u16_at(tail, at + 4)? != 0 || u16_at(tail, at + 6)? != 0 || here != total {
            return Some(Err(several_disks()));
        }
        let (bytes, offset) = (u32_at(tail, at + 12)?, u32_at(tail, at + 16)?);
        Some(End::new(start + at as u64, bytes.into(), offset.into(), total.into(), false))
    }

    fn read64(tail: &[u8], start: u64, locator: usize) -> Option<Result<End, Damage>> {
        if u32_at(tail, locator + 4)? != 0 || u32_at(tail, locator + 16)? > 1 {
            return Some(Err(several_disks()));
        }
        // Where the locator says, or right before it, where something precedes the archive.
        let told = u64_at(tail, locator + 8)?.checked_sub(start).and_then(|at| usize::try_from(at).ok());
        let is_record = |at: &usize| u32_at(tail, *at) == Some(END64) && *at < locator;
        let Some(at) = told.into_iter().chain(locator.checked_sub(END64_BYTES)).find(is_record) else {
            return Some(Err("the zip64 end record is not where it should be".into()));
        };
        let (here, total) = (u64_at(tail, at + 24)?, u64_at(tail, at + 32)?);
        if u32_at(tail, at + 16)? != 0 || u32_at(tail, at + 20)? != 0 || here != total {
            return Some(Err(several_disks()));
        }
        Some(End::new(start + at as u64, u64_at(tail, at + 40)?, u64_at(tail, at + 48)?, total, true))
    }

    fn new(end: u64, bytes: u64, offset: u64, entries: u64, zip64: bool) -> Result<End, Damage> {
        let start = end.checked_sub(bytes).ok_or("the central directory is longer than the archive")?;
        let base = start.checked_sub(offset).ok_or("the central directory is not where it should be")?;
        if entries > bytes / CENTRAL_BYTES as u64 {
            return Err(format!("the central directory has {bytes} bytes, too few for {entries} entries"));
        }
        Ok(End { directory: start..end, entries, zip64, base })
    }
}

fn several_disks() -> Damage {
    "is one of several disks of an archive, which is not supported".into()
}

/// The most bytes of a central header: the fixed part, and three fields of 16-bit lengths.
pub const LONGEST_HEADER: usize = CENTRAL_BYTES + 3 * u16::MAX as usize;

/// The first header in `bytes` and its length. `None`: more bytes are needed, or (`last`) the headers have ended.
pub fn central(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Damage> {
    match u32_at(bytes, 0) {
        None | Some(SIGNATURE) => return Ok(None),
        Some(CENTRAL) => {}
        Some(_) => return Err("the central directory is damaged: a header does not start where it should".into()),
    }
    let Some((lengths, end)) = lengths(bytes).filter(|(_, end)| *end <= bytes.len()) else { return Ok(None) };
    let name = &bytes[CENTRAL_BYTES..CENTRAL_BYTES + lengths[0]];
    let extra = &bytes[CENTRAL_BYTES + lengths[0]..CENTRAL_BYTES + lengths[0] + lengths[1]];
    let header = fields(bytes, extra).ok_or_else(|| damaged(name, "its zip64 field is missing or cut off"))?;
    let (method, crc, stored, size, offset, disk) = header;
    if disk != 0 {
        return Err(several_disks());
    }
    let fits = match method {
        Method::Stored => stored == size,
        Method::Deflated => size <= stored.saturating_mul(MOST_INFLATED),
        Method::Encrypted | Method::Unsupported => true,
    };
    if !fits {
        return Err(damaged(name, &format!("{size} bytes cannot come from {stored} stored ones")));
    }
    Ok(Some((Header { name, method, crc, stored, size, offset }, end)))
}

/// What is wrong with an entry.
pub fn damaged(name: &[u8], what: &str) -> Damage {
    format!("entry {:?}: {what}", String::from_utf8_lossy(name))
}

/// Lengths of name, extra field and comment, and of all.
fn lengths(bytes: &[u8]) -> Option<([usize; 3], usize)> {
    let lengths = [u16_at(bytes, 28)?, u16_at(bytes, 30)?, u16_at(bytes, 32)?].map(usize::from);
    bytes.get(..CENTRAL_BYTES)?;
    Some((lengths, CENTRAL_BYTES + lengths.iter().sum::<usize>()))
}

type Fields = (Method, u32, u64, u64, u64, u32);

fn fields(bytes: &[u8], extra: &[u8]) -> Option<Fields> {
    let method = method(u16_at(bytes, 8)?, u16_at(bytes, 10)?);
    let (stored, size, offset) = (u32_at(bytes, 20)?, u32_at(bytes, 24)?, u32_at(bytes, 42)?);
    let disk = u16_at(bytes, 34)?;
    // Only what does not fit above is in the extra field, in this order.
    let (mut large, mut at) = (None, 0);
    let mut wide = |narrow: u32| {
        if narrow != u32::MAX {
            return Some(u64::from(narrow));
        }
        let field = *large.get_or_insert_with(|| extra_field(extra, 1).unwrap_or_default());
        at += 8;
        u64_at(field, at - 8)
    };
    let (size, stored, offset) = (wide(size)?, wide(stored)?, wide(offset)?);
    let disk = if disk == u16::MAX { u32_at(extra_field(extra, 1)?, at)? } else { disk.into() };
    Some((method, u32_at(bytes, 16)?, stored, size, offset, disk))
}

fn method(flags: u16, method: u16) -> Method {
    // Encrypted; with strong encryption; names hidden.
    match (flags & 0x2041 != 0, method) {
        (true, _) => Method::Encrypted,
        (false, STORED) => Method::Stored,
        (false, DEFLATED) => Method::Deflated,
        (false, _) => Method::Unsupported,
    }
}

fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    loop {
        let (found, len) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let rest = extra.get(4..)?;
        if found == id {
            return rest.get(..len);
        }
        extra = rest.get(len..)?;
    }
}

/// Checks the local header in `bytes` against the central directory, and gives the length of its extra field.
pub fn local(bytes: &[u8], name: &[u8], central: Method, crc: u32, stored: u64) -> Result<u16, Damage> {
    let differs = || "its local header differs from the central directory".to_owned();
    let read = || {
        let flags = u16_at(bytes, 6)?;
        // With the flag, sizes and checksum follow the data instead.
        let later = flags & 8 != 0;
        let same_crc = later || u32_at(bytes, 14)? == crc;
        let narrow = u32_at(bytes, 18)?;
        let same_size = later || narrow == u32::MAX || u64::from(narrow) == stored;
        let same_name = bytes.get(LOCAL_BYTES..)? == name && usize::from(u16_at(bytes, 26)?) == name.len();
        let same = u32_at(bytes, 0)? == LOCAL && method(flags, u16_at(bytes, 8)?) == central;
        Some((same && same_name && same_crc && same_size, u16_at(bytes, 28)?))
    };
    match read() {
        Some((true, extra)) => Ok(extra),
        _ => Err(differs()),
    }
}
