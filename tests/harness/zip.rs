//! Making zip archives, sound ones and others.

use std::io::Write;
use std::path::Path;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::tree;

/// An archive in the making.
#[derive(Default)]
pub struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
    /// Extra bytes of the local headers to come.
    pub extra: Vec<u8>,
    /// Whether sizes and offsets are written as zip64 has them.
    zip64: bool,
}

impl Zip {
    /// Starts of the records, for [`patch`].
    pub const LOCAL: &[u8; 4] = b"PK\x03\x04";
    pub const CENTRAL: &[u8; 4] = b"PK\x01\x02";
    pub const END: &[u8; 4] = b"PK\x05\x06";

    /// An archive whose local headers have `extra` bytes.
    pub fn with_headers(zip64: bool, extra: Vec<u8>) -> Zip {
        Zip { zip64, extra, ..Zip::default() }
    }

    /// Everything in a directory, below `top` (empty, or with a slash at its end).
    pub fn of(root: &Path, top: &str, deflate: bool) -> Zip {
        let mut zip = Zip::default();
        for (name, content) in tree(root).into_iter().filter(|(name, _)| !name.ends_with('/')) {
            zip.add(&format!("{top}{name}"), &content, deflate);
        }
        zip
    }

    /// The same archive with an entry more.
    pub fn with(mut self, name: &str, content: &[u8], deflate: bool) -> Zip {
        self.add(name, content, deflate);
        self
    }

    pub fn add(&mut self, name: &str, content: &[u8], deflate: bool) {
        let mut crc = Crc::new();
        crc.update(content);
        let data = if deflate { deflated(content) } else { content.to_vec() };
        let method: u16 = if deflate { 8 } else { 0 };
        let (stored, size, offset) = (data.len() as u64, content.len() as u64, self.bytes.len() as u64);
        let narrow = |number: u64| if self.zip64 { u32::MAX } else { number as u32 };
        let common = |extra: usize| {
            let mut bytes = [45_u16, 0, method, 0, 0].map(u16::to_le_bytes).concat();
            bytes.extend([crc.sum(), narrow(stored), narrow(size)].map(u32::to_le_bytes).concat());
            bytes.extend([name.len() as u16, extra as u16].map(u16::to_le_bytes).concat());
            bytes
        };
        let wide = |numbers: &[u64]| {
            let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            let field = [1_u16, numbers.len() as u16].map(u16::to_le_bytes).concat();
            if self.zip64 { [field, numbers].concat() } else { Vec::new() }
        };
        let local = [wide(&[size, stored]), self.extra.clone()].concat();
        let central = wide(&[size, stored, offset]);
        self.bytes.extend([Zip::LOCAL.as_slice(), &common(local.len()), name.as_bytes(), &local, &data].concat());
        let rest = [[0_u8; 10].as_slice(), &narrow(offset).to_le_bytes(), name.as_bytes(), &central].concat();
        self.directory.extend([Zip::CENTRAL.as_slice(), &45_u16.to_le_bytes(), &common(central.len()), &rest].concat());
        self.entries += 1;
    }

    /// The bytes of the archive.
    pub fn finish(mut self) -> Vec<u8> {
        let (start, len) = (self.bytes.len() as u64, self.directory.len() as u64);
        self.bytes.append(&mut self.directory);
        let (entries, end) = (u64::from(self.entries), self.bytes.len() as u64);
        if self.zip64 {
            self.bytes.extend(
                [b"PK\x06\x06".as_slice(), &44_u64.to_le_bytes(), &[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
            );
            self.bytes.extend([entries, entries, len, start].map(u64::to_le_bytes).concat());
            self.bytes.extend([b"PK\x06\x07".as_slice(), &[0; 4], &end.to_le_bytes(), &1_u32.to_le_bytes()].concat());
        }
        let narrow = |number: u64| if self.zip64 { [255; 4] } else { (number as u32).to_le_bytes() };
        let count = if self.zip64 { [255; 2] } else { self.entries.to_le_bytes() };
        self.bytes
            .extend([Zip::END.as_slice(), &[0; 4], &count, &count, &narrow(len), &narrow(start), &[0; 2]].concat());
        self.bytes
    }
}

/// The archive with other bytes at `offset` of its record number `number` of a kind.
pub fn patch(mut archive: Vec<u8>, kind: &[u8; 4], number: usize, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let starts = (0..archive.len() - 3).filter(|at| &archive[*at..*at + 4] == kind);
    let at = starts.into_iter().nth(number).unwrap() + offset;
    archive[at..at + bytes.len()].copy_from_slice(bytes);
    archive
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
