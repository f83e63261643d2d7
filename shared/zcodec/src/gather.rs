//! Picks the bytes of single elements from a block that is still filtered.

use std::array::from_fn;

use crate::lanes::{Cells, Lanes, Moved, STREAMS};

impl Lanes {
    /// Copies the cells to `out` in order, from streams decoded as far as [`Lanes::needed`] requires.
    pub fn gather(&self, streams: &[&[u8]; STREAMS], cells: Cells, out: &mut [u8]) {
        match self.moved {
            Moved::Nothing if self.streams == 1 => copy(streams[0], cells, out),
            Moved::Nothing => self.gather_unmoved(streams, cells, out),
            Moved::Bytes => self.gather_elements(streams, cells, out, |lane, element| lane[element]),
            Moved::Bits => {
                let row = self.elements / 8;
                self.gather_elements(streams, cells, out, |lane, element| unpack(lane, row, element));
            }
        }
    }

    /// [`Lanes::gather`] for unfiltered streams in sequence; few cells extend across two streams.
    fn gather_unmoved(&self, streams: &[&[u8]; STREAMS], cells: Cells, out: &mut [u8]) {
        for (cell, &offset) in out.chunks_exact_mut(cells.itemsize).zip(cells.offsets) {
            let (stream, at) = (offset as usize / self.stream_len, offset as usize % self.stream_len);
            match streams[stream].get(at..at + cells.itemsize) {
                Some(source) => cell.copy_from_slice(source),
                None => {
                    let bytes = streams[stream..].iter().flat_map(|stream| stream.iter());
                    cell.iter_mut().zip(bytes.skip(at)).for_each(|(target, &byte)| *target = byte);
                }
            }
        }
    }

    /// [`Lanes::gather`] with `read` to get a byte of a lane; whole elements of the usual sizes avoid looking up the
    /// lane of every byte.
    fn gather_elements(
        &self,
        streams: &[&[u8]; STREAMS],
        cells: Cells,
        out: &mut [u8],
        read: impl Fn(&[u8], usize) -> u8 + Copy,
    ) {
        match (self.typesize == cells.itemsize, cells.itemsize) {
            (true, 2) => self.gather_sized::<2>(streams, cells, out, read),
            (true, 4) => self.gather_sized::<4>(streams, cells, out, read),
            (true, 8) => self.gather_sized::<8>(streams, cells, out, read),
            _ => self.gather_with(cells, out, self.reader(streams, read)),
        }
    }

    fn gather_sized<const N: usize>(
        &self,
        streams: &[&[u8]; STREAMS],
        cells: Cells,
        out: &mut [u8],
        read: impl Fn(&[u8], usize) -> u8 + Copy,
    ) {
        let lanes: [&[u8]; N] = from_fn(|lane| self.lane(streams, lane));
        let any = self.reader(streams, read);
        for (cell, &offset) in out.as_chunks_mut::<N>().0.iter_mut().zip(cells.offsets) {
            let (element, lane) = (offset as usize / N, offset as usize % N);
            if lane == 0 && element < self.elements {
                *cell = from_fn(|lane| read(lanes[lane], element));
            } else {
                *cell = from_fn(|at| any(offset as usize + at));
            }
        }
    }

    /// Adds the bytes of the cells that lie in one stream to `out`, which must be zero at first. `read` returns a byte
    /// of the stream; `None` if it does.
    pub fn gather_stream(
        &self,
        stream: usize,
        cells: Cells,
        out: &mut [u8],
        mut read: impl FnMut(usize) -> Option<u8>,
    ) -> Option<()> {
        let first = stream * self.stream_len;
        let inside = first..first + self.stream_len;
        for (cell, &offset) in out.chunks_exact_mut(cells.itemsize).zip(cells.offsets) {
            for (at, target) in cell.iter_mut().enumerate() {
                let offset = offset as usize + at;
                let (element, lane) = (offset / self.typesize, offset % self.typesize);
                if self.moved == Moved::Nothing || element >= self.elements {
                    if inside.contains(&offset) {
                        *target = read(offset - first)?;
                    }
                    continue;
                }
                let lane = lane * self.elements;
                if !inside.contains(&lane) {
                    continue;
                }
                if self.moved == Moved::Bytes {
                    *target = read(lane + element - first)?;
                    continue;
                }
                let row = self.elements / 8;
                for bit in 0..8 {
                    let byte = read(lane + bit * row + element / 8 - first)?;
                    *target |= (byte >> (element % 8) & 1) << bit;
                }
            }
        }
        Some(())
    }

    fn gather_with(&self, cells: Cells, out: &mut [u8], byte: impl Fn(usize) -> u8) {
        for (cell, &offset) in out.chunks_exact_mut(cells.itemsize).zip(cells.offsets) {
            for (at, target) in cell.iter_mut().enumerate() {
                *target = byte(offset as usize + at);
            }
        }
    }

    /// Returns a function that reads the byte at any offset of the decoded block.
    fn reader(&self, streams: &[&[u8]; STREAMS], read: impl Fn(&[u8], usize) -> u8) -> impl Fn(usize) -> u8 {
        move |offset| {
            let (element, lane) = (offset / self.typesize, offset % self.typesize);
            if element < self.elements {
                read(self.lane(streams, lane), element)
            } else {
                // A split block has no incomplete last element.
                streams[0][offset]
            }
        }
    }

    /// The decoded part of a lane.
    fn lane<'a>(&self, streams: &[&'a [u8]; STREAMS], lane: usize) -> &'a [u8] {
        if self.streams > 1 { streams[lane] } else { streams[0].get(lane * self.elements..).unwrap_or_default() }
    }
}

/// The byte of `element` in a bit-shuffled lane: eight rows of `row` bytes, lowest bit first.
fn unpack(lane: &[u8], row: usize, element: usize) -> u8 {
    let bytes: [u8; 8] = from_fn(|bit| lane[bit * row + element / 8]);
    let bits = (u64::from_le_bytes(bytes) >> (element % 8)) & 0x0101_0101_0101_0101;
    // Bit 8i of the factor ends up at bit 56 + i of the product.
    (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Copies cells to `out` in order, from an unfiltered block.
pub fn copy(block: &[u8], cells: Cells, out: &mut [u8]) {
    match cells.itemsize {
        2 => copy_sized::<2>(block, cells, out),
        4 => copy_sized::<4>(block, cells, out),
        8 => copy_sized::<8>(block, cells, out),
        itemsize => {
            for (cell, &offset) in out.chunks_exact_mut(itemsize).zip(cells.offsets) {
                cell.copy_from_slice(&block[offset as usize..offset as usize + itemsize]);
            }
        }
    }
}

fn copy_sized<const N: usize>(block: &[u8], cells: Cells, out: &mut [u8]) {
    for (cell, &offset) in out.as_chunks_mut::<N>().0.iter_mut().zip(cells.offsets) {
        cell.copy_from_slice(&block[offset as usize..offset as usize + N]);
    }
}
