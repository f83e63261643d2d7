//! The writer under every tool that writes stores.
//!
//! A tool gives it source stores and, for each output array, a [`View`] of source arrays and an [`Encoding`]; from both
//! follows, for each output object, whether its stored bytes are copied, transcoded, or assembled from regions. The writer
//! keeps the plan file, the journal, the lock and the done-files of parts in `OUT.plan`, does the work on all workers in
//! bounded memory, verifies it, and publishes: metadata last, so that nobody can open an output that is not complete.
//!
//! This crate knows no flags and no terminal: what was typed comes as [`WriteOptions`], what happens goes to [`Progress`].

mod array_plan;
mod assemble;
mod assemble_texts;
mod backup;
mod changes;
mod chunk;
mod command;
mod copy;
mod decoded;
mod documents;
mod edits;
mod encode_options;
mod encoding;
mod executor;
mod finished;
mod folder;
mod gather;
mod inner_chunks;
mod join;
mod journal;
mod large;
mod lease;
mod lock;
mod memory;
mod new_layout;
mod new_store;
mod object_parts;
mod objects;
mod options;
mod outcome;
mod output_plan;
mod overlap;
mod owner;
mod part_size;
mod parts;
mod piece;
mod placement;
mod plan_file;
mod prepare;
mod progress;
mod publish;
mod read_back;
mod read_documents;
mod received;
pub mod rechunk;
mod regions;
mod repair;
mod report;
mod resumed;
mod retire;
mod run;
mod run_parts;
mod scratch_space;
mod seconds;
mod shard;
mod source_objects;
mod sources;
mod staged_store;
mod stats;
mod stored_sums;
mod strangers;
mod sums;
mod swap;
mod task;
mod transcode;
mod unchanged;
mod view;
mod waiting;
mod writer;

pub use array_plan::{Action, ArrayPlan, Rechunk};
pub use command::Command;
pub use documents::{Attributes, Convert, Converted, NodeTexts};
pub use edits::{Changes, replaced};
pub use encode_options::{ChunkOptions, CodecName, CodecOptions, as_planned};
pub use encoding::{Encoding, is_self_describing};
pub use inner_chunks::inner_chunks;
pub use join::{Join, JoinedArray, Run as JoinRun, is_stored_alike};
pub use journal::Journal;
pub use lock::{Claim, FileLock};
pub use new_store::NewStore;
pub use options::{ArrivalCheck, Begin, OnBadChunk, OnChange, ScratchPlace, Shards, Verify, WriteOptions};
pub use outcome::{Outcome, Summary};
pub use output_plan::{OutputPlan, PlanArray, Planned};
pub use parts::Status;
pub use piece::{Piece, Recode, ViewError};
pub use placement::Placement;
pub use plan_file::{MemoryPlan, PlanFile};
pub use progress::{NoProgress, Progress};
pub use repair::repair;
pub use run::run;
pub use sources::Sources;
pub use staged_store::StagedStore;
pub use stats::{ArrayStats, Seen, Stats, Totals, Work};
pub use stored_sums::{Compared, check_stored};
pub use strangers::check_replaceable;
pub use sums::{Check, Checks};
pub use view::{ObjectSource, View};
pub use writer::Writer;
