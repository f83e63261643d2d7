//! Transcodes one chunk: decodes it with the source's codecs, encodes it for the output, and verifies the result. Bytes
//! to bytes; values are not interpreted.

use zarray::Chain;
use zarray::Timer;
use zcodec::{
    Cname, CodecError, Compressor, Header, Workspace, crc32c, holds, predict_blocksize, predict_split, unsealed,
};

use crate::encoding::Encoding;
use crate::seconds::Seconds;

/// Buffers to transcode one chunk.
#[derive(Default)]
pub struct ChunkScratch {
    pub decoded: Vec<u8>,
    pub encoded: Vec<u8>,
    spare: Vec<u8>,
    again: Vec<u8>,
    workspace: Workspace,
}

impl ChunkScratch {
    /// Buffers for chunks that decode to at most `limit` bytes (`None`: to what a Blosc frame can hold).
    pub fn with_limit(limit: Option<u64>) -> ChunkScratch {
        let mut scratch = ChunkScratch::default();
        scratch.workspace.limit = limit;
        scratch.workspace.keeps_helpers = true;
        scratch
    }

    /// The limit.
    pub fn limit(&self) -> Option<u64> {
        self.workspace.limit
    }
}

/// Decodes `stored` and, unless it has the target encoding already, encodes it into `chunk.encoded` and returns `true`.
pub fn recode(
    chain: &Chain,
    encoding: &Encoding,
    stored: &[u8],
    threads: usize,
    chunk: &mut ChunkScratch,
    seconds: &mut Seconds,
) -> Result<bool, CodecError> {
    let mut timer = Timer::start();
    chain.decode_tail(stored, &mut chunk.decoded, &mut chunk.spare, threads, &mut chunk.workspace)?;
    seconds.decode += timer.lap();
    if is_already(encoding, stored, chunk.decoded.len() as u64) {
        return Ok(false);
    }
    encode(encoding, &chunk.decoded, &mut chunk.encoded, threads, &mut chunk.workspace)?;
    seconds.encode += timer.lap();
    Ok(true)
}

/// As [`recode`], of a chunk that is not needed any more: if it is stored without codecs, its bytes are moved to `chunk.decoded`, and not
/// copied.
pub fn recode_owned(
    chain: &Chain,
    encoding: &Encoding,
    stored: &mut Vec<u8>,
    threads: usize,
    chunk: &mut ChunkScratch,
    seconds: &mut Seconds,
) -> Result<bool, CodecError> {
    if !chain.tail.is_empty() || chain.chunk_bytes != Some(stored.len() as u64) {
        return recode(chain, encoding, stored, threads, chunk, seconds);
    }
    std::mem::swap(stored, &mut chunk.decoded);
    if encoding.unchanged {
        return Ok(false);
    }
    let mut timer = Timer::start();
    encode(encoding, &chunk.decoded, &mut chunk.encoded, threads, &mut chunk.workspace)?;
    seconds.encode += timer.lap();
    Ok(true)
}

/// Encodes a decoded chunk.
pub fn encode(
    encoding: &Encoding,
    decoded: &[u8],
    encoded: &mut Vec<u8>,
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    encoding.compressor.compress(encoding.typesize as usize, decoded, encoded, threads, workspace)?;
    if encoding.checksum {
        let checksum = crc32c(encoded);
        encoded.extend(checksum.to_le_bytes());
    }
    Ok(())
}

/// Whether a chunk with the target codec in its metadata was written with it; frames may differ (zarr-python 3.0.0 to
/// 3.0.7 used an element size of one byte). The level is not stored in frames and is assumed to match.
fn is_already(encoding: &Encoding, stored: &[u8], nbytes: u64) -> bool {
    let family = |cname| if cname == Cname::Lz4hc { Cname::Lz4 } else { cname };
    let Compressor::Blosc(blosc) = &encoding.compressor else { return encoding.unchanged };
    encoding.unchanged
        && Header::parse(stored).is_ok_and(|header| {
            header.cname() == Some(family(blosc.cname))
                && header.shuffle() == blosc.shuffle
                && u64::from(header.typesize) == encoding.typesize
                && (header.stored_raw()
                    || (u64::from(header.blocksize) == predict_blocksize(blosc, encoding.typesize, nbytes)
                        && header.split() == predict_split(blosc, encoding.typesize, nbytes)))
        })
}

/// Decodes the result of [`encode`].
pub fn decode(
    encoding: &Encoding,
    encoded: &[u8],
    decoded: &mut Vec<u8>,
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let compressed = if encoding.checksum { unsealed(encoded)? } else { encoded };
    match encoding.compressor.codec() {
        Some(codec) => {
            // What was written here is no larger than what was in memory.
            let limit = workspace.limit;
            workspace.limit = limit.or(Some(u64::MAX));
            let done = codec.decode(compressed, None, decoded, threads, workspace);
            workspace.limit = limit;
            done
        }
        None => {
            decoded.clear();
            decoded.extend_from_slice(compressed);
            Ok(())
        }
    }
}

/// Decodes `written` as a reader of the output would, and compares the result with `chunk.decoded`.
pub fn check_decodes(
    encoding: &Encoding,
    written: &[u8],
    threads: usize,
    chunk: &mut ChunkScratch,
) -> Result<(), CodecError> {
    let ChunkScratch { decoded, again, workspace, .. } = chunk;
    let same = match encoding.is_blosc() {
        true => holds(if encoding.checksum { unsealed(written)? } else { written }, decoded, threads, workspace)?,
        false => {
            decode(encoding, written, again, threads, workspace)?;
            again == decoded
        }
    };
    if same {
        return Ok(());
    }
    Err(CodecError::Invalid { format: "chunk", detail: "the stored bytes differ from those written".into() })
}
