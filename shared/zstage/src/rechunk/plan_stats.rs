//! Cost of rechunking an array.

/// Cost of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanStats {
    /// Regions: the units of resume.
    pub regions: u64,
    /// Stored objects of the output.
    pub objects: u64,
    /// Source chunks (with sharding: inner chunks).
    pub source_chunks: u64,
    /// Source chunk reads, counting repeated reads.
    pub chunks_read: u64,
    /// Mean number of reads per source chunk.
    pub reads_mean: f64,
    /// Maximum number of reads of one source chunk.
    pub reads_most: u64,
    /// Mean number of times a source byte is decoded, based on the block sizes predicted from the metadata.
    pub decodes_mean: f64,
    /// Decoded bytes of the source, counting repeated decoding.
    pub decoded_bytes: u64,
    /// Estimated stored bytes read from the source, counting repeated reads.
    pub read_bytes: u64,
    /// Decoded bytes of the output, including edge padding.
    pub output_bytes: u64,
    /// Size of the buffer for the source elements of a region or slice.
    pub region_bytes: u64,
    /// Peak memory in bytes.
    pub peak_memory_bytes: u64,
    /// Largest size of a scratch file in bytes; 0 if the source is read in a single pass.
    pub temporary_bytes: u64,
    /// Chunks processed in parallel; fewer than requested if memory is short.
    pub workers: usize,
    /// Reads in parallel.
    pub readers: usize,
    /// Regions in parallel.
    pub in_flight: usize,
}
