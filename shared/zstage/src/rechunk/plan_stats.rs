//! Cost of rechunking an array.

/// Cost of a plan. Every plan is a single pass without a temporary store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanStats {
    /// Regions: the units of a resumed run.
    pub regions: u64,
    /// Stored objects of the output.
    pub objects: u64,
    /// Source chunks (with sharding: inner chunks).
    pub source_chunks: u64,
    /// Source chunks read, each as often as it is read.
    pub chunks_read: u64,
    /// How often a source chunk is read: on average.
    pub reads_mean: f64,
    /// How often a source chunk is read: at most.
    pub reads_most: u64,
    /// How often a byte of the source is decoded, on average, by the block sizes that the metadata says.
    pub decodes_mean: f64,
    /// Decoded bytes of the source, each as often as it is decoded.
    pub decoded_bytes: u64,
    /// Stored bytes of the source, each as often as it is read: an estimate.
    pub read_bytes: u64,
    /// Decoded bytes of the output, edges padded.
    pub output_bytes: u64,
    /// Bytes of source elements that are held for a region, or for a slice of it.
    pub region_bytes: u64,
    /// Peak memory in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes of a temporary store.
    pub temporary_bytes: u64,
    /// Chunks processed in parallel; fewer than asked for where the memory is short.
    pub workers: usize,
    /// Reads in parallel.
    pub readers: usize,
    /// Regions in parallel.
    pub in_flight: usize,
}
