//! The compressor of written chunks.

use serde::{Deserialize, Serialize};
use zcodec::{Blosc, Cname, Compressor, Shuffle};

/// A compressor, as the flags name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecOptions {
    /// Compressor inside Blosc, or `none`.
    pub cname: String,
    /// Level.
    pub clevel: u8,
    /// Filter inside Blosc.
    pub shuffle: String,
}

impl CodecOptions {
    /// The compressor.
    pub fn compressor(&self) -> Compressor {
        let shuffle = match self.shuffle.as_str() {
            "noshuffle" => Shuffle::Noshuffle,
            "bitshuffle" => Shuffle::Bitshuffle,
            _ => Shuffle::Shuffle,
        };
        match Cname::from_name(&self.cname) {
            Some(cname) => Compressor::Blosc(Blosc::new(cname, self.clevel, shuffle)),
            None => Compressor::None,
        }
    }
}
